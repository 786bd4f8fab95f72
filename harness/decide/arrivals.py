"""Finds what limits the use of an open loop's figures."""

from __future__ import annotations

from collections.abc import Iterator

from harness.decide import stats
from harness.decide.comparison import DOUBTFUL, INVALID, NOTE, Finding
from harness.decide.figures import BUSY, histograms
from harness.decide.rounds import Rounds
from harness.histogram import Histogram

MOST_LAG = 200_000
"""ns by which a generator may be late at p99, whatever the response times are."""
LAG_SHARE = 0.1
"""Of the median response time that it may be late by."""
ACHIEVED = 0.99
"""Share of the rate that was asked for, from which on it was reached."""


def find_lag(rounds: Rounds, arm: int) -> Iterator[Finding]:
    """Find a generator that sends late though users are free: it measures itself."""
    lag, response = (merged(rounds, arm, figure) for figure in ("lag", "response"))
    if lag is None or response is None:
        return
    late, median = lag.quantile(0.99), response.quantile(0.5)
    most = max(MOST_LAG, LAG_SHARE * median)
    if late > most:
        text = (
            f"the generator sent 1 % of the calls {late / 1e6:.2f} ms late or more, though a user was free; "
            f"{most / 1e6:.2f} ms are the most at this median: its client has no time for this rate"
        )
        yield Finding("generator-lag", rounds.name(arm), (), INVALID, text)


def find_short(rounds: Rounds, arm: int) -> Iterator[Finding]:
    """Find calls that end slower than they are due: a stack at its limit, or what nobody can explain."""
    turns, rows = rounds.turns, rounds.rows(arm)
    due, done = int(turns.due[rows].sum()), int(turns.done[rows].sum())
    if not rounds.result.trial.open or not due:
        return
    text = f"of the calls that were due, {min(1.0, done / due):.1%} ended well in time"
    if saturated(rounds, arm):
        busy = stats.ratio(turns.client[rows].sum(), turns.busy[rows].sum())
        if busy >= BUSY:
            text += ": it is saturated by its client, whose core is full"
            yield Finding("saturated", rounds.name(arm), (), DOUBTFUL, text)
        else:
            note = f"{text}: it is saturated, and response times are those of its queue"
            yield Finding("saturated", rounds.name(arm), (), NOTE, note)
    elif done / due < ACHIEVED and due - done > len(rows):  # a call a turn may lie across the window's ends
        yield Finding("under-rate", rounds.name(arm), (), DOUBTFUL, f"{text}, though users were free")


def saturated(rounds: Rounds, arm: int) -> bool:
    """Tell whether most calls of an arm waited for a user, or many were dropped."""
    turns, rows = rounds.turns, rounds.rows(arm)
    wait = merged(rounds, arm, "wait")
    dropped = stats.ratio(turns.dropped[rows].sum(), turns.scheduled[rows].sum())
    return bool((wait and wait.quantile(0.5)) or dropped > 1 - ACHIEVED)


def find_dropped(rounds: Rounds, arm: int) -> Iterator[Finding]:
    """Find calls that nobody made."""
    turns, rows = rounds.turns, rounds.rows(arm)
    dropped, scheduled = int(turns.dropped[rows].sum()), int(turns.scheduled[rows].sum())
    if dropped:
        text = (
            f"{dropped:,} of {scheduled:,} calls were dropped ({dropped / scheduled:.2%}), as too many "
            f"waited for a user; percentiles take them as endless"
        )
        yield Finding("dropped", rounds.name(arm), (), NOTE, text)


def merged(rounds: Rounds, arm: int, figure: str) -> Histogram | None:
    """Give all times of a figure together, None where there is none; raises `ResultError` for damage."""
    if not rounds.result.trial.open:
        return None
    found = [block for fork in histograms(rounds, arm, figure, long=False) for block in fork]
    return found[0].merge(*found[1:]) if found else None
