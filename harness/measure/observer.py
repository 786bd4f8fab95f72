"""Who is told how a run gets on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Observer(Protocol):
    """Is called by the conductor between turns, never during one, and returns at once.

    `start` comes first and `close` last; `close` may come without `start`, and twice. `begin`, `turn` and
    `end` say what is measured: numbers, of which nobody knows yet what they mean.
    """

    def start(self, plan: str) -> None:
        """Take the line that says what will be measured and how long it takes."""
        ...

    def phase(self, text: str) -> None:
        """Take what happens now: ``starting grpc-protobuf``."""
        ...

    def begin(
        self, point: str, arms: Sequence[str], baseline: str, figure: str, cores: int, *, more: bool = False
    ) -> None:
        """Take what a trial holds against each other: ``16 users, small``, and its arms.

        `figure` says what turns cost: ``time/call``, ``time/msg`` or ``p50``. `cores` are the machine's.
        With `more` its forks come to those of the trial before, which was the same.
        """
        ...

    def turn(self, arm: str, round_: int, cost: int, units: int, busy: int, foreign: int) -> None:
        """Take a turn: `cost` in ns of `units` calls or messages, 0 where it says nothing of that.

        `foreign` is CPU in ns that others used while it lasted, which was for `busy` ns. It comes before
        `advance`, and also of arms that `begin` did not name.
        """
        ...

    def advance(self, arm: str, fork: int, forks: int, fraction: float, seconds_left: float) -> None:
        """Take the arm that had a turn, the fork (from 0), how many there will be, and the share done."""
        ...

    def end(self, fork: int, forks: int) -> None:
        """Take that `fork` (from 0) of the trial came to its end."""
        ...

    def note(self, text: str, arm: str = "") -> None:
        """Take a finding as it arises; figures of `arm` are worth nothing then."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was found."""
        ...


class Part:
    """One of several equally long trials; tells `observer` of the whole run what it is told of the trial.

    It neither starts nor closes `observer`, which outlives it.
    """

    def __init__(self, observer: Observer, number: int, parts: int, seconds: float) -> None:
        """Be part `number` (from 0) of `parts`, each of which takes about `seconds`."""
        self._observer = observer
        self._number = number
        self._parts = parts
        self._seconds = seconds

    def start(self, plan: str) -> None:
        """Pass on as a phase: the run has started already."""
        self.phase(plan)

    def phase(self, text: str) -> None:
        """Say which part it is, where there are several."""
        self._observer.phase(self._named(text))

    def begin(
        self, point: str, arms: Sequence[str], baseline: str, figure: str, cores: int, *, more: bool = False
    ) -> None:
        """Say which part it is, where there are several."""
        self._observer.begin(self._named(point), arms, baseline, figure, cores, more=more)

    def turn(self, arm: str, round_: int, cost: int, units: int, busy: int, foreign: int) -> None:
        """Pass on."""
        self._observer.turn(arm, round_, cost, units, busy, foreign)

    def advance(self, arm: str, fork: int, forks: int, fraction: float, seconds_left: float) -> None:
        """Count the parts done before and those that are to come."""
        done = (self._number + fraction) / self._parts
        to_come = (self._parts - self._number - 1) * self._seconds
        self._observer.advance(arm, fork, forks, done, seconds_left + to_come)

    def end(self, fork: int, forks: int) -> None:
        """Pass on."""
        self._observer.end(fork, forks)

    def note(self, text: str, arm: str = "") -> None:
        """Pass on, and say which part it is, where there are several."""
        self._observer.note(self._named(text), arm)

    def close(self) -> None:
        """Leave the run's observer open."""

    def _named(self, text: str) -> str:
        return text if self._parts == 1 else f"trial {self._number + 1} of {self._parts}: {text}"
