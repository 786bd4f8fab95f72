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
from harness.decide.comparison import INVALID
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.findings import find_all
from harness.results import Result
from scenarios.arm import FLOOR
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
    size: int | None
    """About where they meet, in bytes: on a line through ln ratio over ln size; None where there is a sample
    between `low` and `high`, at which nothing is shown."""
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
    points = [_Point(costs.arrange(result)) for result in ordered]
    trial = ordered[0].trial
    pairs = list(combinations([k for k, arm in enumerate(trial.arms) if arm.stack != FLOOR.stack], 2))
    # Every pair is looked at in every sample (Bonferroni).
    confidence = 1 - (1 - stats.CONFIDENCE) / max(1, len(pairs) * len(points))
    for one, other in pairs:
        shown = [
            (place, mean)
            for place, point in enumerate(points)
            if (mean := point.shown(one, other, confidence)) is not None
        ]
        for (low, before), (high, after) in pairwise(shown):
            if before * after < 0:
                names = (trial.arms[one].name, trial.arms[other].name)
                small, large = names if before < 0 else names[::-1]
                samples = [ordered[place].trial.sample for place in (low, high)]
                size = _meeting(samples[0], samples[1], before, after) if high == low + 1 else None
                yield Crossover(small, large, samples[0], samples[1], size, trial.users, trial.method)


class _Point:
    """One sample: its rounds, and which of its figures may be used and how."""

    def __init__(self, rounds: costs.Rounds) -> None:
        found = find_all(rounds)
        self._rounds = rounds
        self._lost = {one.arm for one in found if one.validity == INVALID}
        self._sensitive = {one.arm for one in found if one.kind == "turn-sensitive" and "time" in one.figures}

    def shown(self, one: int, other: int, confidence: float) -> float | None:
        """Give the mean of ln(time of `one` / time of `other`) where its interval excludes 0.

        As in the table an arm without valid figures has none, and one that is turn-sensitive those of its
        long turns.
        """
        names = {self._rounds.name(arm) for arm in (one, other)}
        if names & self._lost:
            return None
        found, _ = costs.effects(self._rounds, "time", one, other, long=bool(names & self._sensitive))
        known = found[np.isfinite(found)]
        if len(known) < FORKS_FOR_INTERVAL:
            return None
        mean, low, high = stats.interval(known, confidence)
        return None if low <= 0 <= high else mean


def _meeting(low: str, high: str, before: float, after: float) -> int:
    smaller, larger = math.log(bytes_of(low)), math.log(bytes_of(high))
    return round(math.exp(smaller + before / (before - after) * (larger - smaller)))
