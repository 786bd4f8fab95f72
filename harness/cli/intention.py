"""Says what a run is going to do, and how long that takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import stdtrit

from harness.measure.fork import warm_up
from harness.results import Trial
from scenarios.arm import FLOOR
from scenarios.catalog import dissected

_START = 1.0
_ARM_START = 0.4
"""Seconds that a fork and each of its arms take to start, about, on two cores."""
_WEIGHING = 2.0
"""Seconds that it takes to count the bytes of an arm's calls, about."""
_FORK_SD = 0.017
_TURN_SD = 0.02
"""Standard deviations of a ratio that are typical, between forks and of a second of one arm's turns; what
they are on a machine `rpcduel doctor` measures."""
_INTERVAL_FORKS = 4


def intention(trials: Sequence[Trial]) -> str:
    """Say the plan in a line: ``3 arms and the floor × 2 points × 5 forks, about 90 s; ratios to …``."""
    forks = sorted({trial.forks for trial in trials})
    arms = len({arm.name for trial in trials for arm in trial.arms if not arm.twin_of} - {FLOOR.name})
    twins = ", twins" if any(arm.twin_of for trial in trials for arm in trial.arms) else ""
    points = len({(t.users, t.sample, t.method, t.part, str(t.open), t.scenario) for t in trials})
    seconds = sum(map(duration, trials))
    several = "" if len(forks) == 1 else f"{forks[0]} to "
    counted = (_plural(arms, "arm"), _plural(points, "point"), several + _plural(forks[-1], "fork"))
    text = (
        "{}{} and the floor × {} × {}".format(counted[0], twins, *counted[1:]) + f", about {seconds:.0f} s; "
    )
    if arms < 2:  # noqa: PLR2004 -- one has nothing to be held against
        return text + "one arm alone, so no ratio"
    enough = [trial for trial in trials if trial.forks >= _INTERVAL_FORKS]
    if not enough:
        return text + "too few forks for an interval: a first look, no verdict"
    least = min(trial.forks for trial in enough)
    turns = min(trial.seconds / trial.forks / len(trial.arms) for trial in enough)
    deviation = math.hypot(_FORK_SD, _TURN_SD / math.sqrt(turns))
    half = float(-stdtrit(least - 1, 0.025)) * deviation / math.sqrt(least)
    return text + f"ratios to about {100 * half:.2g} %, if this machine is like others"


def duration(trial: Trial) -> float:
    """Give the seconds that `trial` takes, about."""
    warm = 2 * warm_up(trial) / 1e9
    weighing = sum(_WEIGHING for arm in trial.arms if dissected(trial.scenario) and not arm.twin_of)
    return trial.seconds + weighing + trial.forks * (_START + len(trial.arms) * (_ARM_START + warm))


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def describe(trial: Trial) -> str:
    """Say what a trial is, in a line."""
    names = ", ".join(arm.name for arm in trial.arms)
    what = f"{trial.part} {trial.method}".strip()
    rate = f"{trial.open}, {trial.open.arrivals}, " if trial.open else ""
    return (
        f"  {trial.scenario}: {what}({trial.sample}), {rate}users {trial.users}, turns of "
        f"{trial.turn / 1e6:g} ms, {trial.seconds:.1f} s over {trial.forks} forks: {names}"
    )
