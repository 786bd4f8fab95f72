"""What a cost changed by from one session to another, and how well that is known."""

from __future__ import annotations

import math

import msgspec
from scipy.special import stdtrit

from harness.decide.judge import Outcome
from harness.decide.sessions import Spread
from harness.decide.stats import CONFIDENCE, Numbers


class Change(msgspec.Struct, frozen=True):
    """One cost of an arm in two runs; changes are relative to the base, 0.02 being 2 % more."""

    metric: str
    base: float | None
    """As a multiple of the floor's; None where a run says nothing of it."""
    candidate: float | None
    change: float | None
    low: float | None
    """95 %; None where there is no interval."""
    high: float | None
    outcome: Outcome | None
    """None where nothing was judged."""
    reason: str = ""
    """Why there is no change, or no interval."""


def uncertainty(before: Numbers, after: Numbers, noise: Spread) -> tuple[float, float]:
    """Give the standard error of mean(after) − mean(before), and its degrees of freedom.

    Both are ln(cost / floor's cost) fork by fork, four or more, of two sessions; `noise` is what A/A
    sessions say of this cost. Each session is off by an amount of its own, and each fork within it:

        variance = s₁²/n₁ + s₂²/n₂ + 2 b²,   at least 2 m²

    with s² the variance over the n forks of either run, b the standard deviation between sessions by the
    method of moments, and m the one of A/A sessions' means of a single arm as they were seen (m² = b² +
    forks' part). Where m² is smaller than its forks explain, b² is cut off at 0, which does not say that it
    is 0: hence the least, for two more sessions are not better known than those were seen to repeat. The
    difference of two of them over m √2 is Student's t with as many degrees of freedom as m has.

    Degrees of freedom are those of a sum of variances (Satterthwaite, Biometrics Bulletin 2, 1946; Welch,
    Biometrika 34, 1947), and those of m where the least holds.
    """
    parts = [(float(each.var(ddof=1)) / len(each), len(each) - 1.0) for each in (before, after)]
    parts.append((2 * noise.between**2, noise.freedom))
    variance, least = sum(part for part, _ in parts), 2 * noise.scatter**2
    if least >= variance:
        return math.sqrt(least), noise.sessions - 1.0
    return math.sqrt(variance), variance**2 / sum(part**2 / free for part, free in parts)


def bounds(
    before: Numbers, after: Numbers, noise: Spread, alpha: float = (1 - CONFIDENCE) / 2
) -> tuple[float, float]:
    """Give lower and upper bound of the change, each wrong with probability `alpha`; see `uncertainty`."""
    error, freedom = uncertainty(before, after, noise)
    difference, half = float(after.mean() - before.mean()), float(-stdtrit(freedom, alpha)) * error
    return math.expm1(difference - half), math.expm1(difference + half)
