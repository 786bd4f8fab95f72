"""What a figure will show, before it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.axes import Axes

from harness.show.palette import Look, Pair, Theme

Draw = Callable[[Axes, Theme], None]
LEFT, BELOW = 46.0, 34.0
BARE = 22.0
"""Room below axes whose ticks need no word."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes; lengths in points."""

    title: str
    height: float
    draw: Draw
    left: float = LEFT
    """Room for what stands left of the axes."""
    below: float = BELOW
    """Room for ticks and what they are of."""
    right: float = 0.0
    """Room for what stands right of the axes."""


@dataclass(frozen=True)
class Entry:
    """A line of the legend: an arm, or a colour that is no arm's."""

    label: str
    mark: Look | Pair


@dataclass(frozen=True)
class Sketch:
    """A figure: panels in rows of `columns`, left to right."""

    key: str
    title: str
    caption: str
    """How to read it, in one or two sentences."""
    alt: str
    """What it shows, with figures, for those who do not see it."""
    scenario: str
    comparisons: tuple[int, ...]
    """Which of the answer's comparisons it is of."""
    panels: tuple[Panel, ...]
    columns: int = 1
    legend: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()
    """Lines below all panels."""
