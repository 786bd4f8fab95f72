"""Stored trials as CSV: one row for every arm, fork and turn."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from harness.results import Result

HEADER = (
    "scenario",
    "users",
    "sample",
    "arm",
    "stack",
    "fork",
    "round",
    "long",
    "calls",
    "failed",
    "done",
    "window_ns",
    "busy_ns",
    "p50_ns",
    "max_ns",
    "client_cpu_ns",
    "server_cpu_ns",
    "foreign_cpu_ns",
    "steal_ns",
    "hop_cpu_ns",
    "rate",
    "scheduled",
    "dropped",
    "due",
)
"""Columns in order; those from `fork` on are the columns of `harness.results.Turns`, but for the rate at
which calls were due, in calls a second, which is empty for a closed loop."""


def render(results: Iterable[Result]) -> str:
    """Write the turns of all `results`; p50 and max are empty for a turn without a good call."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for result in results:
        writer.writerows(_rows(result))
    return text.getvalue()


def _rows(result: Result) -> Iterator[tuple[object, ...]]:
    trial, turns = result.trial, result.turns
    point = (trial.scenario, trial.users, trial.sample)
    counts = (turns.fork, turns.round, turns.long, turns.calls, turns.failed, turns.done)
    times = (turns.window, turns.busy, turns.p50, turns.max)
    cpu = (turns.client, turns.server, turns.foreign, turns.steal, turns.hop)
    opened = (turns.scheduled, turns.dropped, turns.due)
    columns = [column.tolist() for column in (turns.arm, *counts, *times, *cpu, *opened)]
    rates = {run.arm: run.rate or "" for run in result.runs}
    for index, *values in zip(*columns, strict=True):
        arm = trial.arms[index]
        known = ["" if value < 0 else value for value in values]
        last = len(known) - len(opened)
        yield (*point, arm.name, arm.stack, *known[:last], rates.get(arm.name, ""), *known[last:])
