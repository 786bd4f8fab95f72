"""Plays trials for examinations and reads effects from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.special import stdtrit

from harness import host
from harness.decide import rounds, stats
from harness.decide.compare import decide
from harness.decide.comparison import DOUBTFUL, INVALID
from harness.measure.conduct import Interrupted, conduct
from harness.measure.contender import ArmError
from harness.measure.observer import Observer, Part
from harness.results import Machine, Result, Trial
from scenarios import catalog
from scenarios.arm import FLOOR, Arm
from scenarios.load import Open
from stacks import service

Numbers = NDArray[np.float64]
_OPEN_TURN = 1_000_000_000
_REPEATED = 100
"""How often a part is repeated in a call."""


class Bench:
    """A machine on which trials are played, one after the other."""

    def __init__(self, machine: Machine, observer: Observer, seed: int) -> None:
        """Play on `machine`; each trial gets a seed of its own, from `seed` on."""
        self.machine = machine
        self.began = host.moment()
        self._observer = observer
        self._seed = seed
        self._done = 0
        self._planned = 1
        self.doubts: Counter[str] = Counter()
        """Kinds of findings that made a whole trial doubtful, and in how many."""

    def plan(self, trials: int) -> None:
        """Say how many trials will be played, for the progress shown."""
        self._planned = trials
        self._done = 0

    def play(
        self,
        arms: Sequence[Arm],
        users: int,
        seconds: float,
        forks: int,
        *,
        turn: int = 0,
        floor: bool = False,
        part: str = "",
    ) -> Result:
        """Play one trial of the default method, or of a `part` of it, with the small sample.

        `seconds` is the measuring time of all forks; `turn` in ns is the scenario's own where it is 0.
        """
        length = turn or catalog.turn(users, 0)
        asked = (*arms, FLOOR) if floor else tuple(arms)
        trial = _trial(asked, users, seconds, forks, length)
        return self._conduct(replace(trial, messages=_REPEATED if part else 1, part=part))

    def offer(self, arms: Sequence[Arm], load: Open, seconds: float, forks: int) -> Result:
        """Play one trial of an open loop, with turns of a second."""
        return self._conduct(opened(arms, load, turn=_OPEN_TURN, seconds=seconds, forks=forks))

    def phase(self, text: str) -> None:
        """Say what is done outside of trials."""
        self._observer.phase(text)

    def _conduct(self, trial: Trial) -> Result:
        seconds, forks = trial.seconds, trial.forks
        watched = Part(self._observer, min(self._done, self._planned - 1), self._planned, seconds + 3 * forks)
        self._done += 1
        try:
            result = conduct(trial, self.machine, self._seed + self._done, "rpcduel doctor", watched)
        except Interrupted as stop:
            raise KeyboardInterrupt from stop
        for finding in decide(result).findings:
            if finding.validity == INVALID and finding.kind != "generator-lag":  # which `lag` is to measure
                raise ArmError(f"{finding.arm}: {finding.text}")
            if finding.validity == DOUBTFUL and not finding.arm:
                self.doubts[finding.kind] += 1
        return result


def opened(arms: Sequence[Arm], load: Open, *, turn: int, seconds: float, forks: int) -> Trial:
    """Make a trial of an open loop."""
    trial = _trial(tuple(arms), load.users, seconds, forks, turn)
    return replace(trial, scenario="open", open=load)


def _trial(arms: tuple[Arm, ...], users: int, seconds: float, forks: int, turn: int) -> Trial:
    return Trial(
        scenario="unary",
        arms=arms,
        baseline=arms[0].name,
        users=users,
        sample="small",
        method="Quote",
        turn=turn,
        settle=catalog.settle(turn),
        seconds=seconds,
        forks=forks,
        service=service.DEFAULT,
        timeout=catalog.TIMEOUT,
    )


def effects(result: Result, metric: str, arm: int, *, base: int = 0, long: bool = False) -> Numbers:
    """Give ln(cost of `arm` / cost of `base`) per fork; see `rounds.effects`."""
    return rounds.effects(rounds.arrange(result), metric, arm, base, long=long)[0]


def busy_ratio(result: Result, arm: int, base: int) -> Numbers:
    """Give ln of the ratio of time per call per fork, whole turns with settling and drain."""
    turns = result.turns

    def cost(which: int, fork: int) -> float:
        rows = (turns.arm == which) & (turns.fork == fork)
        return float(turns.busy[rows].sum() / turns.calls[rows].sum())

    return np.array([math.log(cost(arm, f) / cost(base, f)) for f in range(result.forks_done)])


def median_p50(result: Result, arm: int) -> float:
    """Give the median over short turns of the median response time, in ns."""
    turns = result.turns
    return float(np.median(turns.p50[(turns.arm == arm) & (turns.long == 0) & (turns.p50 >= 0)]))


def factor(forks: int, confidence: float = stats.CONFIDENCE) -> float:
    """Give t(forks − 1) / √forks: half the width of an interval of the mean, in standard deviations."""
    return float(-stdtrit(forks - 1, (1 - confidence) / 2) / math.sqrt(forks))


def written(values: Numbers, digits: int = 3) -> str:
    """Write the interval of a ratio from its logarithms: ``1.002 (0.991 to 1.013)``."""
    middle, low, high = (math.exp(value) for value in stats.interval(values))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
