"""Draws sketches as matplotlib figures, without pyplot."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from harness.show.figures import letters
from harness.show.figures.sketch import Entry, Panel, Sketch
from harness.show.palette import GRID, GROUND, INK, LIGHT, MUTED, Look, Theme

WIDTH = 480.0
"""Points. A column of a page is about as wide, so that text of `TEXT` points is read without a glass."""
TEXT, SMALL = 9.5, 8.5
_LETTER = 0.58
"""Width of a letter of prose as a share of the text's size, on average of the widest fonts."""
_POINTS = 72
_SHARP = 144
Style = dict[str, Any]
"""Properties of an artist, as matplotlib takes them."""
_TOP, _RIGHT, _BOTTOM, _HEAD, _LINE = 4.0, 14.0, 4.0, 20.0, 15.0
_SWATCH, _GAP = 22.0, 14.0
Numbers = NDArray[np.float64]
_STYLE: dict[Any, Any] = {
    "font.size": TEXT,
    "text.parse_math": False,
    "axes.linewidth": 0.8,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": SMALL,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.linewidth": 0.8,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.0,
    "lines.solid_capstyle": "butt",
    "axes.unicode_minus": True,
    "path.simplify": True,
}
_MUTED: tuple[Any, ...] = ("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")


class Picture(Figure):
    """A figure that notebooks show by itself, sharp on any screen."""

    def _repr_png_(self) -> tuple[bytes, dict[str, float]]:
        data = io.BytesIO()
        with styled():
            self.savefig(data, format="png", dpi=_SHARP, facecolor=self.get_facecolor())
        scale = 96  # a browser's pixels to the inch
        width, height = self.get_size_inches() * scale
        return data.getvalue(), {"width": float(width), "height": float(height)}


@contextmanager
def styled(theme: Theme = LIGHT) -> Iterator[None]:
    """Draw in our style, whatever the user has set, and leave that as it was."""
    muted = theme.pick(MUTED)
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        mpl.rcParams.update(dict.fromkeys(_MUTED, muted) | {"grid.color": theme.pick(GRID)})
        yield


def draw(sketch: Sketch, theme: Theme = LIGHT) -> Picture:
    """Draw a whole figure."""
    rows = [sketch.panels[k : k + sketch.columns] for k in range(0, len(sketch.panels), sketch.columns)]
    legend = _dealt(sketch.legend)
    notes = [line for note in sketch.notes for line in textwrap.wrap(note, int(WIDTH / (SMALL * _LETTER)))]
    heads = [_HEAD if any(panel.title for panel in row) else _GAP / 2 for row in rows]
    heights = [
        head + max(panel.height + panel.below for panel in row) for head, row in zip(heads, rows, strict=True)
    ]
    spare = 6.0 if legend else 0.0
    height = _TOP + len(legend) * _LINE + spare + sum(heights) + len(notes) * (SMALL + 4) + _BOTTOM
    with styled(theme):
        picture = Picture(figsize=(WIDTH / _POINTS, height / _POINTS), facecolor=theme.pick(GROUND))
        pen = _Pen(picture, height, theme)
        top = pen.legend(legend, _TOP) + spare
        for row, head, tall in zip(rows, heads, heights, strict=True):
            pen.panels(row, top + head, sketch.columns)
            top += tall
        for line in notes:
            top += SMALL + 4
            pen.text(2, top - 3, line, size=SMALL, colour=theme.pick(MUTED))
    return picture


def _dealt(entries: Sequence[Entry]) -> list[list[tuple[float, Entry]]]:
    """Put entries into lines of the legend, each with its place from the left; in columns where they fit."""
    widths = [_SWATCH + 4 + letters.width(entry.label, TEXT) + _GAP for entry in entries]
    columns = int(WIDTH // max(widths, default=WIDTH))
    step = WIDTH / columns if columns > 1 and sum(widths) > WIDTH else 0.0
    lines: list[list[tuple[float, Entry]]] = []
    x = WIDTH
    for entry, width in zip(entries, widths, strict=True):
        if x + width - _GAP > WIDTH:
            lines.append([])
            x = 0.0
        lines[-1].append((x, entry))
        x += step or width
    return lines


class _Pen:
    """Places things on a picture, in points from its upper left corner."""

    def __init__(self, picture: Picture, height: float, theme: Theme) -> None:
        self._picture, self._height, self._theme = picture, height, theme

    def text(self, x: float, y: float, text: str, *, size: float = TEXT, colour: str = "") -> None:
        """Write, with the base line at `y`."""
        self._picture.text(
            x / WIDTH,
            1 - y / self._height,
            text,
            fontsize=size,
            color=colour or self._theme.pick(INK),
            va="baseline",
        )

    def legend(self, lines: Sequence[Sequence[tuple[float, Entry]]], top: float) -> float:
        """Draw the legend; gives where it ends."""
        for line in lines:
            top += _LINE
            for x, entry in line:
                self._swatch(x + 2, top - 5, entry)
                self.text(x + _SWATCH + 4, top - 2, entry.label)
        return top

    def _swatch(self, x: float, y: float, entry: Entry) -> None:
        left, right, place = x / WIDTH, (x + _SWATCH - 2) / WIDTH, 1 - y / self._height
        if isinstance(entry.mark, Look):
            line = Line2D([left, right], [place, place], **line_style(entry.mark, self._theme))
            middle = Line2D([(left + right) / 2], [place], **marker_style(entry.mark, self._theme))
            self._picture.add_artist(line)
            self._picture.add_artist(middle)
        else:
            tall = 9 / self._height
            box = Rectangle(
                (left, place - tall / 2), right - left, tall, color=self._theme.pick(entry.mark), lw=0
            )
            self._picture.add_artist(box)

    def panels(self, row: Sequence[Panel], top: float, columns: int) -> None:
        """Draw a row of panels that begin at `top`, below their titles; equally wide, as if it were full."""
        beside = [panel.left + panel.right for panel in row]
        beside += [beside[-1]] * (columns - len(row))
        width = (WIDTH - _RIGHT - sum(beside)) / columns
        x = 0.0
        for panel in row:
            x += panel.left
            bottom = self._height - top - panel.height
            axes = self._picture.add_axes(
                (x / WIDTH, bottom / self._height, width / WIDTH, panel.height / self._height)
            )
            panel.draw(axes, self._theme)
            if panel.title:
                self.text(x, top - 7, panel.title, colour=self._theme.pick(MUTED))
            x += width + panel.right


def dress(axes: Axes, theme: Theme) -> None:
    """Give axes that somebody else made the style that ours are born with."""
    muted = theme.pick(MUTED)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(muted)
    axes.tick_params(which="both", color=muted, labelcolor=muted, labelsize=SMALL, length=3, width=0.8)
    axes.tick_params(axis="y", which="both", length=0)
    axes.grid(visible=True, color=theme.pick(GRID), linewidth=0.8)
    axes.xaxis.label.set(color=muted, fontsize=SMALL)


def stroke(axes: Axes, xs: Sequence[float] | Numbers, ys: Sequence[float] | Numbers, **style: Any) -> None:
    """Draw a line, or markers, on axes whose limits are set; `plot` would work out its own in vain."""
    axes.add_artist(Line2D(xs, ys, **style))


def write(
    axes: Axes,
    place: tuple[float, float],
    text: str,
    *,
    away: tuple[float, float] = (0.0, 0.0),
    beside: bool = False,
    **style: Any,
) -> None:
    """Write at a place, in data, so many points `away` from it; `beside` takes x as a share of the axes."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    across, up = away
    base = axes.get_yaxis_transform() if beside else axes.transData
    moved = base + ScaledTranslation(across / _POINTS, up / _POINTS, figure.dpi_scale_trans)
    axes.text(*place, text, transform=moved, **style)


def points_wide(axes: Axes) -> float:
    """Give the width of axes in points."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return axes.bbox.width / figure.dpi * _POINTS


def line_style(look: Look, theme: Theme) -> Style:
    """Give the properties of an arm's line."""
    dash = (0, look.dash) if look.dash else "-"
    return {"color": theme.pick(look.pair), "linestyle": dash, "linewidth": 1.6}


def marker_style(look: Look, theme: Theme, *, hollow: bool = False) -> Style:
    """Give the properties of an arm's markers; hollow ones stand for what is not shown to differ."""
    colour = theme.pick(look.pair)
    return {
        "marker": look.marker,
        "linestyle": "none",
        "markersize": 5.0,
        "markeredgewidth": 1.3,
        "markeredgecolor": colour,
        "markerfacecolor": theme.pick(GROUND) if hollow else colour,
    }


def handles(entries: Sequence[Entry], theme: Theme) -> list[Line2D | Patch]:
    """Make what a legend of matplotlib's own is built from."""
    made: list[Line2D | Patch] = []
    for entry in entries:
        if isinstance(entry.mark, Look):
            style = line_style(entry.mark, theme)
            marks = marker_style(entry.mark, theme)
            del marks["linestyle"]
            made.append(Line2D([], [], label=entry.label, **marks, **style))
        else:
            made.append(Patch(color=theme.pick(entry.mark), label=entry.label))
    return made


def draw_on(given: Sequence[Axes], sketch: Sketch, theme: Theme = LIGHT) -> Figure:
    """Draw the panels of a figure on axes of somebody else's, as many as it has; gives their figure."""
    with styled(theme):
        for axes, panel in zip(given, sketch.panels, strict=True):
            dress(axes, theme)
            panel.draw(axes, theme)
            axes.set_title(panel.title or sketch.title, fontsize=TEXT, loc="left", color=theme.pick(MUTED))
        if sketch.legend:
            given[0].legend(
                handles=handles(sketch.legend, theme),
                fontsize=SMALL,
                facecolor=theme.pick(GROUND),
                edgecolor="none",
                labelcolor=theme.pick(INK),
            )
    figure = given[0].get_figure(root=True)
    assert figure is not None
    return figure
