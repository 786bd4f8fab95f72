"""The lines that stand on a terminal while a run goes on: how far it is, and how its arms stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from harness.decide.comparison import Estimate
from harness.show import stage, units, words
from harness.show.stage import Scene
from scenarios.arm import FLOOR

_BAR = 20
_LEAST_BAR = 4
_LEAST_NAME = 8
_GAP = "  "
_FEW_LINES = 4
"""Lines of a terminal below which there is only one for us: the head."""


@dataclass
class State:
    """How far a run is."""

    fraction: float = 0.0
    fork: int = 0
    forks: int = 0
    left: float = 0.0
    phase: str = ""
    """What happens instead of turns; empty while there are turns."""


def draw(state: State, scene: Scene | None, width: int, height: int, *, unicode: bool) -> Text:
    """Give the lines, at most `height` − 1 of `width` − 1 cells: the last line and cell are the cursor's."""
    wide, most = width - 1, height - 1
    lines = [_head(state, scene.place if scene else "", wide, unicode=unicode)]
    if scene and height > _FEW_LINES and any(map(scene.standing.cost, scene.arms)):
        lines += _table(scene, wide, most - 1, unicode=unicode)
    for line in lines:
        line.truncate(wide)
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def _head(state: State, place: str, wide: int, *, unicode: bool) -> Text:
    """Write a bar and how far it is; what there is no room for is left out, the least important first."""
    if not state.forks:
        return _text(state.phase, "dim", wide, unicode=unicode)
    share = f" {min(max(state.fraction, 0.0), 1.0):4.0%}"
    left = f"{units.left(state.left)} left"
    fork = f"fork {state.fork + 1} of {state.forks}"
    place = f"{place}, " if place else ""
    now = (f"{state.phase}, {left}", state.phase)
    told = now if state.phase else (f"{place}{fork}, {left}", f"{fork}, {left}", left)
    room = wide - _LEAST_BAR - len(share) - len(_GAP)
    text = next((each for each in told if cell_len(each) <= room), told[-1])
    tail = _text(text, "dim" if state.phase else "", max(0, room), unicode=unicode)
    line = _bar(state.fraction, min(_BAR, room - tail.cell_len + _LEAST_BAR), unicode=unicode)
    return line.append(share, "bold").append(_GAP).append(tail)


def _bar(fraction: float, cells: int, *, unicode: bool) -> Text:
    cells = max(0, cells)
    done = round(min(max(fraction, 0.0), 1.0) * cells)
    full, empty = ("━", "━") if unicode else ("#", ".")
    return Text().append(full * done, "green").append(empty * (cells - done), "bright_black")


def _table(scene: Scene, wide: int, most: int, *, unicode: bool) -> list[Text]:
    """Lay the arms out below a heading, in at most `most` lines."""
    ratios = scene.ratios()
    room = most - 1
    shown = scene.arms if len(scene.arms) <= room else scene.arms[: room - 1]
    names = max(cell_len(text) for text in (*scene.arms, scene.point))
    columns = _fitting(_columns(scene, ratios), wide - min(names, _LEAST_NAME))
    first = min(names, wide - sum(len(_GAP) + column.width for column in columns))

    def row(name: str, cells: Sequence[str], style: str) -> Text:
        line = _text(name, style if style in {"dim", "red"} else "", first, unicode=unicode, fill=True)
        for cell, column in zip(cells, columns, strict=True):
            line.append(_GAP).append(_text(cell, style, column.width, unicode=unicode, right=True))
        return line

    lines = [row(scene.point, [column.heading for column in columns], "dim")]
    lines += [
        row(name, [each.cells[name] for each in columns], _style(name, scene, ratios)) for name in shown
    ]
    if len(shown) < len(scene.arms):
        lines.append(_text(f"and {len(scene.arms) - len(shown)} more", "dim", wide, unicode=unicode))
    return lines


@dataclass(frozen=True)
class _Column:
    """A heading, and a cell an arm."""

    heading: str
    cells: dict[str, str]

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.heading, *self.cells.values())))


def _fitting(columns: tuple[_Column, _Column, _Column], room: int) -> list[_Column]:
    """Choose what fits into `room` cells: all, all with a shorter heading, ratio and bounds, or the ratio."""
    cost, ratio, bounds = columns
    word, _, rest = bounds.heading.partition(" ")
    short = _Column(
        bounds.heading.removesuffix(" interval") if rest.endswith("interval") else word, bounds.cells
    )
    choices = ([cost, ratio, bounds], [cost, ratio, short], [ratio, short], [ratio])
    fit = (each for each in choices if sum(len(_GAP) + column.width for column in each) <= room)
    return next(fit, [])


def _columns(scene: Scene, ratios: dict[str, Estimate]) -> tuple[_Column, _Column, _Column]:
    costs = {name: scene.standing.cost(name) for name in scene.arms}
    scale = units.scale(costs.values())
    digits = units.decimals(scale.of(cost) for cost in costs.values())
    mark = words.MARKS["invalid"]
    blank = " " * bool(scene.lost)
    written = {
        name: units.number(scale.of(cost), digits) + (mark if name in scene.lost else blank)
        for name, cost in costs.items()
    }
    pairs = {name: stage.written(ratios[name]) if name in ratios else ("", "") for name in scene.arms}
    pairs[scene.baseline] = ("baseline", "")
    return (
        _Column(f"{scene.figure} {scale.name}{blank}", written),
        _Column("ratio", {name: pair[0] for name, pair in pairs.items()}),
        _Column(stage.bounds(scene, ratios), {name: pair[1] for name, pair in pairs.items()}),
    )


def _style(name: str, scene: Scene, ratios: dict[str, Estimate]) -> str:
    if name in scene.lost:
        return "red"
    if name in {scene.baseline, FLOOR.name}:
        return "dim"
    ratio = ratios.get(name)
    return ("bright_red" if ratio.value > 1 else "green") if ratio and stage.resolved(ratio) else ""


def _text(
    text: str, style: str, wide: int, *, unicode: bool, fill: bool = False, right: bool = False
) -> Text:
    """Write `text` within `wide` cells; what is too long ends in an ellipsis."""
    line = words.clean(text)
    line = line if unicode else words.to_ascii(line)
    if cell_len(line) > wide:
        line = set_cell_size(line, wide - 1) + ("…" if unicode else "~") if wide > 0 else ""
    blank = " " * (wide - cell_len(line))
    return Text(blank + line if right else line + blank if fill else line, style)
