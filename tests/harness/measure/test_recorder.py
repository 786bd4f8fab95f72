import statistics
from array import array
from collections import defaultdict
from itertools import accumulate, pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import histogram
from harness.measure.recorder import Figures, Recorder
from harness.measure.tally import Row, Tally
from harness.results import Turns
from scenarios.batch import Batch
from scenarios.turns import LastCalls, Seat
from stacks.errors import ConnectionLost, Remote, Timeout

ERRORS = [Timeout("late"), Timeout("later"), ConnectionLost("gone"), Remote("INTERNAL", "oh")]


def seat_of(stamps, failures=()):
    """Make a seat whose clock read `stamps`; `failures` are pairs of a call's index and its error."""
    seat = Seat(lambda _request, _timeout: None, None, 1.0)
    seat.stamps = array("q", stamps)
    seat.failures = sorted(failures, key=lambda each: each[0])
    return seat


@st.composite
def seats(draw):
    start = draw(st.integers(0, 50))
    gaps = draw(st.lists(st.integers(0, 40), max_size=12))
    stamps = list(accumulate(gaps, initial=start)) if draw(st.booleans()) or gaps else []
    failed = draw(st.sets(st.integers(0, len(gaps) - 1))) if gaps else ()
    return seat_of(stamps, [(index, draw(st.sampled_from(ERRORS))) for index in failed])


many = st.lists(seats(), max_size=6)
windows = st.tuples(st.integers(0, 120), st.integers(0, 200)).map(sorted)


def slow(seats, opens, closes):
    """Work out the figures of a turn, one call after the other; also gives the response times."""
    calls = failed = done = taken = 0
    times, errors = [], {}
    for seat in seats:
        broken = dict(seat.failures)
        for index, (sent, ended) in enumerate(pairwise(seat.stamps)):
            calls += 1
            if opens <= sent < closes:
                taken += ended - sent
            if index in broken:
                failed += 1
                kind, text = type(broken[index]).__name__, str(broken[index])
                count, first = errors.get(kind, (0, text))
                errors[kind] = (count + 1, first)
                continue
            if opens <= sent < closes:
                done += 1
                times.append(ended - sent)
    p50 = int(statistics.median(times)) if times else -1
    present = sum(1 for seat in seats if any(stamp < closes for stamp in seat.stamps[:1]))
    window = taken // present if present else 0
    return Figures(calls, failed, done, window, p50, max(times, default=-1), errors), times


@given(many, windows)
def test_figures_are_those_of_the_slow_way(turn, window):
    assert Recorder().take(turn, *window, long=False, block=0) == slow(turn, *window)[0]


@given(st.lists(st.tuples(many, windows, st.booleans(), st.integers(-1, 3)), max_size=8))
def test_histograms_hold_every_response_time_once(turns):
    recorder, expected = Recorder(), defaultdict(list)
    for turn, window, long, block in turns:
        recorder.take(turn, *window, long=long, block=block)
        times = slow(turn, *window)[1]
        if block >= 0 and times:
            expected[long, block] += times
    found = recorder.histograms()
    assert [(long, figure) for long, figure, _ in found] == [
        (long, "response") for long in (False, True) if any(key[0] == long for key in expected)
    ]
    for long, _, blocks in found:
        counts = [histogram.decode(text).counts.tolist() for text in blocks]
        keys = sorted(key for key in expected if key[0] == long)
        assert counts == [np.bincount(expected[key], minlength=histogram.SIZE).tolist() for key in keys]


def test_the_window_takes_calls_by_when_they_were_sent_with_the_whole_of_their_time():
    turn = [seat_of([0, 10, 20, 30, 45])]
    assert Recorder().take(turn, 10, 30, long=False, block=0) == Figures(
        calls=4, failed=0, done=2, window=20, p50=10, max=10, errors={}
    )
    assert Recorder().take(turn, 10, 31, long=False, block=0) == Figures(
        calls=4, failed=0, done=3, window=35, p50=10, max=15, errors={}
    )


@given(st.integers(1, 400), st.integers(1, 8))
def test_time_per_call_of_calls_of_one_length_is_exact_however_they_lie_in_the_turn(length, users):
    turn = [seat_of(range(0, 1000 + length, length)) for _ in range(users)]
    figures = Recorder().take(turn, 200, 1000, long=False, block=0)
    if figures.done:
        assert figures.window * users == pytest.approx(length * figures.done, abs=users)


def test_pauses_count_in_full_wherever_they_fall():
    random, length, pause, every = Random(5), 300, 40_000, 100
    window = done = calls = taken = 0
    for _ in range(4000):
        stamps = [0]
        while stamps[-1] < 5000:
            calls += 1
            stamps.append(stamps[-1] + length + (pause if random.randrange(every) == 0 else 0))
        figures = Recorder().take([seat_of(stamps)], 1000, 5000, long=False, block=-1)
        window, done, taken = window + figures.window, done + figures.done, taken + stamps[-1]
    assert window / done == pytest.approx(length + pause / every, rel=0.05)
    assert window / done == pytest.approx(taken / calls, rel=0.05)


def test_failures_count_by_kind_with_the_first_text_of_each():
    turn = [
        seat_of(range(0, 60, 10), [(0, ERRORS[1]), (3, ERRORS[2])]),
        seat_of([]),
        seat_of([5, 6], [(0, ERRORS[0])]),
    ]
    assert Recorder().take(turn, 0, 100, long=False, block=0) == Figures(
        calls=6,
        failed=3,
        done=3,
        window=51 // 2,
        p50=10,
        max=10,
        errors={"Timeout": (2, "later"), "ConnectionLost": (1, "gone")},
    )


@pytest.mark.parametrize("turn", [[], [seat_of([])], [seat_of([7]), seat_of([9])]])
def test_a_turn_without_calls_has_no_figures(turn):
    recorder = Recorder()
    assert recorder.take(turn, 0, 100, long=False, block=0) == Figures(0, 0, 0, 0, -1, -1, {})
    assert recorder.histograms() == []


def test_times_beyond_the_histograms_end_are_counted_and_told():
    recorder = Recorder()
    figures = recorder.take(
        [seat_of([0, 3 * histogram.HIGHEST, 3 * histogram.HIGHEST + 5])], 0, 2**60, long=True, block=0
    )
    assert figures.max == 3 * histogram.HIGHEST
    assert recorder.out_of_range == 1
    ((long, _, (text,)),) = recorder.histograms()
    counts = histogram.decode(text).counts
    assert (long, counts[5], counts[-1], counts.sum()) == (True, 1, 1, 2)


def test_warming_up_enters_no_histogram():
    recorder = Recorder()
    assert recorder.take([seat_of([0, 10])], 0, 100, long=False, block=-1).done == 1
    assert recorder.histograms() == []


def test_the_seats_may_play_on_while_figures_are_kept():
    seat = seat_of([0, 10, 30])
    figures = Recorder().take([seat], 0, 100, long=False, block=0)
    seat.clear()
    seat.play(0, LastCalls(1))
    assert figures.max == 20
    assert type(figures.max) is int


def row(number):
    return Row(*(number * 100 + k for k in range(len(Row._fields))))


def test_a_tally_has_the_columns_of_the_results_in_the_rows_order():
    assert Row._fields == Turns.__struct_fields__
    tally = Tally()
    for number in range(3):
        tally.add(row(number))
    tally.keep()
    turns = tally.turns()
    for k, name in enumerate(Row._fields):
        column = getattr(turns, name)
        assert column.tolist() == [k, 100 + k, 200 + k]
        assert column.dtype == np.int64
        assert column.flags.c_contiguous


def test_a_fork_that_did_not_come_to_its_end_is_left_out():
    tally = Tally()
    assert tally.turns().arm.tolist() == []
    tally.add(row(0))
    assert tally.turns().arm.tolist() == []
    tally.keep()
    tally.add(row(1))
    assert tally.turns().arm.tolist() == [0]
    tally.keep()
    assert tally.turns().arm.tolist() == [0, 100]


def test_users_who_never_came_to_call_are_not_counted_as_present():
    turn = [seat_of([0, 10, 20, 30]), seat_of([35, 45]), seat_of([])]
    assert Recorder().take(turn, 0, 30, long=False, block=0).window == 30
    turn = [seat_of([0, 10, 20, 30]), seat_of([5, 45])]
    assert Recorder().take(turn, 0, 30, long=False, block=0).window == (30 + 40) // 2


def streamed(stamps, arrivals, failures=()):
    """Make a seat whose calls were streams with these arrivals."""
    seat = seat_of(stamps, failures)
    seat.request = Batch([None])
    seat.request.arrivals = array("q", arrivals)
    return seat


def recorded(seats, opens=0, closes=10**9):
    """Give the times of a figure that went into histograms, as far as these know them."""
    recorder = Recorder()
    recorder.take(seats, opens, closes, long=False, block=0)
    found = {}
    for long, figure, blocks in recorder.histograms():
        assert not long
        (counts,) = [histogram.decode(text).counts for text in blocks]
        found[figure] = sorted(np.repeat(histogram.UPPER, counts).tolist())
    return found


def test_first_replies_and_gaps_are_those_within_each_call():
    seats = [
        streamed([0, 100, 250], [10, 30, 60, 120, 125]),
        streamed([5, 400], [45, 145, 345]),
    ]
    assert recorded(seats) == {
        "response": [100, 150, 395],
        "first": [10, 20, 40],
        "gap": [5, 20, 30, 100, 200],
    }


def test_a_call_without_replies_and_one_that_failed_give_no_times():
    lost = (1, ERRORS[0])
    seats = [streamed([0, 100, 200, 300], [20, 120, 130, 230], [lost]), streamed([0, 50], [])]
    found = recorded(seats)
    assert found == {"response": [50, 100, 100], "first": [20, 30]}


def test_streams_sent_outside_of_the_window_give_no_times():
    seats = [streamed([0, 100, 200, 300], [20, 40, 120, 150, 230, 235])]
    assert recorded(seats, 100, 200) == {"response": [100], "first": [20], "gap": [30]}


def test_a_user_who_made_no_call_is_passed_over():
    assert recorded([streamed([7], []), streamed([0, 100], [20])]) == {"response": [100], "first": [20]}


def test_calls_beside_are_among_calls_and_failures_alone():
    ours, theirs = [seat_of([0, 10, 20])], [seat_of([0, 500, 900], [(1, ERRORS[2])])]
    found = Recorder().take(ours, 0, 100, long=False, block=0, beside=theirs)
    assert found == Figures(
        calls=4, failed=1, done=2, window=20, p50=10, max=10, errors={"ConnectionLost": (1, "gone")}
    )
    nobody = Recorder().take([seat_of([5])], 0, 100, long=False, block=0, beside=theirs)
    assert (nobody.calls, nobody.failed, nobody.done, nobody.p50) == (2, 1, 0, -1)
