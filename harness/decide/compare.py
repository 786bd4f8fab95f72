"""Decides a stored trial."""

from __future__ import annotations

from msgspec.structs import replace

from harness.decide import findings, rounds, sentence
from harness.decide.comparison import INVALID, Comparison, Finding
from harness.decide.figures import validity, work_out
from harness.results import Machine, Result


def decide(result: Result) -> Comparison:
    """Give figures, findings and the answer of one trial; pure, and always the same for the same result.

    Raises `ResultError` for a damaged histogram, `ValueError` for a baseline that is none of the arms.
    """
    trial = result.trial
    played = rounds.arrange(result)
    found = findings.find_all(played)
    lost = frozenset(one.arm for one in found if one.validity == INVALID)
    arms = [
        work_out(played, index, lost, _sensitive(arm.name, found)) for index, arm in enumerate(trial.arms)
    ]
    judged = tuple(replace(arm, validity=validity(arm.name, found)) for arm in arms)
    return Comparison(
        scenario=trial.scenario,
        method=trial.method,
        users=trial.users,
        sample=trial.sample,
        forks=played.forks,
        forks_asked=trial.forks,
        seconds=trial.seconds,
        baseline=trial.baseline,
        turn=trial.turn,
        arms=judged,
        findings=found,
        sentence=sentence.write(played, judged, found),
        machine=_phrase(result.machine),
        started=result.started,
        versions=result.machine.versions,
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
