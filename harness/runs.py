"""The runs that are stored in a folder, by time and by what they asked."""

from __future__ import annotations

import re
from pathlib import Path

from harness.results import ResultError, stored

_NAME = re.compile(r"\d{8}T\d{6}-(.+?)(?:-\d+)?")
"""Time and question, and a number where there was such a run already."""


def question(run: Path) -> str:
    """Give what a run asked, from its name: the scenario, or ``gate``; empty where the name is the user's."""
    found = _NAME.fullmatch((run.parent if run.is_file() else run).resolve().name)
    return found[1] if found else ""


def pair(root: Path, base: Path | None, candidate: Path | None) -> tuple[Path, Path]:
    """Choose two runs: those given; the newest one like `base`; or the two newest that asked the same.

    Raises `ResultError` that says what to do where there are none.
    """
    if base is None:
        return _newest_two(root)
    base = _run(base)
    if candidate is None:
        candidate = _newest_like(root, base)
    candidate = _run(candidate)
    if base.resolve() == candidate.resolve():
        raise ResultError(f"{base}: is compared with itself; name another run as CANDIDATE")
    return base, candidate


def _run(place: Path) -> Path:
    """Take the newest run of a folder of runs; all else is as it is."""
    runs = stored(place) if place.is_dir() and not any(place.glob("*.json")) else []
    return runs[-1] if runs else place


def _newest_two(root: Path) -> tuple[Path, Path]:
    newer: dict[str, Path] = {}
    for run in reversed(stored(root)):
        asked = question(run)
        if asked and asked in newer:
            return run, newer[asked]
        newer.setdefault(asked, run)
    raise ResultError(
        f"{root}: holds no two runs of the same scenario; `rpcduel run` makes another, or name two results"
    )


def _newest_like(root: Path, base: Path) -> Path:
    if not base.exists():
        raise ResultError(f"{base}: there is no such result; `rpcduel run` makes one")
    asked = question(base)
    here = (base.parent if base.is_file() else base).resolve()
    others = [run for run in stored(root) if run.resolve() != here and asked in ("", question(run))]
    if not others:
        like = f"run of {asked}" if asked else "run"
        raise ResultError(f"{root}: holds no other {like}; `rpcduel run` makes one, or name the CANDIDATE")
    return others[-1]
