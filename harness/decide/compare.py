"""Decides a stored trial."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from harness import twins
from harness.decide import (
    anatomy,
    claims,
    crossover,
    findings,
    indifference,
    join,
    levels,
    lowest,
    rounds,
    sentence,
)
from harness.decide.claims.claim import Claim
from harness.decide.comparison import INVALID, Absent, Comparison, Finding
from harness.decide.crossover import Crossover
from harness.decide.figures import validity, work_out
from harness.decide.levels import Level
from harness.results import Machine, Result
from scenarios.arm import FLOOR


class Answer(msgspec.Struct, frozen=True):
    """What a run comes to."""

    comparisons: tuple[Comparison, ...]
    """One a point, in the order measured; trials that share a baseline are joined."""
    crossovers: tuple[Crossover, ...]
    levels: tuple[Level, ...] = ()
    """For each arm of scenario ``slo``, up to which rate it keeps what was asked."""
    claims: tuple[Claim, ...] = ()
    """The claims that the trials can speak to; all of them where scenario ``claims`` was run."""
    unmoved: tuple[str, ...] = ()
    """What would not change the decision, in sentences, the most useful first."""


def answer(results: Sequence[Result]) -> Answer:
    """Decide all trials of a run; see `decide`."""
    return Answer(
        tuple(join.join(map(decide, results))),
        tuple(crossover.find(results)),
        tuple(levels.find(results)),
        claims.find(results),
        indifference.find(results),
    )


def decide(result: Result) -> Comparison:
    """Give figures, findings and the answer of one trial; pure, and always the same for the same result.

    Raises `ResultError` for a damaged histogram, `ValueError` for a baseline that is none of the arms.
    """
    whole, result = result, twins.without(result)
    trial = result.trial
    played = rounds.arrange(result)
    found = (*findings.find_all(played), *anatomy.find_lost(whole))
    lost = frozenset(one.arm for one in found if one.validity == INVALID)
    sensitive = {arm.name: _sensitive(arm.name, found) for arm in trial.arms}
    arms = [work_out(played, index, lost, sensitive[arm.name]) for index, arm in enumerate(trial.arms)]
    judged = tuple(replace(arm, validity=validity(arm.name, found)) for arm in arms)
    leading = lowest.find(played, judged)
    return Comparison(
        scenario=trial.scenario,
        method=", ".join(
            dict.fromkeys(a.method or trial.method for a in trial.arms if a.stack != FLOOR.stack)
        ),
        users=trial.users,
        sample=trial.sample,
        forks=played.forks,
        forks_asked=trial.forks,
        seconds=trial.seconds,
        baseline=trial.baseline,
        turn=trial.turn,
        arms=judged,
        findings=found,
        sentence=sentence.write(played, judged, leading, found),
        lowest=leading,
        machine=_phrase(result.machine),
        started=result.started,
        versions=result.machine.versions,
        messages=judged[played.baseline].messages,
        part=trial.part,
        open=str(trial.open) if trial.open else "",
        arrivals=str(trial.open.arrivals) if trial.open else "",
        headline=played.headline,
        left_out=tuple(Absent(one.arm, one.reason) for one in trial.left_out),
        anatomy=anatomy.dissect(whole, sensitive, lost),
    )


def _sensitive(arm: str, found: tuple[Finding, ...]) -> frozenset[str]:
    """Name the metrics of `arm` that its long turns are shown of."""
    return frozenset(
        figure
        for one in found
        if one.kind == "turn-sensitive" and one.arm == arm
        for figure in one.figures
        if figure in rounds.METRICS
    )


def _phrase(machine: Machine) -> str:
    cores = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    awake = ", idle cores kept awake" if machine.awake else ""
    return f"{machine.cpu}, {cores}, kernel {machine.kernel}{awake}"
