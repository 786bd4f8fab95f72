"""A claim with its verdict, and what speaks for it or against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from harness.decide.comparison import Estimate
from harness.decide.judge import DETECT, TOLERANCE

HOLDS = "holds"
FAILS = "does not hold"
UNCLEAR = "unclear"
UNMEASURED = "not measured"

COSTS = ("time", "cpu")
"""What makes an arm cheap or expensive: all of them must be known to show it."""


class Evidence(msgspec.Struct, frozen=True):
    """One thing that was seen."""

    label: str
    """Of what, and where: ``over TLS, 1 user``."""
    text: str
    """What was seen, in words."""
    estimate: Estimate | None = None
    """The ratio that the text begins with; its interval is 95 % for all ratios of the claim together."""
    verdict: str = ""
    """What it alone says of its part of the claim; empty where it says nothing."""


class Judged(msgspec.Struct, frozen=True):
    """What a rule makes of what was measured."""

    verdict: str
    """`HOLDS`, `FAILS`, `UNCLEAR` or `UNMEASURED`."""
    evidence: tuple[Evidence, ...]
    explanation: str
    """One sentence that says why."""


class Claim(msgspec.Struct, frozen=True):
    """What somebody claims, and what becomes of it; rules and reasons stand in docs/claims.md."""

    number: int
    text: str
    verdict: str
    """``holds``, ``does not hold``, ``unclear`` or ``not measured``."""
    evidence: tuple[Evidence, ...]
    explanation: str


def unmeasured(what: str) -> Judged:
    """Judge where nothing was measured; `what` would have been needed."""
    return Judged(UNMEASURED, (), f"It takes {what}.")


def whole(verdicts: Iterable[str]) -> str:
    """Join parts that must all hold."""
    found = set(verdicts)
    if FAILS in found:
        return FAILS
    if found <= {UNMEASURED}:
        return UNMEASURED
    return HOLDS if found == {HOLDS} else UNCLEAR


def either(verdicts: Iterable[str]) -> str:
    """Join parts of which one is enough."""
    found = set(verdicts)
    if HOLDS in found:
        return HOLDS
    if found <= {UNMEASURED}:
        return UNMEASURED
    return FAILS if found == {FAILS} else UNCLEAR


def cheaper(costs: Mapping[str, Estimate]) -> str:
    """Tell whether ratios of costs show that one arm costs less than another: in one, and more in none.

    One of `COSTS` that is not known leaves it open.
    """
    bounds = [known for metric in COSTS if (known := interval(costs.get(metric)))]
    if len(bounds) < len(COSTS):
        return UNCLEAR
    if any(low > 1 + TOLERANCE for low, _ in bounds) or all(low > 1 - TOLERANCE for low, _ in bounds):
        return FAILS
    if any(high < 1 - TOLERANCE for _, high in bounds) and all(high < 1 + DETECT for _, high in bounds):
        return HOLDS
    return UNCLEAR


def more(cost: Estimate | None) -> str:
    """Tell whether a ratio of costs shows that one arm costs more than another."""
    bounds = interval(cost)
    if bounds is None:
        return UNCLEAR
    if bounds[0] > 1 + TOLERANCE:
        return HOLDS
    return FAILS if bounds[1] < 1 + TOLERANCE else UNCLEAR


def as_much(cost: Estimate | None) -> str:
    """Tell whether one arm costs as much as another at most."""
    bounds = interval(cost)
    if bounds is None:
        return UNCLEAR
    if bounds[0] > 1 + TOLERANCE:
        return FAILS
    return HOLDS if bounds[1] < 1 + DETECT else UNCLEAR


def interval(estimate: Estimate | None) -> tuple[float, float] | None:
    """Give the bounds of an estimate; None for a spread, which decides nothing."""
    if estimate is None or estimate.basis != "interval" or estimate.low is None or estimate.high is None:
        return None
    return estimate.low, estimate.high
