"""Finds the arms with the lowest cost of a trial: the lowest, and those that are too close to it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.decide import stats
from harness.decide.comparison import INVALID, ArmFigures
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.rounds import Rounds, effects


def rank(arms: Sequence[ArmFigures], metric: str) -> list[ArmFigures]:
    """Sort the arms that have a ratio to the baseline by it, the lowest first."""
    rated = [arm for arm in arms if metric in arm.ratios]
    return sorted(rated, key=lambda arm: arm.ratios[metric].estimate.value)


def find(rounds: Rounds, arms: Sequence[ArmFigures]) -> tuple[str, ...]:
    """Name the arm whose headline metric is lowest, then those that are not told apart from it.

    An arm that is shown to be below the baseline goes before one that only seems to be. With fewer than
    `FORKS_FOR_INTERVAL` forks it is the one that was seen to be lowest, alone. Empty where nothing can be
    held against the baseline.
    """
    metric, base = rounds.headline, arms[rounds.baseline]
    ranked = rank(arms, metric)
    if not rounds.forks or base.validity == INVALID or not ranked:
        return ()
    below = [arm for arm in ranked if arm.ratios[metric].estimate.value < 1]
    if rounds.forks < FORKS_FOR_INTERVAL:
        return ((below or [base])[0].name,)
    contestants = [base, *ranked]
    shown = [arm for arm in below if _apart(rounds, arms, arm, base) < 0]
    first = next(
        (
            one
            for one in (*shown, *below, base)
            if not any(_apart(rounds, arms, other, one) < 0 for other in contestants if other is not one)
        ),
        below[0] if below else base,
    )
    others = [arm for arm in contestants if arm is not first]
    return (first.name, *(arm.name for arm in others if _apart(rounds, arms, arm, first) <= 0))


def _apart(rounds: Rounds, arms: Sequence[ArmFigures], one: ArmFigures, other: ArmFigures) -> int:
    """Give −1 where `one` is shown to be below `other`, 1 where it is above, and 0 where neither is shown."""
    metric = rounds.headline
    long = any(arm.ratios[metric].long_turns for arm in (one, other) if arm.ratios)
    found, _ = effects(rounds, metric, arms.index(one), arms.index(other), long=long)
    known = found[~np.isnan(found)]
    if len(known) < FORKS_FOR_INTERVAL:
        return 0
    # The first is picked because it is lowest, so every pair of arms was looked at (Bonferroni).
    contestants = sum(not arm.floor for arm in arms)
    _, low, high = stats.interval(known, 1 - (1 - stats.CONFIDENCE) / math.comb(contestants, 2))
    return int(low > 0) - int(high < 0)
