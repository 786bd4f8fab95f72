"""Gives how far sessions of one machine lie apart, beyond what the forks within them explain."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from harness import noise
from harness.decide.stats import Numbers
from harness.noise import Noise, Point, Rows, Session

WANTED = 5
"""Sessions from which on the noise between them is told."""


class Spread(msgspec.Struct, frozen=True):
    """Standard deviations of ln(cost / floor's cost) of one metric at one number of users."""

    users: int
    metric: str
    between: float
    """Between sessions: what is left when forks were without end."""
    within: float
    """Between forks of one session."""
    freedom: float
    """Degrees of freedom of `between`."""
    sessions: int
    scatter: float
    """Of sessions' means of a single arm, as they were seen: the noise of forks is in it, too."""


class Told(msgspec.Struct, frozen=True):
    """What is known of the noise between sessions of a machine."""

    file: str
    sessions: int
    """Those that count, see `noise.alike`."""
    wanted: int
    spreads: tuple[Spread, ...]
    """Empty below `wanted` sessions."""


def told(stored: Noise, file: str) -> Told:
    """Sum up what is `stored` in `file`."""
    counted = noise.alike(stored.sessions)
    return Told(file, len(counted), WANTED, tuple(filter(None, spreads(counted).values())))


def spreads(sessions: Sequence[Session]) -> dict[tuple[int, str], Spread | None]:
    """Give the spread of each number of users and metric; None where fewer than `WANTED` sessions know it.

    One-way random effects by the method of moments: the variance between sessions is that of their means,
    less the mean over sessions of the variance within / forks, and never below 0 (Searle, Casella and
    McCulloch, Variance Components, 1992, ch. 3; for programs started again Kalibera and Jones, Rigorous
    Benchmarking in Reasonable Time, ISMM 2013).
    """
    found: dict[tuple[int, str], list[Point]] = {}
    for session in sessions:
        for point in session.points:
            for metric in point.ratios:
                found.setdefault((point.users, metric), []).append(point)
    return {
        (users, metric): _spread(users, metric, each) if len(each) >= WANTED else None
        for (users, metric), each in found.items()
    }


def forks(point: Point, metric: str) -> Numbers:
    """Give ln(cost / floor's cost) fork by fork: the mean over arms, which share a fork's floor."""
    means: Numbers = np.array(point.ratios[metric], float).mean(axis=0)
    return means


def _spread(users: int, metric: str, points: list[Point]) -> Spread:
    count = len(points)
    sessions = [forks(point, metric) for point in points]
    means = np.array([each.mean() for each in sessions])
    inside = np.array([each.var(ddof=1) for each in sessions])
    total = float(means.var(ddof=1))
    part = float(np.mean(inside / [len(each) for each in sessions]))
    free = [len(each) - 1 for each in sessions]
    return Spread(
        users=users,
        metric=metric,
        between=math.sqrt(max(0.0, total - part)),
        within=math.sqrt(float(np.average(inside, weights=free))),
        freedom=_freedom(total, count - 1, part, sum(free)),
        sessions=count,
        scatter=_scatter([point.ratios[metric] for point in points]),
    )


def _scatter(sessions: Sequence[Rows]) -> float:
    """Give the standard deviation of the means of one arm, pooled over the arms that all sessions have.

    The mean over arms scatters less, and what is compared later is one arm.
    """
    means = [[float(np.mean(row)) for row in rows] for rows in sessions]
    return math.sqrt(float(np.mean([np.var(arm, ddof=1) for arm in zip(*means, strict=False)])))


def _freedom(total: float, of_total: int, part: float, of_part: int) -> float:
    """Give the degrees of freedom of `total` − `part`, two mean squares with theirs; 1 at least.

    Satterthwaite, An Approximate Distribution of Estimates of Variance Components, Biometrics Bulletin 2
    (1946).
    """
    if total <= part:
        return 1.0
    return max(1.0, (total - part) ** 2 / (total**2 / of_total + part**2 / of_part))
