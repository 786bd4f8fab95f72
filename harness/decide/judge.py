"""Gives the verdict of one look at a candidate against its base."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping

import msgspec
import numpy as np

from harness.decide import stats
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.stats import Numbers

TOLERANCE = 0.02
"""A change that is put up with."""
DETECT = 0.05
"""A change that must not go unseen; between the two either answer may come."""
ALPHA = 0.01
"""How often an unchanged candidate may be called worse."""


class Outcome(enum.StrEnum):
    """What may be said of a change in cost."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    UNCLEAR = "unclear"


class Verdict(msgspec.Struct, frozen=True):
    """What is known of one metric; changes are relative to the base, 0.02 being 2 % more."""

    metric: str
    change: float | None
    """None where no fork tells."""
    low: float | None
    """One-sided bounds; None where there are too few forks."""
    high: float | None
    outcome: Outcome


class Judgement(msgspec.Struct, frozen=True):
    """One look at all gated metrics."""

    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    forks: int
    """Forks that every metric is known of."""
    reason: str
    """Why nothing could be judged; empty where it could."""


def judge(
    effects: Mapping[str, Numbers],
    tolerance: float = TOLERANCE,
    detect: float = DETECT,
    alpha: float = ALPHA,
) -> Judgement:
    """Judge the per-fork ln(candidate / base) of each metric, all costs.

    In this order: WORSE if the lower bound of any metric is above `tolerance`; BETTER if the upper bound of
    one is below −`tolerance` and no other's reaches `detect`; SAME if every upper bound is below `detect`;
    else UNCLEAR. So no metric is bought with another. `alpha` is the error, one-sided, that this look may
    spend; it is split evenly over the metrics, so that it holds for "any" (Bonferroni). Who looks more than
    once splits theirs over the looks before.

    With fewer than `FORKS_FOR_INTERVAL` forks, or forks without an effect, the outcome is UNCLEAR with a
    reason. Raises `ValueError` for no metric, metrics of different length, or a tolerance above `detect`.
    """
    if len({len(values) for values in effects.values()}) != 1:
        raise ValueError(f"one or more metrics with equally many forks are wanted, not {_lengths(effects)}")
    if not 0 <= tolerance <= detect:
        raise ValueError(f"tolerance {tolerance} must be 0 to detect, which is {detect}")
    forks = min(int(np.isfinite(values).sum()) for values in effects.values())
    reason = _hindrance(effects, forks)
    if reason:
        verdicts = tuple(_unknown(metric, values) for metric, values in effects.items())
        return Judgement(Outcome.UNCLEAR, verdicts, forks, reason)
    share = alpha / len(effects)
    verdicts = tuple(_look(metric, values, tolerance, detect, share) for metric, values in effects.items())
    return Judgement(joint({verdict.outcome for verdict in verdicts}), verdicts, forks, "")


def _lengths(effects: Mapping[str, Numbers]) -> dict[str, int]:
    return {metric: len(values) for metric, values in effects.items()}


def _hindrance(effects: Mapping[str, Numbers], forks: int) -> str:
    blank = [metric for metric, values in effects.items() if not np.isfinite(values).all()]
    if blank:
        return f"{' and '.join(blank)} is not known of every fork"
    if forks < FORKS_FOR_INTERVAL:
        return f"{forks} of the {FORKS_FOR_INTERVAL} forks that a verdict needs"
    return ""


def _unknown(metric: str, values: Numbers) -> Verdict:
    known = values[np.isfinite(values)]
    change = float(np.expm1(known.mean())) if len(known) else None
    return Verdict(metric, change, None, None, Outcome.UNCLEAR)


def _look(metric: str, values: Numbers, tolerance: float, detect: float, alpha: float) -> Verdict:
    low, high = (float(np.expm1(bound)) for bound in stats.bounds(values, alpha))
    change = float(np.expm1(values.mean()))
    return Verdict(metric, change, low, high, outcome(low, high, tolerance, detect))


def outcome(low: float, high: float, tolerance: float, detect: float) -> Outcome:
    """Give what may be said of one change, from its bounds; all are shares, as 0.02."""
    if low > tolerance:
        return Outcome.WORSE
    if high < -tolerance:
        return Outcome.BETTER
    return Outcome.SAME if high < detect else Outcome.UNCLEAR


def joint(outcomes: Collection[Outcome]) -> Outcome:
    """Give what may be said of several metrics together: one that is worse is bought with no other."""
    for each in (Outcome.WORSE, Outcome.UNCLEAR, Outcome.BETTER):
        if each in outcomes:
            return each
    return Outcome.SAME
