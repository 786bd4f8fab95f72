"""What more users do to calls a second and to response times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.axes import Axes

from harness.decide.comparison import ArmFigures, Estimate
from harness.show import sheet, words
from harness.show.figures import scales
from harness.show.figures.material import Point, Scene, arm_of, names, series
from harness.show.figures.paper import line_style, marker_style, stroke
from harness.show.figures.sketch import Entry, Panel, Sketch
from harness.show.palette import Look, Theme

KEY = "users"
_HEIGHT = 170.0
_CAPTION = (
    "Left, calls a second of all users together; right, the median response time with its bounds. Where "
    "calls a second stop growing, more users only wait longer; both scales are logarithmic."
)

Value = Callable[[ArmFigures], Estimate | float | None]


def sketch(scene: Scene) -> list[Sketch]:
    """Plan a figure for each series of points that differ in their users."""
    found = series(scene, "users")
    return [
        _figure(each) for each in found if any(line(each.points, name, rate) for name in names(each.points))
    ]


def _figure(scene: Scene) -> Sketch:
    points = sorted(scene.points, key=lambda point: point.comparison.users)
    unit = words.of(points[0].comparison)
    found = [(name, scene.looks[name]) for name in names(points)]
    return Sketch(
        key=KEY,
        title="Throughput and response times by users",
        caption=_CAPTION,
        alt=_alt(points),
        scenario=scene.scenario,
        comparisons=tuple(point.index for point in points),
        panels=(
            curves(points, found, rate, title=f"{unit}s a second", write=scales.counted, x="users"),
            curves(
                points, found, median, title=f"median response time, per {unit}", write=scales.time, x="users"
            ),
        ),
        columns=2,
        legend=legend(points, found, rate),
    )


def rate(arm: ArmFigures) -> float | None:
    """Give calls, or messages, a second."""
    return sheet.per_message(arm).calls_per_second


def median(arm: ArmFigures) -> Estimate | None:
    """Give the median response time per call, or message."""
    return sheet.per_message(arm).p50


def legend(points: Sequence[Point], arms: Sequence[tuple[str, Look]], value: Value) -> tuple[Entry, ...]:
    """Name the arms that are drawn."""
    return tuple(Entry(words.clean(name), look) for name, look in arms if line(points, name, value))


def line(points: Sequence[Point], name: str, value: Value) -> list[tuple[float, Estimate]]:
    """Give an arm's values by users, of the points at which they are known."""
    found = []
    for point in points:
        arm = arm_of(point, name)
        one = value(arm) if arm else None
        if isinstance(one, float | int):
            one = Estimate(float(one), None, None, "none")
        if one is not None and scales.finite([one.value]) and one.value > 0:
            found.append((float(point.comparison.users), one))
    return found


def curves(
    points: Sequence[Point],
    arms: Sequence[tuple[str, Look]],
    value: Value,
    *,
    title: str,
    write: Callable[[float], str],
    x: str,
) -> Panel:
    """Plan a panel of one line an arm over users, both axes logarithmic."""
    lines = [(look, found) for name, look in arms if (found := line(points, name, value))]
    return Panel(title, _HEIGHT, partial(plot, lines=lines, ticks=_users(points), write=write, label=x))


def _users(points: Sequence[Point]) -> list[float]:
    return sorted({float(point.comparison.users) for point in points})


def plot(
    axes: Axes,
    theme: Theme,
    *,
    lines: Sequence[tuple[Look, Sequence[tuple[float, Estimate]]]],
    ticks: Sequence[float],
    write: Callable[[float], str],
    label: str,
) -> None:
    """Draw one line an arm, with bounds where there are any."""
    scales.fixed(
        axes, "x", scales.span(ticks, margin=0.08), ticks, lambda users: f"{users:,.0f}", scale="log"
    )
    values = [
        bound
        for _, line in lines
        for _, one in line
        for bound in scales.finite((one.value, one.low, one.high))
    ]
    if values:
        scales.logarithmic(axes, "y", scales.span(values), write)
    axes.set_xlabel(label)
    for look, found in lines:
        draw_line(axes, theme, look, found)


def draw_line(axes: Axes, theme: Theme, look: Look, found: Sequence[tuple[float, Estimate]]) -> None:
    """Draw points with their bounds, joined."""
    places, values = [place for place, _ in found], [one.value for _, one in found]
    stroke(axes, places, values, **line_style(look, theme))
    stroke(axes, places, values, **marker_style(look, theme))
    for place, one in found:
        if one.low is not None and one.high is not None:
            stroke(axes, [place, place], [one.low, one.high], color=theme.pick(look.pair), linewidth=1.2)


def _alt(points: Sequence[Point]) -> str:
    parts = []
    for name in names(points):
        told = [
            f"{one.value:,.0f} with {words.count(int(users), 'user')}"
            for users, one in line(points, name, rate)
        ]
        if told:
            parts.append(f"{words.clean(name)} {', '.join(told)}.")
    return " ".join([f"{words.of(points[0].comparison).capitalize()}s a second:", *parts])
