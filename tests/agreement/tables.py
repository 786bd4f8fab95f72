"""From turns to tables: what ours and a tool say of the same server, and what explains the difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from tools import Played

from harness.decide import stats

OURS = "ours"
PACED = "raw at our pace"
"""Has the time of ours between two calls without their work: only the server's CPU can be held against it."""
Numbers = np.ndarray


@dataclass(frozen=True)
class Turn:
    """One turn of one client, and the CPU in ns that the server used meanwhile."""

    played: Played
    server: float
    sleeps: int
    """How often the server went to sleep."""


FIGURES: dict[str, Callable[[Turn], float]] = {
    "calls/s": lambda turn: turn.played.rate,
    "p50, µs": lambda turn: turn.played.p50 / 1e3,
    "mean response, µs": lambda turn: turn.played.mean / 1e3,
    "server CPU/call, µs": lambda turn: turn.server / turn.played.calls / 1e3,
    "client CPU/call, µs": lambda turn: turn.played.client / turn.played.calls / 1e3,
    "mean response − client CPU/call, µs": lambda turn: (
        (turn.played.mean - turn.played.client / turn.played.calls) / 1e3
    ),
    "server's sleeps/call": lambda turn: turn.sleeps / turn.played.calls,
    "client's core busy": lambda turn: turn.played.client / turn.played.seconds / 1e9,
    "server's core busy": lambda turn: turn.server / turn.played.seconds / 1e9,
}
RATIOS = tuple(FIGURES)[:5]
"""Those that are held against each other as ratios."""
ONE_USER = "mean response − client CPU/call, µs"
"""With one user client and server work in turns, so this is the time on server and wire."""


def values(turns: Iterable[Turn], figure: str) -> Numbers:
    return np.array([FIGURES[figure](turn) for turn in turns])


def table(turns: dict[str, list[Turn]], users: int) -> list[str]:
    """Lay out one server at one number of users: medians over turns with their spread, and ratios."""
    others = [name for name in turns if name != OURS]
    head = ["figure", OURS, *others, *(f"{OURS} / {name}: medians, means" for name in others)]
    lines = [row(head), row([":--", *["--:"] * (len(head) - 1)])]
    for figure in FIGURES:
        if figure == ONE_USER and users > 1:
            continue
        cells = [f"{figure}", *(spread(values(turns[name], figure)) for name in (OURS, *others))]
        for name in others:
            pair = values(turns[OURS], figure), values(turns[name], figure)
            cells.append(ratios(*pair) if figure in RATIOS else f"{difference(*pair)}")
        lines.append(row(cells))
    return lines


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def spread(found: Numbers) -> str:
    """Write the median over turns, and their standard deviation in percent of their mean."""
    return f"{digits(float(np.median(found)))} (SD {100 * np.std(found, ddof=1) / found.mean():.1f} %)"


def ratios(ours: Numbers, theirs: Numbers) -> str:
    """Write the ratio of medians and that of means; the latter with the 95 % interval of paired turns.

    A turn of ours is paired with the tool's in the same round, so that what is slower than a round cancels.
    """
    medians = np.median(ours) / np.median(theirs)
    _, low, high = (math.exp(bound) for bound in stats.interval(np.log(ours / theirs)))
    return f"{medians:.3f}, {ours.mean() / theirs.mean():.3f} ({low:.3f} to {high:.3f})"


def sum_up(ours: Numbers, theirs: Numbers) -> tuple[str, str, str]:
    """Write what either says of a figure, and their ratio."""
    return spread(ours), spread(theirs), ratios(ours, theirs)


def difference(ours: Numbers, theirs: Numbers) -> str:
    middle, low, high = stats.interval(ours - theirs)
    return f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"


def explanation(turns: dict[str, list[Turn]], users: int) -> list[str]:
    """Say in figures where a difference comes from."""
    found = []
    for name, theirs in turns.items():
        if users > 1:
            found.append(_bound(theirs, name))
        elif name != OURS:
            found.append(_one_after_the_other(turns[OURS], theirs, name))
    return found


def _one_after_the_other(ours: list[Turn], theirs: list[Turn], name: str) -> str:
    apart, client, server = (
        difference(values(ours, figure), values(theirs, figure))
        for figure in ("mean response, µs", "client CPU/call, µs", "server CPU/call, µs")
    )
    if name == PACED:
        return f"- {OURS} − {name}: server CPU {server} µs, with as much time between two calls"
    rest = difference(values(ours, ONE_USER), values(theirs, ONE_USER))
    return (
        f"- {OURS} − {name}: response {apart} µs, of it client CPU {client} µs; left {rest} µs "
        f"(server CPU {server} µs)"
    )


def _bound(turns: list[Turn], name: str) -> str:
    client, server = (float(np.median(values(turns, f"{side}'s core busy"))) for side in ("client", "server"))
    side, share = ("client", client) if client >= server else ("server", server)
    per_call = float(np.median(values(turns, f"{side} CPU/call, µs")))
    rate = float(np.median(values(turns, "calls/s")))
    return (
        f"- {name}: the {side}'s core is busy for {share:.0%} of the time; {share:.2f} s / {per_call:.1f} µs "
        f"= {share * 1e6 / per_call:,.0f} calls/s, {rate:,.0f} were counted"
    )


def digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 10 else f"{value:.1f}"
