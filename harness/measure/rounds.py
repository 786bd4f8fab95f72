"""In which order arms take their turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def mirrored(items: Sequence[T], random: Random) -> Iterator[list[T]]:
    """Give rounds without end: a random order, then its mirror, then another random order.

    A drift that is linear over a pair of rounds then weighs on every item alike.
    """
    while True:
        order = list(items)
        random.shuffle(order)
        yield order
        yield order[::-1]


class LongShare:
    """Says when a round of long turns is due, so that they take their share of the time."""

    def __init__(self, share: float, length: float) -> None:
        """Aim for `share` of the time, with long rounds of about `length` (any unit of time)."""
        self._share = share
        self._length = length
        self._spent = 0.0

    def due(self, elapsed: float) -> bool:
        """Whether a long round should come next, `elapsed` after the start."""
        return self._spent + self._length / 2 <= self._share * elapsed

    def spend(self, length: float) -> None:
        """Note that a long round took `length`."""
        self._spent += length
        self._length = length
