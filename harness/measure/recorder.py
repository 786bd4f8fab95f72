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


RESPONSE, FIRST, GAP = "response", "first", "gap"
"""What histograms are of: whole calls, and in calls with streams the times until the first reply has come
and from one reply to the next."""


class Recorder:
    """Keeps histograms of times, by figure, length of turn and block of turns."""

    def __init__(self) -> None:
        """Start without any."""
        self.out_of_range = 0
        self._counts: dict[tuple[str, bool, int], Times] = {}

    def take(self, seats: Sequence[Seat], opens: int, closes: int, *, long: bool, block: int) -> Figures:
        """Bin the turn whose window is [`opens`, `closes`) of the seats' clock.

        All figures are of the calls sent in the window, each with the whole of its time: `done` counts the
        good ones, and `window` is the time that all of them took, divided by the users, who did nothing else
        (Little's law: calls/s = users / mean time). Counting completions in a fixed window instead would
        round a turn's few calls to whole ones, and cut a pause off where the window ends.

        With `block` -1 nothing enters a histogram.
        """
        sent, ended, good = _joined(seats)
        if len(sent) == 0:
            return Figures(0, 0, 0, 0, -1, -1, {})
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
            calls=len(sent),
            failed=len(sent) - int(np.count_nonzero(good)),
            done=len(times),
            window=int((ended[inside] - sent[inside]).sum()) // max(1, _present(seats, closes)),
            p50=int(np.median(times)) if len(times) else -1,
            max=int(times.max()) if len(times) else -1,
            errors=_errors(seats),
        )

    def _record(self, key: tuple[str, bool, int], times: Times) -> None:
        if len(times):
            self.out_of_range += histogram.record(self._counts.setdefault(key, histogram.empty()), times)

    def histograms(self) -> list[tuple[bool, str, list[str]]]:
        """Give (long, figure, blocks in order) of all that was recorded."""
        return [
            (long, figure, [histogram.Histogram(self._counts[key]).encode() for key in keys])
            for figure in (RESPONSE, FIRST, GAP)
            for long in (False, True)
            if (keys := sorted(key for key in self._counts if key[:2] == (figure, long)))
        ]


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
