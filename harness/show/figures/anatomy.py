"""Where the time of a call goes, as a bar an arm."""

from __future__ import annotations

from functools import partial

from matplotlib.axes import Axes

from harness.decide.comparison import Anatomy, Piece
from harness.show import anatomy as texts
from harness.show import units, words
from harness.show.figures import scales
from harness.show.figures.material import Point, Scene
from harness.show.figures.paper import SMALL, Style, write
from harness.show.figures.rows import MOST, Group, Row, Rows, lay, pages
from harness.show.figures.sketch import BARE, Entry, Panel, Sketch
from harness.show.palette import GROUND, INK, MUTED, PARTS, Theme

KEY = "anatomy"
_THICK = 13.0
_ROOM = 0.2
"""Of the axes, for the time at the right of each bar."""
_WRITTEN = 0.075
"""Share of a part from which on there is room for its number."""
_LABELS = {
    "client": "client",
    "hop": "gateway",
    "server": "server",
    "neither": "neither",
    "rest": "server or neither",
}
_CAPTION = (
    "Each bar is the whole time of a call, split by whose CPU it was spent on; 'neither' is the kernel, the "
    "wire and waking up. The time itself stands at the right.{overlap}"
)
_OVERLAP = " Bars beyond 100 %: processes worked at the same time."


def sketch(scene: Scene, *, most: int = MOST) -> list[Sketch]:
    """Plan the bars of a scenario; none where nothing was dissected."""
    groups = [Group(point.index, scene.heading(point), _rows(point)) for point in scene.points]
    return [_page(scene, rows) for rows in pages(groups, most)]


def _rows(point: Point) -> tuple[Row[Anatomy], ...]:
    known = {one.arm: one for one in point.comparison.anatomy}
    return tuple(Row(arm.name, known[arm.name]) for arm in point.arms if arm.name in known)


def _page(scene: Scene, rows: Rows[Anatomy]) -> Sketch:
    held = [placed.row.held for placed in rows.placed()]
    names = [
        name for name in PARTS if any(part.name == name and part.time for one in held for part in one.parts)
    ]
    overlap = _OVERLAP if any(one.overlap for one in held) else ""
    return Sketch(
        key=KEY,
        title=texts.TITLE,
        caption=_CAPTION.format(overlap=overlap),
        alt=_alt(held),
        scenario=scene.scenario,
        comparisons=rows.indices,
        panels=(Panel("", rows.height, partial(plot, rows=rows), left=rows.left, below=BARE),),
        legend=tuple(Entry(_LABELS[name], PARTS[name]) for name in names),
    )


def plot(axes: Axes, theme: Theme, *, rows: Rows[Anatomy]) -> None:
    """Draw a bar a row."""
    lay(axes, rows, theme)
    placed = list(rows.placed())
    most = max(sum(part.share.value for part in one.row.held.parts) for one in placed)
    axes.set_xlim(0, max(1.0, most) * (1 + _ROOM))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    for one in placed:
        start = 0.0
        for part in one.row.held.parts:
            _part(axes, theme, one.y, start, part)
            start += part.share.value
        style: Style = {"va": "center", "fontsize": SMALL, "color": theme.pick(INK)}
        write(axes, (start, one.y), scales.time(one.row.held.time), away=(6, 0), **style)
    axes.axvline(1, color=theme.pick(MUTED), linewidth=1.0, zorder=1)


def _part(axes: Axes, theme: Theme, y: float, start: float, part: Piece) -> None:
    share = part.share.value
    colours: Style = {"color": theme.pick(PARTS[part.name]), "edgecolor": theme.pick(GROUND)}
    axes.barh(y, share, left=start, height=_THICK, linewidth=0.8, zorder=2, **colours)
    if share >= _WRITTEN:
        text = f"{units.number(100 * share, 0)} %"
        style: Style = {"ha": "center", "va": "center", "fontsize": SMALL - 0.5, "color": theme.pick(GROUND)}
        axes.text(start + share / 2, y, text, zorder=3, **style)


def _alt(held: list[Anatomy]) -> str:
    told = []
    for one in held:
        parts = ", ".join(
            f"{_LABELS[part.name]} {units.number(100 * part.share.value, 1)} %" for part in one.parts
        )
        told.append(f"{words.clean(one.arm)} {scales.time(one.time)}: {parts}.")
    return " ".join(["Shares of the time of a call.", *told])
