"""Finds up to which rate arms keep what is asked of their response times."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from harness.decide import rounds as costs
from harness.decide import stats
from harness.decide.arrivals import merged, saturated
from harness.decide.comparison import INVALID
from harness.decide.estimates import FORKS_FOR_INTERVAL, of_quantile
from harness.decide.figures import histograms
from harness.decide.findings import find_all
from harness.decide.rounds import Rounds
from harness.results import Result
from scenarios import slo
from scenarios.slo import Slo

KEPT, BROKEN, UNCLEAR = "kept", "broken", "unclear"


class Rung(msgspec.Struct, frozen=True):
    """One rate of an arm's grid."""

    rate: float
    """Calls due a second."""
    value: float
    """The percentile in ns; infinite where so many calls failed or were dropped."""
    outcome: str
    """``kept`` or ``broken`` where the whole interval is on one side of the limit; else ``unclear``, as where
    there are too few forks for an interval, or the generator had no time."""


class Level(msgspec.Struct, frozen=True):
    """Between which two rates of the grid an arm breaks what is asked."""

    arm: str
    slo: str
    users: int
    sample: str
    kept: float | None
    """The highest rate at which it is kept below `broken`; None where there is none."""
    broken: float | None
    """The lowest rate at which it is broken; None where none is."""
    rungs: tuple[Rung, ...]
    """By rate."""


def find(results: Iterable[Result]) -> Iterator[Level]:
    """Give the levels of all arms but the floor, over trials that differ in their rate alone."""
    ladders: dict[tuple[str, str, int, str], list[Rung]] = defaultdict(list)
    for result in results:
        trial = result.trial
        if not trial.slo or not trial.open or not result.forks_done:
            continue
        asked, played = slo.parse(trial.slo), costs.arrange(result)
        invalid = {one.arm for one in find_all(played) if one.validity == INVALID}
        for index, arm in enumerate(trial.arms):
            if index != played.floor:
                key = (arm.name, asked.text, trial.users, trial.sample)
                ladders[key] += _rung(played, index, asked, known=arm.name not in invalid)
    for key, rungs in ladders.items():
        yield _level(*key, sorted(rungs, key=lambda rung: rung.rate))


def _rung(played: Rounds, arm: int, asked: Slo, *, known: bool) -> Iterator[Rung]:
    run = next((run for run in played.result.runs if run.arm == played.name(arm)), None)
    if run is None or merged(played, arm, "response") is None:
        return
    found = of_quantile(histograms(played, arm, "response", long=False), asked.share)
    low, high = found.low or found.value, found.high or found.value
    outcome = KEPT if high < asked.limit else BROKEN if low >= asked.limit else UNCLEAR
    sure = known and played.forks >= FORKS_FOR_INTERVAL and _supported(played, arm, found.value)
    if outcome == KEPT and saturated(played, arm):
        outcome = UNCLEAR  # its queue grows, and only the end of the turn kept it short
    yield Rung(run.rate, found.value, outcome if sure else UNCLEAR)


def _supported(played: Rounds, arm: int, value: float) -> bool:
    """Tell whether enough calls of enough turns exceed the percentile, as for one that is shown."""
    whole = merged(played, arm, "response")
    longest = played.turns.max[played.rows(arm)]
    return math.isinf(value) or (whole is not None and stats.supported(whole, longest, int(value)))


def _level(arm: str, text: str, users: int, sample: str, rungs: list[Rung]) -> Level:
    # Where arms are shared out among trials, the baseline has been at each rate more than once.
    rungs = list({rung.rate: rung for rung in reversed(rungs)}.values())[::-1]
    broken = next((rung.rate for rung in rungs if rung.outcome == BROKEN), None)
    below = [rung for rung in rungs if broken is None or rung.rate < broken]
    kept = max((rung.rate for rung in below if rung.outcome == KEPT), default=None)
    return Level(arm, text, users, sample, kept, broken, tuple(rungs))
