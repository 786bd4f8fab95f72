"""Bytes of a call: to the left those that go out, to the right those that come back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from harness.decide.comparison import ArmFigures, Traffic
from harness.show import units, words
from harness.show.figures import scales
from harness.show.figures.material import Point, Scene
from harness.show.figures.paper import SMALL, Style, write
from harness.show.figures.rows import MOST, Group, Row, Rows, lay, pages
from harness.show.figures.sketch import Entry, Panel, Sketch
from harness.show.palette import GROUND, INK, MUTED, OVERHEAD, PAYLOAD, Theme

KEY = "bytes"
_THICK = 12.0
_ROOM = 1.3
_MILLION = 1_000_000
_CAPTION = (
    "Bytes of one call on connections that stand: requests to the left, replies to the right. Payload is the "
    "message as its format writes it, overhead all that the transport adds to it.{lacking}"
)
_LACKING = " Where no overhead is drawn, nobody has counted it."


@dataclass(frozen=True)
class Bytes:
    """Of one call; overheads are None where they were not counted."""

    payload_out: float
    payload_in: float
    overhead_out: float | None = None
    overhead_in: float | None = None


def sketch(scene: Scene, *, most: int = MOST, uncounted: bool = False) -> list[Sketch]:
    """Plan the bytes of a scenario; none where nobody counted them, unless payloads alone are wanted."""
    groups = [
        Group(point.index, scene.heading(point), _rows(point, uncounted=uncounted)) for point in scene.points
    ]
    return [_page(scene, rows) for rows in pages(groups, most)]


def _rows(point: Point, *, uncounted: bool) -> tuple[Row[Bytes], ...]:
    known = {one.arm: one.traffic for one in point.comparison.anatomy if one.traffic}
    if not known and not uncounted and point.comparison.part != "encode":
        return ()
    found = ((arm.name, _bytes(arm, known.get(arm.name), point.comparison.part)) for arm in point.arms)
    return tuple(Row(name, one) for name, one in found if one)


def _bytes(arm: ArmFigures, traffic: Traffic | None, part: str) -> Bytes | None:
    if traffic:
        out, back = traffic.payload_out / _MILLION, traffic.payload_in / _MILLION
        return Bytes(out, back, traffic.overhead_out / _MILLION, traffic.overhead_in / _MILLION)
    if arm.payload is None:
        return None
    return Bytes(float(arm.payload[0]), 0.0 if part else float(arm.payload[1]))


def _page(scene: Scene, rows: Rows[Bytes]) -> Sketch:
    held = [placed.row.held for placed in rows.placed()]
    lacking = any(one.overhead_out is None for one in held)
    entries = [Entry("payload", PAYLOAD)]
    if any(one.overhead_out is not None for one in held):
        entries.append(Entry("overhead", OVERHEAD))
    return Sketch(
        key=KEY,
        title="Bytes of a call",
        caption=_CAPTION.format(lacking=_LACKING if lacking else ""),
        alt=_alt(rows),
        scenario=scene.scenario,
        comparisons=rows.indices,
        panels=(Panel("", rows.height, partial(plot, rows=rows), left=rows.left),),
        legend=tuple(entries),
    )


def plot(axes: Axes, theme: Theme, *, rows: Rows[Bytes]) -> None:
    """Draw a row's requests and replies back to back."""
    lay(axes, rows, theme)
    placed = list(rows.placed())
    left = max(one.row.held.payload_out + (one.row.held.overhead_out or 0) for one in placed)
    right = max(one.row.held.payload_in + (one.row.held.overhead_in or 0) for one in placed)
    room = (_ROOM - 1) * max(left, right)
    axes.set_xlim(-(left + room), right + room)
    step = _step(max(left, right))
    ticks = [
        step * k for k in range(-math.floor((left + room) / step), math.floor((right + room) / step) + 1)
    ]
    axes.set_xticks(ticks, [units.number(abs(tick), 0) for tick in ticks])
    axes.set_xlabel("← request, bytes        reply, bytes →")
    for one in placed:
        held = one.row.held
        _side(axes, theme, one.y, -1, held.payload_out, held.overhead_out)
        _side(axes, theme, one.y, 1, held.payload_in, held.overhead_in)
    axes.axvline(0, color=theme.pick(MUTED), linewidth=1.0, zorder=3)


def _step(most: float) -> float:
    """Give the distance of ticks: 1, 2 or 5 times a power of ten, about three to a side."""
    rough = max(most, 3.0) / 3
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= rough)


def _side(axes: Axes, theme: Theme, y: float, sign: int, payload: float, overhead: float | None) -> None:
    if not payload and not overhead:
        return
    style: Style = {"height": _THICK, "linewidth": 0.8, "edgecolor": theme.pick(GROUND), "zorder": 2}
    axes.barh(y, sign * payload, color=theme.pick(PAYLOAD), **style)
    if overhead:
        axes.barh(y, sign * overhead, left=sign * payload, color=theme.pick(OVERHEAD), **style)
    write(
        axes,
        (sign * (payload + (overhead or 0)), y),
        scales.counted(payload)
        if overhead is None
        else f"{scales.counted(payload)} + {scales.counted(overhead)}",
        away=(5 * sign, 0),
        ha="left" if sign > 0 else "right",
        va="center",
        fontsize=SMALL - 0.5,
        color=theme.pick(INK),
    )


def _alt(rows: Rows[Bytes]) -> str:
    told = []
    for placed in rows.placed():
        held = placed.row.held
        request = _told(held.payload_out, held.overhead_out)
        reply = _told(held.payload_in, held.overhead_in)
        told.append(f"{words.clean(placed.row.name)}: request {request}, reply {reply}.")
    return " ".join(["Bytes of a call, payload and overhead.", *told])


def _told(payload: float, overhead: float | None) -> str:
    extra = "" if overhead is None else f" + {units.number(overhead, 0)}"
    return f"{units.number(payload, 0)}{extra} B"
