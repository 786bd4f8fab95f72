"""What A/A sessions of a machine say of two other sessions of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from harness import noise
from harness.decide.counterparts import Point
from harness.decide.sessions import WANTED, Spread, spreads
from harness.noise import Noise, Session
from stacks import examples


class Known(msgspec.Struct, frozen=True):
    """The noise between sessions, as far as it is known."""

    file: str
    """Where the sessions are kept, or would be."""
    sessions: int = 0
    """Those that count; fewer than `WANTED` tell nothing."""
    wanted: int = WANTED
    stack: str = ""
    """What they played; the noise of all other arms is taken to be the same."""
    sample: str = ""
    versions: dict[str, str] = {}
    first: str = ""
    """When the oldest of them was played, ISO 8601 with offset."""
    last: str = ""
    spreads: tuple[Spread, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Say what is missing, and how to get it; empty where nothing is."""
        if self.spreads:
            return ()
        more = self.wanted - self.sessions
        times = "once" if more == 1 else f"{more} times"
        text = (
            f"how far sessions of this machine lie apart is not known ({self.sessions} of {self.wanted} A/A "
            f"sessions in {self.file}); run `rpcduel doctor --aa` {times}{' more' * bool(self.sessions)}, "
            f"at different times of day"
        )
        return (text,)

    def spread(self, point: Point, metric: str) -> Spread | str:
        """Give the noise of a cost at a point, or why it is not known."""
        if point.open:
            return "A/A sessions are of closed loops"
        if point.part or point.messages > 1:
            return "A/A sessions are of unary calls"
        if point.sample != self.sample:
            return f"A/A sessions are of sample {examples.written(self.sample)}"
        found = next(
            (each for each in self.spreads if (each.users, each.metric) == (point.users, metric)), None
        )
        if found is None:
            users = sorted({each.users for each in self.spreads})
            return f"A/A sessions are of {' and '.join(map(str, users))} users"
        return found

    def short_of(self, apart: float) -> bool:
        """Tell whether the sessions lie closer together than `apart` seconds: rarer noise is not in them."""
        first, last = (datetime.fromisoformat(each) for each in (self.first, self.last))
        return (last - first).total_seconds() < apart


def know(stored: Noise | None, file: str) -> Known:
    """Sum up the sessions `stored` in `file`; those of the newest versions of which there are enough."""
    sessions = stored.sessions if stored else ()
    counted = _counted(sessions)
    if not counted:
        return Known(file)
    found = tuple(filter(None, spreads(counted).values()))
    newest = counted[-1]
    return Known(
        file=file,
        sessions=len(counted),
        stack=newest.stack,
        sample=newest.sample,
        versions=newest.versions,
        first=counted[0].started,
        last=newest.started,
        spreads=found,
    )


def _counted(sessions: Sequence[Session]) -> tuple[Session, ...]:
    """Choose sessions that are alike: those like the newest, and where they are too few, like an older one.

    How far sessions lie apart belongs to the machine: a new version of grpcio does not make it unknown.
    """
    groups = [noise.alike(sessions[:count]) for count in range(len(sessions), 0, -1)]
    enough = (group for group in groups if len(group) >= WANTED)
    return next(enough, groups[0] if groups else ())
