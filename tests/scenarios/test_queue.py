"""Open loops on an injected clock: who gets which call, what is dropped, and oracles with known answers."""

from __future__ import annotations

import heapq
import math
from itertools import islice, takewhile
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.load import Arrivals, Open, schedule
from scenarios.queue import OVER, WAIT, Queue

MILLISECOND, SECOND = 1_000_000, 1_000_000_000


class Played:
    """What became of each call: when it was due, its user free, and it sent and ended."""

    def __init__(self):
        self.rows = []
        self.dropped = []
        self.inside = []

    def column(self, name):
        return np.array([row[("due", "free", "sent", "ended").index(name)] for row in self.rows])

    @property
    def response(self):
        return self.column("ended") - self.column("due")


def play(dues, users, waiting, service):
    """Play a turn in virtual time; `service(number, sent)` gives how long a call takes."""
    queue, clock, order = Queue(dues, waiting, users=users), 0, iter(range(10**9))
    events = [(0, next(order), user) for user in range(users)]
    free, played, calls = dict.fromkeys(range(users), 0), Played(), {}

    def send(user, number, now):
        ended = now + service(number, now)
        calls[number] = (dues[number], free[user], now, ended)
        heapq.heappush(events, (ended, next(order), user))

    heapq.heapify(events)
    while events or queue.idle:
        due = queue.due if queue.idle else math.inf
        if events and events[0][0] <= due:
            clock, _, user = heapq.heappop(events)
            free[user] = clock
            number = queue.free(user, clock)
            if number >= 0:
                send(user, number, clock)
            else:
                assert number in (OVER, WAIT)
        else:
            for user, number in queue.ring(due):
                send(user, number, max(due, free[user]))
        if queue.over:
            queue.idle.clear()
    played.rows = [calls[number] for number in sorted(calls)]
    played.dropped = queue.dropped
    ends = np.sort(played.column("ended"))
    numbers = sorted(calls)
    for k, number in enumerate(numbers):
        # In flight or waiting when it came: those before it that have not ended yet.
        played.inside.append(k - int(np.searchsorted(ends, dues[number], side="right")))
    return played


def dues_of(rate, seconds, kind=Arrivals.UNIFORM, seed=5):
    end = int(seconds * SECOND)
    return list(takewhile(end.__gt__, schedule(Open(rate, arrivals=kind), seed)))


@st.composite
def worlds(draw):
    gaps = draw(st.lists(st.integers(0, 50), max_size=60))
    dues = np.cumsum(gaps).tolist() if gaps else []
    takes = draw(st.lists(st.integers(0, 200), min_size=len(dues), max_size=len(dues)))
    return dues, draw(st.integers(1, 5)), draw(st.integers(0, 6)), takes


@given(worlds())
def test_every_call_is_made_once_or_dropped(world):
    dues, users, waiting, takes = world
    played = play(dues, users, waiting, lambda number, _: takes[number])
    assert len(played.rows) + len(played.dropped) == len(dues)
    assert sorted(played.dropped) == played.dropped
    assert (played.column("sent") >= played.column("due")).all() if played.rows else True


@given(worlds())
def test_a_call_is_dropped_only_when_as_many_wait_as_may(world):
    dues, users, waiting, takes = world
    played = play(dues, users, waiting, lambda number, _: takes[number])
    for number in played.dropped:
        before = sum(due <= dues[number] <= ended for due, _, _, ended in played.rows)
        assert before >= users + waiting


@given(worlds())
def test_calls_leave_in_the_order_in_which_they_are_due(world):
    dues, users, _, takes = world
    played = play(dues, users, len(dues), lambda number, _: takes[number])
    assert not played.dropped
    assert (np.diff(played.column("sent")) >= 0).all()


@given(worlds())
def test_it_is_the_queue_that_the_textbook_has(world):
    """One at a time: Lindley's recursion; sent = max(due, end of the one before)."""
    dues, _, _, takes = world
    played = play(dues, 1, len(dues), lambda number, _: takes[number])
    end = 0
    for (due, _, sent, ended), take in zip(played.rows, takes, strict=True):
        assert sent == max(due, end)
        end = sent + take
        assert ended == end


def quantile(values, q):
    return float(np.quantile(values, q, method="inverted_cdf"))


@pytest.mark.parametrize("users", [4, 256])
def test_a_stall_is_seen_in_response_times_as_it_is_and_not_in_service_times(users):
    # A server that stands still for D of T: quantile q of the response times is D (1 − (1 − q) T / D).
    total, stall, service = 10 * SECOND, SECOND, MILLISECOND

    def take(_number, sent):
        return service + (5 * SECOND - sent if 4 * SECOND <= sent < 5 * SECOND else 0)

    played = play(dues_of(100, 10), users, 1000, take)
    assert not played.dropped
    for q in (0.95, 0.99):
        wanted = stall * (1 - (1 - q) * total / stall)
        assert quantile(played.response, q) == pytest.approx(wanted, rel=0.05)
    if users == 4:  # more than are in flight when it begins never meet it
        served = played.column("ended") - played.column("sent")
        assert quantile(served, 0.99) < 10 * service


def lognormal(random):
    return int(random.lognormvariate(math.log(2 * MILLISECOND), 0.5))


@pytest.mark.parametrize(
    "law",
    [
        lambda _: 2 * MILLISECOND,
        lambda random: MILLISECOND if random.random() < 0.9 else 20 * MILLISECOND,
        lognormal,
    ],
    ids=["constant", "bimodal", "lognormal"],
)
def test_known_service_times_are_recovered_below_capacity(law):
    random = Random(3)
    takes = [law(random) for _ in range(20_000)]
    played = play(dues_of(1000, 20, Arrivals.POISSON)[:20_000], 64, 1000, lambda number, _: takes[number])
    used = takes[: len(played.rows)]
    for q in (0.5, 0.9, 0.99):
        assert quantile(played.response, q) == pytest.approx(quantile(used, q), rel=0.001)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_calls_in_flight_are_rate_times_response(load):
    """Little's law, with what an arrival sees (PASTA): one server, Poisson arrivals."""
    random = Random(9)
    rate = load * 1000
    played = play(
        dues_of(rate, 200, Arrivals.POISSON), 1, 10**6, lambda *_: int(random.expovariate(1000) * SECOND)
    )
    wanted = rate * float(np.mean(played.response)) / SECOND
    assert float(np.mean(played.inside)) == pytest.approx(wanted, rel=0.1)
    # M/M/1: a mean response of 1 / (1000 − rate) s.
    assert wanted == pytest.approx(load / (1 - load), rel=0.1)


def test_beyond_capacity_calls_wait_up_to_the_bound_and_the_rest_is_dropped():
    played = play(dues_of(2000, 10), 1, 100, lambda *_: MILLISECOND)
    assert len(played.rows) == pytest.approx(10_100, abs=2)
    assert len(played.dropped) == 20_000 - len(played.rows)
    assert int(played.response.max()) == pytest.approx(101 * MILLISECOND, rel=0.02)


def test_a_user_that_is_free_takes_a_call_that_idle_ones_were_not_told_of():
    queue = Queue([10, 10, 20], 5)
    assert queue.free("a", 0) == WAIT
    assert queue.free("b", 12) == 0
    assert queue.ring(12) == [("a", 1)]
    assert queue.free("a", 13) == WAIT
    assert queue.due == 20
    assert queue.ring(20) == [("a", 2)]
    assert queue.over
    assert queue.untold == [0]
    assert queue.free("b", 30) == OVER


def test_nothing_due_is_over_at_once():
    queue = Queue([], 5)
    assert queue.over
    assert queue.free("a", 0) == OVER


def test_many_arrivals_at_once_are_let_in_as_far_as_there_is_room():
    queue = Queue([0] * 10, 3)
    assert queue.free("a", 0) == 0
    assert queue.dropped == [3, 4, 5, 6, 7, 8, 9]
    assert [queue.free("a", 1) for _ in range(3)] == [1, 2, OVER]


def test_without_room_to_wait_only_free_users_make_calls():
    played = play([0, 1, 2, 30], 2, 0, lambda *_: 10)
    assert [row[0] for row in played.rows] == [0, 1, 30]
    assert played.dropped == [2]


def test_a_call_that_nobody_took_in_time_is_dropped():
    queue = Queue([0, 1, 2, 100], 5, patience=50)
    assert queue.free("a", 0) == 0
    assert queue.free("a", 52) == 2
    assert queue.dropped == [1]
    assert queue.free("a", 200) == OVER
    assert queue.dropped == [1, 3]


def test_schedules_are_read_only_as_far_as_they_are_needed():
    assert len(list(islice(schedule(Open(10.0), 1), 3))) == 3
