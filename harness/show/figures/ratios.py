"""Costs as multiples of the baseline's, with their intervals: a forest of ratios."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.axes import Axes

from harness.decide.comparison import Comparison, Ratio
from harness.show import units, words
from harness.show.figures import scales
from harness.show.figures.material import Point, Scene
from harness.show.figures.paper import SMALL, Style, marker_style, stroke, write
from harness.show.figures.rows import MOST, Group, Row, Rows, lay, pages
from harness.show.figures.sketch import BARE, Panel, Sketch
from harness.show.palette import GROUND, INK, MUTED, Look, Theme

KEY = "ratios"
METRICS = {"time": "time per {}", "cpu": "CPU per {}", "p50": "median response time"}
_CAPTION = (
    "Each row is an arm's cost as a multiple of its baseline's (the line at 1){bounds}; left of "
    "the line is cheaper. Hollow: not shown to differ from the baseline{spread}."
)
_GAP = 16.0
_TALL, _SMALL_MARKER = 10.0, 3.6
"""Points: an interval's ends overtop the marker, so that one that is narrower than it is seen too."""
_NARROW = (0.94, 1.06)
_NEAR = 0.09
"""Of the axis' length: half a text."""


class _Ratios:
    """The ratios of one arm, and how they are drawn."""

    def __init__(self, ratios: dict[str, Ratio], look: Look, marks: dict[str, str]) -> None:
        self.ratios, self.look, self.marks = ratios, look, marks


def sketch(scene: Scene, *, most: int = MOST) -> list[Sketch]:
    """Plan the ratios of a scenario; none where no arm has one."""
    groups = [Group(point.index, scene.heading(point), _rows(scene, point)) for point in scene.points]
    found = pages(groups, most)
    return [
        _page(scene, rows, f" ({k} of {len(found)})" if len(found) > 1 else "")
        for k, rows in enumerate(found, 1)
    ]


def _rows(scene: Scene, point: Point) -> tuple[Row[_Ratios], ...]:
    return tuple(
        Row(
            arm.name,
            _Ratios(
                arm.ratios,
                scene.looks[arm.name],
                {metric: words.mark(point.comparison, arm, metric) for metric in arm.ratios},
            ),
        )
        for arm in point.arms
        if arm.ratios and arm.validity != "invalid"
    )


def _page(scene: Scene, rows: Rows[_Ratios], suffix: str) -> Sketch:
    points = [point for point in scene.points if point.index in rows.indices]
    first = points[0].comparison
    metrics = _metrics(first, rows)
    unit = words.of(first)
    panels = tuple(
        Panel(
            METRICS[metric].format(unit),
            rows.height,
            partial(plot, rows=rows, metric=metric, named=not place),
            left=_GAP if place else rows.left,
            below=BARE,
        )
        for place, metric in enumerate(metrics)
    )
    baselines = list(dict.fromkeys(words.clean(point.comparison.baseline) for point in points))
    return Sketch(
        key=KEY,
        title=f"Costs as multiples of {baselines[0] if len(baselines) == 1 else 'the baseline'}{suffix}",
        caption=_caption(points, rows),
        alt=_alt(rows, metrics, unit),
        scenario=scene.scenario,
        comparisons=rows.indices,
        panels=panels,
        columns=len(panels),
    )


def _metrics(comparison: Comparison, rows: Rows[_Ratios]) -> list[str]:
    """Give the headline's metric, and CPU or time beside it."""
    known = {metric for placed in rows.placed() for metric in placed.row.held.ratios}
    other = "time" if comparison.headline == "cpu" else "cpu"
    return [metric for metric in (comparison.headline, other) if metric in known] or sorted(known)


def _caption(points: Sequence[Point], rows: Rows[_Ratios]) -> str:
    bases = {ratio.estimate.basis for placed in rows.placed() for ratio in placed.row.held.ratios.values()}
    forks = min(point.comparison.forks for point in points)
    basis = "interval" if "interval" in bases else next(iter(sorted(bases - {"none"})), "none")
    mixed = (
        ", or bounds that are a range of too few starts and no interval"
        if {"interval", "spread"} <= bases
        else ""
    )
    bounds = words.bounds(basis, forks)
    return _CAPTION.format(
        bounds=f", and upright marks are the ends of its {bounds}" if bounds else "", spread=mixed
    )


def plot(axes: Axes, theme: Theme, *, rows: Rows[_Ratios], metric: str, named: bool = True) -> None:
    """Draw the rows' ratios of one metric."""
    lay(axes, rows, theme, named=named)
    limits = _limits(rows)
    ticks = scales.round_values(*limits, most=5)
    scales.fixed(axes, "x", limits, ticks, scales.plain, scale="log")
    axes.axvline(1, color=theme.pick(MUTED), linewidth=1.0, zorder=1)
    for placed in rows.placed():
        held = placed.row.held
        if metric in held.ratios:
            _row(axes, theme, placed.y, held, metric)


def _limits(rows: Rows[_Ratios]) -> tuple[float, float]:
    """Give the limits that all panels share, so that their lengths compare."""
    known = [value for estimate in _estimates(rows) for value in estimate]
    return scales.span([*known, *_NARROW], margin=0.09)


def _estimates(rows: Rows[_Ratios]) -> Iterator[list[float]]:
    for placed in rows.placed():
        for ratio in placed.row.held.ratios.values():
            one = ratio.estimate
            yield scales.finite((one.value, one.low, one.high))


def _row(axes: Axes, theme: Theme, y: float, held: _Ratios, metric: str) -> None:
    ratio, colour = held.ratios[metric], theme.pick(held.look.pair)
    one = ratio.estimate
    middle = y + 3.0
    if one.low is not None and one.high is not None:
        dash = "-" if one.basis == "interval" else (0, (1.5, 1.5))
        ends: Style = {"marker": "|", "markersize": _TALL, "markeredgewidth": 1.3, "linewidth": 1.8}
        stroke(axes, [one.low, one.high], [middle, middle], color=colour, linestyle=dash, **ends)
    style = marker_style(held.look, theme, hollow=not ratio.resolved) | {"markersize": _SMALL_MARKER}
    stroke(axes, [one.value], [middle], **style)
    text, _ = units.ratio(one, resolved=ratio.resolved)
    write(
        axes,
        (one.value, middle),
        text + held.marks[metric],
        away=(0, _TALL / 2 + 0.5),
        ha="center",
        va="bottom",
        fontsize=SMALL - 0.5,
        color=theme.pick(INK),
        **_backed(axes, theme, one.value),
    )


def _backed(axes: Axes, theme: Theme, value: float) -> Style:
    """Give text a ground of its own where it stands on the line at 1."""
    low, high = axes.get_xlim()
    if abs(math.log(value)) > _NEAR * math.log(high / low):
        return {}
    return {"bbox": {"facecolor": theme.pick(GROUND), "edgecolor": "none", "pad": 0.6}}


def _alt(rows: Rows[_Ratios], metrics: Sequence[str], unit: str) -> str:
    """Write every ratio out."""
    parts = []
    for group in rows.groups:
        head = f"{group.heading}: " if len(rows.groups) > 1 else ""
        told = [
            f"{words.clean(row.name)} {_told(row.held.ratios[metrics[0]])}"
            for row in group.rows
            if metrics[0] in row.held.ratios
        ]
        parts.append(f"{head}{'; '.join(told)}.")
    what = METRICS[metrics[0]].format(unit)
    return " ".join([f"{what[0].upper()}{what[1:]} as a multiple of the baseline's.", *parts])


def _told(ratio: Ratio) -> str:
    value, bounds = units.ratio(ratio.estimate, resolved=ratio.resolved)
    return f"{value} ({bounds})" if bounds else value
