"""Finds the size of a message from which on one arm overtakes another."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise

import msgspec
import numpy as np

from harness.decide import rounds as costs
from harness.decide import stats
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.results import Result
from scenarios.catalog import SCENARIOS
from stacks.examples import bytes_of


class Crossover(msgspec.Struct, frozen=True):
    """`small` is the faster of the two up to one sample, and `large` is from the next one on."""

    small: str
    large: str
    low: str
    """The largest sample at which `small` is shown to be faster."""
    high: str
    """The next sample at which `large` is shown to be faster."""
    size: int
    """About where they meet, in bytes: on a line through ln ratio over ln size."""
    users: int
    method: str


def find(results: Iterable[Result]) -> list[Crossover]:
    """Look through trials that differ in their sample alone, of scenarios that ask for it."""
    series: dict[tuple[object, ...], list[Result]] = defaultdict(list)
    for result in results:
        trial = result.trial
        scenario = SCENARIOS.get(trial.scenario)
        if scenario and scenario.crossover:
            names = tuple(arm.name for arm in trial.arms)
            series[trial.scenario, trial.method, trial.part, trial.users, names].append(result)
    return [crossover for one in series.values() for crossover in _of_series(one)]


def _of_series(results: Sequence[Result]) -> Iterator[Crossover]:
    ordered = sorted(results, key=lambda result: bytes_of(result.trial.sample))
    arranged = [costs.arrange(result) for result in ordered]
    trial = ordered[0].trial
    contestants = [k for k, arm in enumerate(trial.arms) if arm.stack != costs.FLOOR]
    for one, other in combinations(contestants, 2):
        shown = [
            (result.trial.sample, mean)
            for result, rounds in zip(ordered, arranged, strict=True)
            if (mean := _shown(rounds, one, other)) is not None
        ]
        for (low, before), (high, after) in pairwise(shown):
            if before * after < 0:
                names = (trial.arms[one].name, trial.arms[other].name)
                small, large = names if before < 0 else names[::-1]
                size = _meeting(bytes_of(low), before, bytes_of(high), after)
                yield Crossover(small, large, low, high, size, trial.users, trial.method)


def _shown(rounds: costs.Rounds, one: int, other: int) -> float | None:
    """Give the mean of ln(time of `one` / time of `other`) where its interval excludes 0."""
    found, _ = costs.effects(rounds, "time", one, other)
    known = found[np.isfinite(found)]
    if len(known) < FORKS_FOR_INTERVAL:
        return None
    mean, low, high = stats.interval(known)
    return None if low <= 0 <= high else mean


def _meeting(low: int, before: float, high: int, after: float) -> int:
    share = before / (before - after)
    return round(math.exp(math.log(low) + share * (math.log(high) - math.log(low))))
