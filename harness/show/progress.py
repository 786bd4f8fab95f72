"""How a run gets on, drawn only between turns and only when told to; no thread of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness.show import panel, stage, units, words
from harness.show.panel import State
from harness.show.stage import Stage

_EVERY = 200_000_000
"""Nanoseconds between two drawings at the least: drawing costs CPU that the next turn must not see.

Measured with seven arms, on a virtual machine: 0.9 µs a turn, and 0.75 ms a drawing, so 0.4 % of a core.
"""


class Silent:
    """Shows nothing."""

    def start(self, plan: str) -> None:
        """Show nothing."""

    def phase(self, text: str) -> None:
        """Show nothing."""

    def begin(
        self, point: str, arms: Sequence[str], baseline: str, figure: str, cores: int, *, more: bool = False
    ) -> None:
        """Show nothing."""

    def turn(self, arm: str, round_: int, cost: int, units: int, busy: int, foreign: int) -> None:
        """Show nothing."""

    def advance(self, arm: str, fork: int, forks: int, fraction: float, seconds_left: float) -> None:
        """Show nothing."""

    def end(self, fork: int, forks: int) -> None:
        """Show nothing."""

    def note(self, text: str, arm: str = "") -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class Lines:
    """Writes a line for the plan, every fork and every finding, and for a phase the first time it comes."""

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`."""
        self._stream = stream
        self._unicode = words.unicode(getattr(stream, "encoding", None) or "utf-8")
        self._said = -1
        self._phases: set[str] = set()
        self._stage = Stage()

    def start(self, plan: str) -> None:
        """Write the plan."""
        self._write(plan)

    def phase(self, text: str) -> None:
        """Write what happens now, unless an earlier fork did the same."""
        if text not in self._phases:
            self._phases.add(text)
            self._write(text)

    def begin(
        self, point: str, arms: Sequence[str], baseline: str, figure: str, cores: int, *, more: bool = False
    ) -> None:
        """Write what is measured."""
        self._said = -1
        self._stage.begin(point, arms, baseline, figure, cores, more=more)
        self._write(point)

    def turn(self, arm: str, round_: int, cost: int, units: int, busy: int, foreign: int) -> None:
        """Write nothing yet."""
        self._stage.turn(arm, round_, cost, units, busy, foreign)

    def advance(self, arm: str, fork: int, forks: int, fraction: float, seconds_left: float) -> None:
        """Write a line for the first turn of each fork, of whichever arm."""
        del arm
        if fork != self._said:
            self._said = fork
            left = f"{units.left(seconds_left)} left"
            self._write(f"{self._place()}fork {fork + 1} of {forks}: {fraction:.0%} done, {left}")

    def end(self, fork: int, forks: int) -> None:
        """Write how the arms stand, where there are ratios."""
        found = self._stage.end()
        if self._stage.scene and (text := stage.told(self._stage.scene)):
            self._write(f"{self._place()}after fork {fork + 1} of {forks}: {text}")
        if found:
            self._write(found)

    def note(self, text: str, arm: str = "") -> None:
        """Write a finding."""
        self._stage.lose(arm)
        self._write(text)

    def close(self) -> None:
        """Leave nothing behind, for there is nothing."""

    def _place(self) -> str:
        scene = self._stage.scene
        return f"{scene.place}: " if scene and scene.place else ""

    def _write(self, text: str) -> None:
        line = words.clean(text)
        self._stream.write((line if self._unicode else words.to_ascii(line)) + "\n")
        self._stream.flush()


class Drawn:
    """Draws a few lines on a terminal, again and again, below those that stay; gone at the end."""

    def __init__(self, stream: TextIO, clock: Callable[[], int]) -> None:
        """Draw on `stream`, not more often than `clock` (monotonic, ns) allows."""
        self._console = Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._unicode = words.unicode(self._console.encoding)
        self._clock = clock
        self._live: Live | None = None
        self._state = State()
        self._stage = Stage()
        self._next = 0

    def start(self, plan: str) -> None:
        """Write the plan; what is drawn comes below it."""
        self._print(plan, "bold")

    def phase(self, text: str) -> None:
        """Draw what happens now, at once: phases are few and no turn runs between them."""
        self._state.phase = text
        self._draw()

    def begin(
        self, point: str, arms: Sequence[str], baseline: str, figure: str, cores: int, *, more: bool = False
    ) -> None:
        """Draw nothing yet: there is no figure."""
        self._stage.begin(point, arms, baseline, figure, cores, more=more)

    def turn(self, arm: str, round_: int, cost: int, units: int, busy: int, foreign: int) -> None:
        """Add a few numbers, and draw nothing."""
        self._stage.turn(arm, round_, cost, units, busy, foreign)

    def advance(self, arm: str, fork: int, forks: int, fraction: float, seconds_left: float) -> None:
        """Draw how far it is and how the arms stand, unless the last drawing is too fresh."""
        del arm
        if self._clock() < self._next:
            return
        self._state = State(fraction, fork, forks, seconds_left)
        self._draw()

    def end(self, fork: int, forks: int) -> None:
        """Close the books of the fork; what disturbed it is written above what is drawn."""
        del fork, forks
        if found := self._stage.end():
            self._print(found, "yellow")

    def note(self, text: str, arm: str = "") -> None:
        """Write a finding above what is drawn; it stays."""
        self._stage.lose(arm)
        self._print(text, "yellow")

    def close(self) -> None:
        """Take the drawing away and give the cursor back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _print(self, text: str, style: str) -> None:
        line = words.clean(text)
        self._console.print(Text(line if self._unicode else words.to_ascii(line), style))

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        width, height = self._console.size
        lines = panel.draw(self._state, self._stage.scene, width, height, unicode=self._unicode)
        self._live.update(lines, refresh=True)
        self._next = self._clock() + _EVERY


def observer(
    stream: TextIO | None = None, *, silent: bool = False, clock: Callable[[], int] = time.monotonic_ns
) -> Silent | Lines | Drawn:
    """Give what suits `stream` (standard error): drawn on a terminal, else lines; nothing if `silent`."""
    stream = stream or sys.stderr
    if silent:
        return Silent()
    console = Console(file=stream)
    return Drawn(stream, clock) if console.is_terminal and not console.is_dumb_terminal else Lines(stream)
