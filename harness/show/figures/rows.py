"""Rows below each other, one an arm, in groups with a heading: what bars and ratios stand in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from matplotlib.axes import Axes

from harness.show import words
from harness.show.figures import letters
from harness.show.figures.paper import SMALL, TEXT, Style, write
from harness.show.palette import INK, MUTED, Theme
from harness.show.table import folded

T = TypeVar("T")

MOST = 36
"""Rows of a figure; where there are more, there are more figures."""
_LETTERS = 26
_WIDEST = 150.0
"""Points for a heading left of the panel; the rest of a longer one stands above the axes."""
_LINE, _PAD, _HEADING, _BETWEEN = 11.0, 11.0, 19.0, 7.0


@dataclass(frozen=True)
class Row(Generic[T]):
    """A row: the name at its left, and what is drawn in it."""

    name: str
    held: T

    @cached_property
    def label(self) -> tuple[str, ...]:
        """Break the name into lines."""
        return folded(words.clean(self.name), _LETTERS)


@dataclass(frozen=True)
class Group(Generic[T]):
    """Rows that belong together."""

    index: int
    """Of the comparison."""
    heading: str
    rows: tuple[Row[T], ...]


@dataclass(frozen=True)
class Placed(Generic[T]):
    """A row with its place: points from the top of the panel to its middle."""

    row: Row[T]
    y: float


@dataclass(frozen=True)
class Rows(Generic[T]):
    """Groups that share a panel."""

    groups: tuple[Group[T], ...]
    spare: float = _PAD
    """Points that a row has above and below its name, together."""
    headed: bool = False
    """Whether each group has its heading."""

    @property
    def left(self) -> float:
        """Give the room that names need."""
        lines = {line for group in self.groups for row in group.rows for line in row.label}
        longest = max(letters.width(line, TEXT) for line in lines)
        headings = [letters.width(text, SMALL) for text, _ in self.headings()]
        return max(longest, min(max(headings, default=0.0), _WIDEST)) + 12

    @cached_property
    def height(self) -> float:
        """Give the height of all."""
        return sum(map(self._height, self.groups)) + _BETWEEN * (len(self.groups) - 1)

    @property
    def indices(self) -> tuple[int, ...]:
        """Say which comparisons these are."""
        return tuple(group.index for group in self.groups)

    def placed(self) -> Iterator[Placed[T]]:
        """Give every row its place."""
        top = 0.0
        for group in self.groups:
            y = top + self._heading
            for row in group.rows:
                yield Placed(row, y + self._tall(row) / 2)
                y += self._tall(row)
            top += self._height(group) + _BETWEEN

    def headings(self) -> Iterator[tuple[str, float]]:
        """Give every heading with the place of its base line."""
        top = 0.0
        for group in self.groups if self.headed else ():
            yield group.heading, top + self._heading - 6
            top += self._height(group) + _BETWEEN

    @property
    def _heading(self) -> float:
        return _HEADING if self.headed else 0.0

    def _height(self, group: Group[T]) -> float:
        return self._heading + sum(map(self._tall, group.rows))

    def _tall(self, row: Row[T]) -> float:
        return self.spare + _LINE * len(row.label)


def pages(groups: Sequence[Group[T]], most: int = MOST, spare: float = _PAD) -> list[Rows[T]]:
    """Share groups with rows out among figures of about `most` rows; several groups have headings."""
    shared: list[list[Group[T]]] = []
    count = 0
    for group in groups:
        if not group.rows:
            continue
        if not shared or count + len(group.rows) > most:
            shared.append([])
            count = 0
        shared[-1].append(group)
        count += len(group.rows)
    headed = sum(map(len, shared)) > 1
    return [Rows(tuple(page), spare, headed) for page in shared]


def lay(axes: Axes, rows: Rows[T], theme: Theme, *, named: bool = True) -> None:
    """Prepare axes whose y is points from the top; with names at the left and headings above groups."""
    axes.set_ylim(rows.height, 0)
    axes.set_yticks([])
    if not named:
        return
    for placed in rows.placed():
        write(
            axes,
            (0, placed.y),
            "\n".join(placed.row.label),
            away=(-8, 0),
            beside=True,
            ha="right",
            va="center",
            linespacing=1.05,
            fontsize=TEXT,
            color=theme.pick(INK),
        )
    for heading, y in rows.headings():
        style: Style = {"va": "baseline", "fontsize": SMALL, "color": theme.pick(MUTED)}
        write(axes, (0, y), heading, away=(2 - rows.left, 0), beside=True, **style)
