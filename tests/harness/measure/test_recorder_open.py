"""What an open loop's turns come to: exact books, three parts of a response time, lost calls as endless."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import histogram
from harness.measure.recorder import LAG, RESPONSE, SERVICE, WAIT, Recorder, Schedule
from scenarios.turns import Seat
from stacks.errors import Timeout


def seat_of(rows, failed=()):
    """Make a seat that made calls of `rows` (number, sent, ended); `failed` are indices of its calls."""
    seat = Seat(lambda *_: None, None, 1.0)
    seat.stamps = array("q", [value for row in rows for value in row])
    seat.failures = [(index, Timeout("late")) for index in failed]
    return seat


def times_of(recorder):
    found = {}
    for _, figure, blocks in recorder.histograms():
        (counts,) = [histogram.decode(text).counts for text in blocks]
        found[figure] = np.repeat(histogram.UPPER, counts).tolist()
    return found


def test_a_response_time_is_wait_and_lag_and_service():
    dues = [100, 200, 300, 320]
    # The first user is free in time, twice; then it has had its reply 90 after the call was due.
    seats = [seat_of([(0, 105, 150), (1, 203, 390), (2, 391, 430)]), seat_of([(3, 325, 400)])]
    recorder = Recorder()
    found = recorder.take_open(seats, Schedule(50, np.array(dues), []), 100, 400, long=False, block=0)
    assert times_of(recorder) == {
        RESPONSE: [50, 80, 130, 190],
        WAIT: [0, 0, 0, 90],
        LAG: [1, 3, 5, 5],
        SERVICE: [39, 45, 75, 187],
    }
    assert (found.calls, found.failed, found.dropped, found.scheduled, found.due) == (4, 0, 0, 4, 4)
    # A call takes 105, so the window for ends is [205, 505): those at 390, 400 and 430.
    assert (found.done, found.window, found.p50, found.max) == (3, 300, 130, 190)


def test_failed_and_dropped_calls_count_as_endless():
    seats = [seat_of([(0, 0, 10), (1, 20, 30), (2, 40, 50)], failed=[1])]
    recorder = Recorder()
    asked = Schedule(0, np.array([0, 20, 40, 41, 42]), [3, 4])
    found = recorder.take_open(seats, asked, 0, 100, long=False, block=0)
    assert (found.calls, found.failed, found.dropped, found.scheduled, found.due) == (3, 1, 2, 5, 5)
    assert found.scheduled == found.calls + found.dropped
    assert found.errors == {"Timeout": (1, "late")}
    assert times_of(recorder)[RESPONSE] == [10, 10, *[histogram.HIGHEST] * 3]
    assert (found.p50, found.max) == (histogram.HIGHEST, histogram.HIGHEST)
    assert times_of(recorder)[SERVICE] == [10, 10]


def test_a_call_that_an_idle_user_was_not_told_of_is_the_generators_fault():
    recorder = Recorder()
    asked = Schedule(0, np.array([0, 10]), [], [1])
    recorder.take_open([seat_of([(0, 0, 50), (1, 52, 90)])], asked, 0, 100, long=False, block=0)
    assert (times_of(recorder)[WAIT], times_of(recorder)[LAG]) == ([0, 0], [0, 42])


@pytest.mark.parametrize("takes", [100, 900, 2500])
def test_the_rate_that_is_achieved_is_told_however_long_calls_take(takes):
    # One call every 10, each on a user of its own; the window is [200, 1000).
    seats = [seat_of([(k, 10 * k, 10 * k + takes)]) for k in range(100)]
    asked = Schedule(0, np.arange(100) * 10, [])
    found = Recorder().take_open(seats, asked, 200, 1000, long=False, block=0)
    assert (found.due, found.done, found.window) == (80, 80, 800)


def test_half_of_the_calls_lost_are_an_endless_median():
    seats = [seat_of([(0, 0, 10), (1, 20, 30)], failed=[1])]
    found = Recorder().take_open(seats, Schedule(0, np.array([0, 20]), []), 0, 100, long=False, block=0)
    assert found.p50 == histogram.HIGHEST


def test_what_was_due_outside_of_the_window_is_counted_and_not_timed():
    seats = [seat_of([(0, 0, 10), (1, 60, 70), (2, 101, 130)])]
    recorder = Recorder()
    found = recorder.take_open(
        seats, Schedule(0, np.array([0, 60, 100, 102]), [3]), 50, 100, long=False, block=0
    )
    assert (found.scheduled, found.due, found.calls, found.dropped) == (4, 1, 3, 1)
    assert times_of(recorder)[RESPONSE] == [10]
    assert found.done == 1


@pytest.mark.parametrize("seats", [[], [seat_of([])]])
def test_a_turn_in_which_nothing_was_due(seats):
    found = Recorder().take_open(seats, Schedule(0, np.array([], np.int64), []), 0, 10, long=False, block=0)
    assert (found.scheduled, found.calls, found.done, found.window, found.p50, found.max) == (
        0,
        0,
        0,
        10,
        -1,
        -1,
    )


@st.composite
def turns(draw):
    """Draw a turn: users who make calls in order, some failing, and calls that nobody makes."""
    dues = np.cumsum(draw(st.lists(st.integers(0, 100), max_size=40)) or [0]).tolist()
    users = draw(st.integers(1, 4))
    rows, dropped, free = [[] for _ in range(users)], [], [0] * users
    for number, due in enumerate(dues):
        if draw(st.booleans()) and draw(st.booleans()):
            dropped.append(number)
            continue
        user = draw(st.integers(0, users - 1))
        sent = max(due, free[user]) + draw(st.integers(0, 5))
        free[user] = sent + draw(st.integers(0, 300))
        rows[user].append((number, sent, free[user]))
    return dues, rows, dropped


@given(turns(), st.tuples(st.integers(0, 500), st.integers(0, 2000)).map(sorted))
def test_the_parts_add_up_and_no_call_is_lost(turn, window):
    dues, rows, dropped = turn
    recorder = Recorder()
    asked = Schedule(0, np.array(dues, np.int64), dropped)
    found = recorder.take_open([seat_of(each) for each in rows], asked, *window, long=False, block=0)
    times = times_of(recorder)
    assert found.scheduled == len(dues) == found.calls + found.dropped
    inside = sum(window[0] <= due < window[1] for due in dues)
    assert len(times.get(RESPONSE, [])) == inside == found.due
    made = sum(window[0] <= dues[number] < window[1] for each in rows for number, _, _ in each)
    assert len(times.get(WAIT, [])) == len(times.get(LAG, [])) == len(times.get(SERVICE, [])) == made
    good = [time for time in times.get(RESPONSE, []) if time < histogram.HIGHEST]
    parts = sum(sum(times.get(part, [])) for part in (WAIT, LAG, SERVICE))
    # Values below 2,048 ns are exact.
    if max([0, *good]) < 2048:
        assert sum(good) == parts


def test_histograms_of_several_processes_are_those_of_one():
    rows = [(k, 10 * k, 10 * k + 7 + k % 17) for k in range(100)]
    dues = np.array([10 * k for k in range(100)])
    whole, parts = Recorder(), [Recorder() for _ in range(3)]
    seats = [seat_of(rows[k::3]) for k in range(3)]
    whole.take_open(seats, Schedule(0, dues, []), 0, 10**9, long=False, block=0)
    for recorder, seat in zip(parts, seats, strict=True):
        recorder.take_open([seat], Schedule(0, dues, []), 0, 10**9, long=False, block=0)
    for figure in (RESPONSE, SERVICE):
        (one,) = [blocks for _, name, blocks in whole.histograms() if name == figure]
        others = [blocks for each in parts for _, name, blocks in each.histograms() if name == figure]
        first, *rest = [histogram.decode(blocks[0]) for blocks in others]
        assert first.merge(*rest).encode() == one[0]
