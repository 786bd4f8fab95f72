"""Joins trials that share a baseline: many arms, asked the same question at the same point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from msgspec.structs import replace
from scipy.special import stdtrit

from harness.decide import sentence, stats
from harness.decide.comparison import VALID, ArmFigures, Comparison
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.lowest import rank


def join(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Put comparisons of the same question at the same point, one behind the other, into one each.

    Ratios stay those of the trials in which they were measured, where baseline and floor took turns with
    the arm; the figures of baseline and floor are those of the first trial.
    """
    joined: list[list[Comparison]] = []
    for one in comparisons:
        if joined and _belongs(one, joined[-1]):
            joined[-1].append(one)
        else:
            joined.append([one])
    return [parts[0] if len(parts) == 1 else _joined(parts) for parts in joined]


def _belongs(one: Comparison, parts: Sequence[Comparison]) -> bool:
    """Tell whether a trial asked the same as others, of other arms; the same arms again are measured anew."""
    before = set().union(*map(_names, parts))
    return _point(parts[0]) == _point(one) and _names(one).isdisjoint(before)


def _names(one: Comparison) -> set[str]:
    """Name the arms beside baseline and floor."""
    return {arm.name for arm in one.arms if not arm.floor and arm.name != one.baseline}


def _point(one: Comparison) -> tuple[object, ...]:
    asked = (one.scenario, one.method, one.part, one.users, one.sample, one.baseline, one.open)
    return (*asked, one.forks_asked, one.messages, one.machine)


def _joined(parts: Sequence[Comparison]) -> Comparison:
    arms: dict[str, ArmFigures] = {}
    # Arms were dealt to the trials in turn, so this is the order in which they were asked for.
    for row in zip_longest(*(part.arms for part in parts)):
        for arm in filter(None, row):
            arms.setdefault(arm.name, arm)
    ordered = sorted(arms.values(), key=lambda arm: arm.floor)
    leading = _lowest(parts, ordered)
    dissected = {one.arm: one for part in reversed(parts) for one in part.anatomy}
    return replace(
        parts[0],
        arms=tuple(ordered),
        forks=min(part.forks for part in parts),
        seconds=sum(part.seconds for part in parts),
        turn=max(part.turn for part in parts),
        findings=tuple(dict.fromkeys(finding for part in parts for finding in part.findings)),
        versions={name: version for part in parts for name, version in part.versions.items()},
        trials=len(parts),
        anatomy=tuple(dissected[arm.name] for arm in ordered if arm.name in dissected),
        sentence=_sentence(parts, ordered, leading),
        lowest=leading,
    )


def _lowest(parts: Sequence[Comparison], arms: Sequence[ArmFigures]) -> tuple[str, ...]:
    """Name the lowest arms; those of different trials are compared through the baseline alone.

    As in a single trial, two arms count as different only if they are so over all pairs (Bonferroni).
    """
    baseline, metric = parts[0].baseline, parts[0].headline
    ranked = rank(arms, metric)
    if not ranked:
        return parts[0].lowest
    if min(part.forks for part in parts) < FORKS_FOR_INTERVAL:
        return (ranked[0].name if ranked[0].ratios[metric].estimate.value < 1 else baseline,)
    alpha = (1 - stats.CONFIDENCE) / math.comb(len(ranked) + 1, 2)
    bounds = {arm.name: _bounds(arm, parts, alpha) for arm in ranked}
    first = next((name for name, bound in bounds.items() if bound and bound[1] < 1), None)
    if first is None:
        return (baseline, *(name for name, bound in bounds.items() if not bound or bound[0] <= 1))
    return (first, *(name for name in bounds if name != first and _overlap(bounds[first], bounds[name])))


def _sentence(parts: Sequence[Comparison], arms: Sequence[ArmFigures], lowest: Sequence[str]) -> str:
    """Say who is the fastest."""
    baseline = parts[0].baseline
    metric = parts[0].headline
    ranked = rank(arms, metric)
    if not ranked:
        return parts[0].sentence
    first = ranked[0]
    estimate = first.ratios[metric].estimate
    what = sentence.cost(parts[0].part, parts[0].messages, metric)
    among = f"of {len(ranked) + 1} arms in {len(parts)} trials that share {baseline}"
    if min(part.forks for part in parts) < FORKS_FOR_INTERVAL:
        return (
            f"{among[0].upper()}{among[1:]}, {first.name} took the least in these few starts: "
            f"{sentence.show(estimate)} the {what}; that says nothing of the next start."
        )
    if baseline in lowest:
        return f"None {among} is shown to take less {what} than it."
    first = next(arm for arm in ranked if arm.name == lowest[0])
    estimate = first.ratios[metric].estimate
    tied = lowest[1:]
    best = "cheapest" if metric == "cpu" else "fastest"
    doubt = "" if first.validity == VALID else f"; {first.validity}"
    near = f"; too close to tell apart: {', '.join(tied)}" if tied else ""
    return (
        f"{first.name} is the {best} {among}: {sentence.show(estimate)} the {what} of {baseline}"
        f"{sentence.bounds(estimate)}{near}{doubt}."
    )


def _bounds(arm: ArmFigures, parts: Sequence[Comparison], alpha: float) -> tuple[float, float] | None:
    """Widen the interval of an arm's ratio to be wrong with probability `alpha`, for all pairs looked at."""
    estimate = arm.ratios[parts[0].headline].estimate
    if estimate.basis != "interval" or not estimate.low or not estimate.high:
        return None
    forks = min(part.forks for part in parts)
    factor = float(stdtrit(forks - 1, 1 - alpha / 2) / stdtrit(forks - 1, (1 + stats.CONFIDENCE) / 2))
    middle, half = math.log(estimate.value), math.log(estimate.high / estimate.low) / 2 * factor
    return math.exp(middle - half), math.exp(middle + half)


def _overlap(ours: tuple[float, float] | None, theirs: tuple[float, float] | None) -> bool:
    return ours is None or theirs is None or (theirs[0] <= ours[1] and ours[0] <= theirs[1])
