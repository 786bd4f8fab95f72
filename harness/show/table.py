"""A comparison as a table for the terminal, one line an arm where there is room, else folded."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.text import Text

from harness.show.sheet import Sheet

_GAP = 2
_NAME = 13
"""Cells that an arm's name gets at the least, if it has them; longer names fold."""

_TIMES = (
    *("p50", "size", "first", "gap", "p99", "service", "lag", "due", "rate", "dropped", "bound"),
    *("cpu", "client", "hop", "server", "floor"),
)
_WIDE = (*_TIMES, "difference", "ratio range")
_FOLDED = ("p50/floor", "size", "p99", "first/gap", "service/lag", "due/rate/bound", "dropped", "cpu/split")
_LAYOUTS = (
    (*_TIMES, "bytes", "links", "difference", "ratio range", "other-ratio other-range"),
    (*_TIMES, "links", "difference", "ratio range", "other-ratio other-range"),
    (*_WIDE, "other-ratio other-range"),
    _WIDE,
    (*_FOLDED, "bytes", "difference", "ratio/range", "other-ratio/other-range"),
    (*_FOLDED, "difference", "ratio/range", "other-ratio/other-range"),
    (*_FOLDED, "difference", "ratio/range"),
    (*_FOLDED, "ratio/range/difference"),
    (
        *("p50/p99/floor", "size", "first/gap", "service/lag", "due/rate/dropped/bound", "cpu"),
        "ratio/range/difference",
    ),
)
"""From roomy to narrow: a slash puts cells below each other, a blank side by side."""

_HEADING = 15
"""Cells at which the heading of a folded column breaks."""
_COMMAS = re.compile(r"(?<=,)")
_MARKS = re.compile(r"(?<=[=/@:_-])")
_SHADES = {"invalid": "red", "doubtful": "yellow", "note": "dim", "more": "red", "less": "green"}


_Cell = tuple[str, ...]
"""Lines that stand below each other."""


@dataclass(frozen=True)
class _Column:
    """A cell an arm, under a heading; `styles` are those of the cells' first lines."""

    heading: _Cell
    cells: tuple[_Cell, ...]
    styles: tuple[str, ...]

    @property
    def width(self) -> int:
        return max(cell_len(line) for lines in (self.heading, *self.cells) for line in lines)


def render(sheet: Sheet, width: int, *, rule: str = "─") -> Text | None:
    """Lay `sheet` out for `width` cells; None where even the narrowest table is too wide."""
    table = _table(sheet, width, rule)
    if not table:
        return None
    parts = [*_wrapped(sheet.title, width, "bold")]
    parts += _wrapped(sheet.place, width, "dim") if sheet.place else []
    parts += [Text(), *table]
    parts += [Text()] if sheet.remarks or sheet.notes else []
    for remark in sheet.remarks:
        lines = _wrapped(f"{remark.mark} {remark.sentence}", width)
        lines[0].stylize(_SHADES.get(remark.validity, ""), 0, len(remark.mark))
        parts += lines + [Text(f"    {line}", "dim") for line in remark.quote]
    for note in sheet.notes:
        parts += _wrapped(note, width, "dim")
    parts += [Text(), *_wrapped(sheet.sentence, width, "bold")]
    return Text("\n", overflow="fold").join(parts)


def _wrapped(text: str, width: int, style: str = "") -> list[Text]:
    """Break `text` into lines, all but the first indented."""
    lines = textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
    return [Text(line, style) for line in lines or [""]]


def _table(sheet: Sheet, width: int, rule: str) -> list[Text]:
    longest = max([cell_len(name) for name in sheet.names], default=0)
    for layout in _LAYOUTS:
        columns = [column for keys in layout if (column := _column(sheet, keys)) is not None]
        rest = width - sum(column.width + _GAP for column in columns)
        if rest >= min(longest, _NAME):
            names = tuple(folded(name, rest) for name in sheet.names)
            styles = tuple("bold" if name == sheet.baseline else "" for name in sheet.names)
            return _draw(sheet, (_Column(("",), names, styles), *columns), rule)
    return []


def _column(sheet: Sheet, keys: str) -> _Column | None:
    """Put the cells of `keys` together, without those that the sheet has not; None if it has none."""
    found = [sheet.columns[key] for key in keys.replace("/", " ").split() if key in sheet.columns]
    if not found:
        return None
    styles = tuple(_SHADES.get(verdict, "") if keys.startswith("ratio") else "" for verdict in sheet.verdicts)
    cells = [tuple(part.cells[index] for part in found) for index in range(len(sheet.arms))]
    if "/" in keys:
        headings = (textwrap.wrap(part.heading, _HEADING) for part in found)
        return _Column(tuple(line for lines in headings for line in lines), tuple(cells), styles)
    heading = (found[0].title, found[1].title) if found[1:] else (found[0].title, found[0].unit)
    return _Column(heading, tuple(_beside(cells)), styles)


def _beside(cells: Sequence[_Cell]) -> list[_Cell]:
    """Join value and bounds to ``1.31× (1.29 to 1.33)``, the brackets below each other."""
    wide = max([cell_len(bounds) for _, *more in cells for bounds in more], default=0)
    return [
        (f"{value} {f'({more[0]})':>{wide + 2}}" if more and more[0] else value,) for value, *more in cells
    ]


def folded(name: str, width: int) -> _Cell:
    """Break a name into lines of `width` cells, behind a comma or another mark; nothing is left out."""
    lines: list[str] = []
    for part in _COMMAS.split(name):
        for piece in [part] if cell_len(part) <= width else _MARKS.split(part):
            if lines and cell_len(lines[-1] + piece) <= width:
                lines[-1] += piece
            else:
                lines += chop_cells(piece, width)
    return tuple(lines)


def _draw(sheet: Sheet, columns: Sequence[_Column], rule: str) -> list[Text]:
    rows = _row([(column.heading, column.width, "dim") for column in columns])
    rows.append(Text(rule * (sum(column.width + _GAP for column in columns) - _GAP), "dim"))
    for index, arm in enumerate(sheet.arms):
        styles = ["dim" if arm.floor else column.styles[index] for column in columns]
        widths = [column.width for column in columns]
        rows += _row(list(zip([column.cells[index] for column in columns], widths, styles, strict=True)))
    return rows


def _row(cells: Sequence[tuple[_Cell, int, str]]) -> list[Text]:
    """Set cells side by side, the first flush left, figures flush right and their further lines dim."""
    rows = []
    height = max(
        number for lines, _, _ in cells for number, line in enumerate(lines, 1) if line or number == 1
    )
    for line in range(height):
        row = Text(no_wrap=True)
        for place, (lines, width, style) in enumerate(cells):
            content = lines[line] if line < len(lines) else ""
            blank = " " * (width - cell_len(content))
            if place:
                row.append(" " * _GAP + blank).append(content, "dim" if line else style)
            else:
                row.append(content, style).append(blank)
        row.rstrip()
        rows.append(row)
    return rows
