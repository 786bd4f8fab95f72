"""What more users do to calls a second and to response times."""

from __future__ import annotations

from collections.abc import Sequence

from harness.decide.comparison import ArmFigures, Estimate
from harness.show import sheet, words
from harness.show.figures import scales
from harness.show.figures.curves import Scale, dressed, legend, line, panel
from harness.show.figures.material import Point, Scene, names, series
from harness.show.figures.sketch import Sketch

KEY = "users"
_MEDIAN = "median response time"
_CAPTION = (
    "Left, calls a second of all users together; right, the median response time with its bounds. Where "
    "calls a second stop growing, more users only wait longer; both scales are logarithmic."
)


def sketch(scene: Scene) -> list[Sketch]:
    """Plan a figure for each series of points that differ in their users."""
    found = series(scene, "users")
    return [
        _figure(each) for each in found if any(line(each.points, name, rate) for name in names(each.points))
    ]


def _figure(scene: Scene) -> Sketch:
    points = sorted(scene.points, key=lambda point: point.comparison.users)
    unit = words.of(points[0].comparison)
    looks = dressed(scene, points, names(points))
    return Sketch(
        key=KEY,
        title="Throughput and response times by users",
        caption=_CAPTION,
        alt=_alt(points),
        scenario=scene.scenario,
        comparisons=tuple(point.index for point in points),
        panels=(
            panel(points, looks, rate, Scale(scales.counted), title=f"{unit}s a second", x="users"),
            panel(points, looks, median, Scale(scales.time), title=f"{_MEDIAN}, per {unit}", x="users"),
        ),
        columns=2,
        legend=legend(points, looks, rate),
    )


def rate(arm: ArmFigures) -> float | None:
    """Give calls, or messages, a second."""
    return sheet.per_message(arm).calls_per_second


def median(arm: ArmFigures) -> Estimate | None:
    """Give the median response time per call, or message."""
    return sheet.per_message(arm).p50


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
