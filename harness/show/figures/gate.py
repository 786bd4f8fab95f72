"""A gate fork by fork: what each fresh start said, and what could be said at each look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from harness.decide import gate as deciding
from harness.decide import rounds
from harness.decide.gate import Decision, Rule
from harness.decide.judge import Verdict, judge
from harness.results import Result
from harness.show import palette, units, words
from harness.show.figures.paper import SMALL, Style, stroke, write
from harness.show.figures.sketch import Panel, Sketch
from harness.show.palette import GRID, INK, MUTED, Look, Theme
from scenarios.arm import FLOOR

KEY = "gate"
_HEIGHT = 150.0
_METRICS = {"time": "time per call", "cpu": "CPU per call", "p50": "median response time"}
_CAPTION = (
    "Each dot is what one start of all processes said of a candidate's cost against its base; after {looks} "
    "starts the gate looks, and bars are its intervals, wide enough for all looks. {tolerance:g} % more "
    "is put up with, {detect:g} % must not pass."
)

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric of one candidate: changes by fork, 0.02 being 2 % more, and the looks at it."""

    look: Look
    changes: Numbers
    looks: tuple[tuple[int, Verdict], ...]
    """Forks that each look took in, and what it saw."""


def sketch(results: Sequence[Result], rule: Rule) -> Sketch:
    """Plan the figure of a gate: a row of panels a candidate, a panel a metric.

    Raises `ValueError` as `harness.decide.gate.decide` does.
    """
    decision = deciding.decide(results, rule)
    trial = results[0].trial
    looks = palette.looks((arm.name, arm.stack) for arm in trial.arms)
    found = {
        (one.name, metric): Metric(looks[one.name], changes, _looks(results, one.name, metric, rule))
        for one in decision.candidates
        for metric, changes in _changes(results, one.name, rule).items()
    }
    limits = _limits(list(found.values()), rule)
    return Sketch(
        key=KEY,
        title=f"What the gate saw, against {words.clean(decision.base)}",
        caption=_CAPTION.format(
            looks=", ".join(str(count) for count in rule.looks),
            tolerance=100 * rule.tolerance,
            detect=100 * rule.detect,
        ),
        alt=_alt(decision),
        scenario=trial.scenario,
        comparisons=tuple(range(len(results))),
        panels=tuple(
            Panel(
                _title(decision, name, metric), _HEIGHT, partial(plot, metric=one, rule=rule, limits=limits)
            )
            for (name, metric), one in found.items()
        ),
        columns=min(2, len(rule.metrics)),
    )


def _changes(results: Sequence[Result], name: str, rule: Rule) -> dict[str, Numbers]:
    found: dict[str, Numbers] = {}
    for metric in rule.metrics:
        parts = []
        for result in results:
            played = rounds.arrange(result)
            arm = [each.name for each in result.trial.arms].index(name)
            parts.append(rounds.effects(played, metric, arm, played.baseline)[0])
        found[metric] = np.expm1(np.concatenate(parts))
    return found


def _looks(results: Sequence[Result], name: str, metric: str, rule: Rule) -> tuple[tuple[int, Verdict], ...]:
    """Give the looks that were made, with the bounds that they had to keep."""
    effects: Mapping[str, Numbers] = {
        key: np.log1p(values) for key, values in _changes(results, name, rule).items()
    }
    candidates = sum(
        1 for arm in results[0].trial.arms if arm.name not in (results[0].trial.baseline, FLOOR.name)
    )
    seen = []
    for count in rule.looks:
        if count <= min(map(len, effects.values())):
            cut = {key: values[:count] for key, values in effects.items()}
            judged = judge(cut, rule.tolerance, rule.detect, rule.share(candidates))
            seen += [(count, verdict) for verdict in judged.verdicts if verdict.metric == metric]
    return tuple(seen)


def _title(decision: Decision, name: str, metric: str) -> str:
    one = next(one for one in decision.candidates if one.name == name)
    verdict = next((verdict.outcome for verdict in one.verdicts if verdict.metric == metric), one.ruling)
    return f"{words.clean(name)}, {_METRICS.get(metric, metric)}: {verdict}"


def _limits(metrics: Sequence[Metric], rule: Rule) -> tuple[float, float]:
    values = [value for one in metrics for value in one.changes if np.isfinite(value)]
    values += [
        bound for one in metrics for _, verdict in one.looks for bound in (verdict.low, verdict.high) if bound
    ]
    low, high = min([-rule.detect, *values]), max([rule.detect, *values])
    return low - 0.08 * (high - low), high + 0.08 * (high - low)


def plot(axes: Axes, theme: Theme, *, metric: Metric, rule: Rule, limits: tuple[float, float]) -> None:
    """Draw changes in percent by fork, and each look's interval behind its last fork."""
    forks = np.arange(1, len(metric.changes) + 1)
    axes.set_xlim(0, len(forks) + 1.5)
    axes.set_ylim(100 * limits[0], 100 * limits[1])
    axes.set_xticks([count for count, _ in metric.looks] or [len(forks)])
    axes.set_xlabel("starts")
    axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:+g} %".replace("-", "−") if value else "0")
    axes.axhline(0, color=theme.pick(MUTED), linewidth=1.0)
    for level in (rule.tolerance, rule.detect):
        axes.axhline(100 * level, color=theme.pick(MUTED), linewidth=0.9, linestyle=(0, (4, 3)))
    style: Style = {
        "linestyle": "none",
        "marker": metric.look.marker,
        "markersize": 3.5,
        "markeredgewidth": 0.0,
    }
    stroke(axes, forks.astype(float), 100 * metric.changes, color=theme.pick(metric.look.pair), **style)
    for count, verdict in metric.looks:
        place = count + 0.5
        axes.axvline(place, color=theme.pick(GRID), linewidth=0.8, zorder=0)
        if verdict.low is None or verdict.high is None or verdict.change is None:
            continue
        stroke(
            axes,
            [place, place],
            [100 * verdict.low, 100 * verdict.high],
            color=theme.pick(INK),
            linewidth=2.2,
        )
        stroke(axes, [place], [100 * verdict.change], color=theme.pick(INK), marker="D", markersize=4.0)
        write(
            axes,
            (place, 100 * verdict.high),
            verdict.outcome,
            away=(0, 3),
            ha="right" if count > len(forks) / 2 else "center",
            fontsize=SMALL - 0.5,
            color=theme.pick(INK),
        )


def _alt(decision: Decision) -> str:
    told = []
    for one in decision.candidates:
        parts = [
            f"{_METRICS.get(verdict.metric, verdict.metric)} {_told(verdict)}, {verdict.outcome}"
            for verdict in one.verdicts
        ]
        after = f"after {words.count(one.forks, 'fork')}"
        told.append(f"{words.clean(one.name)} {after}: {'; '.join(parts)}; {one.ruling}.")
    return " ".join([f"Changes of cost against {words.clean(decision.base)}.", *told])


def _told(verdict: Verdict) -> str:
    if verdict.change is None:
        return "not known"
    change = f"{units.number(100 * verdict.change, 1, signed=True)} %"
    if verdict.low is None or verdict.high is None:
        return change
    low, high = (units.number(100 * bound, 1, signed=True) for bound in (verdict.low, verdict.high))
    return f"{change} ({low} to {high} %)"
