"""Two stored runs held against each other: a line a cost for the terminal, and the answer in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console

from harness.decide.across import Across, Compared
from harness.decide.change import Change
from harness.show import rulings, units, words
from harness.show.changes_words import absent, origin, place, remarks, sentence, title

_WIDTH = 80
_LEAST = 8
"""Cells of an arm's name at the least; a longer one than there is room for gets a line of its own."""
_GAP = "  "
_HEADS = (
    ("", "", "base", "candidate", "", "", ""),
    ("", "", "× floor", "× floor", "change", "95 % interval", ""),
)
_FLUSH_LEFT = (0, 1, 6)


def show(found: Across, stream: TextIO | None = None) -> None:
    """Write lines and answer to `stream` (standard output); a terminal gets colour and folded lines."""
    console = Console(file=stream or sys.stdout, highlight=False, markup=False, emoji=False)
    unicode = words.unicode(console.encoding)
    for line in render(found, min(console.width, _WIDTH) if console.is_terminal else 0):
        shown = line if unicode else words.to_ascii(line)
        if console.is_terminal:
            console.print(rulings.coloured(shown), soft_wrap=True)
        else:
            console.file.write(f"{shown}\n")


def render(found: Across, wide: int = 0) -> list[str]:
    """Write what was compared, what was seen, and the answer as the last; folded where `wide` is given."""
    head = [title(found), *(f"  {each}" for each in origin(found))]
    tail = [*(f"  {each}" for each in (*remarks(found), *absent(found))), sentence(found)]
    if wide:
        head, tail = ([rulings.folded(text, wide) for text in part] for part in (head, tail))
    return [line for text in (*head, *_table(found), "", *tail) for line in text.split("\n")]


def _table(found: Across) -> Iterator[str]:
    """Draw the costs of all arms, point by point."""
    rows = {id(each): list(_rows(each)) for each in found.arms}
    cells = [row for each in rows.values() for row in each]
    widths = [max(cell_len(row[column]) for row in (*_HEADS, *cells)) for column in range(len(_HEADS[0]))]
    if not any(row[5] for row in cells):
        widths[5] = 0
    room = max(
        _LEAST, _WIDTH - sum(widths[1:]) - len(_GAP) * sum(width > 0 for width in widths[1:]) - len(_GAP)
    )
    widths[0] = min(room, widths[0])
    floors = {each.point: each for each in found.floors}
    for point in dict.fromkeys(each.point for each in found.arms):
        floor = floors.get(point)
        times = f"; the floor itself {_micros(floor.base)} → {_micros(floor.candidate)} µs" if floor else ""
        yield ""
        yield f"{place(point)}{times}"
        yield from (_line(head, widths) for head in _HEADS)
        for each in found.arms:
            if each.point == point:
                yield from _lines(rows[id(each)], widths)


def _lines(rows: Sequence[tuple[str, ...]], widths: Sequence[int]) -> Iterator[str]:
    name = rows[0][0]
    if cell_len(name) > widths[0]:
        yield f"{_GAP}{name}"
        name = ""
    for row in rows:
        yield _line((name, *row[1:]), widths)
        name = ""


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    parts = []
    for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        blank = " " * (width - cell_len(cell))
        if width or not column:
            parts.append(cell + blank if column in _FLUSH_LEFT else blank + cell)
    return (_GAP + _GAP.join(parts)).rstrip()


def _rows(one: Compared) -> Iterator[tuple[str, ...]]:
    name = words.clean(one.arm)
    for change in one.changes:
        yield (
            name,
            change.metric,
            times_floor(change.base),
            times_floor(change.candidate),
            shown(one, change),
            rulings.between(change.low, change.high),
            outcome(one, change),
        )


def outcome(one: Compared, change: Change) -> str:
    """Give what a cost says: its own verdict, or that its arm is invalid; empty where nothing was judged."""
    return str(one.ruling) if one.reason else str(change.outcome or "")


def shown(one: Compared, change: Change) -> str:
    """Write a change as per cent, with a mark where it is doubtful."""
    doubtful = one.doubts and change.change is not None
    return f"{rulings.change(change.change)}{'?' if doubtful else ''}"


def times_floor(value: float | None) -> str:
    """Write a cost as a multiple of the floor's."""
    return units.NOTHING if value is None else units.number(value, units.decimals([value]) + 1)


def _micros(value: float) -> str:
    return units.number(value / 1000, 1)
