"""The door for notebooks: loads stored results, gives them as frames, and draws them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.archive import load_runs, select
from harness.decide import compare, looks
from harness.decide import gate as gating
from harness.decide.compare import Answer
from harness.decide.gate import Decision, Rule
from harness.results import Result, ResultError
from harness.show import frames
from harness.show.figures import (
    anatomy,
    course,
    fanin,
    gate,
    paper,
    percentiles,
    rates,
    ratios,
    sizes,
    traffic,
    users,
)
from harness.show.figures.material import Scene, scenes
from harness.show.figures.sketch import Sketch
from harness.show.palette import DARK, LIGHT
from scenarios.catalog import SCENARIOS

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ResultError",
    "StudyError",
    "decide",
    "load_runs",
    "plot_anatomy",
    "plot_bytes",
    "plot_fanin",
    "plot_gate",
    "plot_percentiles",
    "plot_rates",
    "plot_ratios",
    "plot_rounds",
    "plot_sizes",
    "plot_users",
    "rule",
    "select",
    "show",
    "to_frame",
]

T = TypeVar("T")
Source = Sequence[Result] | Answer
"""Stored results, or what they come to."""
Place = Axes | Sequence[Axes] | None
"""Axes of the user's own to draw on, as many as a figure has panels; None for a figure of its own."""
_ALL = 10_000


class StudyError(Exception):
    """Results hold nothing of what was asked for; the text says what would."""


def decide(source: Source) -> Answer:
    """Give figures, findings and sentences of `source`; what was decided once is kept."""
    return source if isinstance(source, Answer) else _answer(tuple(source))


@lru_cache(maxsize=8)
def _answer(results: tuple[Result, ...]) -> Answer:
    return compare.answer(results)


def rule(results: Sequence[Result], chosen: Rule | None = None) -> Decision:
    """Give what becomes of the candidates of a gate; `chosen` is its rule, where it is not to be guessed."""
    _need_gate(results)
    return gating.decide(results, chosen or looks.rule_of(results))


def to_frame(source: Source, by: str = "turn") -> pd.DataFrame:
    """Give a tidy frame: ``turn`` (a row an arm, fork and turn) or ``figure`` (a row a figure of an arm).

    See `harness.show.csv.HEADER` and `harness.show.frames.FIGURES` for the columns. Raises `StudyError` for
    another `by`, for turns of an answer, and where pandas is missing.
    """
    try:
        if by == "figure":
            return frames.figures(decide(source))
        if by == "turn" and not isinstance(source, Answer):
            return frames.turns(source)
    except ImportError as error:
        raise StudyError("frames need pandas; try: pip install 'rpcduel[notebooks]'") from error
    if by == "turn":
        raise StudyError("an answer has no turns any more; give the stored results")
    raise StudyError(f"there are no frames by {by!r}; write by='turn' or by='figure'")


def plot_ratios(
    source: Source, axes: Place = None, *, scenario: str | None = None, dark: bool = False
) -> Figure:
    """Draw costs as multiples of the baseline's.

    As all `plot_…` functions: of the first scenario that has any, or of `scenario`; on a figure of its own,
    or on `axes`, one or as many as there are panels. Raises `StudyError` where results hold nothing for it.
    """
    return _plot(
        lambda scene: ratios.sketch(scene, most=_ALL),
        source,
        axes,
        "two arms or more",
        scenario=scenario,
        dark=dark,
    )


def plot_percentiles(
    source: Source, axes: Place = None, *, scenario: str | None = None, dark: bool = False
) -> Figure:
    """Draw response times by percentile, of stored results; see `plot_ratios`."""
    needs = "stored results (no answer) of unary calls"
    return _plot(
        lambda scene: percentiles.sketch(scene, most=_ALL), source, axes, needs, scenario=scenario, dark=dark
    )


def plot_users(
    source: Source, axes: Place = None, *, scenario: str | None = None, dark: bool = False
) -> Figure:
    """Draw calls a second and response times by users; see `plot_ratios`."""
    return _plot(
        users.sketch,
        source,
        axes,
        "two numbers of users, as `rpcduel run --users 1,16`",
        scenario=scenario,
        dark=dark,
    )


def plot_fanin(
    source: Source, axes: Place = None, *, scenario: str | None = None, dark: bool = False
) -> Figure:
    """Draw CPU and connections of gateways by clients; see `plot_ratios`."""
    needs = "arms with gateways at two numbers of users, as `rpcduel run fanin`"
    return _plot(fanin.sketch, source, axes, needs, scenario=scenario, dark=dark)


def plot_sizes(
    source: Source, axes: Place = None, *, scenario: str | None = None, dark: bool = False
) -> Figure:
    """Draw costs by size of the message, and where arms overtake each other; see `plot_ratios`."""
    return _plot(
        sizes.sketch,
        source,
        axes,
        "two sizes of messages, as `rpcduel run payload`",
        scenario=scenario,
        dark=dark,
    )


def plot_rates(
    source: Source, axes: Place = None, *, scenario: str | None = None, dark: bool = False
) -> Figure:
    """Draw response times of open loops by rate; see `plot_ratios`."""
    return _plot(
        rates.sketch,
        source,
        axes,
        "an open loop at two rates, as `rpcduel run open`",
        scenario=scenario,
        dark=dark,
    )


def plot_anatomy(
    source: Source, axes: Place = None, *, scenario: str | None = None, dark: bool = False
) -> Figure:
    """Draw where the time of a call goes; see `plot_ratios`."""
    return _plot(
        anatomy.sketch, source, axes, "the scenario `rpcduel run anatomy`", scenario=scenario, dark=dark
    )


def plot_bytes(
    source: Source, axes: Place = None, *, scenario: str | None = None, dark: bool = False
) -> Figure:
    """Draw the bytes of a call, of payloads alone where nobody counted more; see `plot_ratios`."""
    needs = "payloads, as every `rpcduel run` has, or `rpcduel run anatomy` for all bytes"
    return _plot(
        lambda scene: traffic.sketch(scene, uncounted=True), source, axes, needs, scenario=scenario, dark=dark
    )


def plot_rounds(
    source: Source, axes: Place = None, *, scenario: str | None = None, dark: bool = False
) -> Figure:
    """Draw ratios from round to round and start to start, of stored results; see `plot_ratios`."""
    needs = "stored results (no answer) of two arms or more"
    return _plot(
        lambda scene: course.sketch(scene, most=_ALL), source, axes, needs, scenario=scenario, dark=dark
    )


def plot_gate(
    results: Sequence[Result], axes: Place = None, *, chosen: Rule | None = None, dark: bool = False
) -> Figure:
    """Draw what each start said of a gate's candidates, and each look; see `plot_ratios` and `rule`."""
    _need_gate(results)
    return _drawn(gate.sketch(results, chosen or looks.rule_of(results)), axes, dark=dark)


def show(give: Callable[..., T], *arguments: Any, **options: Any) -> T | None:
    """Give what ``give(*arguments, **options)`` does, or say in words why results hold nothing for it.

    For notebooks, which go on where something is missing.
    """
    try:
        return give(*arguments, **options)
    except StudyError as missing:
        sys.stdout.write(f"{missing}\n")
        return None


def _need_gate(results: Sequence[Result]) -> None:
    if not looks.is_gate(results):
        raise StudyError("these results are of no gate; run `rpcduel gate`, and load its directory")


def _plot(
    kind: Callable[[Scene], list[Sketch]],
    source: Source,
    axes: Place,
    needs: str,
    *,
    scenario: str | None,
    dark: bool,
) -> Figure:
    found = scenes(() if isinstance(source, Answer) else source, decide(source))
    names = [scene.scenario for scene in found]
    there = f"of: {', '.join(names) or 'none'}"
    if scenario is not None and scenario not in names:
        remedy = f"; `rpcduel run {scenario}` measures it" if scenario in SCENARIOS else ""
        raise StudyError(f"there is no scenario {scenario!r} in these results, which are {there}{remedy}")
    for scene in found:
        sketches = kind(scene) if scenario in (None, scene.scenario) else []
        if sketches:
            return _drawn(sketches[0], axes, dark=dark)
    raise StudyError(f"these results hold nothing for this figure, which needs {needs}; they are {there}")


def _drawn(sketch: Sketch, axes: Place, *, dark: bool) -> Figure:
    theme = DARK if dark else LIGHT
    if axes is None:
        return paper.draw(sketch, theme)
    given = [axes] if isinstance(axes, Axes) else list(axes)
    if len(given) != len(sketch.panels):
        raise StudyError(
            f"this figure has {len(sketch.panels)} panels, and there are {len(given)} axes for them"
        )
    return paper.draw_on(given, sketch, theme)
