"""Ticks of axes: few, round, and written in the units of the tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.scale import ScaleBase, SymmetricalLogScale
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from harness.show import units

_FEWEST, _MOST = 3, 6
_MARGIN = 0.06
_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7))
_FINE = (0.5, 0.25, 0.2, 0.1, 0.05, 0.025, 0.02, 0.01, 0.005, 0.002, 0.001)
_BINARY = 1024


def span(values: Iterable[float], *, margin: float = _MARGIN, least: float = 1.2) -> tuple[float, float]:
    """Give limits of a logarithmic axis that hold all finite `values` above 0, `least` times apart or more.

    Raises `ValueError` where there are none.
    """
    known = [value for value in values if value > 0 and math.isfinite(value)]
    if not known:
        raise ValueError("no value can be drawn on a logarithmic axis")
    low, high = math.log(min(known)), math.log(max(known))
    middle, half = (low + high) / 2, max((high - low) / 2, math.log(least) / 2)
    half *= 1 + 2 * margin
    return math.exp(middle - half), math.exp(middle + half)


def round_values(low: float, high: float, *, most: int = _MOST) -> list[float]:
    """Choose round numbers within `low` to `high` for a logarithmic axis: about three to six."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in _STEPS:
        found = _within([step * 10.0**power for power in range(first, last + 1) for step in steps], low, high)
        if len(found) >= _FEWEST:
            return _thinned(found, most)
    for step in _FINE:
        size = step * 10.0 ** math.floor(math.log10(high))
        found = _within([size * k for k in range(int(low / size), int(high / size) + 2)], low, high)
        if len(found) >= _FEWEST:
            return _thinned(found, most)
    return [low, high]


def _within(values: Sequence[float], low: float, high: float) -> list[float]:
    return [value for value in values if low <= value * (1 + 1e-12) and value <= high * (1 + 1e-12)]


def _thinned(values: list[float], most: int) -> list[float]:
    return values[:: math.ceil(len(values) / most)]


def plain(value: float) -> str:
    """Write a number without more digits than it has."""
    return f"{value:,.6g}" if value >= 1 else f"{value:.4g}"


def logarithmic(
    axes: Axes,
    which: str,
    limits: tuple[float, float],
    write: Callable[[float], str] = plain,
    *,
    most: int = _MOST,
) -> None:
    """Make the axis `which` (``x`` or ``y``) logarithmic, with round ticks written by `write`."""
    fixed(axes, which, limits, round_values(*limits, most=most), write, scale="log")


def fixed(
    axes: Axes,
    which: str,
    limits: tuple[float, float],
    ticks: Sequence[float],
    write: Callable[[float], str],
    *,
    scale: str | ScaleBase = "linear",
) -> None:
    """Give the axis `which` its scale, its limits and its ticks."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": scale, f"{which}lim": limits})
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_major_formatter(FixedFormatter([write(tick) for tick in ticks]))
    axis.set_minor_locator(NullLocator())


def from_zero(axes: Axes, which: str, most: float, write: Callable[[float], str] = plain) -> None:
    """Make an axis from 0 to `most` logarithmic from 1 on; a short straight piece leads down to 0."""
    high = span([1, most])[1]
    ticks = [0.0, *(tick for tick in round_values(1, high) if tick >= 1)]
    scale = SymmetricalLogScale(None, linthresh=1, linscale=0.4)
    fixed(axes, which, (-0.2, high), ticks, write, scale=scale)


def sizes(low: float, high: float) -> list[float]:
    """Choose sizes in bytes within `low` to `high`: 100 B, 1 KiB, 10 KiB and so on."""
    found = [
        count * float(_BINARY) ** power
        for power in range(4)
        for count in (1, 10, 100)
        if low <= count * _BINARY**power <= high
    ]
    return _thinned(found, _MOST + 1)


def time(nanoseconds: float) -> str:
    """Write a time as short as it goes."""
    return units.duration(float(f"{nanoseconds:.3g}"))


def counted(amount: float) -> str:
    """Write how many of something: ``800``, ``1.2k``, ``30k``."""
    for size, name in ((1e6, "M"), (1e3, "k")):
        if amount >= size:
            return f"{amount / size:.3g}{name}"
    return f"{amount:.3g}"


def finite(values: Iterable[float | None]) -> list[float]:
    """Leave out what is not known or endless."""
    return [value for value in values if value is not None and bool(np.isfinite(value))]
