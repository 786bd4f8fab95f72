"""Pairs the turns of two arms round by round, and gives what each fork says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.decide import stats
from harness.decide.stats import Numbers
from harness.histogram import HIGHEST
from harness.results import Column, Result, ResultError, Turns
from scenarios.arm import FLOOR

Rows = NDArray[np.int64]
"""Row numbers of `Turns`."""
METRICS = ("p50", "time", "cpu")
OPEN_METRICS = ("p50", "cpu")
"""Of open loops: the time per call would be that at which calls are due."""
_APART = 2
"""Cores that a hop and a server need not to share one."""
WHOLE = (0.0, 1.0)
FIRST_HALF = (0.0, 0.5)
SECOND_HALF = (0.5, 1.0)


ASKED_AGAIN = 128
"""Trials of which is kept what everyone who decides asks anew: figures, claims, crossovers, drawings."""
_PAIRS = 96
"""Effects that are asked for of a trial, about: six arms by three metrics, their halves and long turns."""


@dataclass(frozen=True, eq=False)
class Rounds:
    """The turns of a trial's finished forks, by fork, arm and round.

    `short` and `long` hold one table a fork, shape (arms, rounds): row numbers of `turns`, −1 where an arm
    had no turn. Turns of a fork that was not measured to its end are left out.
    """

    result: Result
    short: tuple[Rows, ...]
    long: tuple[Rows, ...]

    @property
    def turns(self) -> Turns:
        """Give the columns that row numbers refer to."""
        return self.result.turns

    @property
    def baseline(self) -> int:
        """Give the arm that ratios refer to; raises `ValueError` where the trial has no such arm."""
        trial = self.result.trial
        names = [arm.name for arm in trial.arms]
        if trial.baseline not in names:
            raise ValueError(f"the baseline {trial.baseline!r} is none of the arms: {', '.join(names)}")
        return names.index(trial.baseline)

    @property
    def floor(self) -> int | None:
        """Give the floor's arm, None where there is none."""
        arms = self.result.trial.arms
        return len(arms) - 1 if arms[-1].name == FLOOR.name else None

    @property
    def forks(self) -> int:
        """Give how many forks were measured to the end."""
        return len(self.short)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Give what costs the arms of this trial can be held against each other by."""
        return OPEN_METRICS if self.result.trial.open else METRICS

    @property
    def headline(self) -> str:
        """Give the metric that arms are ranked by.

        In an open loop the rate is given, and where hops share a core with the server, calls/s are of two
        programs that take it from each other: where hops are what is asked about, CPU says what they cost.
        """
        trial, machine = self.result.trial, self.result.machine
        if trial.open:
            return "p50"
        shared = (len(machine.server_cores) or machine.cores) < _APART
        contenders = [arm for arm in trial.arms if arm.stack != FLOOR.stack]
        hops = sum(bool(arm.hops) for arm in contenders)
        known = not any(arm.at or arm.beside for arm in contenders)  # else there may be no CPU to rank by
        return "cpu" if shared and known and 2 * hops >= len(contenders) > 0 else "time"

    def name(self, arm: int) -> str:
        """Give the name of an arm."""
        return self.result.trial.arms[arm].name

    def rows(self, arm: int, *, long: bool | None = False) -> Rows:
        """Give the rows of one arm, all forks; with `long` None both kinds of turn."""
        tables = {True: self.long, False: self.short, None: self.short + self.long}[long]
        rows = np.concatenate([table[arm] for table in tables]) if tables else np.empty(0, np.int64)
        return rows[rows >= 0]

    def pairs(self, arm: int, base: int, *, long: bool, part: tuple[float, float]) -> list[tuple[Rows, Rows]]:
        """Give per fork the rows of two arms in the rounds that both played, in order.

        `part` limits them to a share of the fork's rounds, such as the first half (0, 0.5).
        """
        pairs = []
        for table in self.long if long else self.short:
            start, end = (int(share * table.shape[1]) for share in part)
            ours, theirs = table[arm, start:end], table[base, start:end]
            both = (ours >= 0) & (theirs >= 0)
            pairs.append((ours[both], theirs[both]))
        return pairs


@lru_cache(maxsize=ASKED_AGAIN)
def arrange(result: Result) -> Rounds:
    """Sort the turns of `result` into rounds; raises `ResultError` for turns of an arm that it has not."""
    arms, count = result.turns.arm, len(result.trial.arms)
    if len(arms) and not 0 <= arms.min() <= arms.max() < count:
        raise ResultError(f"the turns name arm {arms.min()} to {arms.max()}, but the trial has {count} arms")
    tables = {
        long: tuple(_table(result, fork, long=long) for fork in range(result.forks_done))
        for long in (False, True)
    }
    return Rounds(result, tables[False], tables[True])


def _table(result: Result, fork: int, *, long: bool) -> Rows:
    turns = result.turns
    rows = np.flatnonzero((turns.fork == fork) & (turns.long == int(long)))
    rounds, place = np.unique(turns.round[rows], return_inverse=True)
    table = np.full((len(result.trial.arms), len(rounds)), -1)
    table[turns.arm[rows], place] = rows
    return table


Pair = tuple[Rows, Rows]
Counts = tuple[int, int]
"""Messages of a call of either arm: costs are by message."""


def _p50(turns: Turns, pair: Pair, counts: Counts) -> tuple[float, float]:
    known = (turns.p50[pair[0]] > 0) & (turns.p50[pair[1]] > 0)
    costs = [endless(turns.p50[rows[known]]) / count for rows, count in zip(pair, counts, strict=True)]
    with np.errstate(invalid="ignore"):
        difference = stats.median(costs[0] - costs[1]) if known.any() else float("nan")
    return stats.median_ln_ratio(*costs), difference


def endless(times: Column) -> NDArray[np.float64]:
    """Give times in ns, those infinite that stand for calls which failed or were dropped in an open loop."""
    return np.where(times >= HIGHEST, np.inf, times)


def _time(turns: Turns, pair: Pair, counts: Counts) -> tuple[float, float]:
    costs = [time_per_call(turns, rows) / count for rows, count in zip(pair, counts, strict=True)]
    return stats.ln_ratio(*costs), costs[0] - costs[1]


def _cpu(turns: Turns, pair: Pair, counts: Counts) -> tuple[float, float]:
    costs = [cpu(turns, rows) / count for rows, count in zip(pair, counts, strict=True)]
    return stats.ln_ratio(*costs), costs[0] - costs[1]


def _typical_time(turns: Turns, pair: Pair, counts: Counts) -> tuple[float, float]:
    with np.errstate(divide="ignore", invalid="ignore"):  # a turn may have no call in its window
        costs = [
            turns.window[rows] / turns.done[rows] / count for rows, count in zip(pair, counts, strict=True)
        ]
    return stats.median_ln_ratio(*costs), float("nan")


_EFFECTS: dict[str, Callable[[Turns, Pair, Counts], tuple[float, float]]] = {
    "p50": _p50,
    "time": _time,
    "cpu": _cpu,
    "typical time": _typical_time,
}


def time_per_call(turns: Turns, rows: Rows) -> float:
    """Give window / done in ns over `rows` together, see `Turns`; NaN without a good call."""
    return stats.ratio(turns.window[rows].sum(), turns.done[rows].sum())


def client_cpu(turns: Turns, rows: Rows) -> float:
    """Give the load process' CPU per call in ns, over all calls of `rows`; NaN without a call."""
    return stats.ratio(turns.client[rows].sum(), turns.calls[rows].sum())


def cpu(turns: Turns, rows: Rows) -> float:
    """Give the CPU per call in ns of client, hops and servers; NaN where one of them is not known."""
    return client_cpu(turns, rows) + hop_cpu(turns, rows) + server_cpu(turns, rows)


def hop_cpu(turns: Turns, rows: Rows) -> float:
    """Give the CPU per call in ns of what stands between client and server; NaN without a call."""
    return stats.ratio(turns.hop[rows].sum(), turns.calls[rows].sum())


def server_cpu(turns: Turns, rows: Rows) -> float:
    """Give the servers' CPU per call in ns; NaN without a call, or where it cannot be read (−1)."""
    server = turns.server[rows]
    return stats.ratio(server.sum(), turns.calls[rows].sum()) if (server >= 0).all() else float("nan")


def effects(
    rounds: Rounds,
    metric: str,
    arm: int,
    base: int,
    *,
    long: bool = False,
    part: tuple[float, float] = WHOLE,
) -> tuple[Numbers, Numbers]:
    """Give per fork ln(cost of `arm` / cost of `base`) by message, and the difference of the costs in ns.

    Where a call is one message, as unary calls are, that is by call.

    `metric` is ``p50`` (median over rounds of the rounds' ratios), ``time`` and ``cpu`` (ratio of sums over
    rounds), or ``typical time`` (median over rounds of the rounds' time per call, which leaves bursts out).
    NaN where a fork says nothing. Both are shared by all who ask the same, and cannot be written to.
    """
    return _effects(rounds, metric, arm, base, long, part)


@lru_cache(maxsize=ASKED_AGAIN * _PAIRS)
def _effects(
    rounds: Rounds,
    metric: str,
    arm: int,
    base: int,
    long: bool,  # noqa: FBT001 -- by position, so that the same question always has the same key
    part: tuple[float, float],
) -> tuple[Numbers, Numbers]:
    if metric == "cpu" and any(rounds.result.trial.arms[each].beside for each in (arm, base)):
        # It is for calls of two sizes, in a proportion that is not the same for two arms.
        nothing = np.broadcast_to(np.nan, rounds.forks)
        return nothing, nothing
    counts = messages(rounds.result, rounds.name(arm)), messages(rounds.result, rounds.name(base))
    found = [
        _EFFECTS[metric](rounds.turns, pair, counts) for pair in rounds.pairs(arm, base, long=long, part=part)
    ]
    both = np.array(found, float).reshape(-1, 2).T
    both.flags.writeable = False
    return both[0], both[1]


def messages(result: Result, arm: str) -> int:
    """Give how many messages a call of `arm` has."""
    return next((run.messages for run in result.runs if run.arm == arm), 1)
