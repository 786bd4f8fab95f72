"""Ours and h2load at the same rate: calls that are due, on as many connections."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tools
from tables import OURS, row, sum_up
from tools import Request, ToolError

from harness import histogram
from harness.histogram import Histogram
from harness.measure import wire
from harness.measure.contender import Contender
from harness.measure.rounds import mirrored

SHARES = (0.25, 0.5)
"""Of what ours can do in a closed loop on as many connections."""
TOOL = "h2load --rps"
HEAD = ("figure", OURS, TOOL, f"{OURS} / {TOOL}: medians, means")


@dataclass(frozen=True)
class Pace:
    """One turn at a given rate; CPU in ns of a call, `service` of one from its sending to its reply.

    That is all that h2load logs of an answer's time.
    """

    sent: float
    """Calls a second."""
    server: float
    client: float
    service: Histogram

    @classmethod
    def of(cls, played: wire.Played | tools.Played, seconds: float, server: int, times: Histogram) -> Pace:
        """Sum a turn up."""
        return cls(played.calls / seconds, server / played.calls, played.client / played.calls, times)


FIGURES: dict[str, Callable[[Pace], float]] = {
    "calls/s": lambda pace: pace.sent,
    "service time p50, µs": lambda pace: pace.service.quantile(0.5) / 1e3,
    "service time p90, µs": lambda pace: pace.service.quantile(0.9) / 1e3,
    "service time p99, µs": lambda pace: pace.service.quantile(0.99) / 1e3,
    "server CPU/call, µs": lambda pace: pace.server / 1e3,
    "client CPU/call, µs": lambda pace: pace.client / 1e3,
}


@dataclass(frozen=True)
class Pair:
    """Ours and h2load on the same running server."""

    ours: Contender
    theirs: Callable[[float], tools.Played]
    """A turn at so many calls a second."""
    log: Path
    """Where it writes its times."""
    used: Callable[[], int]
    """Reads the server's CPU in ns."""

    def compared(self, rate: float, turns: int, seconds: int, order: random.Random) -> Iterator[str]:
        """Let both have `turns` turns at `rate`, and one before that does not count; ends ours.

        Gives the lines of a table, and what ours says beside it.
        """
        own: list[tuple[wire.Played, int]] = []
        other: list[Pace] = []
        rounds = mirrored([OURS, TOOL], order)
        for number in range(turns + 1):
            for name in next(rounds):
                before = self.used()
                if name == OURS:
                    own.append((_ours(self.ours, rate, seconds, number), self.used() - before))
                else:
                    played = self.theirs(rate)
                    other.append(
                        Pace.of(played, seconds, self.used() - before, tools.recorded(tools.logged(self.log)))
                    )
        told = _told(self.ours)
        paces = [
            Pace.of(played, seconds, server, times)
            for (played, server), times in zip(own, told["service"], strict=True)
        ]
        yield from _table(paces[1:], other[1:])
        yield ""
        yield from _beside({figure: each[1:] for figure, each in told.items()})


def _table(own: Sequence[Pace], other: Sequence[Pace]) -> Iterator[str]:
    yield row(HEAD)
    yield row([":--", *["--:"] * (len(HEAD) - 1)])
    for figure, value in FIGURES.items():
        yield row([figure, *sum_up(*(np.array([value(pace) for pace in each]) for each in (own, other)))])


def _beside(told: dict[str, list[Histogram]]) -> Iterator[str]:
    """Say the parts of a response time that h2load does not tell."""
    for figure, meaning in (
        ("lag", "were late though a user was free"),
        ("wait", "waited for a free user"),
        ("response", "took from when they were due"),
    ):
        first, *rest = told[figure]
        every = first.merge(*rest)
        p50, p99 = (f"{every.quantile(q) / 1e3:.1f} µs" for q in (0.5, 0.99))
        yield f"- of ours alone: calls {meaning}: p50 {p50}, p99 {p99}"


def _ours(ours: Contender, rate: float, seconds: int, number: int) -> wire.Played:
    turn = wire.Turn(seconds * 1_000_000_000, 0, long=False, block=number, rate=rate, number=number)
    played = ours.play(turn)
    if played.failed or played.dropped or not played.done:
        raise ToolError(
            f"of {played.scheduled} calls at {rate:g}/s {played.failed} failed and {played.dropped} were "
            f"dropped; try again on a quiet machine"
        )
    return played


def _told(ours: Contender) -> dict[str, list[Histogram]]:
    """Give what ours recorded, a histogram a turn, by figure."""
    return {
        figure: [histogram.decode(block) for block in blocks]
        for _, figure, blocks in ours.finish().histograms
    }


def bound(
    request: Request, users: int, seconds: int, cores: Sequence[int], log: Path, *more: str
) -> Callable[[float], tools.Played]:
    """Give a turn of h2load at a rate, an equal share of it on each of `users` connections."""
    return lambda rate: tools.h2load_at(request, users, seconds, cores, log, rate / users, *more)
