"""What taps have counted, as a table a point or as one JSON object; keys are described in docs/json.md."""

from __future__ import annotations

import sys
import textwrap
from typing import TextIO

import msgspec
from rich.box import SIMPLE_HEAD, Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.show import json, units, words
from harness.tapped import Part, Point, Tapped
from stacks import examples
from stacks.hops.tap.counts import Bytes

_WIDTH = 80
_LEAST = 20
_PLAIN = Box(str(SIMPLE_HEAD).replace("─", "-"), ascii=True)
_ROWS = ("payload", "headers", "framing", "control", "other", "total", "overhead")


def render(tapped: Tapped) -> str:
    """Write one JSON object: the client's point at the top, and all of them in ``points``."""
    points = [_point(point) for point in tapped.points]
    asked = msgspec.structs.asdict(tapped)
    del asked["points"]
    return json.write({"format": json.FORMAT, **asked, **points[0], "points": points})


def _point(point: Point) -> dict[str, object]:
    return {
        "from": point.before,
        "to": point.behind,
        "protocols": point.protocols,
        "connections": point.connections,
        "most": point.most,
        "seen": point.seen,
        "streams": point.streams,
        "refused": point.refused,
        **_part(point.total),
        "first": _part(point.first),
        "steady": None if point.steady is None else _part(point.steady),
        "closing": _part(point.closing),
    }


def _part(part: Part) -> dict[str, object]:
    return {
        **msgspec.structs.asdict(part),
        "overhead_out": part.overhead_out,
        "overhead_in": part.overhead_in,
        "kinds_out": _kinds(part.kinds_out),
        "kinds_in": _kinds(part.kinds_in),
    }


def _kinds(found: Bytes) -> dict[str, int]:
    return {name: getattr(found, name) for name in ("body", "framing", "headers", "control", "other")}


def show(tapped: Tapped, stream: TextIO | None = None, width: int | None = None) -> None:
    """Write a table a point to `stream` (standard output), as wide as a terminal is, else 80 cells."""
    console = Console(file=stream or sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    if width is None and not console.is_terminal:
        console = Console(file=console.file, width=_WIDTH, highlight=False, markup=False, emoji=False)
    unicode = words.unicode(console.encoding)

    def told(text: str, style: str = "") -> Text:
        lines = textwrap.fill(
            text, max(console.width, _LEAST), subsequent_indent="  ", break_on_hyphens=False
        )
        return Text(lines if unicode else words.to_ascii(lines), style)

    console.print(told(_title(tapped), "bold"))
    for point in tapped.points:
        console.print()
        console.print(told(_place(point)))
        console.print(_table(point, SIMPLE_HEAD if unicode else _PLAIN))
        console.print(told(_closing(point), "dim"))


def _title(tapped: Tapped) -> str:
    arm = "@".join([tapped.stack, *tapped.hops])
    streams = f" of {tapped.messages} messages" if tapped.messages > 1 else ""
    return (
        f"{arm}, channel={tapped.channel}: {_many(tapped.calls, 'call')} to {tapped.method}{streams}, "
        f"{_many(tapped.users, 'user')}, sample {examples.written(tapped.sample)}"
    )


def _place(point: Point) -> str:
    seen = "" if point.seen is None else f"; {_many(point.seen, 'call')} seen"
    if point.streams is not None:
        seen += f", at most {point.streams:,} at once on a connection"
    if point.refused:
        seen += f", {point.refused:,} refused"
    spoken = " and ".join(point.protocols) or "nothing said"
    most = f", {point.most} at once" if point.connections > 1 else ""
    return f"{point.before} → {point.behind}: {_many(point.connections, 'connection')}{most}; {spoken}{seen}"


def _table(point: Point, box: Box) -> Table:
    """Lay out bytes by call, those of connections' first calls apart; rows without any are left out."""
    parts = {"first": point.first, "steady": point.steady}
    found = [(name, part) for name, part in parts.items() if part is not None]
    table = Table(box=box, pad_edge=False, padding=(0, 1), show_edge=False, header_style="")
    table.add_column("bytes a call", min_width=12)
    columns = []
    for way in ("out", "in"):
        for name, part in found:
            table.add_column(f"{way}, {name}", justify="right", min_width=11)
            columns.append(_by_call(part, way))
    digits = min(1, units.decimals([value for column in columns for value in column.values()]))
    for row in _ROWS:
        if row in ("payload", "total", "overhead") or any(column[row] for column in columns):
            style = "bold" if row == "overhead" else ""
            table.add_row(row, *(units.number(column[row], digits) for column in columns), style=style)
    return table


def _by_call(part: Part, way: str) -> dict[str, float]:
    """Split the bytes of a call; what is neither payload nor of another kind is ``other``."""
    kinds: Bytes = getattr(part, f"kinds_{way}")
    payload: int = getattr(part, f"payload_{way}")
    known = kinds.headers + kinds.framing + kinds.control
    sums = {
        "payload": payload,
        "headers": kinds.headers,
        "framing": kinds.framing,
        "control": kinds.control,
        "other": kinds.total - payload - known,
        "total": kinds.total,
        "overhead": kinds.total - payload,
    }
    return {name: value / part.calls for name, value in sums.items()}


def _closing(point: Point) -> str:
    part, whole = point.closing, point.total
    end = f"; of these {part.bytes_out:,} and {part.bytes_in:,} at the end"
    said = end if part.bytes_out or part.bytes_in else ""
    return f"in all {whole.bytes_out:,} bytes out, {whole.bytes_in:,} in{said}"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
