"""How calls arrive: when users are free, or when they are due."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from itertools import count
from random import Random

import msgspec

from scenarios.arm import SpecError

MOST_RATE = 1_000_000.0
MOST_SHARE = 10.0
WAITING = 1000
USERS = 64
_SECOND = 1_000_000_000
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(%?)", re.ASCII)


class Arrivals(enum.StrEnum):
    """How due times follow each other."""

    UNIFORM = "uniform"
    """One period after the other."""
    POISSON = "poisson"
    """Independent of each other: gaps are exponentially distributed."""


class Open(msgspec.Struct, frozen=True, tag="open"):
    """Calls are due at a rate of their own; any free user makes the next."""

    rate: float
    """Calls a second; with `of_capacity` a share of what an arm can do in a closed loop of the same users."""
    users: int = USERS
    """Calls in flight at most."""
    arrivals: Arrivals = Arrivals.UNIFORM
    waiting: int = WAITING
    """Calls that wait for a user at most; what is due beyond them is dropped, and counted."""
    of_capacity: bool = False

    def __str__(self) -> str:
        """Write the rate as it is asked for: ``500/s`` or ``50 %``."""
        return f"{100 * self.rate:g} %" if self.of_capacity else f"{self.rate:g}/s"


def schedule(load: Open, seed: int | str) -> Iterator[int]:
    """Give when calls are due, in ns from the start, without end; never earlier than the one before.

    Uniform ones start at 0, so that a second has exactly `rate` of them where that is a whole number. The
    gaps of Poisson ones are exponential, from `seed`. Raises `ValueError` for a rate that is a share: of
    what, only a measurement can say.
    """
    if load.of_capacity or not load.rate > 0:
        raise ValueError(f"a schedule needs calls a second, not {load.rate:g} of capacity")
    if load.arrivals is Arrivals.UNIFORM:
        for number in count():
            yield int(number * _SECOND / load.rate)
    gap, now = Random(seed).expovariate, 0.0  # noqa: S311 -- when calls are due is no secret
    while True:
        now += gap(load.rate)
        yield int(now * _SECOND)


def parse_rate(text: str) -> tuple[float, bool]:
    """Read ``500`` (calls a second) or ``50%`` (of each arm's own capacity): the number, and which it is.

    Raises `SpecError` that shows the text and the form.
    """
    found = _RATE.fullmatch(text.strip())
    rate = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    share = bool(found and found[2])
    if not 0 < rate <= (MOST_SHARE if share else MOST_RATE):
        most = f"{100 * MOST_SHARE:.0f}%" if share else f"{MOST_RATE:.0f}"
        raise SpecError(
            f"rate {text!r}: write calls a second, such as 500, or a share of each arm's own capacity, such "
            f"as 50%; more than 0, at most {most}"
        )
    return rate, share
