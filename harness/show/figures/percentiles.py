"""Response times by percentile, up to where enough calls are slower for a percentile to mean anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from harness import histogram, twins
from harness.decide import figures, rounds, stats
from harness.decide.comparison import ArmFigures, Comparison, Estimate
from harness.decide.rounds import Rounds
from harness.show import words
from harness.show.figures import scales
from harness.show.figures.material import Point, Scene, names
from harness.show.figures.paper import Style, line_style, points_wide, stroke
from harness.show.figures.sketch import Entry, Panel, Sketch
from harness.show.palette import Look, Theme

KEY = "percentiles"
MOST = 8
"""Panels of a figure."""
_HEIGHT = 168.0
_APART, _MOST_APART = 3.0, 18.0
"""Points between bars at one percentile, and from the first to the last of them at the most."""
_POINTS = 48
_LABELS = {2: "50 %", 10: "90 %", 100: "99 %", 1_000: "99.9 %", 10_000: "99.99 %", 100_000: "99.999 %"}
_CAPTION = (
    "A point says which share of calls (below) took at most how long (left): the further right, the rarer "
    "the slow call. Curves end where fewer than 10 calls of 10 turns are slower; upright bars, side by side "
    "at 50 % and 99 %, are {bounds}."
)

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """One arm: response times in ns (`times`) over 1 / (1 − q) (`rarity`)."""

    name: str
    look: Look
    rarity: Numbers
    times: Numbers
    p50: Estimate | None
    p99: Estimate | None


def sketch(scene: Scene, *, most: int = MOST) -> list[Sketch]:
    """Plan the percentiles of a scenario; none without results, or where costs are of messages."""
    known = [point for point in scene.points if point.results and words.of(point.comparison) == "call"]
    found = [(point, curves) for point in known if (curves := _curves(scene, point))]
    pages = [found[k : k + most] for k in range(0, len(found), most)]
    return [
        _page(scene, page, f" ({k} of {len(pages)})" if len(pages) > 1 else "")
        for k, page in enumerate(pages, 1)
    ]


def _page(scene: Scene, found: Sequence[tuple[Point, list[Curve]]], suffix: str) -> Sketch:
    every = [curve for _, curves in found for curve in curves]
    y = scales.span([float(time) for curve in every for time in (*curve.times[[0, -1]], *_bounds(curve))])
    shown = {curve.name for curve in every}
    alone = len(found) == 1
    bases = {one.basis for curve in every for one in (curve.p50, curve.p99) if one}
    basis = "interval" if "interval" in bases else "spread"
    return Sketch(
        key=KEY,
        title=f"Response times by percentile{suffix}",
        caption=_CAPTION.format(bounds=_plural(words.bounds(basis, found[0][0].comparison.forks))),
        alt=_alt(scene, found),
        scenario=scene.scenario,
        comparisons=tuple(point.index for point, _ in found),
        panels=tuple(
            Panel(
                "" if alone else scene.heading(point),
                _HEIGHT * (1.2 if alone else 1),
                partial(plot, curves=curves, limits=(_rarest(curves), y)),
            )
            for point, curves in found
        ),
        columns=1 if alone else 2,
        legend=tuple(
            Entry(words.clean(name), scene.looks[name])
            for name in names(point for point, _ in found)
            if name in shown
        ),
    )


def _rarest(curves: Sequence[Curve]) -> tuple[float, float]:
    return 1.0, max(float(curve.rarity[-1]) for curve in curves) * 1.15


def _plural(bounds: str) -> str:
    return f"{bounds}s" if bounds.endswith("interval") else f"the {bounds}"


def _bounds(curve: Curve) -> list[float]:
    return scales.finite(bound for one in (curve.p50, curve.p99) if one for bound in (one.low, one.high))


def plot(
    axes: Axes,
    theme: Theme,
    *,
    curves: Sequence[Curve],
    limits: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    """Draw curves in the convention of HdrHistogram's plots: equal steps to the right for each nine."""
    x, y = limits
    ticks = [place for place in _LABELS if place <= x[1]]
    scales.fixed(axes, "x", x, ticks, lambda tick: _LABELS[int(tick)], scale="log")
    scales.logarithmic(axes, "y", y, scales.time)
    axes.set_xlabel("share of calls that took at most this")
    step = min(_APART, _MOST_APART / len(curves)) * math.log(x[1] / x[0]) / points_wide(axes)
    for number, curve in enumerate(curves):
        stroke(axes, curve.rarity, curve.times, **line_style(curve.look, theme))
        beside = math.exp(step * (number - (len(curves) - 1) / 2))
        for place, one in ((2, curve.p50), (100, curve.p99)):
            if one and one.low is not None and one.high is not None and place <= curve.rarity[-1]:
                style: Style = {"color": theme.pick(curve.look.pair), "linewidth": 1.8, "alpha": 0.8}
                stroke(axes, [place * beside] * 2, [one.low, one.high], **style)


def _curves(scene: Scene, point: Point) -> list[Curve]:
    """Give the curves of a point; an arm that is in several of its trials is shown of the first."""
    found: dict[str, Curve] = {}
    for result in point.results:
        played = rounds.arrange(twins.without(result))
        for place, arm in enumerate(played.result.trial.arms):
            own = next((one for one in point.arms if one.name == arm.name), None)
            if own is None or own.validity == "invalid" or arm.name in found:
                continue
            curve = _curve(played, place, own, scene.looks[arm.name], long=_long(point.comparison, arm.name))
            if curve:
                found[arm.name] = curve
    return [found[arm.name] for arm in point.arms if arm.name in found]


def _long(comparison: Comparison, arm: str) -> bool:
    """Tell whether the arm's response times come from long turns, as in the table."""
    return any(
        one.kind == "turn-sensitive" and one.arm == arm and "p50" in one.figures
        for one in comparison.findings
    )


def _curve(played: Rounds, arm: int, own: ArmFigures, look: Look, *, long: bool) -> Curve | None:
    forks = figures.histograms(played, arm, "response", long=long)
    blocks = [block for fork in forks for block in fork]
    if not blocks:
        return None
    whole = blocks[0].merge(*blocks[1:])
    line = outline(whole.counts, played.turns.max[played.rows(arm, long=long)])
    return Curve(own.name, look, *line, own.p50, own.p99) if line else None


def outline(counts: NDArray[np.int64], longest: NDArray[np.int64]) -> tuple[Numbers, Numbers] | None:
    """Give the curve of a histogram as 1 / (1 − q) and times in ns, up to the last percentile with support.

    That is where at least 10 calls and 10 turns, whose longest times are `longest`, are above; None where it
    is below the median.
    """
    running = counts.cumsum()
    total = int(running[-1])
    if len(longest) < stats.EXCEEDING_TURNS or total <= stats.EXCEEDING_CALLS:
        return None
    last_by_calls = int(np.searchsorted(running, total - stats.EXCEEDING_CALLS, side="right")) - 1
    tenth = np.partition(longest, -stats.EXCEEDING_TURNS)[-stats.EXCEEDING_TURNS]
    last_by_turns = int(histogram.indices(np.maximum([tenth], 0))[0]) - 1
    last = min(last_by_calls, last_by_turns, histogram.SIZE - 2)
    if last < 0 or running[last] < total / 2:
        return None
    end = total / (total - int(running[last]))
    rarity = np.unique(
        np.append(np.geomspace(1.02, end, _POINTS), [place for place in _LABELS if place <= end])
    )
    ranks = np.maximum(np.floor((1 - 1 / rarity) * total + 0.5), 1)
    found = np.minimum(np.searchsorted(running, ranks), last)
    return rarity, histogram.UPPER[found].astype(float)


def _alt(scene: Scene, found: Sequence[tuple[Point, list[Curve]]]) -> str:
    parts = []
    for point, curves in found:
        told = [
            f"{words.clean(curve.name)} p50 {words.time(curve.p50.value)}"
            + (f", p99 {words.time(curve.p99.value)}" if curve.p99 else "")
            for curve in curves
            if curve.p50
        ]
        parts.append(f"{scene.heading(point)}: {'; '.join(told)}.")
    return " ".join(["Curves of response time over percentile.", *parts])
