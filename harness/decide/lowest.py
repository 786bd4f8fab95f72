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
    shown = [arm for arm in below if _apart(rounds, arms, arm, base)]
    first = [*shown, *below, base][0]
    others = [arm for arm in (base, *ranked) if arm is not first]
    return (first.name, *(arm.name for arm in others if not _apart(rounds, arms, first, arm)))


def _apart(rounds: Rounds, arms: Sequence[ArmFigures], first: ArmFigures, other: ArmFigures) -> bool:
    metric = rounds.headline
    long = any(arm.ratios[metric].long_turns for arm in (first, other) if arm.ratios)
    found, _ = effects(rounds, metric, arms.index(first), arms.index(other), long=long)
    known = found[~np.isnan(found)]
    if len(known) < FORKS_FOR_INTERVAL:
        return False
    # The first is picked because it is lowest, so every pair of arms was looked at (Bonferroni).
    contestants = sum(not arm.floor for arm in arms)
    _, low, high = stats.interval(known, 1 - (1 - stats.CONFIDENCE) / math.comb(contestants, 2))
    return not low <= 0 <= high
