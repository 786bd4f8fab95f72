"""The scenarios that there are, as data, and how long their turns are."""

from __future__ import annotations

import msgspec

MILLISECOND = 1_000_000
LONG = 10
"""How many times longer the turns are that find out turn-sensitivity."""
LONG_SHARE = 0.2
"""Share of the measuring time spent in them."""
MOST_ARMS = 6
"""Arms of a trial beside the floor; more would stretch a round beyond what noise sits still for."""
TIMEOUT = 5.0
"""Deadline of every timed call, in seconds."""

_CROWD = 16
_TURN = 20 * MILLISECOND
_SETTLE = 5
_STRETCH = {"small": 1, "medium": 1, "large": 8}


class Scenario(msgspec.Struct, frozen=True):
    """A question, and the points at which it is asked unless told otherwise."""

    question: str
    method: str
    users: tuple[int, ...]
    samples: tuple[str, ...]


SCENARIOS = {
    "unary": Scenario(
        question="What does one call cost on each stack, alone and under concurrency?",
        method="Quote",
        users=(1, 16),
        samples=("small",),
    ),
}


def turn(users: int, sample: str) -> int:
    """Length of a turn in ns: some ten calls a user or more, so that queues build up as in a long run."""
    return _TURN * max(users, _CROWD) // _CROWD * _STRETCH[sample]


def settle(length: int) -> int:
    """Time in ns at the start of a turn that enters no figure: a fifth of it."""
    return length // _SETTLE
