"""Finds what limits the use of a trial's figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from harness.decide import stats
from harness.decide.arrivals import find_dropped, find_lag, find_short
from harness.decide.comparison import DOUBTFUL, INVALID, NOTE, Finding
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.rounds import ASKED_AGAIN, Rounds
from harness.decide.soak import find_soak
from harness.decide.steadiness import find_bursty, find_drift, find_turn_sensitive
from harness.histogram import HIGHEST
from harness.results import Column, Run

MAX_ERRORS = 0.001
"""Share of failed calls from which on an arm gets no ratio: what failed early would count as quick."""
FOREIGN = 0.01
"""Share of the time of all cores in turns, for what one arm loses by it is then about as much. Differences
of a few percent are to be seen."""
SERVED = 0.6
"""Share of the calls/s that response times come to which must have been counted in whole turns, with their
ends. It is from 0.92 to 1.02 for nearly all arms, and was never below 0.73, in a start of a single turn."""
COMPANY_NOTE = 0.01
COMPANY = 0.05
"""The same of arms whose turn it is not. An idle gRPC arm uses 0.4 %, since its threads look for work now and
then; that is no disturbance, but what it costs to have all arms live, and it falls upon each of them."""
_TOLD_APART = 4
"""Format from which on the two are."""
STEAL_NOTE = 0.01
STEAL = 0.05
"""Share of the turns' time that the hypervisor may take. It hits all arms alike and is in the intervals, but
with this much absolute figures are no longer the machine's."""
STALL = 0.25
"""Share of the time in which some task waited for a CPU. Only a note: our own processes share cores too."""
THROTTLED = 0.001
"""Share of the time: throttling stops everything for tens of milliseconds, several turns long."""
_KINDS_SHOWN = 3


@lru_cache(maxsize=ASKED_AGAIN)
def find_all(rounds: Rounds) -> tuple[Finding, ...]:
    """Give all findings, those of single arms first; the same result always gives the same ones."""
    arms = range(len(rounds.result.trial.arms))
    single = [finding for arm in arms for check in _SINGLE for finding in check(rounds, arm)]
    lost = frozenset(finding.arm for finding in single if finding.validity == INVALID)
    ratios = [finding for check in _RATIOS for finding in check(rounds, lost)]
    trial = [finding for check in _TRIAL for finding in check(rounds)]
    return (*single, *ratios, *trial)


def _run(rounds: Rounds, arm: int) -> Run | None:
    return next((run for run in rounds.result.runs if run.arm == rounds.name(arm)), None)


def _failed(rounds: Rounds, arm: int) -> Iterator[Finding]:
    run = _run(rounds, arm)
    if run is None:
        yield Finding("failed", rounds.name(arm), (), INVALID, "nothing is stored of it")
    elif run.failure:
        text = f"failed in start {run.failure.fork + 1}: {run.failure.reason}"
        text += f"\n{run.failure.stderr}" if run.failure.stderr else ""
        yield Finding("failed", run.arm, (), INVALID, text)


def _differs(rounds: Rounds, arm: int) -> Iterator[Finding]:
    run = _run(rounds, arm)
    if run and run.differs:
        text = f"its replies are not what they should be: {run.differs}"
        yield Finding("differs", run.arm, (), INVALID, text)


def _errors(rounds: Rounds, arm: int) -> Iterator[Finding]:
    rows = rounds.rows(arm, long=None)
    calls, failed = int(rounds.turns.calls[rows].sum()), int(rounds.turns.failed[rows].sum())
    if not failed:
        return
    run = _run(rounds, arm)
    kinds = sorted(run.errors.items(), key=lambda item: (-item[1], item[0])) if run else []
    named = "; ".join(f"{count:,} × {kind}" for kind, count in kinds[:_KINDS_SHOWN])
    text = f"{failed:,} of {calls:,} calls failed ({failed / calls:.2%}){': ' if named else ''}{named}"
    if rounds.result.trial.open:
        yield Finding("errors", rounds.name(arm), (), NOTE, f"{text}; percentiles take them as endless")
    elif failed / calls > MAX_ERRORS:
        text = f"{text}; above {MAX_ERRORS:.1%} there are no ratios"
        yield Finding("errors", rounds.name(arm), (), INVALID, text)
    else:
        yield Finding("errors", rounds.name(arm), (), NOTE, text)


def _out_of_range(rounds: Rounds, arm: int) -> Iterator[Finding]:
    run = _run(rounds, arm)
    if run and run.out_of_range:
        limit = f"{HIGHEST // 10**9} s"
        text = f"{run.out_of_range:,} response times were above the histogram's {limit} and count as that"
        yield Finding("out-of-range", run.arm, ("p99",), DOUBTFUL, text)


def _no_calls(rounds: Rounds, arm: int) -> Iterator[Finding]:
    run, rows = _run(rounds, arm), rounds.rows(arm)
    if rounds.forks and run and not run.failure and not rounds.turns.done[rows].any():
        yield Finding(
            "no-calls",
            run.arm,
            (),
            INVALID,
            "no good call was sent in the windows of its turns; it needs longer ones"
            if not rounds.result.trial.open
            else "no call ended well in the windows of its turns",
        )


def _starved(rounds: Rounds, arm: int) -> Iterator[Finding]:
    """Hold what response times come to against what was counted, which Little's law has agree.

    A user who waits for the whole of a window has sent no call in it, and so no say in response times.
    """
    turns, rows = rounds.turns, rounds.rows(arm, long=None)
    if rounds.result.trial.open or not turns.done[rows].any():
        return
    counted = turns.calls[rows].sum() / turns.busy[rows].sum()
    reckoned = stats.ratio(turns.done[rows].sum(), turns.window[rows].sum())
    if counted < SERVED * reckoned:
        text = (
            f"its response times come to {1e9 * reckoned:,.0f} calls/s, and {1e9 * counted:,.0f} were made: "
            "some users waited for turns on end while others were served"
        )
        yield Finding("starved", rounds.name(arm), (), INVALID, text)


def crowd(rounds: Rounds) -> float:
    """Give the share of the cores' time that other processes used in turns, of the fork where it is most."""
    turns = rounds.turns
    used = turns.foreign - turns.idle
    shares = []
    for fork in range(rounds.forks):
        rows = turns.fork == fork
        time = turns.busy[rows].sum() * rounds.result.machine.cores
        shares.append(stats.ratio(used[rows].sum(), time))
    return max(shares, default=0.0)


def _most(rounds: Rounds, used: Column) -> tuple[float, str]:
    turns = rounds.turns
    shares = []
    for arm in range(len(rounds.result.trial.arms)):
        rows = rounds.rows(arm, long=None)
        if len(rows):
            time = turns.busy[rows].sum() * rounds.result.machine.cores
            shares.append((stats.ratio(used[rows].sum(), time), rounds.name(arm)))
    return max(shares, default=(0.0, ""))


def _foreign(rounds: Rounds) -> Iterator[Finding]:
    share, name = _most(rounds, rounds.turns.foreign - rounds.turns.idle)
    if share > FOREIGN:
        arms = "" if rounds.result.format >= _TOLD_APART else ", or arms whose turn it was not,"
        text = (
            f"other processes of this machine{arms} used {share:.1%} of the cores' time in {name}'s turns, "
            f"the most of all arms"
        )
        yield Finding("foreign-cpu", "", (), DOUBTFUL, text)
    share, name = _most(rounds, rounds.turns.idle)
    if share > COMPANY_NOTE:
        text = f"arms whose turn it was not used {share:.1%} of the cores' time in {name}'s turns, at most"
        yield Finding("company", "", (), DOUBTFUL if share > COMPANY else NOTE, text)


def _steal(rounds: Rounds) -> Iterator[Finding]:
    rows = _all_rows(rounds)
    turns = rounds.turns
    share = stats.ratio(turns.steal[rows].sum(), turns.busy[rows].sum())
    if share > STEAL_NOTE:
        text = f"the hypervisor took away {share:.1%} of the turns' time"
        yield Finding("steal", "", (), DOUBTFUL if share > STEAL else NOTE, text)


def _all_rows(rounds: Rounds) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    arms = range(len(rounds.result.trial.arms))
    return np.concatenate([rounds.rows(arm, long=None) for arm in arms])


def _pressure(rounds: Rounds) -> Iterator[Finding]:
    stall = rounds.result.pressure.stall
    if stall is not None and stall > STALL:
        yield Finding("pressure", "", (), NOTE, f"in {stall:.0%} of the time some process waited for a CPU")


def _throttled(rounds: Rounds) -> Iterator[Finding]:
    throttled = rounds.result.pressure.throttled
    if throttled is not None and throttled > THROTTLED:
        text = f"the cgroup's CPU limit stopped our processes for {throttled:.1%} of the time"
        yield Finding("throttled", "", (), DOUBTFUL, text)


def _few_forks(rounds: Rounds) -> Iterator[Finding]:
    forks = rounds.forks
    if 0 < forks < FORKS_FOR_INTERVAL:
        starts = "1 start" if forks == 1 else f"{forks} starts"
        bounds = "the spread within it" if forks == 1 else "the range of them"
        text = (
            f"only {starts} measured: bounds are {bounds}, which says nothing of the next start; "
            f"intervals, drift, bursts and turn-sensitivity need {FORKS_FOR_INTERVAL} (--forks)"
        )
        yield Finding("few-forks", "", (), NOTE, text)


def _unexamined(rounds: Rounds) -> Iterator[Finding]:
    examined = sum(bool(table.shape[1]) for table in rounds.long)
    if rounds.forks >= FORKS_FOR_INTERVAL > examined and not rounds.result.trial.open:
        text = (
            f"only {examined} of {rounds.forks} starts had time for long turns, so turn-sensitivity was not "
            f"examined; it needs more --seconds"
        )
        yield Finding("unexamined", "", (), NOTE, text)


def _interrupted(rounds: Rounds) -> Iterator[Finding]:
    asked = rounds.result.trial.forks
    if rounds.forks < asked:
        text = f"{rounds.forks} of {asked} starts were measured to the end"
        yield Finding("interrupted", "", (), NOTE, text)
    if rounds.result.broken_off:
        text = "the last start was broken off, and counts with what was played until then"
        yield Finding("interrupted", "", (), NOTE, text)


_SINGLE: tuple[Callable[[Rounds, int], Iterator[Finding]], ...] = (
    _failed,
    _differs,
    _errors,
    _out_of_range,
    _no_calls,
    _starved,
    find_lag,
    find_short,
    find_dropped,
    find_soak,
)
_RATIOS: tuple[Callable[[Rounds, frozenset[str]], Iterator[Finding]], ...] = (
    find_turn_sensitive,
    find_bursty,
    find_drift,
)
_TRIAL: tuple[Callable[[Rounds], Iterator[Finding]], ...] = (
    _foreign,
    _steal,
    _pressure,
    _throttled,
    _few_forks,
    _unexamined,
    _interrupted,
)
