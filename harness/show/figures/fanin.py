"""What gateways cost as clients grow in number, and how many connections they make of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.decide.comparison import ArmFigures
from harness.show import words
from harness.show.figures import scales
from harness.show.figures.curves import Scale, Value, dressed, legend, line, panel
from harness.show.figures.material import Point, Scene, names, series
from harness.show.figures.sketch import Sketch

KEY = "fanin"
_CAPTION = (
    "Left, CPU per call of client, gateway and service together; right, connections to the service. A "
    "gateway that multiplexes keeps a few, however many clients there are; another has one for each.{zero}"
)
_ZERO = " At 0 none stood when they were counted; the scale is logarithmic from 1 on."
_UNCOUNTED = "CPU per call of client, gateway and service together; nobody has counted connections."


def sketch(scene: Scene) -> list[Sketch]:
    """Plan a figure for each series of points with gateways that differ in their users."""
    return [
        _figure(each)
        for each in series(scene, "users")
        if any(len(line(each.points, name, cpu)) > 1 for name in _passed(each.points))
    ]


def _passed(points: Sequence[Point]) -> list[str]:
    """Name the arms with a gateway."""
    found = {arm.name for point in points for arm in point.arms if arm.hops}
    return [name for name in names(points) if name in found]


def _shown(points: Sequence[Point]) -> list[str]:
    """Name the arms with a gateway, and of each of their stacks the first one without."""
    arms = {arm.name: arm for point in points for arm in point.arms}
    stacks = {arms[name].stack for name in _passed(points)}
    direct = {arms[name].stack: name for name in reversed(names(points)) if not arms[name].hops}
    twins = {name for stack, name in direct.items() if stack in stacks}
    return [name for name in names(points) if arms[name].hops or name in twins]


def _figure(scene: Scene) -> Sketch:
    points = sorted(scene.points, key=lambda point: point.comparison.users)
    looks = dressed(scene, points, _shown(points))
    unit = words.of(points[0].comparison)
    links = [one.value for name in looks for _, one in line(points, name, connections, zero=True)]
    panels = [panel(points, looks, cpu, Scale(scales.time), title=f"CPU per {unit}", x="clients")]
    alts = [_alt(points, looks, cpu, Scale(scales.time), f"CPU per {unit}")]
    if links:
        counts = Scale(scales.counted, zero=True)
        title = "connections to the service"
        panels.append(panel(points, looks, connections, counts, title=title, x="clients"))
        alts.append(_alt(points, looks, connections, counts, title.capitalize()))
    caption = _CAPTION.format(zero=_ZERO if 0 in links else "") if links else _UNCOUNTED
    return Sketch(
        key=KEY,
        title="Gateways: CPU and connections by clients" if links else "Gateways: CPU by clients",
        caption=caption,
        alt=" ".join(alts),
        scenario=scene.scenario,
        comparisons=tuple(point.index for point in points),
        panels=tuple(panels),
        columns=2,
        legend=legend(points, looks, cpu),
    )


def cpu(arm: ArmFigures) -> float | None:
    """Give the CPU of client, hops and server in ns per call, or message."""
    if arm.client_cpu is None or arm.server_cpu is None:
        return None
    return (arm.client_cpu + (arm.hop_cpu or 0.0) + arm.server_cpu) / arm.messages


def connections(arm: ArmFigures) -> float | None:
    """Give the connections to the service; the floor's say nothing."""
    return float(arm.connections[-1]) if arm.connections and not arm.floor else None


def _alt(points: Sequence[Point], names: Iterable[str], value: Value, scale: Scale, what: str) -> str:
    parts = []
    for name in names:
        told = [
            f"{scale.write(one.value)} with {words.count(int(users), 'client')}"
            for users, one in line(points, name, value, zero=scale.zero)
        ]
        if told:
            parts.append(f"{words.clean(name)} {', '.join(told)}")
    return f"{what}: {'; '.join(parts)}."
