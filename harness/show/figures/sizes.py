"""What a call costs by the size of its message, and where one arm overtakes another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from matplotlib.axes import Axes

from harness.decide import sentence
from harness.decide.comparison import Comparison
from harness.decide.crossover import Crossover
from harness.show import sheet, units, words
from harness.show.figures import scales
from harness.show.figures.material import Point, Scene, arm_of, names, series
from harness.show.figures.paper import SMALL, Style, line_style, marker_style, stroke
from harness.show.figures.sketch import Entry, Panel, Sketch
from harness.show.palette import GROUND, INK, Look, Theme
from stacks.errors import SchemaError
from stacks.examples import bytes_of, written

KEY = "sizes"
_HEIGHT = 250.0
_APART = 0.12
"""Of the axis' length, between two ticks."""
_CAPTION = (
    "{what} against the size of the message, both logarithmic: flat where the stack's own cost "
    "prevails, rising where bytes do.{rings}"
)
_RINGS = " Numbered rings are where one arm overtakes another."

Line = tuple[Look, list[tuple[float, float]]]


@dataclass(frozen=True)
class Ring:
    """A crossover: bytes and ns."""

    x: float
    y: float


def sketch(scene: Scene) -> list[Sketch]:
    """Plan a figure for each series of points that differ in their sample."""
    sized = [each for each in series(scene, "sample") if all(_size(point) for point in each.points)]
    return [_figure(each) for each in sized if any(_line(each.points, name) for name in _names(each.points))]


def _size(point: Point) -> int:
    """Give the size of a point's message in bytes; 0 where its name tells none."""
    try:
        return bytes_of(point.comparison.sample)
    except SchemaError:
        return 0


def _figure(scene: Scene) -> Sketch:
    points = sorted(scene.points, key=_size)
    first = points[0].comparison
    lines = {name: found for name in _names(points) if (found := _line(points, name))}
    crossings = [
        one
        for one in scene.answer.crossovers
        if _belongs(one, first) and {one.small, one.large} <= set(lines)
    ]
    rings = [_ring(one, lines) for one in crossings]
    what = sentence.cost(first.part, first.messages)
    title = what[0].upper() + what[1:]
    drawn = [(scene.looks[name], line) for name, line in lines.items()]
    return Sketch(
        key=KEY,
        title=f"{title} by size of the message",
        caption=_CAPTION.format(what=title, rings=_RINGS if rings else ""),
        alt=_alt(title, points, lines, crossings),
        scenario=scene.scenario,
        comparisons=tuple(point.index for point in points),
        panels=(
            Panel(
                what,
                _HEIGHT,
                partial(plot, lines=drawn, sizes=[_size(point) for point in points], rings=rings),
            ),
        ),
        legend=tuple(Entry(words.clean(name), scene.looks[name]) for name in lines),
        notes=tuple(f"{number}  {words.crossover(one)}" for number, one in enumerate(crossings, 1)),
    )


def _names(points: Sequence[Point]) -> list[str]:
    """Name what has a line; a floor is a whole call, and says nothing of a part."""
    floors = {arm.name for point in points for arm in point.arms if arm.floor and point.comparison.part}
    return [name for name in names(points) if name not in floors]


def _belongs(one: Crossover, comparison: Comparison) -> bool:
    return (
        one.users == comparison.users and one.method in comparison.method.split(", ") and not comparison.part
    )


def _line(points: Sequence[Point], name: str) -> list[tuple[float, float]]:
    """Give an arm's time per call, or message, in ns by bytes."""
    found = []
    for point in points:
        arm = arm_of(point, name)
        rate = sheet.per_message(arm).calls_per_second if arm else None
        if rate:
            found.append((float(_size(point)), 1e9 / rate))
    return found


def _ring(one: Crossover, lines: dict[str, list[tuple[float, float]]]) -> Ring:
    """Place a crossover between the lines of its two arms."""
    x = float(one.size) if one.size else math.sqrt(bytes_of(one.low) * bytes_of(one.high))
    return Ring(x, math.sqrt(_at(lines[one.small], x) * _at(lines[one.large], x)))


def _at(line: Sequence[tuple[float, float]], x: float) -> float:
    """Read a line at `x`, straight on logarithmic axes, and level beyond its ends."""
    before = max((point for point in line if point[0] <= x), default=line[0])
    after = min((point for point in line if point[0] >= x), default=line[-1])
    if before[0] == after[0]:
        return before[1]
    share = math.log(x / before[0]) / math.log(after[0] / before[0])
    return math.exp(math.log(before[1]) + share * math.log(after[1] / before[1]))


def plot(
    axes: Axes, theme: Theme, *, lines: Sequence[Line], sizes: Sequence[int], rings: Sequence[Ring]
) -> None:
    """Draw one line an arm, and the rings."""
    limits = scales.span(map(float, sizes))
    ticks = _ticks(sizes, limits)
    scales.fixed(axes, "x", limits, ticks, lambda size: units.size(int(size)), scale="log")
    scales.logarithmic(axes, "y", scales.span(time for _, line in lines for _, time in line), scales.time)
    axes.set_xlabel("size of the message")
    for look, line in lines:
        places, times = [place for place, _ in line], [time for _, time in line]
        stroke(axes, places, times, **line_style(look, theme))
        stroke(axes, places, times, **marker_style(look, theme))
    for number, ring in enumerate(rings, 1):
        stroke(
            axes,
            [ring.x],
            [ring.y],
            linestyle="none",
            marker="o",
            markersize=13,
            markerfacecolor=theme.pick(GROUND),
            markeredgecolor=theme.pick(INK),
            zorder=4,
        )
        style: Style = {
            "ha": "center",
            "va": "center",
            "fontsize": SMALL,
            "color": theme.pick(INK),
            "zorder": 5,
        }
        axes.text(ring.x, ring.y, str(number), **style)


def _ticks(sizes: Sequence[int], limits: tuple[float, float]) -> Sequence[float]:
    """Choose the sizes that were measured, or round ones where two of those are too close to be written."""
    apart = (limits[1] / limits[0]) ** _APART
    if all(large / small >= apart for small, large in pairwise(sizes)):
        return sizes
    return scales.sizes(*limits) or sizes


def _alt(
    what: str,
    points: Sequence[Point],
    lines: dict[str, list[tuple[float, float]]],
    crossings: Sequence[Crossover],
) -> str:
    samples = {float(_size(point)): written(point.comparison.sample) for point in points}
    parts = [
        f"{words.clean(name)} {', '.join(f'{scales.time(time)} at {samples[size]}' for size, time in line)}."
        for name, line in lines.items()
    ]
    return " ".join(
        [f"{what} by size of the message:", *parts, *(f"{words.crossover(one)}." for one in crossings)]
    )
