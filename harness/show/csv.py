"""Stored trials as CSV: one row for every arm, fork and turn."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from harness.results import Result

COLUMNS = {
    "fork": "fork",
    "round": "round",
    "long": "long",
    "calls": "calls",
    "failed": "failed",
    "done": "done",
    "window_ns": "window",
    "busy_ns": "busy",
    "p50_ns": "p50",
    "max_ns": "max",
    "client_cpu_ns": "client",
    "server_cpu_ns": "server",
    "foreign_cpu_ns": "foreign",
    "steal_ns": "steal",
    "hop_cpu_ns": "hop",
    "scheduled": "scheduled",
    "dropped": "dropped",
    "due": "due",
    "memory_bytes": "memory",
    "descriptors": "descriptors",
    "idle_cpu_ns": "idle",
}
"""Column → the one of `harness.results.Turns` that it holds; of the arm there are name and stack."""
HEADER = ("trial", "scenario", "method", "part", "users", "sample", "arm", "stack", "rate", *COLUMNS)
"""Columns in order; `trial` counts the trials given, and `rate` is that at which calls were
due, in calls a second, empty for a closed loop."""
MAY_LACK = ("p50_ns", "max_ns", "server_cpu_ns")
"""Columns in which −1 stands for what is not known."""
NEVER_ZERO = ("memory_bytes", "descriptors")
"""Columns in which 0 stands for what nobody looked at."""


def render(results: Iterable[Result]) -> str:
    """Write the turns of all `results`; what is not known of a turn is empty, as p50 without a good call."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for number, result in enumerate(results):
        writer.writerows((number, *row) for row in _rows(result))
    return text.getvalue()


def _rows(result: Result) -> Iterator[tuple[object, ...]]:
    trial, turns = result.trial, result.turns
    rates = {run.arm: run.rate or "" for run in result.runs}
    columns = [getattr(turns, field).tolist() for field in COLUMNS.values()]
    least = [1 if name in NEVER_ZERO else 0 for name in COLUMNS]
    for index, *values in zip(turns.arm.tolist(), *columns, strict=True):
        arm = trial.arms[index]
        known = ["" if value < lowest else value for value, lowest in zip(values, least, strict=True)]
        point = (trial.scenario, arm.method or trial.method, trial.part, trial.users, trial.sample)
        yield (*point, arm.name, arm.stack, rates.get(arm.name, ""), *known)
