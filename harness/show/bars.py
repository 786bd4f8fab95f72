"""Draws where the time of a call goes on a terminal: a bar an arm, and a table below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from harness.show.anatomy import UNMEASURED, Bar, Chart, Part, Row, in_ascii, lines
from harness.show.table import folded

_GLYPHS = {"client": "█", "hop": "▓", "server": "▒", "neither": "░", "rest": "░"}
_ASCII = {"client": "#", "hop": "+", "server": "=", "neither": ".", "rest": "."}
_COLOURS = {
    "client": "#0072b2",
    "hop": "#009e73",
    "server": "#e69f00",
    "neither": "#999999",
    "rest": "#999999",
}
"""Of the palette by Okabe and Ito, which those who confuse red and green tell apart, too.

https://jfly.uni-koeln.de/color/. What exceeds the time has none: it is in the other parts.
"""
_LONGEST = 80
_GAP = 2
_CELL = len(UNMEASURED)


def render(found: Chart, width: int, *, unicode: bool = True) -> Text:
    """Draw `found` in `width` cells, or write lines where the table is too wide even for one arm."""
    shown = found if unicode else in_ascii(found)
    label = max(len(_title(row)) for row in shown.rows)
    cell = max(_CELL, *(cell_len(text) for row in shown.rows for text in row.cells))
    if width < label + _GAP + cell:
        return _joined(_plain(text, width) for text in lines(shown))
    glyphs = _GLYPHS if unicode else _ASCII
    drawn = [_plain(shown.title, width, "bold")]
    for bar in shown.bars:
        drawn += [Text(), *_bar(bar, min(width, _LONGEST), glyphs)]
    columns = (width - label) // (cell + _GAP)
    count = -(-len(shown.bars) // columns)
    size = -(-len(shown.bars) // count)
    for start in range(0, len(shown.bars), size):
        drawn += [
            Text(),
            *_table(shown, range(len(shown.bars))[start : start + size], label, cell, unicode=unicode),
        ]
    return _joined([*drawn, Text(), *(_plain(note, width, "dim") for note in shown.notes)])


def cells(shares: Sequence[float], width: int) -> list[int]:
    """Share `width` cells out by `shares`; each that is above 0, of at most so many, gets one at least."""
    total = sum(shares)
    exact = [width * share / total if total else 0.0 for share in shares]
    found = [max(int(part), int(part > 0)) for part in exact]
    places = [place for place, part in enumerate(exact) if part > 0]
    while places and sum(found) < width:
        found[max(places, key=lambda place: exact[place] - found[place])] += 1
    while sum(found) > width:
        found[max(places, key=lambda place: (found[place] > 1, found[place] - exact[place]))] -= 1
    return found


def _joined(parts: Iterable[Text]) -> Text:
    return Text("\n", overflow="fold").join(list(parts))


def _plain(text: str, width: int, style: str = "") -> Text:
    """Break `text` into lines, all but the first indented."""
    indent = " " * (len(text) - len(text.lstrip()))
    return Text(textwrap.fill(text, width, subsequent_indent=f"{indent}  ", break_on_hyphens=False), style)


def _bar(bar: Bar, width: int, glyphs: dict[str, str]) -> Iterator[Text]:
    time = f"{bar.time} a call"
    names = folded(bar.name, max(1, width - len(time) - _GAP))
    for place, name in enumerate(names):
        blank = " " * (width - cell_len(name) - len(time))
        yield Text(name, "bold").append(f"{blank}{time}" if not place else "", "not bold")
    parts = [part for part in bar.parts if part.key in glyphs]
    drawn = Text()
    for part, count in zip(parts, cells([part.share for part in parts], width), strict=True):
        drawn.append(glyphs[part.key] * count, _COLOURS[part.key])
    yield drawn
    yield from _legend(bar.parts, width, glyphs)


def _legend(parts: Sequence[Part], width: int, glyphs: dict[str, str]) -> Iterator[Text]:
    """Write times and shares side by side, as many as there is room for, with bounds below them."""
    row: list[tuple[Part, str, str, int]] = []
    used = 0
    for part in parts:
        text = f"{part.label} {part.text}"
        bounds = f"({part.bounds})" if part.bounds else ""
        wide = max(2 + len(text), len(bounds))
        if row and used + wide > width:
            yield from _legend_row(row, glyphs)
            row, used = [], 0
        row.append((part, text, bounds, wide))
        used += wide + _GAP
    yield from _legend_row(row, glyphs)


def _legend_row(row: Sequence[tuple[Part, str, str, int]], glyphs: dict[str, str]) -> Iterator[Text]:
    first, second = Text(), Text(style="dim")
    for part, text, bounds, wide in row:
        first.append(f"{glyphs.get(part.key, ' ')} ", _COLOURS.get(part.key, ""))
        first.append(text.ljust(wide - 2 + _GAP))
        second.append(bounds.rjust(len(text) + 2).ljust(wide + _GAP))
    for line in (first, second):
        line.rstrip()
        if line:
            yield line


def _table(found: Chart, arms: Sequence[int], label: int, cell: int, *, unicode: bool) -> Iterator[Text]:
    names = [folded(found.bars[arm].name, cell) for arm in arms]
    for line in range(max(map(len, names))):
        texts = [name[line] if line < len(name) else "" for name in names]
        yield Text(_row("", texts, label, cell), "dim")
    yield Text(("─" if unicode else "-") * (label + len(arms) * (cell + _GAP)), "dim")
    for row in found.rows:
        yield Text(_row(_title(row), [row.cells[arm] for arm in arms if row.cells], label, cell))


def _title(row: Row) -> str:
    return f"  {row.title}" if row.cells else row.title


def _row(title: str, texts: Sequence[str], label: int, cell: int) -> str:
    padded = ("".join([" " * (_GAP + cell - cell_len(text)), text]) for text in texts)
    return "".join([title.ljust(label), *padded]).rstrip()
