"""What an arm can do in a closed loop, of which an open loop's rate may be a share."""

from __future__ import annotations

from harness.measure.contender import Contender
from harness.measure.wire import Turn
from scenarios.catalog import settle

_TURNS = 3
_TURN = 200_000_000
"""In ns."""


def find(contender: Contender) -> float:
    """Find out how many calls a second an arm makes in a closed loop; raises `ArmError` for none."""
    done = window = 0
    for _ in range(_TURNS):
        played = contender.play(Turn(_TURN, settle(_TURN), long=False, block=-1))
        done, window = done + played.done, window + played.window
    if not done or not window:
        raise contender.fail("no call ended well in a closed loop, so nobody knows what share of its rate is")
    return done * 1e9 / window
