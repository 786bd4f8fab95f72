"""Finds the arms of two runs that do the same at the same point, and says what of them differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from harness import twins
from harness.decide.comparison import DOUBTFUL, INVALID, Finding
from harness.decide.findings import find_all
from harness.decide.rounds import Rounds, arrange, effects
from harness.decide.stats import Numbers
from harness.results import Result, Run, Trial
from scenarios.arm import FLOOR, Arm

SAME = ("stack", "hops", "channel", "method", "tls", "streams", "beside", "work", "driver")
"""Fields of `Arm` that say what it does; arms that differ in one are no counterparts."""
FREE = ("python", "needs", "server", "at")
"""Fields that may be the very change in question."""
_FACTS = ("concurrency", "threads", "nagle", "compression", "tls", "deadline", "max_message")
_KEYS = {"needs": "with"}


class Point(msgspec.Struct, frozen=True, order=True):
    """What was asked of all arms of a trial."""

    scenario: str
    service: str
    method: str
    sample: str
    users: int
    part: str
    messages: int
    open: str
    """Rate, arrivals and calls that may wait; empty for a closed loop."""


@dataclass(frozen=True, eq=False)
class Part:
    """One trial that an arm took part in."""

    rounds: Rounds
    findings: tuple[Finding, ...]
    index: int


@dataclass(frozen=True, eq=False)
class Played:
    """An arm at a point of one run."""

    arm: Arm
    parts: tuple[Part, ...]

    @property
    def run(self) -> Run | None:
        """Give what is stored of it, of the first trial."""
        runs = self.parts[0].rounds.result.runs
        return next((run for run in runs if run.arm == self.arm.name), None)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Name the costs that it has."""
        return self.parts[0].rounds.metrics

    @property
    def forks(self) -> int:
        """Give how many forks of it were measured to the end, in all trials together."""
        return sum(part.rounds.forks for part in self.parts)

    def costs(self, metric: str) -> Numbers:
        """Give ln(cost / floor's cost) fork by fork, of all trials; empty where one of them has no floor."""
        found = [
            effects(part.rounds, metric, part.index, part.rounds.floor)[0]
            for part in self.parts
            if part.rounds.floor is not None
        ]
        return np.concatenate(found) if len(found) == len(self.parts) else np.empty(0)

    @property
    def broken(self) -> str:
        """Say why its figures, or those of the floor that they refer to, are not valid; empty if they are."""
        texts = [_said(each) for each in self._findings() if each.validity == INVALID]
        return texts[0] if texts else ""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Say what makes its figures doubtful."""
        return tuple(_said(each) for each in self._findings() if each.validity == DOUBTFUL)

    @property
    def sensitive(self) -> frozenset[str]:
        """Name the costs that are others in long turns."""
        return frozenset(
            figure
            for each in self._findings()
            if each.kind == "turn-sensitive" and each.arm == self.arm.name
            for figure in each.figures
        )

    def _findings(self) -> Iterator[Finding]:
        for part in self.parts:
            yield from (each for each in part.findings if each.arm in ("", self.arm.name, FLOOR.name))


def _said(finding: Finding) -> str:
    text = finding.text.strip().partition("\n")[0]
    return f"the floor: {text}" if finding.arm == FLOOR.name else text


@dataclass(frozen=True, eq=False)
class Counterpart:
    """One arm in two runs."""

    point: Point
    base: Played
    candidate: Played


class Lone(msgspec.Struct, frozen=True):
    """What has no counterpart."""

    point: Point
    arm: str
    """Empty where the other run has not the point at all."""
    side: str
    """``base``, ``candidate``; ``both`` where arms are called alike and do not do the same."""
    reason: str = ""


def find(base: Sequence[Result], candidate: Sequence[Result]) -> tuple[list[Counterpart], list[Lone]]:
    """Pair the arms of two runs, in the order of the candidate's trials; the floor is none of them."""
    before, after = _points(base), _points(candidate)
    pairs: list[Counterpart] = []
    lone: list[Lone] = []
    for point, arms in after.items():
        if point in before:
            _pair(point, before[point], arms, pairs, lone)
    for side, ours, theirs in (("base", before, after), ("candidate", after, before)):
        lone += [Lone(point, "", side) for point in ours if point not in theirs]
    return pairs, lone


def point_of(trial: Trial) -> Point:
    """Give the point of a trial."""
    load = trial.open
    opened = f"{load}, {load.arrivals}, {load.waiting} may wait" if load else ""
    return Point(
        scenario=trial.scenario,
        service=trial.service,
        method=trial.method,
        sample=trial.sample,
        users=trial.users,
        part=trial.part,
        messages=trial.messages,
        open=opened,
    )


def _points(results: Sequence[Result]) -> dict[Point, list[Played]]:
    found: dict[Point, dict[Arm, list[Part]]] = {}
    for result in results:
        rounds = arrange(twins.without(result))
        findings = find_all(rounds)
        arms = found.setdefault(point_of(result.trial), {})
        for index, arm in enumerate(rounds.result.trial.arms):
            if index != rounds.floor:
                arms.setdefault(arm, []).append(Part(rounds, findings, index))
    return {
        point: [Played(arm, tuple(parts)) for arm, parts in arms.items()] for point, arms in found.items()
    }


def _pair(
    point: Point, before: list[Played], after: list[Played], pairs: list[Counterpart], lone: list[Lone]
) -> None:
    """Pair arms by name; those left if they are the same but for it; and those left by what they do."""
    left, rest = list(before), list(after)
    for base, candidate in _matched(left, rest, lambda ours, theirs: ours.arm.name == theirs.arm.name):
        reason = unlike(base, candidate)
        if reason:
            lone.append(Lone(point, candidate.arm.name, "both", reason))
        else:
            pairs.append(Counterpart(point, base, candidate))
    for alike in (_renamed, lambda ours, theirs: not unlike(ours, theirs)):
        pairs += [Counterpart(point, *match) for match in _matched(left, rest, alike)]
    lone += [Lone(point, one.arm.name, "candidate") for one in rest]
    lone += [Lone(point, one.arm.name, "base") for one in left]


def _matched(
    before: list[Played], after: list[Played], alike: Callable[[Played, Played], bool]
) -> list[tuple[Played, Played]]:
    """Take those out of `before` and `after` that are `alike` to no more than each other."""
    matches = [(ours, theirs) for theirs in after for ours in before if alike(ours, theirs)]
    found = [pair for pair in matches if all(sum(one in other for other in matches) == 1 for one in pair)]
    for ours, theirs in found:
        before.remove(ours)
        after.remove(theirs)
    return found


def _renamed(base: Played, candidate: Played) -> bool:
    return msgspec.structs.replace(base.arm, name=candidate.arm.name) == candidate.arm


def unlike(base: Played, candidate: Played) -> str:
    """Say in what two arms do not do the same; empty where they do."""
    found = [
        f"{key} {_text(ours)} against {_text(theirs)}"
        for key in SAME
        if (ours := getattr(base.arm, key)) != (theirs := getattr(candidate.arm, key))
    ]
    return ", ".join(found)


def differences(pair: Counterpart) -> tuple[str, ...]:
    """Say what else of an arm is not what it was, such as ``grpcio 1.75.0 → 1.75.1``."""
    before, after = pair.base, pair.candidate
    found = []
    if before.arm.name != after.arm.name:
        found.append(f"called {before.arm.name} in the base")
    for key in FREE:
        ours, theirs = getattr(before.arm, key), getattr(after.arm, key)
        if ours != theirs:
            found.append(f"{_KEYS.get(key, key)} {_text(ours)} → {_text(theirs)}")
    if before.run and after.run:
        ours, theirs = before.run.facts, after.run.facts
        found += steps(ours.versions, theirs.versions)
        found += [
            f"{key.replace('_', ' ')} {_text(was)} → {_text(now)}"
            for key in _FACTS
            if (was := getattr(ours, key)) != (now := getattr(theirs, key))
        ]
    return tuple(found)


def other_work(pair: Counterpart) -> str:
    """Say where calls are of other bytes, so that a change may be that of the messages; else empty."""
    before, after = pair.base.run, pair.candidate.run
    if before is None or after is None or before.payload is None or after.payload is None:
        return ""
    if before.payload == after.payload:
        return ""
    was, now = ("+".join(f"{size:,}" for size in each) for each in (before.payload, after.payload))
    return f"a call has {was} bytes in the base and {now} in the candidate"


def steps(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Write the versions that are not the same: ``grpcio 1.75.0 → 1.75.1``."""
    names = dict.fromkeys((*before, *after))
    pairs = ((name, before.get(name, "none"), after.get(name, "none")) for name in names)
    return [f"{name} {was} → {now}" for name, was, now in pairs if was != now]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value) or "none"
