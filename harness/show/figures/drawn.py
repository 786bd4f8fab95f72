"""A figure with all that is said beside it."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure, drawn on white; `harness.show.svg.to_svg` makes it part of a page."""

    key: str
    """What kind of figure it is: ``ratios``, ``percentiles``, ``rounds``, ``users``, ``fanin``, ``sizes``,
    ``anatomy``, ``bytes``, ``rates`` or ``gate``."""
    title: str
    caption: str
    """How to read it, in one or two sentences."""
    alt: str
    """What it shows, with figures, for those who do not see it."""
    figure: Figure
    scenario: str
    comparisons: tuple[int, ...]
    """Which of the answer's comparisons it is of."""
