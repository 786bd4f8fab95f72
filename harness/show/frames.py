"""Results as pandas frames: a row a turn, or a row a figure of an arm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.decide.compare import Answer
from harness.decide.comparison import ArmFigures, Comparison, Estimate
from harness.results import Result
from harness.show import csv, words

if TYPE_CHECKING:
    import pandas as pd

FIGURES = (
    "comparison",
    "scenario",
    "method",
    "part",
    "users",
    "sample",
    "open",
    "baseline",
    "arm",
    "stack",
    "figure",
    "value",
    "low",
    "high",
    "basis",
    "validity",
)
"""Columns of `figures`."""
_ESTIMATES = ("p50", "p99", "first", "gap", "service", "lag")
_NUMBERS = ("calls_per_second", "client_cpu", "hop_cpu", "server_cpu", "times_floor", "offered")
_SAID_OF = {
    "calls_per_second": "time",
    "client_cpu": "cpu",
    "hop_cpu": "cpu",
    "server_cpu": "cpu",
    "times_floor": "p50",
}
"""Figure → the one that findings name when they mean it."""
_VALIDITY = {"": "valid", words.MARKS["doubtful"]: "doubtful", words.MARKS["invalid"]: "invalid"}


def turns(results: Sequence[Result]) -> pd.DataFrame:
    """Give one row an arm, fork and turn, as `harness.show.csv` has them; NaN where nothing is known."""
    import pandas as pd  # noqa: PLC0415 -- of the extra `notebooks`, and slow to import

    frames = [
        pd.DataFrame({"trial": number, **_columns(result)}, columns=list(csv.HEADER))
        for number, result in enumerate(results)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(csv.HEADER))


def _columns(result: Result) -> dict[str, object]:
    trial, played = result.trial, result.turns
    rates = {run.arm: run.rate or np.nan for run in result.runs}

    def by_arm(values: Sequence[object]) -> object:
        return np.array(values, dtype=object)[played.arm]

    columns: dict[str, object] = {
        "scenario": trial.scenario,
        "method": by_arm([arm.method or trial.method for arm in trial.arms]),
        "part": trial.part,
        "users": trial.users,
        "sample": trial.sample,
        "arm": by_arm([arm.name for arm in trial.arms]),
        "stack": by_arm([arm.stack for arm in trial.arms]),
        "rate": np.array([rates.get(arm.name, np.nan) for arm in trial.arms])[played.arm],
    }
    for name, field in csv.COLUMNS.items():
        values = getattr(played, field)
        columns[name] = np.where(values < 0, np.nan, values) if name in csv.MAY_LACK else values
    for name in csv.NEVER_ZERO:
        values = getattr(played, csv.COLUMNS[name])
        columns[name] = np.where(values < 1, np.nan, values)
    return columns


def figures(answer: Answer) -> pd.DataFrame:
    """Give one row a figure of an arm: value, bounds, what they are (`basis`), and `validity`.

    `comparison` is the place of its point in the answer. Times are in ns, by call; ratios (``ratio p50``,
    ``ratio time``, ``ratio cpu``) are by message and multiples of the baseline's. Figures that an arm has not
    have no row.
    """
    import pandas as pd  # noqa: PLC0415 -- as above

    rows = [
        (number, *row)
        for number, one in enumerate(answer.comparisons)
        for arm in one.arms
        for row in _rows(one, arm)
    ]
    return pd.DataFrame(rows, columns=list(FIGURES))


def _rows(one: Comparison, arm: ArmFigures) -> Iterator[tuple[object, ...]]:
    point = (
        one.scenario,
        one.method,
        one.part,
        one.users,
        one.sample,
        one.open,
        one.baseline,
        arm.name,
        arm.stack,
    )
    for figure, estimate in _known(arm):
        said = figure.removeprefix("ratio ")
        mark = words.mark(one, arm, _SAID_OF.get(said, said))
        bounds = tuple(np.nan if bound is None else bound for bound in (estimate.low, estimate.high))
        yield (*point, figure, estimate.value, *bounds, estimate.basis, _VALIDITY[mark])


def _known(arm: ArmFigures) -> Iterator[tuple[str, Estimate]]:
    for name in _ESTIMATES:
        estimate = getattr(arm, name)
        if estimate is not None:
            yield name, estimate
    for name in _NUMBERS:
        value = getattr(arm, name)
        if value is not None:
            yield name, Estimate(value, None, None, "none")
    for metric, ratio in arm.ratios.items():
        yield f"ratio {metric}", ratio.estimate
