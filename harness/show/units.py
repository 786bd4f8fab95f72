"""Numbers as text: one unit for all times of a table, and digits that suit a column."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.decide import sentence
from harness.decide.comparison import Estimate

NOTHING = "–"
"""Stands where a figure is not to be known."""

_MICRO = 1_000
_MILLI = 1_000_000
_MILLI_FROM = 100 * _MILLI
_MOST_RATIO_DIGITS = 5


@dataclass(frozen=True)
class Scale:
    """The unit in which all times of a table stand."""

    name: str
    nanoseconds: int

    def of(self, value: float | None) -> float | None:
        """Convert nanoseconds; nothing stays nothing."""
        return None if value is None else value / self.nanoseconds


def scale(values: Iterable[float | None]) -> Scale:
    """Choose µs, or ms where the largest of `values` (ns) is 100 ms or more."""
    largest = max((value for value in values if value is not None and math.isfinite(value)), default=0)
    return Scale("ms", _MILLI) if largest >= _MILLI_FROM else Scale("µs", _MICRO)


def decimals(values: Iterable[float | None], digits: int = 3) -> int:
    """Find how many decimals give the smallest of `values` so many digits.

    At most 1 where it is 1 or more, and none where the largest has five digits before the point.
    """
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    if not sizes:
        return 0
    if max(sizes) >= 10_000 and min(sizes) >= 10:  # noqa: PLR2004 -- what the docstring says
        return 0
    wanted = digits - 1 - math.floor(math.log10(min(sizes)))
    return max(0, min(wanted, 1 if min(sizes) >= 1 else 3))


def size(count: int) -> str:
    """Write a number of bytes with the largest unit that it fills: ``23 KiB``."""
    for unit, name in ((2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} B"


def number(value: float | None, digits: int, *, signed: bool = False) -> str:
    """Write one number, with commas between thousands and a true minus; what rounds to 0 has no sign."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    rounded = round(value, digits)
    sign = "+" if signed and rounded else ""
    return f"{rounded or 0:{sign},.{digits}f}".replace("-", "−")


def ratio(estimate: Estimate, *, resolved: bool) -> tuple[str, str]:
    """Write a ratio and its bounds, such as ``1.31×`` and ``1.29 to 1.33``; no bounds give an empty text.

    A resolved ratio gets as many decimals as it takes that no bound reads as 1.
    """
    digits = _ratio_digits(estimate, resolved=resolved)
    value = f"{number(estimate.value, digits)}×"
    if estimate.low is None or estimate.high is None:
        return value, ""
    return value, f"{number(estimate.low, digits)} to {number(estimate.high, digits)}"


def _ratio_digits(estimate: Estimate, *, resolved: bool) -> int:
    shown = [value for value in (estimate.value, estimate.low, estimate.high) if value is not None]
    digits = sentence.decimals(estimate)
    while (
        resolved and digits < _MOST_RATIO_DIGITS and any(float(f"{value:.{digits}f}") == 1 for value in shown)
    ):
        digits += 1
    return digits


def duration(nanoseconds: float) -> str:
    """Write a length of time in the unit that suits it: ``5 ms``, ``1.5 s``."""
    for size, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.4g} {name}"
    return f"{nanoseconds:.4g} ns"


def left(seconds: float) -> str:
    """Write how long something still takes: ``about 40 s``, ``about 3 min``."""
    if seconds < 90:  # noqa: PLR2004 -- up to here seconds read better than minutes
        return f"about {max(0, math.ceil(seconds))} s"
    return f"about {math.ceil(seconds / 60)} min"
