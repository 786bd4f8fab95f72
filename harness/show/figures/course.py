"""How ratios went from round to round and from start to start: noise, drift and outliers at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from harness import twins
from harness.decide import rounds
from harness.decide.rounds import WHOLE, Rounds, Rows
from harness.results import Turns
from harness.show import units, words
from harness.show.figures.material import Point, Scene
from harness.show.figures.paper import marker_style, stroke
from harness.show.figures.ratios import METRICS
from harness.show.figures.rows import Group, Placed, Row, lay, pages
from harness.show.figures.rows import Rows as Lanes
from harness.show.figures.sketch import Panel, Sketch
from harness.show.palette import GRID, INK, Look, Theme

KEY = "rounds"
MOST = 24
"""Lanes of a figure."""
_BINS = 24
"""Of a fork: each is the median of its rounds, so that a long run is no thicket."""
_HALF = 11.0
_SPARE = 17.0
_SCALES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_SHOWN = 0.98
_CAPTION = (
    "Each lane follows an arm's ratio to its baseline through the rounds of every start, as its deviation "
    "from its mean; lanes are ±{height:g} % high. A slope within a start is drift{alone}{starts}."
)
_ALONE = "; a dot is a start that had time for one round only"
_STARTS = "; short straight lines are the starts' own ratios, and scatter as the next start will"

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Course:
    """One arm: per fork ln ratios round by round (binned) and of the whole fork, less the forks' mean."""

    look: Look
    forks: tuple[Numbers, ...]
    means: Numbers


def sketch(scene: Scene, *, most: int = MOST) -> list[Sketch]:
    """Plan the courses of a scenario; none without results or ratios."""
    groups = [Group(point.index, scene.heading(point), _rows(scene, point)) for point in scene.points]
    found = pages(groups, most, _SPARE)
    return [
        _page(scene, lanes, f" ({k} of {len(found)})" if len(found) > 1 else "")
        for k, lanes in enumerate(found, 1)
    ]


def _rows(scene: Scene, point: Point) -> tuple[Row[Course], ...]:
    found: dict[str, Course] = {}
    judged = {arm.name for arm in point.arms if arm.ratios and arm.validity != "invalid"}
    for result in point.results:
        played = rounds.arrange(twins.without(result))
        for place, arm in enumerate(played.result.trial.arms):
            if arm.name in judged and arm.name not in found:
                course = _course(played, place, scene.looks[arm.name])
                if course:
                    found[arm.name] = course
    return tuple(Row(arm.name, found[arm.name]) for arm in point.arms if arm.name in found)


def _course(played: Rounds, arm: int, look: Look) -> Course | None:
    metric, base = played.headline, played.baseline
    effects, _ = rounds.effects(played, metric, arm, base)
    known = effects[np.isfinite(effects)]
    if not len(known):
        return None
    count = np.log(rounds.messages(played.result, played.name(arm)))
    count -= np.log(rounds.messages(played.result, played.name(base)))
    forks = [
        _binned(_costs(played.turns, ours, metric) - _costs(played.turns, theirs, metric) - count)
        for ours, theirs in played.pairs(arm, base, long=False, part=WHOLE)
    ]
    return Course(look, tuple(fork - known.mean() for fork in forks), effects - known.mean())


def _costs(turns: Turns, rows: Rows, metric: str) -> Numbers:
    """Give ln of each turn's cost per call; NaN where it has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric == "time":
            costs = turns.window[rows] / turns.done[rows]
        elif metric == "cpu":
            costs = (turns.client[rows] + turns.hop[rows] + turns.server[rows]) / turns.calls[rows]
        else:
            costs = rounds.endless(turns.p50[rows])
        logs: Numbers = np.log(costs)
    return np.where(np.isfinite(logs), logs, np.nan)


def _binned(values: Numbers) -> Numbers:
    """Give medians of about `_BINS` runs of values next to each other; NaN where one has none."""
    size = max(1, -(-len(values) // _BINS))
    padded = np.append(values, np.full(-len(values) % size, np.nan)).reshape(-1, size)
    filled = ~np.isnan(padded).all(axis=1)
    found = np.full(len(padded), np.nan)
    if filled.any():
        found[filled] = np.nanmedian(padded[filled], axis=1)
    return found


def _page(scene: Scene, lanes: Lanes[Course], suffix: str) -> Sketch:
    placed = list(lanes.placed())
    height = _height([one.row.held for one in placed])
    forks = max(len(one.row.held.forks) for one in placed)
    point = next(point for point in scene.points if point.index == lanes.indices[0])
    what = METRICS[point.comparison.headline].format(words.of(point.comparison))
    return Sketch(
        key=KEY,
        title=f"Ratios from round to round{suffix}",
        caption=_CAPTION.format(
            height=100 * height,
            alone=_ALONE if any(_alone(fork) for one in placed for fork in one.row.held.forks) else "",
            starts=_STARTS if forks > 1 else "",
        ),
        alt=_alt(lanes, what),
        scenario=scene.scenario,
        comparisons=lanes.indices,
        panels=(
            Panel(
                f"{what}, deviation from the arm's own ratio",
                lanes.height,
                partial(plot, lanes=lanes, height=height, forks=forks),
                left=lanes.left,
            ),
        ),
    )


def _height(courses: Sequence[Course]) -> float:
    """Choose what half a lane stands for, so that nearly all of every course fits."""
    every = np.abs(np.concatenate([part for course in courses for part in (*course.forks, course.means)]))
    every = every[np.isfinite(every)]
    wanted = float(np.quantile(every, _SHOWN)) if len(every) else 0.0
    return next((size for size in _SCALES if size >= wanted), _SCALES[-1])


def plot(axes: Axes, theme: Theme, *, lanes: Lanes[Course], height: float, forks: int) -> None:
    """Draw the lanes; what leaves one is drawn at its edge."""
    lay(axes, lanes, theme)
    axes.set_xlim(0, forks)
    axes.set_xticks([fork + 0.5 for fork in range(forks)], [str(fork + 1) for fork in range(forks)])
    axes.set_xlabel("start (fork)")
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    for fork in range(1, forks):
        axes.axvline(fork, color=theme.pick(GRID), linewidth=0.8)
    placed = list(lanes.placed())
    middles = [y for one in placed for y in (one.y, one.y, np.nan)]
    stroke(axes, [0, forks, np.nan] * len(placed), middles, color=theme.pick(GRID), linewidth=0.8)
    for one in placed:
        _lane(axes, theme, one, height)


def _lane(axes: Axes, theme: Theme, one: Placed[Course], height: float) -> None:
    course = one.row.held
    xs: list[Numbers] = []
    ys: list[Numbers] = []
    for fork, values in enumerate(course.forks):
        xs += [fork + 0.06 + 0.88 * (np.arange(len(values)) + 0.5) / max(1, len(values)), np.array([np.nan])]
        ys += [_place(one.y, values, height), np.array([np.nan])]
    stroke(axes, np.concatenate(xs), np.concatenate(ys), color=theme.pick(course.look.pair), linewidth=1.1)
    dots = [fork for fork, values in enumerate(course.forks) if _alone(values)]
    if dots:
        levels = np.concatenate([_place(one.y, course.forks[fork], height) for fork in dots])
        stroke(axes, [fork + 0.5 for fork in dots], levels, **marker_style(course.look, theme))
    means = np.repeat(_place(one.y, course.means, height), 3)
    means[2::3] = np.nan
    ends = [end for fork in range(len(course.means)) for end in (fork + 0.2, fork + 0.8, fork + 0.9)]
    stroke(axes, ends, means, color=theme.pick(INK), linewidth=1.4)


def _alone(values: Numbers) -> bool:
    return len(values) == 1


def _place(y: float, values: Numbers, height: float) -> Numbers:
    return y - _HALF * np.clip(values / height, -1.25, 1.25)


def _alt(lanes: Lanes[Course], what: str) -> str:
    """Tell how far starts lie apart; of a single one, how far its rounds do."""
    one_start = all(len(one.row.held.means) == 1 for one in lanes.placed())
    parts = []
    for group in lanes.groups:
        told = [f"{words.clean(row.name)} {_range(row.held, of_rounds=one_start)}" for row in group.rows]
        parts.append(f"{f'{group.heading}: ' if len(lanes.groups) > 1 else ''}{'; '.join(told)}.")
    whose = "rounds of the one start" if one_start else "each start's ratio"
    return " ".join([f"{what[0].upper()}{what[1:]}, {whose} against the mean.", *parts])


def _range(course: Course, *, of_rounds: bool) -> str:
    values = np.concatenate(course.forks) if of_rounds else course.means
    known = 100 * np.expm1(values[np.isfinite(values)])
    if not len(known):
        return "not known"
    low, high = (units.number(float(bound), 1, signed=True) for bound in (known.min(), known.max()))
    return f"{low} to {high} %"
