"""Holds two stored runs against each other, through the floor that both have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
import numpy as np

from harness.decide import counterparts
from harness.decide.change import Change, bounds
from harness.decide.counterparts import Counterpart, Lone, Point
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.findings import crowd
from harness.decide.gate import CROWDED, Ruling, worst
from harness.decide.judge import ALPHA, DETECT, TOLERANCE, Outcome, joint, outcome
from harness.decide.known import Known
from harness.decide.rounds import Rounds
from harness.decide.stats import Numbers
from harness.results import Result


class Rule(msgspec.Struct, frozen=True):
    """What changes are held to; shares, 0.02 being 2 % more than in the base."""

    metrics: tuple[str, ...] = ("time", "cpu")
    """What is judged; all others are only shown."""
    tolerance: float = TOLERANCE
    detect: float = DETECT
    alpha: float = ALPHA
    """Error of the whole comparison, one-sided: split over all that is judged (Bonferroni)."""


class Side(msgspec.Struct, frozen=True):
    """One of the two runs."""

    started: str
    """ISO 8601 with offset, of its first trial."""
    commands: tuple[str, ...]
    rpcduel: str
    versions: dict[str, str]
    fingerprint: str


class Compared(msgspec.Struct, frozen=True):
    """One arm in both runs."""

    point: Point
    arm: str
    changes: tuple[Change, ...]
    forks: tuple[int, int]
    ruling: Ruling | None
    """None where nothing was judged."""
    reason: str
    """Why it is invalid; else empty."""
    doubts: tuple[str, ...]
    differences: tuple[str, ...]
    """What of it is not what it was in the base, such as versions."""


class Floor(msgspec.Struct, frozen=True):
    """Median response time of the floor in either run, in ns: how fast the machine itself was."""

    point: Point
    base: float
    candidate: float


class Across(msgspec.Struct, frozen=True):
    """Two runs, compared."""

    base: Side
    candidate: Side
    arms: tuple[Compared, ...]
    lone: tuple[Lone, ...]
    floors: tuple[Floor, ...]
    ruling: Ruling | None
    """The worst of all arms; None where nothing was judged."""
    hindrances: tuple[str, ...]
    """Why there are no intervals at all; empty where there are some."""
    doubts: tuple[str, ...]
    known: Known
    rule: Rule


def compare(
    base: Sequence[Result], candidate: Sequence[Result], known: Known, rule: Rule | None = None
) -> Across:
    """Hold every arm of `candidate` against its counterpart in `base`; pure.

    Costs are multiples of the floor's of the same fork, so that what slows the whole machine down cancels.
    Intervals and verdicts need what A/A sessions say of the machine, and runs that can be held against each
    other; without, there are figures alone. Neither run may be empty.
    """
    rule = rule or Rule()
    sides = side(base), side(candidate)
    pairs, lone = counterparts.find(base, candidate)
    hindrances = tuple(_hindrances(base, candidate, pairs)) or known.missing
    found = [_compared(pair, None if hindrances else known) for pair in pairs]
    judged = sum(
        change.low is not None and change.metric in rule.metrics for each in found for change in each.changes
    )
    arms = tuple(
        _judged(each, pair, known, rule, rule.alpha / judged) if judged else each
        for each, pair in zip(found, pairs, strict=True)
    )
    rulings = [each.ruling for each in arms if each.ruling is not None]
    return Across(
        *sides,
        arms=arms,
        lone=tuple(lone),
        floors=tuple(_floors(pairs)),
        ruling=worst(rulings) if rulings else None,
        hindrances=hindrances,
        doubts=tuple(_doubts(base, candidate, None if hindrances else known)),
        known=known,
        rule=rule,
    )


def side(results: Sequence[Result]) -> Side:
    """Say when and by what a run was made."""
    first = min(results, key=lambda each: datetime.fromisoformat(each.started))
    versions = {name: text for each in results for name, text in each.machine.versions.items()}
    return Side(
        started=first.started,
        commands=tuple(dict.fromkeys(each.command for each in results)),
        rpcduel=" and ".join(sorted({each.rpcduel for each in results})),
        versions={**versions, "kernel": first.machine.kernel, "python": first.machine.python},
        fingerprint=" and ".join(sorted({each.machine.fingerprint for each in results})),
    )


def _hindrances(
    base: Sequence[Result], candidate: Sequence[Result], pairs: Sequence[Counterpart]
) -> Iterator[str]:
    """Say why the two cannot be judged: then a change may be that of the machine, or of the measure."""
    whole = (*base, *candidate)
    kinds = sorted({each.machine.fingerprint for each in whole})
    if len(kinds) > 1:
        yield (
            f"they were measured on {len(kinds)} kinds of machine ({', '.join(kinds)}), and the floor of one "
            f"says little of another; measure both on one"
        )
    elif len({each.machine.awake for each in whole}) > 1:
        yield "idle cores were kept awake in one of them alone, which changes response times by themselves"
    elif len({(each.machine.client_cores, each.machine.server_cores) for each in whole}) > 1:
        yield "clients and servers were not pinned to the same cores in both"
    kinds = sorted({each.rpcduel for each in whole})
    if len(kinds) > 1:
        yield (
            f"they were measured by rpcduel {' and '.join(kinds)}: what the harness and the floor cost may "
            f"have changed; measure the base again"
        )
    changed = dict.fromkeys(step for pair in pairs for step in _floor_steps(pair))
    if changed:
        yield f"the floor is not the same in both ({', '.join(changed)}); measure the base again"


def _floor_steps(pair: Counterpart) -> list[str]:
    found = []
    for each in (pair.base, pair.candidate):
        rounds = each.parts[0].rounds
        name = None if rounds.floor is None else rounds.name(rounds.floor)
        found.append(next((run.facts for run in rounds.result.runs if run.arm == name), None))
    before, after = found
    return counterparts.steps(before.versions, after.versions) if before and after else []


def _compared(pair: Counterpart, known: Known | None) -> Compared:
    broken = [
        f"{name}: {each.broken}"
        for name, each in (("base", pair.base), ("candidate", pair.candidate))
        if each.broken
    ]
    reason = "; ".join(broken)
    doubts = [
        f"{text} ({name})"
        for name, each in (("base", pair.base), ("candidate", pair.candidate))
        for text in each.doubts
    ]
    if unlike := _unlike(pair):
        doubts.append(unlike)
    if pair.candidate.arm.at or pair.base.arm.at:
        doubts.append(
            "a server that runs already is not started again: what differs between starts is unknown"
        )
    if work := counterparts.other_work(pair):
        doubts.append(work)
    changes = tuple(_change(pair, metric, known, reason) for metric in pair.candidate.metrics)
    return Compared(
        point=pair.point,
        arm=pair.candidate.arm.name,
        changes=changes,
        forks=(pair.base.forks, pair.candidate.forks),
        ruling=Ruling.INVALID if reason else None,
        reason=reason,
        doubts=tuple(dict.fromkeys(doubts)),
        differences=counterparts.differences(pair),
    )


def _unlike(pair: Counterpart) -> str:
    """Say how turns differed in length; what a call costs depends on that, so it is nothing that changed."""
    before, after = (each.parts[0].rounds.result.trial.turn / 1e6 for each in (pair.base, pair.candidate))
    return f"turns lasted {before:g} ms in the base and {after:g} ms since" if before != after else ""


def _change(pair: Counterpart, metric: str, known: Known | None, broken: str) -> Change:
    """Give what a cost changed by, with its interval where noise between sessions is known."""
    if broken:
        return Change(metric, None, None, None, None, None, None, broken)
    before, after = pair.base.costs(metric), pair.candidate.costs(metric)
    if reason := _silence(pair, before, after):
        return Change(metric, None, None, None, None, None, None, reason)
    was, now = (float(np.exp(each.mean())) for each in (before, after))
    plain = Change(metric, was, now, now / was - 1, None, None, None)
    spread = (_unlike(pair) or known.spread(pair.point, metric)) if known else ""
    if isinstance(spread, str):
        return msgspec.structs.replace(plain, reason=spread)
    if min(len(before), len(after)) < FORKS_FOR_INTERVAL:
        return msgspec.structs.replace(plain, reason=f"a run has fewer than {FORKS_FOR_INTERVAL} forks")
    low, high = bounds(before, after, spread)
    return msgspec.structs.replace(plain, low=low, high=high)


def _silence(pair: Counterpart, before: Numbers, after: Numbers) -> str:
    """Say why nothing can be said of a cost; empty where something can."""
    for name, each, values in (("base", pair.base, before), ("candidate", pair.candidate, after)):
        if any(part.rounds.floor is None for part in each.parts):
            return f"there is no floor beside it ({name})"
        if not len(values) or not np.isfinite(values).all():
            return f"it is not known of every fork ({name})"
    return ""


def _judged(found: Compared, pair: Counterpart, known: Known, rule: Rule, alpha: float) -> Compared:
    """Judge the metrics that are to be judged, each with the error `alpha`."""
    changes = []
    crowded = any(crowd(part.rounds) > CROWDED for each in (pair.base, pair.candidate) for part in each.parts)
    sensitive = pair.base.sensitive | pair.candidate.sensitive
    for change in found.changes:
        spread = known.spread(pair.point, change.metric)
        if change.low is None or change.metric not in rule.metrics or isinstance(spread, str):
            changes.append(change)
            continue
        low, high = bounds(pair.base.costs(change.metric), pair.candidate.costs(change.metric), spread, alpha)
        said = outcome(low, high, rule.tolerance, rule.detect)
        if said in (Outcome.SAME, Outcome.BETTER) and (crowded or change.metric in sensitive):
            said = Outcome.UNCLEAR  # a service lives in long turns, and has the cores to itself
        changes.append(msgspec.structs.replace(change, outcome=said))
    outcomes = {change.outcome for change in changes if change.outcome is not None}
    ruling = Ruling(joint(outcomes)) if outcomes else found.ruling
    silent = any(change.outcome is None for change in changes if change.metric in rule.metrics)
    if silent and ruling in (Ruling.SAME, Ruling.BETTER):
        ruling = Ruling.UNCLEAR  # a cost that is not known may have grown
    return msgspec.structs.replace(found, changes=tuple(changes), ruling=ruling)


def _floors(pairs: Sequence[Counterpart]) -> Iterator[Floor]:
    seen = set()
    for pair in pairs:
        values = [_floor(each.parts[0].rounds) for each in (pair.base, pair.candidate)]
        if pair.point not in seen and all(values):
            seen.add(pair.point)
            yield Floor(pair.point, *values)


def _floor(rounds: Rounds) -> float:
    """Give the median over turns of the floor's median response time in ns; 0 where there is none."""
    times = rounds.turns.p50[rounds.rows(rounds.floor)] if rounds.floor is not None else np.empty(0)
    return float(np.median(times[times > 0])) if (times > 0).any() else 0.0


def _doubts(base: Sequence[Result], candidate: Sequence[Result], known: Known | None) -> Iterator[str]:
    """Say what makes the whole comparison doubtful."""
    before, after = (
        min(datetime.fromisoformat(each.started) for each in results) for results in (base, candidate)
    )
    if after < before:
        yield "the candidate was measured before the base"
    if known and known.short_of(abs((after - before).total_seconds())):
        yield (
            "A/A sessions lie closer together than these runs: what differs from day to day is in no "
            "interval; play more of them at other times (rpcduel doctor --aa)"
        )
