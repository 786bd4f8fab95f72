"""A sheet as the rows of an HTML table: two lines a cell, a value to sort by, and bars at ratios."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.decide.comparison import ArmFigures, Comparison, Estimate
from harness.show import palette
from harness.show.html import bars
from harness.show.html.bars import Bar
from harness.show.sheet import Sheet

_LAYOUT = (
    ("ratio", "range"),
    ("difference",),
    ("other-ratio", "other-range"),
    ("p50", "floor"),
    ("p99",),
    ("first", "gap"),
    ("service", "lag"),
    ("due", "dropped"),
    ("rate", "bound"),
    ("cpu", "split"),
    ("size",),
    ("bytes",),
    ("links",),
)
"""Columns from left to right: a figure, and what stands below it."""
_MARKED = re.compile(r"^(?P<text>.*?)\s*(?P<marks>[?✗†*]*)$", re.DOTALL)
_TEXTS = frozenset({"bound", "bytes", "links"})
"""Columns that hold no single number."""


@dataclass(frozen=True)
class Head:
    """The heading of a column; `below` tells what the second line of its cells is."""

    title: str
    unit: str
    below: str
    numeric: bool


@dataclass(frozen=True)
class Cell:
    """A figure with its marks, a second line, the value that it is sorted by (empty for none), and a bar."""

    text: str
    marks: str
    below: str
    below_marks: str
    value: str
    bar: Bar | None


@dataclass(frozen=True)
class Row:
    """An arm."""

    name: str
    colour: str
    """Variable of the style sheet that holds its stack's colour."""
    baseline: bool
    floor: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """All arms of a comparison, the floor last."""

    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    bars: bool
    """Whether any cell has one."""


def lay_out(sheet: Sheet, comparison: Comparison) -> Table:
    """Arrange what `sheet` says of `comparison`."""
    pairs = [found for keys in _LAYOUT if (found := tuple(key for key in keys if key in sheet.columns))]
    columns = [_column(sheet, comparison, keys) for keys in pairs]
    rows = tuple(
        Row(
            name=name,
            colour=f"--{palette.of(sheet.arms[index].stack).key}",
            baseline=name == sheet.baseline,
            floor=sheet.arms[index].floor,
            cells=tuple(column[index] for column in columns),
        )
        for index, name in enumerate(sheet.names)
    )
    shown = any(cell.bar for column in columns for cell in column)
    return Table(tuple(_head(sheet, keys) for keys in pairs), rows, shown)


def _head(sheet: Sheet, keys: tuple[str, ...]) -> Head:
    first, below = sheet.columns[keys[0]], sheet.columns[keys[1]].heading if keys[1:] else ""
    return Head(first.title, first.unit, below, keys[0] not in _TEXTS)


def _column(sheet: Sheet, comparison: Comparison, keys: tuple[str, ...]) -> list[Cell]:
    metric = _metric(comparison, keys[0])
    drawn = bars.draw([arm.ratios[metric].estimate if metric in arm.ratios else None for arm in sheet.arms])
    cells = []
    for index, arm in enumerate(sheet.arms):
        text, marks = _parted(sheet.columns[keys[0]].cells[index])
        below, below_marks = _parted(sheet.columns[keys[1]].cells[index]) if keys[1:] else ("", "")
        value = _sorted_by(keys[0], arm, comparison)
        cells.append(Cell(text, marks, below if text != below else "", below_marks, value, drawn[index]))
    return cells


def _metric(comparison: Comparison, key: str) -> str:
    """Name the metric that a column holds the ratio of; empty for other columns."""
    if key == "ratio":
        return comparison.headline
    return ("time" if comparison.headline == "cpu" else "cpu") if key == "other-ratio" else ""


def _parted(cell: str) -> tuple[str, str]:
    """Part a figure from the marks behind it."""
    found = _MARKED.match(cell.strip())
    if found is None or not found["text"]:
        return cell.strip(), ""
    return found["text"], found["marks"]


def _sorted_by(key: str, arm: ArmFigures, comparison: Comparison) -> str:
    if key in {"ratio", "other-ratio", "difference"}:
        metric = _metric(comparison, key) or comparison.headline
        ratio = arm.ratios.get(metric)
        if ratio is None:
            own = arm.name == comparison.baseline
            return ("0" if key == "difference" else "1") if own else ""
        return _written(ratio.difference if key == "difference" else ratio.estimate.value)
    return _written(_VALUES[key](arm)) if key in _VALUES else ""


def _written(value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value:.6g}" if math.isfinite(value) else "Infinity"


def _of(estimate: Estimate | None) -> float | None:
    return estimate.value if estimate else None


def _cpu(arm: ArmFigures) -> float | None:
    if arm.client_cpu is None or arm.server_cpu is None:
        return None
    return arm.client_cpu + (arm.hop_cpu or 0.0) + arm.server_cpu


_VALUES: Mapping[str, Callable[[ArmFigures], float | None]] = {
    "p50": lambda arm: _of(arm.p50),
    "p99": lambda arm: _of(arm.p99),
    "first": lambda arm: _of(arm.first),
    "gap": lambda arm: _of(arm.gap),
    "service": lambda arm: _of(arm.service),
    "lag": lambda arm: _of(arm.lag),
    "rate": lambda arm: arm.calls_per_second,
    "due": lambda arm: arm.offered,
    "dropped": lambda arm: arm.dropped,
    "floor": lambda arm: arm.times_floor,
    "cpu": _cpu,
    "size": lambda arm: arm.payload[0] if arm.payload else None,
    "bytes": lambda arm: sum(arm.payload) if arm.payload else None,
    "links": lambda arm: arm.connections[0] if arm.connections else None,
}
"""Column → the figure that it is sorted by; others are sorted by their text."""
