"""Ratios as small bars in the cells of a table, on one logarithmic scale a column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.decide.comparison import Estimate

_LEAST = 1.04
"""Ends of a scale are apart by this factor at least, so that what is alike looks alike."""
_EDGE = 4.0
"""Per cent of the width that stay free at either end."""


@dataclass(frozen=True)
class Bar:
    """Where a ratio, its bounds and 1 stand, in per cent of the width."""

    low: float
    value: float
    high: float
    one: float
    resolved: bool


def draw(estimates: Sequence[Estimate | None]) -> list[Bar | None]:
    """Place the ratios of a column, and 1; None for what is unknown or has no place on such a scale."""
    known = [ratio for ratio in estimates if ratio is not None and _finite(ratio)]
    if not known:
        return [None] * len(estimates)
    ends = [bound for ratio in known for bound in _ends(ratio)] + [1.0]
    low, high = math.log(min(ends)), math.log(max(ends))
    missing = max(0.0, math.log(_LEAST) - (high - low)) / 2
    low, high = low - missing, high + missing

    def place(value: float) -> float:
        return round(_EDGE + (100 - 2 * _EDGE) * (math.log(value) - low) / (high - low), 2)

    def bar(ratio: Estimate) -> Bar:
        first, last = _ends(ratio)
        return Bar(place(first), place(ratio.value), place(last), place(1.0), _resolved(ratio))

    return [bar(ratio) if ratio is not None and _finite(ratio) else None for ratio in estimates]


def _ends(ratio: Estimate) -> tuple[float, float]:
    if ratio.low is None or ratio.high is None:
        return ratio.value, ratio.value
    return ratio.low, ratio.high


def _resolved(ratio: Estimate) -> bool:
    """Tell whether 1 lies outside of an interval; a spread never resolves anything."""
    low, high = _ends(ratio)
    return ratio.basis == "interval" and not low <= 1 <= high


def _finite(ratio: Estimate) -> bool:
    return all(value > 0 and math.isfinite(value) for value in (ratio.value, *_ends(ratio)))
