import subprocess
import sys
import threading
from contextlib import contextmanager
from itertools import count, pairwise
from time import perf_counter_ns

import pytest

from scenarios.turns import LastCalls, Seat, Turnstile
from stacks.errors import ConnectionLost, Timeout

PATIENCE = 20.0
"""Seconds after which a test gives up; nothing waits that long."""
MILLISECOND = 1_000_000


class Clock:
    """Reads 0, 10, 20, … when patched over the real one."""

    def __init__(self):
        self.reads = count(0, 10)

    def __call__(self):
        return next(self.reads)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr("scenarios.turns.perf_counter_ns", Clock())


def seat_of(call, timeout=1.0):
    return Seat(call, "request", timeout)


def failing_on(wrong, error=Timeout):
    """Make a call that fails when its number, from 0, is in `wrong`."""
    numbers = count()

    def call(_request, _timeout):
        number = next(numbers)
        if number in wrong:
            raise error(f"call {number}")
        return number

    return call


@pytest.mark.usefixtures("clock")
def test_a_seat_stamps_the_start_and_the_end_of_every_call():
    asked = []
    seat = seat_of(lambda request, timeout: asked.append((request, timeout)) or len(asked), timeout=2.5)
    seat.play(end=35, last=LastCalls(1))
    assert seat.stamps.tolist() == [0, 10, 20, 30, 40]
    assert asked == [("request", 2.5)] * 4
    assert seat.reply == 4
    assert seat.failures == []
    assert seat.broken is None


@pytest.mark.usefixtures("clock")
def test_no_call_is_sent_at_or_after_the_end():
    seat = seat_of(failing_on(()))
    seat.play(end=20, last=LastCalls(1))
    assert seat.stamps.tolist() == [0, 10, 20]


@pytest.mark.usefixtures("clock")
def test_a_turn_that_is_over_before_it_began_has_no_call():
    seat = seat_of(failing_on({0}))
    seat.play(end=0, last=LastCalls(1))
    assert seat.stamps.tolist() == [0]
    assert seat.failures == []


@pytest.mark.usefixtures("clock")
def test_failures_have_the_index_of_their_call_and_the_turn_goes_on():
    seat = seat_of(failing_on({0, 2, 3}))
    seat.play(end=45, last=LastCalls(1))
    assert seat.stamps.tolist() == [0, 10, 20, 30, 40, 50]
    assert [(index, str(error)) for index, error in seat.failures] == [
        (0, "call 0"),
        (2, "call 2"),
        (3, "call 3"),
    ]
    assert seat.reply == 4


@pytest.mark.usefixtures("clock")
def test_an_error_that_no_adapter_may_let_through_ends_the_turn():
    seat = seat_of(failing_on({2}, ZeroDivisionError))
    seat.play(end=10_000, last=LastCalls(1))
    assert seat.stamps.tolist() == [0, 10, 20]
    assert isinstance(seat.broken, ZeroDivisionError)
    assert seat.failures == []


@pytest.mark.usefixtures("clock")
def test_calls_go_on_until_the_last_of_every_user_is_over():
    last = LastCalls(2)

    def call(_request, _timeout):
        if len(seat.stamps) == 5:
            last.over()  # the other user's

    seat = seat_of(call)
    seat.play(end=15, last=last)
    assert seat.stamps.tolist() == [0, 10, 20, 30, 40, 50]
    assert last.left == 0


@pytest.mark.usefixtures("clock")
def test_a_user_who_breaks_keeps_nobody_waiting():
    last = LastCalls(2)
    seat_of(failing_on({0}, ZeroDivisionError)).play(end=15, last=last)
    assert last.left == 1


def test_clear_leaves_the_old_stamps_to_whoever_looks_at_them():
    seat = seat_of(failing_on({1}, ConnectionLost))
    seat.play(perf_counter_ns() + MILLISECOND, LastCalls(1))
    old = memoryview(seat.stamps)
    before = old.tolist()
    seat.clear()
    assert old.tolist() == before
    assert (seat.stamps.tolist(), seat.failures, seat.reply, seat.broken) == ([], [], None, None)


@contextmanager
def seated(turnstile, live):
    """Run a thread a seat; at the end the gate is shut and all of them have gone home."""
    threads = [threading.Thread(target=live, args=[turnstile.sit()]) for _ in turnstile.seats]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        turnstile.shut()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads)


def living(turnstile, turns):
    """Make the life of a user that notes the end of each turn it played in `turns`."""

    def live(seat):
        while end := turnstile.enter(seat):
            turns[id(seat)].append(end)
            seat.play(end, turnstile.last)
            turnstile.leave()

    return live


@pytest.mark.parametrize("users", [1, 2, 16])
def test_everybody_plays_every_turn(users):
    seats = [seat_of(failing_on(())) for _ in range(users)]
    turnstile = Turnstile(seats)
    ends = {id(seat): [] for seat in seats}
    expected = []
    with seated(turnstile, living(turnstile, ends)):
        for _ in range(100):
            start, drained = turnstile.play(50_000)
            expected.append(start + 50_000)
            stamps = [seat.stamps.tolist() for seat in seats]
            assert all(start <= mine[0] <= mine[-1] <= drained for mine in stamps)
            assert all(end >= begin for mine in stamps for begin, end in pairwise(mine))
    assert list(ends.values()) == [expected] * users


def test_a_turn_lasts_until_the_last_call_has_drained(monkeypatch):
    now, slow_entered, leave, played = [0], threading.Event(), threading.Event(), threading.Event()
    monkeypatch.setattr("scenarios.turns.perf_counter_ns", lambda: now[0])

    def quick(_request, _timeout):
        assert slow_entered.wait(PATIENCE)
        leave.wait(0.001)  # this user goes on calling while the other's call lasts
        now[0] = max(now[0], 100)

    def slow(_request, _timeout):
        slow_entered.set()
        assert leave.wait(PATIENCE)
        now[0] = 300

    seats = [seat_of(quick), seat_of(slow)]
    turnstile = Turnstile(seats)
    results = []

    def conduct():
        results.append(turnstile.play(100))
        played.set()

    with seated(turnstile, living(turnstile, {id(seat): [] for seat in seats})):
        conductor = threading.Thread(target=conduct)
        conductor.start()
        assert not played.wait(0.05)
        leave.set()
        conductor.join(PATIENCE)
    assert results == [(0, 300)]
    assert seats[0].stamps.tolist()[:2] == [0, 100]
    assert len(seats[0].stamps) > 2
    assert seats[1].stamps.tolist() == [0, 300]


def test_a_broken_user_leaves_too_and_its_error_is_gone_after_the_next_turn(monkeypatch):
    now, goal, called = [0], [100], threading.Event()
    monkeypatch.setattr("scenarios.turns.perf_counter_ns", lambda: now[0])

    def breaks_once(_request, _timeout):
        first = not called.is_set()
        called.set()
        return 1 // (0 if first else 1)

    def steady(_request, _timeout):
        assert called.wait(PATIENCE)
        now[0] = goal[0]

    seats = [seat_of(breaks_once), seat_of(steady)]
    turnstile = Turnstile(seats)
    with seated(turnstile, living(turnstile, {id(seat): [] for seat in seats})):
        assert turnstile.play(100) == (0, 100)
        assert isinstance(seats[0].broken, ZeroDivisionError)
        assert seats[0].stamps.tolist() == [0]
        goal[0] = 200
        assert turnstile.play(100) == (100, 200)
        assert seats[0].broken is None


def test_shut_sends_home_who_waits_and_who_comes_late():
    seats = [seat_of(failing_on(())) for _ in range(2)]
    turnstile = Turnstile(seats)
    home = []
    waiting = threading.Thread(target=lambda: home.append(turnstile.enter(seats[0])))
    waiting.start()
    turnstile.shut()
    waiting.join(PATIENCE)
    home.append(turnstile.enter(seats[1]))
    assert home == [0, 0]


def test_user_k_takes_seat_k_and_there_are_no_others():
    seats = [seat_of(failing_on(())) for _ in range(3)]
    turnstile = Turnstile(seats)
    assert [turnstile.sit() for _ in seats] == seats
    with pytest.raises(IndexError):
        turnstile.sit()


UNDER_LOCUST = """
import locust
from locust.env import Environment
from scenarios import turns as timed
from scenarios.turns import LastCalls, Seat, Turnstile
from scenarios.users import Caller

import gevent
users, turns = 7, 200
calls, now = [0] * users, [0]
timed.perf_counter_ns = lambda: now[0]  # a call takes 1 ns, so everybody gets to call

def calling(user):
    def call(request, timeout):
        assert (request, timeout) == (user, 0.5)
        calls[user] += 1
        gevent.sleep(0)
        now[0] += 1
        return request
    return call

seats = [Seat(calling(user), user, 0.5) for user in range(users)]
environment = Environment(user_classes=[Caller], catch_exceptions=False)
environment.turnstile = Turnstile(seats)
runner = environment.create_local_runner()
runner.start(users, spawn_rate=users)
runner.spawning_greenlet.join()
counted = 0
for turn in range(1, turns + 1):
    with gevent.Timeout(20):
        start, drained = environment.turnstile.play(20 * users)
    assert [seat.turn for seat in seats] == [turn] * users
    assert [seat.reply for seat in seats] == list(range(users)), turn
    assert all(start <= seat.stamps[0] and seat.stamps[-1] <= drained for seat in seats)
    counted += sum(len(seat.stamps) - 1 for seat in seats)
assert counted == sum(calls), (counted, calls)
environment.turnstile.shut()
with gevent.Timeout(20):
    while runner.user_count:
        gevent.sleep(0.001)
runner.quit()
assert locust.log.unhandled_greenlet_exception is False
print("played", turns, min(calls) >= turns)
"""


def test_locust_users_play_every_turn():
    done = subprocess.run(
        [sys.executable, "-P", "-c", UNDER_LOCUST], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "played 200 True\n", done.stderr
