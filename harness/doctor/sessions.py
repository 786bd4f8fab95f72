"""Plays an A/A session, stores it with those before, and tells how far sessions of this machine lie apart."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import numpy as np

from harness import noise, results
from harness.decide import rounds, sessions
from harness.decide.sessions import WANTED
from harness.doctor.bench import Bench, effects
from harness.doctor.check import Check, percent
from harness.measure.contender import ArmError
from harness.noise import Noise, Point, Session
from harness.results import Result
from harness.version import VERSION
from scenarios.arm import Arm

_STACK = "grpc-protobuf"
_USERS = (1, 16)
_FORKS = 4
_FORK_SECONDS = 2.0


def ready(out: Path, fingerprint: str) -> Path:
    """Give the file for sessions of this machine, once it is sure that one can be added.

    Raises `ResultError`.
    """
    place = noise.place(out, fingerprint)
    results.writable(place.parent)
    if place.exists():
        noise.read(place)
    return place


def add(bench: Bench, place: Path) -> Check:
    """Play a session of about a minute and store it in `place`; a session that fails is not stored."""
    played = play(bench)
    stored = noise.add(played, place, bench.machine.fingerprint)
    return check(stored, place)


def play(bench: Bench) -> Session:
    """Play a stack twice beside the floor, at each number of users."""
    arms = [Arm(name=name, stack=_STACK) for name in ("A", "B")]
    bench.plan(len(_USERS))
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    found = [bench.play(arms, users, _FORKS * _FORK_SECONDS, _FORKS, floor=True) for users in _USERS]
    here = bench.machine
    return Session(
        started=started,
        versions={
            "rpcduel": VERSION,
            "grpcio": here.versions.get("grpcio", ""),
            "python": here.python,
            "kernel": here.kernel,
        },
        stack=_STACK,
        sample=found[0].trial.sample,
        points=tuple(map(point, found)),
        doubts=tuple(bench.doubts),
    )


def point(result: Result) -> Point:
    """Give ln(cost / floor's cost) of each arm and fork; raises `ArmError` where a fork says nothing."""
    floor = rounds.arrange(result).floor
    assert floor is not None
    ratios = {}
    for metric in rounds.METRICS:
        rows = [effects(result, metric, arm, base=floor).tolist() for arm in range(floor)]
        if not all(math.isfinite(value) for row in rows for value in row):
            raise ArmError(f"a start says nothing of {metric}; the session is not stored")
        ratios[metric] = tuple(map(tuple, rows))
    return Point(result.trial.users, ratios)


def check(stored: Noise, place: Path) -> Check:
    """Show the newest session, and how far those that count lie apart."""
    counted, newest = noise.alike(stored.sessions), stored.sessions[-1]
    spreads = sessions.spreads(counted)
    rows = []
    for each in newest.points:
        for metric in each.ratios:
            values, spread = sessions.forks(each, metric), spreads[each.users, metric]
            told = (percent(spread.between, 2), f"{spread.freedom:.1f}") if spread else ("", "")
            ratio = f"{math.exp(float(values.mean())):.3f}"
            rows.append((str(each.users), metric, ratio, percent(float(np.std(values, ddof=1)), 2), *told))
    columns = ("users", "metric", "× floor", "SD between forks", "SD between sessions", "degrees of freedom")
    question = f"{_STACK} twice beside the floor: how far do sessions of this machine lie apart?"
    return Check("noise", question, columns, tuple(rows), _answer(len(counted), stored, place))


def _answer(count: int, stored: Noise, place: Path) -> str:
    if count < WANTED:
        text = f"{count} of the {WANTED} sessions that it takes to tell the noise between them"
    else:
        text = f"{count} sessions, of which {WANTED} or more are wanted"
    others = len(stored.sessions) - count
    return f"{text}; stored in {place}." + (f" {others} of other versions do not count." if others else "")
