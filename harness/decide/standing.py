"""How the arms of a trial stand while it is measured: a few sums a turn, and bounds on demand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from harness.decide import estimates
from harness.decide.comparison import Estimate
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.stats import CONFIDENCE

_ROUNDS_FOR_SPREAD = 4
_NOTHING = float("nan")


class _Arm:
    """Sums of one arm: of the fork that is played, and of all together."""

    def __init__(self) -> None:
        self.cost = self.units = 0.0
        """Of this fork."""
        self.all_cost = self.all_units = 0.0
        self.busy = self.foreign = 0.0
        self.now = _NOTHING
        """ln of the cost in the round that is played."""
        self.rounds = 0
        self.mean = self.squares = 0.0
        """Of ln(arm / baseline) over the rounds of this fork, as Welford keeps them."""
        self.half: float | None = None
        """Spread of ln(arm / baseline) within the last fork that was finished."""
        self.forks: list[float] = []
        """ln(arm / baseline) of each finished fork; NaN where it says nothing."""


class Standing:
    """Costs so far of arms that share a trial.

    `turn` takes constant time but for one turn a round, which takes a step an arm. Ratios are of sums over
    the turns of a fork, as `estimates` has them of stored results, but without the long turns.
    """

    def __init__(self, arms: Sequence[str], baseline: str, cores: int) -> None:
        """Know no turn yet; `cores` are those of the machine."""
        self._arms = {name: _Arm() for name in arms}
        self._base = self._arms[baseline]
        self._cores = cores
        self._round = -1
        self._rounds_before = 0
        self.forks = 0
        """Finished ones."""

    def turn(self, arm: str, round_: int, cost: int, units: int, busy: int, foreign: int) -> None:
        """Take a turn that cost `cost` ns for `units` calls or messages; 0 units say nothing of the cost.

        `foreign` is CPU of others in the `busy` ns that it lasted. An arm that is not known is passed over.
        """
        sums = self._arms.get(arm)
        if sums is None:
            return
        sums.busy += busy
        sums.foreign += foreign
        if round_ != self._round:
            self._close_round()
            self._round = round_
        if units > 0 and cost > 0:
            sums.cost += cost
            sums.units += units
            sums.now = math.log(cost / units)

    def _close_round(self) -> None:
        base = self._base.now
        for sums in self._arms.values():
            ratio, sums.now = sums.now - base, _NOTHING
            if not math.isnan(ratio):
                sums.rounds += 1
                step = ratio - sums.mean
                sums.mean += step / sums.rounds
                sums.squares += step * (ratio - sums.mean)

    def end(self) -> None:
        """Say that the fork came to its end."""
        self._close_round()
        self._round = -1
        self._rounds_before = self._base.rounds
        running = {name: self._running(sums) for name, sums in self._arms.items()}
        for name, sums in self._arms.items():
            sums.forks.append(running[name])
            sums.half = _half(sums)
            sums.all_cost += sums.cost
            sums.all_units += sums.units
            sums.cost = sums.units = sums.mean = sums.squares = 0.0
            sums.rounds = 0
        self.forks += 1

    def cost(self, arm: str) -> float | None:
        """Give ns per unit over all turns so far; None where none was good."""
        sums = self._arms[arm]
        units = sums.all_units + sums.units
        return (sums.all_cost + sums.cost) / units if units else None

    def ratio(self, arm: str) -> Estimate | None:
        """Give the cost as a multiple of the baseline's; None for the baseline, and where nothing is known.

        Bounds are those of `estimates.of_effects`. The fork that is played counts once it has half as many
        rounds as the one before it, but it never is the one that makes an interval of a spread.
        """
        sums = self._arms[arm]
        if sums is self._base:
            return None
        known = [ratio for ratio in sums.forks if not math.isnan(ratio)]
        running = self._running(sums)
        if not math.isnan(running) and 2 * sums.rounds >= self._rounds_before:
            fills_up = len(known) + 1 == FORKS_FOR_INTERVAL
            known += [] if fills_up else [running]
        if not known:
            return None
        return estimates.of_effects(np.array(known), _half(sums) if not sums.forks else sums.half)

    @property
    def starts(self) -> int:
        """Give how many forks ratios are of, the one that is played included where it counts."""
        counts = self._base.rounds and 2 * self._base.rounds >= self._rounds_before
        return self.forks + bool(counts and self.forks + 1 != FORKS_FOR_INTERVAL)

    def disturbed(self) -> tuple[float, str]:
        """Give the largest share of the cores' time that others used in the turns of an arm, and its name."""
        shares = [
            (sums.foreign / (sums.busy * self._cores), name) for name, sums in self._arms.items() if sums.busy
        ]
        return max(shares, default=(0.0, ""))

    def _running(self, sums: _Arm) -> float:
        if not (sums.cost and self._base.cost):
            return _NOTHING
        return math.log(sums.cost / sums.units) - math.log(self._base.cost / self._base.units)


def _half(sums: _Arm) -> float | None:
    """Give half the spread of ln(arm / baseline) within a fork: Student's t over its rounds."""
    if sums.rounds < _ROUNDS_FOR_SPREAD:
        return None
    error = math.sqrt(sums.squares / (sums.rounds - 1) / sums.rounds)
    return float(-stdtrit(sums.rounds - 1, (1 - CONFIDENCE) / 2) * error)
