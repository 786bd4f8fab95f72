"""What came of a target's inputs, and what is a finding."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mutations import Mutator

SLOW = 1.0
"""Seconds of CPU that no input may take."""
GROWTH = 128 * 1024 * 1024
"""Bytes by which no target may make this process grow."""
_SHOWN = 200


class FindingError(Exception):
    """A target did what it must not do."""

    def __init__(self, target: str, what: str, data: bytes = b"") -> None:
        shown = data[:_SHOWN].hex() + ("…" if len(data) > _SHOWN else "")
        super().__init__(f"{target}: {what}" + (f"; input of {len(data)} bytes: {shown}" if data else ""))
        self.data = data


@dataclass
class Tally:
    """What came of the inputs of one target."""

    target: str
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    growth: int = 0
    """Bytes by which the process grew at its peak, or, for a server, in the end."""
    slowest: float = 0.0
    """Seconds of CPU of the slowest input; for a server, seconds of the slowest good call in between."""
    worst: bytes = b""

    @property
    def tried(self) -> int:
        return sum(self.outcomes.values())

    def join(self, other: Tally) -> None:
        """Take in what came of other inputs for the same target."""
        self.outcomes.update(other.outcomes)
        self.seconds += other.seconds
        self.growth = max(self.growth, other.growth)
        if other.slowest > self.slowest:
            self.slowest, self.worst = other.slowest, other.worst

    def row(self) -> tuple[str, ...]:
        came = ", ".join(f"{name} {count:,}" for name, count in sorted(self.outcomes.items()))
        return (
            self.target,
            f"{self.tried:,}",
            f"{self.seconds:.0f}",
            came,
            f"{self.growth / 2**20:.0f} MiB",
            f"{self.slowest * 1000:.0f} ms",
        )


HEAD = ("target", "inputs", "s", "what came of them", "growth", "slowest")


@dataclass(frozen=True)
class Target:
    """A function that takes bytes from a stranger."""

    name: str
    right: Callable[[], tuple[list[bytes], list[bytes]]]
    """Gives inputs that are right, and ones that are built to be difficult."""
    attempt: Callable[[bytes], str]
    """Takes an input and says what came of it; whatever it raises is a finding."""

    def fuzz(self, seed: int, goes_on: Callable[[Tally], bool]) -> Tally:
        """Try inputs for as long as `goes_on` says; raises `FindingError`."""
        mutator = Mutator(Random(seed), *self.right())
        tally = Tally(self.name)
        with measured(tally):
            while goes_on(tally):
                self.one(mutator.make(), tally)
        return tally

    def one(self, data: bytes, tally: Tally) -> None:
        """Try one input; raises `FindingError`."""
        start = time.thread_time()
        try:
            tally.outcomes[self.attempt(data)] += 1
        except Exception as error:
            raise FindingError(self.name, f"{type(error).__name__}: {error}", data) from error
        took = time.thread_time() - start
        if took > tally.slowest:
            tally.slowest, tally.worst = took, data
        if took > SLOW:
            raise FindingError(self.name, f"it took {took:.1f} s", data)


@contextlib.contextmanager
def measured(tally: Tally) -> Iterator[None]:
    """Note the time, and by how much this process grew; raises `FindingError`."""
    before = _status("VmRSS")
    _forget_peak()
    start = time.monotonic()
    yield
    tally.seconds = time.monotonic() - start
    tally.growth = max(0, _status("VmHWM") - before)
    if tally.growth > GROWTH:
        raise FindingError(tally.target, f"memory grew by {tally.growth:,} bytes", tally.worst)


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def _forget_peak() -> None:
    # https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html: 5 resets the peak.
    Path("/proc/self/clear_refs").write_text("5")


def seconds(limit: float) -> Callable[[Tally], bool]:
    """Go on for about so long."""
    end = time.monotonic() + limit
    return lambda _tally: time.monotonic() < end


def inputs(limit: int) -> Callable[[Tally], bool]:
    """Go on for so many inputs."""
    return lambda tally: tally.tried < limit
