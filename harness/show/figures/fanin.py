"""What gateways cost as clients grow in number, and how many connections they make of theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.decide.comparison import ArmFigures
from harness.show import words
from harness.show.figures import scales
from harness.show.figures.material import Point, Scene, names, series
from harness.show.figures.sketch import Sketch
from harness.show.figures.users import Value, curves, legend, line

KEY = "fanin"
_CAPTION = (
    "Left, CPU per call of client, gateway and service together; right, connections that the service has "
    "open. A gateway that multiplexes keeps a few, however many clients there are; another has one for each."
)
_UNCOUNTED = "CPU per call of client, gateway and service together; nobody has counted connections."


def sketch(scene: Scene) -> list[Sketch]:
    """Plan a figure for each series of points with gateways that differ in their users."""
    passed = [
        each
        for each in series(scene, "users")
        if any(arm.hops for point in each.points for arm in point.arms)
    ]
    return [
        _figure(each) for each in passed if any(line(each.points, name, cpu) for name in names(each.points))
    ]


def _figure(scene: Scene) -> Sketch:
    points = sorted(scene.points, key=lambda point: point.comparison.users)
    found = [(name, scene.looks[name]) for name in names(points)]
    unit = words.of(points[0].comparison)
    counted = any(line(points, name, connections) for name, _ in found)
    panels = [curves(points, found, cpu, title=f"CPU per {unit}", write=scales.time, x="clients")]
    if counted:
        title = "connections to the service"
        panels.append(curves(points, found, connections, title=title, write=scales.counted, x="clients"))
    return Sketch(
        key=KEY,
        title="Gateways: CPU and connections by clients" if counted else "Gateways: CPU by clients",
        caption=_CAPTION if counted else _UNCOUNTED,
        alt=_alt(points, cpu, scales.time, f"CPU per {unit}")
        + (f" {_alt(points, connections, scales.counted, 'Connections to the service')}" if counted else ""),
        scenario=scene.scenario,
        comparisons=tuple(point.index for point in points),
        panels=tuple(panels),
        columns=2,
        legend=legend(points, found, cpu),
    )


def cpu(arm: ArmFigures) -> float | None:
    """Give the CPU of client, hops and server in ns per call, or message."""
    if arm.client_cpu is None or arm.server_cpu is None:
        return None
    return (arm.client_cpu + (arm.hop_cpu or 0.0) + arm.server_cpu) / arm.messages


def connections(arm: ArmFigures) -> float | None:
    """Give the connections that the service has open; the floor's say nothing."""
    return float(arm.connections[-1]) if arm.connections and not arm.floor else None


def _alt(points: Sequence[Point], value: Value, write: Callable[[float], str], what: str) -> str:
    parts = []
    for name in names(points):
        told = [
            f"{write(one.value)} with {words.count(int(users), 'client')}"
            for users, one in line(points, name, value)
        ]
        if told:
            parts.append(f"{words.clean(name)} {', '.join(told)}")
    return f"{what}: {'; '.join(parts)}."
