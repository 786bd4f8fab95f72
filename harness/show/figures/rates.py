"""Response times of open loops by the rate at which calls are due."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from harness.decide.comparison import ArmFigures, Estimate
from harness.show import words
from harness.show.figures import scales
from harness.show.figures.material import Point, Scene, arm_of, names, series
from harness.show.figures.paper import SMALL, Style, line_style, marker_style, stroke, write
from harness.show.figures.sketch import Entry, Panel, Sketch
from harness.show.palette import INK, MUTED, Look, Theme
from scenarios import slo
from scenarios.arm import SpecError

KEY = "rates"
_HEIGHT = 190.0
_CAPTION = (
    "Response times, from when a call was due, by the rate at which calls are due. They are level while "
    "there is room, and turn up where a stack comes to its limit{endless}.{lone}{lacking}"
)
_ENDLESS = "; an arrow at the top: so many calls failed or were dropped that it has no end"
_LONE = " A dot alone is an arm that is known at one rate only."
_LACKING = " The {what} of no arm is known: fewer than 10 calls of 10 turns were slower."

Line = tuple[Look, list[tuple[float, Estimate]]]
_PICKS: dict[str, Callable[[ArmFigures], Estimate | None]] = {
    "median response time": lambda arm: arm.p50,
    "p99 of response times": lambda arm: arm.p99,
}
_SHARES = dict(zip(_PICKS, (0.5, 0.99), strict=True))


@dataclass(frozen=True)
class Limit:
    """What was asked of response times, such as ``p99<10ms``: a share of calls, and ns."""

    text: str
    share: float
    time: float


def sketch(scene: Scene) -> list[Sketch]:
    """Plan a figure for each series of open loops that differ in their rate."""
    opened = [each for each in series(scene, "open") if all(point.comparison.open for point in each.points)]
    return [_figure(each) for each in opened if any(_known(each.points))]


def _known(points: Sequence[Point]) -> Iterator[bool]:
    """Tell of each arm at each point whether there is something to draw."""
    for point in points:
        for arm in point.arms:
            yield bool(arm.validity != "invalid" and arm.p50 and arm.offered and math.isfinite(arm.p50.value))


def _figure(scene: Scene) -> Sketch:
    points, limit = list(scene.points), _limit(scene)
    arms = [(name, scene.looks[name]) for name in names(points)]
    drawn = {
        title: [(look, line) for name, look in arms if (line := _line(points, name, pick))]
        for title, pick in _PICKS.items()
    }
    every = [line for lines in drawn.values() for _, line in lines]
    found = [one for line in every for _, one in line]
    times = [time for one in found for time in scales.finite((one.value, one.low, one.high))]
    x = scales.span(rate for line in every for rate, _ in line)
    y = scales.span([*times, *([limit.time] if limit else [])], least=2)
    panels = [
        Panel(title, _HEIGHT, partial(plot, lines=lines, limits=(x, y), asked=_asked(limit, title)))
        for title, lines in drawn.items()
        if lines
    ]
    return Sketch(
        key=KEY,
        title="Response times by rate",
        caption=_CAPTION.format(
            endless=_ENDLESS if any(math.isinf(one.value) for one in found) else "",
            lone=_LONE if any(len(line) == 1 for line in every) else "",
            lacking="".join(_LACKING.format(what=title) for title, lines in drawn.items() if not lines),
        ),
        alt=_alt(points),
        scenario=scene.scenario,
        comparisons=scene.indices,
        panels=tuple(panels),
        columns=len(panels),
        legend=tuple(
            Entry(words.clean(name), look)
            for name, look in arms
            if any(_line(points, name, pick) for pick in _PICKS.values())
        ),
    )


def _asked(limit: Limit | None, title: str) -> Limit | None:
    """Give the limit for the panel of its own share of calls."""
    return limit if limit and math.isclose(limit.share, _SHARES[title]) else None


def _limit(scene: Scene) -> Limit | None:
    asked = [level.slo for level in scene.answer.levels] if scene.scenario == "slo" else []
    asked += [result.trial.slo for point in scene.points for result in point.results if result.trial.slo]
    try:
        found = slo.parse(asked[0]) if asked else None
    except SpecError:
        return None
    return Limit(found.text, found.share, float(found.limit)) if found else None


def _line(
    points: Sequence[Point], name: str, pick: Callable[[ArmFigures], Estimate | None]
) -> list[tuple[float, Estimate]]:
    found = []
    for point in points:
        arm = arm_of(point, name)
        one = pick(arm) if arm else None
        if arm and one and arm.offered:
            found.append((arm.offered, one))
    return sorted(found, key=lambda each: each[0])


def plot(
    axes: Axes,
    theme: Theme,
    *,
    lines: Sequence[Line],
    limits: tuple[tuple[float, float], tuple[float, float]],
    asked: Limit | None,
) -> None:
    """Draw a line an arm; what is endless stands at the top."""
    x, y = limits
    scales.logarithmic(axes, "x", x, scales.counted)
    scales.logarithmic(axes, "y", y, scales.time)
    axes.set_xlabel("calls due a second")
    if asked:
        axes.axhline(asked.time, color=theme.pick(MUTED), linewidth=1.2, linestyle=(0, (4, 2)))
        written: Style = {"va": "bottom", "fontsize": SMALL, "color": theme.pick(INK)}
        write(axes, (x[0], asked.time), asked.text, away=(3, 2), **written)
    for look, line in lines:
        known = [(rate, one) for rate, one in line if math.isfinite(one.value)]
        rates, times = [rate for rate, _ in known], [one.value for _, one in known]
        stroke(axes, rates, times, **line_style(look, theme))
        stroke(axes, rates, times, **marker_style(look, theme))
        for rate, one in known:
            if one.low is not None and one.high is not None:
                stroke(axes, [rate, rate], [one.low, one.high], color=theme.pick(look.pair), linewidth=1.2)
        endless = [rate for rate, one in line if math.isinf(one.value)]
        if endless:
            style: Style = marker_style(look, theme) | {"marker": "^", "markersize": 7.0, "clip_on": False}
            stroke(axes, endless, [y[1]] * len(endless), **style)


def _alt(points: Sequence[Point]) -> str:
    parts = []
    for name in names(points):
        medians, tails = (dict(_line(points, name, pick)) for pick in _PICKS.values())
        told = [
            f"{words.time(one.value)}"
            + (f" (p99 {words.time(tails[rate].value)})" if rate in tails else "")
            + f" at {rate:,.0f}/s"
            for rate, one in medians.items()
        ]
        if told:
            parts.append(f"{words.clean(name)} {', '.join(told)}.")
    return " ".join(["Median response times:", *parts])
