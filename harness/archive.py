"""Finds and reads stored runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.decide.looks import by_gate
from harness.results import Result, ResultError, read_all, stored

SAMPLE = Path(__file__).parents[1] / "results" / "sample"
"""Results that come with the repository."""
GATE = "gate"
"""Stands for gates where `load_runs` is asked for scenarios."""
_FOLDER = "results"


class _Asked(msgspec.Struct, frozen=True):
    scenario: str
    within: str = ""


class _Head(msgspec.Struct, frozen=True):
    """As much of a stored result as says what it is of."""

    command: str
    trial: _Asked


def load_runs(place: str | Path | None = None, *, scenarios: Sequence[str] = ()) -> list[Result]:
    """Read stored results, oldest first.

    `place` is a run's directory, a file of one, or a directory of runs, all of which are read; it is looked
    for here and further up. Where it is None, that is the newest run in a folder ``results`` here or further
    up, else the repository's sample; with `scenarios` (such as ``channels``; ``gate`` for gates) the newest
    that has one of them, and of the sample the newest of each. Raises `ResultError` where there is nothing
    to read.
    """
    places = (Path.cwd(), *Path.cwd().parents)
    if place is not None:
        return _read(next((up / place for up in places if (up / place).exists()), Path(place)))
    own = [run for up in places for run in reversed(stored(up / _FOLDER))]
    sample = next(filter(None, (stored(up / _FOLDER / SAMPLE.name) for up in places)), stored(SAMPLE))
    fitting = next(([run] for run in own if _holds(run, scenarios)), [])
    chosen = fitting or _newest(sample, scenarios) or own[:1] or sample
    if not chosen:
        raise ResultError(f"there are no results in ./{_FOLDER}, and no sample; `rpcduel run` makes some")
    return [result for run in chosen for result in read_all(run)]


def _read(place: Path) -> list[Result]:
    if place.is_dir() and not any(place.glob("*.json")):
        runs = stored(place)
        if runs:
            return [result for run in runs for result in read_all(run)]
    return read_all(place)


def _newest(sample: Sequence[Path], wanted: Sequence[str]) -> list[Path]:
    """Give the newest run of each scenario that is wanted, oldest first, as part of another where need be."""
    found = set()
    for scenario in wanted:
        holding = [run for run in reversed(sample) if _holds(run, [scenario])]
        found.update([*(run for run in holding if _holds(run, [scenario], whole=True)), *holding][:1])
    return sorted(found)


def _holds(run: Path, wanted: Sequence[str], *, whole: bool = False) -> bool:
    """Tell whether a run has one of the scenarios that are wanted, where `whole` not as part of another.

    Any does where none are wanted.
    """
    if not wanted:
        return True
    for file in sorted(run.glob("*.json")):
        try:
            head = msgspec.json.decode(file.read_bytes(), type=_Head)
        except (msgspec.DecodeError, OSError):
            continue
        scenario = (head.trial.within if whole else "") or head.trial.scenario
        if (GATE if by_gate(head.command) else scenario) in wanted:
            return True
    return False


def select(
    results: Sequence[Result],
    *,
    scenario: str | None = None,
    users: int | None = None,
    sample: str | None = None,
    method: str | None = None,
) -> list[Result]:
    """Keep the results of some points only; empty where there is none."""
    asked = {"scenario": scenario, "users": users, "sample": sample, "method": method}
    return [
        result
        for result in results
        if all(value is None or getattr(result.trial, name) == value for name, value in asked.items())
    ]
