"""Holds arms of two stored runs of one machine against each other, through the floor that both have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
from scipy.special import stdtrit

from harness.decide import stats
from harness.decide.comparison import INVALID
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.findings import find_all
from harness.decide.rounds import FLOOR, Rounds, arrange, effects
from harness.decide.stats import Numbers
from harness.results import Result, Trial


class Between(msgspec.Struct, frozen=True):
    """How far two sessions of this machine lie apart though nothing changed, as A/A sessions say."""

    deviation: float
    """Standard deviation of ln(cost / floor's cost) between sessions."""
    freedom: float


class Point(msgspec.Struct, frozen=True, order=True):
    """Where both were measured."""

    scenario: str
    users: int
    sample: str
    method: str
    part: str


class Change(msgspec.Struct, frozen=True):
    """What one cost of an arm changed by from one run to the other; 0.02 is 2 % more."""

    point: Point
    arm: str
    metric: str
    change: float | None
    """None where one of them says nothing."""
    low: float | None
    """95 %; None where the noise between sessions is not known, or there are too few forks."""
    high: float | None
    reason: str = ""
    """Why there is no change, or no interval."""

    @property
    def resolved(self) -> bool:
        """Tell whether it is shown that something changed."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


Noise = Mapping[tuple[int, str], Between]
"""By users and metric."""


def changes(base: Sequence[Result], candidate: Sequence[Result], noise: Noise) -> tuple[Change, ...]:
    """Give what changed of each arm that both runs have at the same point; empty where there is none.

    Raises `ValueError` for runs of two machines: the floor of one says nothing of the other.
    """
    kinds = {result.machine.fingerprint for result in (*base, *candidate)}
    if len(kinds) > 1:
        raise ValueError(f"they were measured on {len(kinds)} kinds of machine: {', '.join(sorted(kinds))}")
    ours, theirs = _arranged(candidate), _arranged(base)
    return tuple(
        change
        for point in theirs
        if point in ours
        for change in _at(point, theirs[point], ours[point], noise)
    )


def _arranged(results: Sequence[Result]) -> dict[Point, list[Rounds]]:
    found: dict[Point, list[Rounds]] = {}
    for result in results:
        found.setdefault(_point(result.trial), []).append(arrange(result))
    return found


def _point(trial: Trial) -> Point:
    return Point(trial.scenario, trial.users, trial.sample, trial.method, trial.part)


def _at(point: Point, base: list[Rounds], candidate: list[Rounds], noise: Noise) -> Iterator[Change]:
    for arm in _names(base):
        if arm not in _names(candidate):
            continue
        for metric in base[0].metrics:
            (before, wrong), (after, wronger) = _costs(base, arm, metric), _costs(candidate, arm, metric)
            reason = wrong or wronger
            if reason or not len(before) or not len(after):
                yield Change(point, arm, metric, None, None, None, reason or "no fork says anything of it")
            else:
                yield _change(point, arm, metric, before, after, noise.get((point.users, metric)))


def _names(played: Sequence[Rounds]) -> list[str]:
    names = (arm.name for rounds in played for arm in rounds.result.trial.arms)
    return [name for name in dict.fromkeys(names) if name != FLOOR]


def _costs(played: Sequence[Rounds], name: str, metric: str) -> tuple[Numbers, str]:
    """Give ln(cost / floor's cost) of each fork, or why it is not valid."""
    found = []
    for rounds in played:
        names = [arm.name for arm in rounds.result.trial.arms]
        if name not in names:
            continue
        if rounds.floor is None:
            return np.empty(0), "there is no floor beside it"
        for finding in find_all(rounds):
            if finding.validity == INVALID and finding.arm in ("", name, FLOOR):
                return np.empty(0), finding.text.partition("\n")[0]
        found.append(effects(rounds, metric, names.index(name), rounds.floor)[0])
    values = np.concatenate(found)
    return values[np.isfinite(values)], ""


def _change(
    point: Point, arm: str, metric: str, before: Numbers, after: Numbers, between: Between | None
) -> Change:
    """Compare two means whose errors are those of their forks and that of their sessions.

    The degrees of freedom are those of Welch and Satterthwaite, for a sum of three variances.
    """
    difference = float(after.mean() - before.mean())
    change = math.expm1(difference)
    if between is None:
        return Change(point, arm, metric, change, None, None, "the noise between sessions is not known")
    if min(len(before), len(after)) < FORKS_FOR_INTERVAL:
        return Change(point, arm, metric, change, None, None, f"fewer than {FORKS_FOR_INTERVAL} forks")
    parts = [(float(each.var(ddof=1)) / len(each), len(each) - 1.0) for each in (before, after)]
    parts.append((2 * between.deviation**2, between.freedom))
    variance = sum(part for part, _ in parts)
    if not variance:
        return Change(point, arm, metric, change, change, change)
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    half = float(-stdtrit(freedom, (1 - stats.CONFIDENCE) / 2)) * math.sqrt(variance)
    return Change(point, arm, metric, change, math.expm1(difference - half), math.expm1(difference + half))
