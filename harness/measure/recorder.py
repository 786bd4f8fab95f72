"""Turns the users' clock readings into the figures and histograms of a turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import histogram
from scenarios.batch import Batch
from scenarios.turns import Seat

Times = NDArray[np.int64]


class Figures(NamedTuple):
    """What one turn came to; times in ns, see `harness.results.Turns`."""

    calls: int
    failed: int
    done: int
    window: int
    p50: int
    max: int
    errors: dict[str, tuple[int, str]]
    scheduled: int = 0
    dropped: int = 0
    due: int = 0


class Schedule(NamedTuple):
    """What was due in a turn of an open loop; times in ns of the seats' clock."""

    start: int
    dues: Times
    """Of all calls, ascending."""
    dropped: Sequence[int]
    """Indices of those that nobody made."""
    untold: Sequence[int] = ()
    """Indices of those that came to a user who had just become free, though another one idled."""


RESPONSE, FIRST, GAP = "response", "first", "gap"
"""What histograms are of: whole calls, and in calls with streams the times until the first reply has come
and from one reply to the next."""
WAIT, LAG, SERVICE = "wait", "lag", "service"
"""In an open loop, what a response time is the sum of: until a user was free, until it had sent the call,
and until that was over."""


class Recorder:
    """Keeps histograms of times, by figure, length of turn and block of turns."""

    def __init__(self) -> None:
        """Start without any."""
        self.out_of_range = 0
        self._counts: dict[tuple[str, bool, int], Times] = {}

    def take(
        self,
        seats: Sequence[Seat],
        opens: int,
        closes: int,
        *,
        long: bool,
        block: int,
        beside: Sequence[Seat] = (),
    ) -> Figures:
        """Bin the turn whose window is [`opens`, `closes`) of the seats' clock.

        All figures are of the calls sent in the window, each with the whole of its time: `done` counts the
        good ones, and `window` is the time that all of them took, divided by the users, who did nothing else
        (Little's law: calls/s = users / mean time). Counting completions in a fixed window instead would
        round a turn's few calls to whole ones, and cut a pause off where the window ends.

        With `block` -1 nothing enters a histogram. Calls of the seats `beside` are among all calls and
        failures, and in no other figure.
        """
        sent, ended, good = _joined(seats)
        more, _, fine = _joined(beside)
        calls, failed = len(sent) + len(more), int(np.count_nonzero(~good) + np.count_nonzero(~fine))
        errors = _errors([*seats, *beside])
        if len(sent) == 0:
            return Figures(calls, failed, 0, 0, -1, -1, errors)
        inside = (sent >= opens) & (sent < closes)
        chosen = good & inside
        times = ended[chosen] - sent[chosen]
        if block >= 0 and len(times):
            self._record((RESPONSE, long, block), times)
            if isinstance(seats[0].request, Batch):
                first, gaps = _arrived(seats, sent, chosen)
                self._record((FIRST, long, block), first)
                self._record((GAP, long, block), gaps)
        return Figures(
            calls=calls,
            failed=failed,
            done=len(times),
            window=int((ended[inside] - sent[inside]).sum()) // max(1, _present(seats, closes)),
            p50=int(np.median(times)) if len(times) else -1,
            max=int(times.max()) if len(times) else -1,
            errors=errors,
        )

    def take_open(
        self, seats: Sequence[Seat], asked: Schedule, opens: int, closes: int, *, long: bool, block: int
    ) -> Figures:
        """Bin the turn of an open loop, of the calls that were due in [`opens`, `closes`).

        A call that failed or was dropped has an infinite response time, which stands as the histogram's
        highest: one would otherwise do well to fail quickly. `done` counts the good calls that ended in a
        window of the same length, later by a median response time; `window` is that length.
        """
        dues = asked.dues
        made = _made(seats, asked)
        due = dues[made.number]
        inside = (due >= opens) & (due < closes)
        chosen = made.good & inside
        dropped = np.asarray(asked.dropped, np.int64)
        shed = int(np.count_nonzero((dues[dropped] >= opens) & (dues[dropped] < closes)))
        lost = shed + int(np.count_nonzero(inside & ~made.good))
        response = np.concatenate([made.ended[chosen] - due[chosen], np.full(lost, histogram.HIGHEST)])
        if block >= 0:
            told = ~np.isin(made.number, np.asarray(asked.untold, np.int64))
            # A user who idled could have made the call in time: what it waited is the generator's fault.
            ready = np.where(told, np.maximum(due, made.free), due)
            for figure, times in (
                (RESPONSE, response),
                (WAIT, (ready - due)[inside]),
                (LAG, (made.sent - ready)[inside]),
                (SERVICE, (made.ended - made.sent)[chosen]),
            ):
                self._record((figure, long, block), times)
        # As many end in the window as are due in it, if one looks as much later as a call takes.
        later = int(np.median(made.ended[chosen] - due[chosen])) if chosen.any() else 0
        ended = made.good & (made.ended >= opens + later) & (made.ended < closes + later)
        return Figures(
            calls=len(due),
            failed=int(np.count_nonzero(~made.good)),
            done=int(np.count_nonzero(ended)),
            window=closes - opens,
            # The upper one of the two in the middle: half of something endless is endless.
            p50=int(np.partition(response, len(response) // 2)[len(response) // 2]) if len(response) else -1,
            max=int(response.max()) if len(response) else -1,
            errors=_errors(seats),
            scheduled=len(dues),
            dropped=len(dropped),
            due=int(np.count_nonzero(inside)) + shed,
        )

    def _record(self, key: tuple[str, bool, int], times: Times) -> None:
        if len(times):
            self.out_of_range += histogram.record(self._counts.setdefault(key, histogram.empty()), times)

    def histograms(self) -> list[tuple[bool, str, list[str]]]:
        """Give (long, figure, blocks in order) of all that was recorded."""
        return [
            (long, figure, [histogram.Histogram.of(self._counts[key]).encode() for key in keys])
            for figure in (RESPONSE, FIRST, GAP, WAIT, LAG, SERVICE)
            for long in (False, True)
            if (keys := sorted(key for key in self._counts if key[:2] == (figure, long)))
        ]


class _Made(NamedTuple):
    """The calls of all users in an open loop, one row each."""

    number: Times
    """Index among those due."""
    free: Times
    """When its user had its last reply, or the turn began."""
    sent: Times
    ended: Times
    good: NDArray[np.bool_]


def _made(seats: Sequence[Seat], asked: Schedule) -> _Made:
    tables, frees, goods = [np.empty((0, 3), np.int64)], [np.empty(0, np.int64)], [np.empty(0, bool)]
    for seat in seats:
        stamps = np.frombuffer(seat.stamps, np.int64) if seat.stamps else tables[0].reshape(-1)
        table = stamps[: len(stamps) // 3 * 3].reshape(-1, 3)  # a user that broke leaves half a call
        good = np.ones(len(table), bool)
        good[[index for index, _ in seat.failures]] = False
        tables.append(table)
        frees.append(np.concatenate([[asked.start], table[:-1, 2]])[: len(table)])
        goods.append(good)
    number, sent, ended = np.concatenate(tables).T
    return _Made(number, np.concatenate(frees), sent, ended, np.concatenate(goods))


def _present(seats: Sequence[Seat], closes: int) -> int:
    """Count the users who had begun to call before the window closed.

    Where calls never wait, one user's fill the turn before the next one comes to begin.
    """
    return sum(bool(seat.stamps) and seat.stamps[0] < closes for seat in seats)


def _arrived(seats: Sequence[Seat], sent: Times, chosen: NDArray[np.bool_]) -> tuple[Times, Times]:
    """Give, of the `chosen` calls, the times until their first reply, and those between replies."""
    calls, arrivals, before = [], [], 0
    for seat in seats:
        if len(seat.stamps) > 1:
            stamps, came = (np.frombuffer(part, np.int64) for part in (seat.stamps, seat.request.arrivals))
            # A user makes one call at a time, so a reply belongs to the call in whose time it came.
            calls.append(before + np.searchsorted(stamps, came) - 1)
            arrivals.append(came)
            before += len(stamps) - 1
    call, arrival = np.concatenate(calls), np.concatenate(arrivals)
    mine = chosen[call]
    call, arrival = call[mine], arrival[mine]
    answered, at = np.unique(call, return_index=True)
    return arrival[at] - sent[answered], np.diff(arrival)[call[1:] == call[:-1]]


def _joined(seats: Sequence[Seat]) -> tuple[Times, Times, NDArray[np.bool_]]:
    """Give when each call of all seats was sent, when it ended, and whether it was good."""
    parts = [np.frombuffer(seat.stamps, np.int64) for seat in seats if len(seat.stamps) > 1]
    if not parts:
        none = np.empty(0, np.int64)
        return none, none, none.astype(bool)
    stamps = np.concatenate(parts)
    good = np.ones(len(stamps), bool)
    starts = np.cumsum([0, *map(len, parts)])
    good_at = 0
    for seat in seats:
        if len(seat.stamps) > 1:
            for index, _ in seat.failures:
                good[starts[good_at] + index] = False
            good_at += 1
    real = np.ones(len(stamps), bool)
    real[starts[1:] - 1] = False
    return stamps[real], stamps[1:][real[:-1]], good[real]


def _errors(seats: Sequence[Seat]) -> dict[str, tuple[int, str]]:
    errors: dict[str, tuple[int, str]] = {}
    for seat in seats:
        for _, error in seat.failures:
            kind = type(error).__name__
            count, text = errors.get(kind, (0, str(error)))
            errors[kind] = (count + 1, text)
    return errors
