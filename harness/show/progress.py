"""How a run gets on, drawn only between turns and only when told to; no thread of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.show import units, words

_EVERY = 200_000_000
"""Nanoseconds between two drawings at the least: drawing costs CPU that the next turn must not see."""
_BAR = 20


class Silent:
    """Shows nothing."""

    def start(self, plan: str) -> None:
        """Show nothing."""

    def phase(self, text: str) -> None:
        """Show nothing."""

    def advance(self, arm: str, fork: int, forks: int, fraction: float, seconds_left: float) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class Lines:
    """Writes a line for the plan, every fork and every finding, and for a phase the first time it comes."""

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`."""
        self._stream = stream
        self._unicode = words.unicode(getattr(stream, "encoding", None) or "utf-8")
        self._said = ""
        self._phases: set[str] = set()

    def start(self, plan: str) -> None:
        """Write the plan."""
        self._write(plan)

    def phase(self, text: str) -> None:
        """Write what happens now, unless an earlier fork did the same."""
        if text not in self._phases:
            self._phases.add(text)
            self._write(text)

    def advance(self, arm: str, fork: int, forks: int, fraction: float, seconds_left: float) -> None:
        """Write a line for the first turn of each fork, of whichever arm."""
        trial, colon, _ = arm.rpartition(": ")
        head = f"{trial}{colon}fork {fork + 1} of {forks}"
        if head != self._said:
            self._said = head
            self._write(f"{head}: {fraction:.0%} done, {units.left(seconds_left)} left")

    def note(self, text: str) -> None:
        """Write a finding."""
        self._write(text)

    def close(self) -> None:
        """Leave nothing behind, for there is nothing."""

    def _write(self, text: str) -> None:
        line = words.clean(text)
        self._stream.write((line if self._unicode else words.to_ascii(line)) + "\n")
        self._stream.flush()


class Drawn:
    """Draws one line on a terminal, again and again, below the lines that stay; gone at the end."""

    def __init__(self, stream: TextIO, clock: Callable[[], int]) -> None:
        """Draw on `stream`, not more often than `clock` (monotonic, ns) allows."""
        self._console = Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._unicode = words.unicode(self._console.encoding)
        self._clock = clock
        self._live: Live | None = None
        self._phase = ""
        self._next = 0

    def start(self, plan: str) -> None:
        """Write the plan; what is drawn comes below it."""
        self._print(plan, "bold")

    def phase(self, text: str) -> None:
        """Draw what happens now, at once: phases are few and no turn runs between them."""
        self._phase = text
        self._draw(self._text(text, "dim"))

    def advance(self, arm: str, fork: int, forks: int, fraction: float, seconds_left: float) -> None:
        """Draw how far it is, unless the last drawing is too fresh."""
        if self._clock() < self._next:
            return
        line = Table.grid(padding=(0, 1))
        line.add_row(
            ProgressBar(total=1.0, completed=min(max(fraction, 0.0), 1.0), width=_BAR),
            self._text(f"{fraction:4.0%}", "bold"),
            self._text(f"fork {fork + 1} of {forks}"),
            self._text(f"{units.left(seconds_left)} left"),
            self._text(arm, "dim"),
        )
        self._draw(line)

    def note(self, text: str) -> None:
        """Write a finding above what is drawn; it stays."""
        self._print(text, "yellow")

    def close(self) -> None:
        """Take the drawing away and give the cursor back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _text(self, text: str, style: str = "") -> Text:
        line = words.clean(text)
        line = line if self._unicode else words.to_ascii(line)
        return Text(line, style, no_wrap=True, overflow="ellipsis" if self._unicode else "crop")

    def _print(self, text: str, style: str) -> None:
        line = words.clean(text)
        self._console.print(Text(line if self._unicode else words.to_ascii(line), style))

    def _draw(self, line: Text | Table) -> None:
        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.update(line, refresh=True)
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
