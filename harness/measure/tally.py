"""Collects the turns of a trial as columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.results import Turns


class Row(NamedTuple):
    """One turn; the fields are those of `harness.results.Turns`."""

    arm: int
    fork: int
    round: int
    long: int
    calls: int
    failed: int
    done: int
    window: int
    busy: int
    p50: int
    max: int
    client: int
    server: int
    foreign: int
    steal: int
    hop: int
    scheduled: int = 0
    dropped: int = 0
    due: int = 0
    memory: int = -1
    descriptors: int = -1
    idle: int = 0


class Tally:
    """Rows of finished forks, and of the one that is being played."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: list[Row] = []
        self._kept = 0

    def add(self, row: Row) -> None:
        """Take a turn of the running fork."""
        self._rows.append(row)

    def keep(self) -> None:
        """Say that the running fork came to its end."""
        self._kept = len(self._rows)

    def turns(self) -> Turns:
        """Give the turns of all forks that came to their end."""
        table = np.array(self._rows[: self._kept], np.int64).reshape(-1, len(Row._fields))
        return Turns(**{name: np.ascontiguousarray(table[:, k]) for k, name in enumerate(Row._fields)})
