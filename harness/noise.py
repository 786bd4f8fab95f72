"""What A/A sessions said of a machine: the noise between sessions, a file for each kind of machine.

Format history
--------------
1   2026-11: first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness import results
from harness.results import ResultError

FORMAT = 1
_FORKS = 2
"""Of a session at least: one alone says nothing of the spread within it."""

Rows = tuple[tuple[float, ...], ...]
"""A row an arm, a number a fork."""


class Point(msgspec.Struct, frozen=True):
    """What one trial of a session said."""

    users: int
    ratios: dict[str, Rows]
    """By metric: ln(cost of an arm / cost of the floor) of each fork. All arms are the same program."""


class Session(msgspec.Struct, frozen=True):
    """One A/A session: the same stack several times and the floor."""

    started: str
    """ISO 8601 with offset."""
    versions: dict[str, str]
    """Of ``rpcduel``, ``grpcio``, ``python`` and ``kernel``."""
    stack: str
    sample: str
    points: tuple[Point, ...]
    doubts: tuple[str, ...] = ()
    """Kinds of findings that made a trial of it doubtful."""


class Noise(msgspec.Struct, frozen=True):
    """The sessions of one kind of machine, oldest first."""

    format: int
    fingerprint: str
    sessions: tuple[Session, ...]


def place(out: Path, fingerprint: str) -> Path:
    """Name the file of a kind of machine among the results under `out`."""
    return out / results.NOISE / f"{fingerprint}.json"


def read(path: Path) -> Noise:
    """Read stored sessions; raises `ResultError` with file and reason."""
    try:
        data = path.read_bytes()
        form = msgspec.json.decode(data, type=_Form).format
        if form > FORMAT:
            reason = f"has format {form}, this rpcduel reads up to {FORMAT}; update rpcduel"
            raise ResultError(f"{path}: {reason}")
        found = msgspec.json.decode(data, type=Noise)
    except OSError as error:
        raise ResultError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ResultError(f"{path}: holds no sessions: {error}; move it away to begin anew") from error
    for session in found.sessions:
        for point in session.points:
            _check(point, f"{path}: the session of {session.started}, {point.users} users")
    return found


def add(session: Session, path: Path, fingerprint: str) -> Noise:
    """Put `session` behind those in `path`, which need not exist; gives all of them.

    Raises `ResultError` where what is there cannot be read, is of another kind of machine, or cannot be
    replaced; it is then left as it was.
    """
    before = read(path) if path.exists() else Noise(FORMAT, fingerprint, ())
    if before.fingerprint != fingerprint:
        raise ResultError(f"{path}: is of machine {before.fingerprint!r}, not of {fingerprint!r}")
    after = Noise(FORMAT, fingerprint, (*before.sessions, session))
    results.put(msgspec.json.format(msgspec.json.encode(after), indent=1) + b"\n", path)
    return after


def alike(sessions: Sequence[Session]) -> tuple[Session, ...]:
    """Give those that played the same as the newest one, with the same versions.

    A step from one version to the next is no noise.
    """
    if not sessions:
        return ()
    newest = _kind(sessions[-1])
    return tuple(session for session in sessions if _kind(session) == newest)


def _kind(session: Session) -> tuple[dict[str, str], str, str]:
    return session.versions, session.stack, session.sample


def _check(point: Point, where: str) -> None:
    for metric, rows in point.ratios.items():
        lengths = {len(row) for row in rows}
        if len(lengths) != 1 or min(lengths) < _FORKS:
            raise ResultError(
                f"{where}: {metric} has {sorted(lengths)} forks an arm; {_FORKS} or more wanted"
            )


class _Form(msgspec.Struct):
    format: int
