"""Lines of arms over users: those of one stack in shades of its colour, and named where they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from matplotlib.axes import Axes

from harness.decide.comparison import ArmFigures, Estimate
from harness.show import palette, words
from harness.show.figures import letters, scales
from harness.show.figures.material import Point, Scene, arm_of
from harness.show.figures.paper import SMALL, Style, line_style, marker_style, stroke, write
from harness.show.figures.sketch import Entry, Panel
from harness.show.palette import INK, Look, Theme

_HEIGHT = 170.0
_WIDEST = 76.0
"""Points for the names at the ends; where one is wider, the legend alone has them."""
_AWAY, _APART = 10.0, SMALL + 2
"""Points from the axes to the names, and from one name to the next."""

Value = Callable[[ArmFigures], Estimate | float | None]
Values = Sequence[tuple[float, Estimate]]


@dataclass(frozen=True)
class Line:
    """An arm's values by users; `name` is written at its end if that is at the axes' end, unless empty."""

    look: Look
    values: Values
    name: str = ""


@dataclass(frozen=True)
class Scale:
    """What an axis is of: how its values are written, and whether 0 has a place on it."""

    write: Callable[[float], str]
    zero: bool = False


def dressed(scene: Scene, points: Sequence[Point], names: Sequence[str]) -> dict[str, Look]:
    """Give the looks of arms; where all but the floor are of one stack, each has a shade of its colour."""
    found = {name: scene.looks[name] for name in names}
    ours = {name: stack for name, stack in _stacks(points).items() if name in found}
    floors = {arm.name for point in points for arm in point.arms if arm.floor}
    if len({stack for name, stack in ours.items() if name not in floors}) == 1:
        for place, name in enumerate(name for name in names if name not in floors):
            shades = palette.shades(found[name].pair)
            found[name] = replace(found[name], pair=shades[place % len(shades)])
    return found


def _stacks(points: Sequence[Point]) -> dict[str, str]:
    return {arm.name: arm.stack for point in points for arm in point.arms}


def line(points: Sequence[Point], name: str, value: Value, *, zero: bool = False) -> Values:
    """Give an arm's values by users, of the points at which they are known and, but for `zero`, above 0."""
    found = []
    for point in points:
        arm = arm_of(point, name)
        one = value(arm) if arm else None
        if isinstance(one, float | int):
            one = Estimate(float(one), None, None, "none")
        if one is not None and scales.finite([one.value]) and (one.value > 0 or zero):
            found.append((float(point.comparison.users), one))
    return found


def legend(points: Sequence[Point], looks: Mapping[str, Look], value: Value) -> tuple[Entry, ...]:
    """Name the arms that are drawn."""
    return tuple(Entry(words.clean(name), look) for name, look in looks.items() if line(points, name, value))


def panel(
    points: Sequence[Point],
    looks: Mapping[str, Look],
    value: Value,
    scale: Scale,
    *,
    title: str,
    x: str,
) -> Panel:
    """Plan a panel of one line an arm over users, both axes logarithmic."""
    found = {name: line(points, name, value, zero=scale.zero) for name in looks}
    drawn = {name: values for name, values in found.items() if values}
    ends = _ends(drawn, _stacks(points))
    lines = [Line(looks[name], values, ends.get(name, "")) for name, values in drawn.items()]
    users = sorted({float(point.comparison.users) for point in points})
    room = max((letters.width(text, SMALL) for text in ends.values()), default=-_AWAY) + _AWAY
    return Panel(title, _HEIGHT, partial(plot, lines=lines, ticks=users, scale=scale, label=x), right=room)


def _ends(names: Sequence[str] | Mapping[str, Values], stacks: Mapping[str, str]) -> dict[str, str]:
    """Say what tells arms of the same stack apart; nothing where that is too long."""
    counted = Counter(stacks[name] for name in names)
    found = {
        name: words.clean(name.removeprefix(stacks[name]).lstrip(" ,@") or name)
        for name in names
        if counted[stacks[name]] > 1
    }
    fits = all(letters.width(text, SMALL) <= _WIDEST for text in found.values())
    return found if fits else {}


def plot(
    axes: Axes, theme: Theme, *, lines: Sequence[Line], ticks: Sequence[float], scale: Scale, label: str
) -> None:
    """Draw one line an arm, with bounds where there are any."""
    scales.fixed(
        axes, "x", scales.span(ticks, margin=0.08), ticks, lambda users: f"{users:,.0f}", scale="log"
    )
    values = [
        bound
        for each in lines
        for _, one in each.values
        for bound in scales.finite((one.value, one.low, one.high))
    ]
    if values and min(values) <= 0:
        scales.from_zero(axes, "y", max(values), scale.write)
    elif values:
        scales.logarithmic(axes, "y", scales.span(values), scale.write)
    axes.set_xlabel(label)
    for each in lines:
        _draw(axes, theme, each.look, each.values)
    _name(axes, theme, [each for each in lines if each.name and each.values[-1][0] == ticks[-1]])


def _draw(axes: Axes, theme: Theme, look: Look, found: Values) -> None:
    """Draw points with their bounds, joined."""
    places, values = [place for place, _ in found], [one.value for _, one in found]
    stroke(axes, places, values, **line_style(look, theme))
    stroke(axes, places, values, **marker_style(look, theme))
    for place, one in found:
        if one.low is not None and one.high is not None:
            stroke(axes, [place, place], [one.low, one.high], color=theme.pick(look.pair), linewidth=1.2)


def _name(axes: Axes, theme: Theme, lines: Sequence[Line]) -> None:
    """Write names right of the axes, none over another, each with a thread to where its line ends."""
    width, height = axes.bbox.width, axes.bbox.height
    inch = axes.figure.get_dpi() / 72
    within = axes.transData + axes.transAxes.inverted()
    ends = [within.transform((each.values[-1][0], each.values[-1][1].value)) for each in lines]
    order = sorted(range(len(lines)), key=lambda k: float(ends[k][1]))
    places = spread([float(ends[k][1]) for k in order], _APART * inch / height)
    for k, y in zip(order, places, strict=True):
        look, start = lines[k].look, 1 + (_AWAY - 3) * inch / width
        thread: Style = {"color": theme.pick(look.pair), "linewidth": 0.8, "clip_on": False}
        stroke(axes, [float(ends[k][0]), start], [float(ends[k][1]), y], transform=axes.transAxes, **thread)
        style: Style = {"va": "center", "fontsize": SMALL, "color": theme.pick(INK)}
        place = (1, float(within.inverted().transform((1, y))[1]))
        write(axes, place, lines[k].name, away=(_AWAY - 1, 0), beside=True, **style)


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Move places, which ascend, as little as it takes to be `apart`, within 0 to 1 where there is room."""
    blocks: list[tuple[float, int]] = []  # the mean of those that touch, each less what is below it
    for place, each in enumerate(wanted):
        mean, count = each - place * apart, 1
        while blocks and blocks[-1][0] > mean:
            other, more = blocks.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        blocks.append((mean, count))
    last = 1 - (len(wanted) - 1) * apart
    level = [max(0.0, min(mean, last)) for mean, count in blocks for _ in range(count)]
    return [each + place * apart for place, each in enumerate(level)]
