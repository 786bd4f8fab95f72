"""Finds up to which rate arms keep what is asked of their response times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from harness.decide import rounds as costs
from harness.decide.arrivals import merged
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
    """The highest rate below the first that is not kept; None where already the lowest is not."""
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
    sure = known and played.forks >= FORKS_FOR_INTERVAL
    yield Rung(run.rate, found.value, outcome if sure else UNCLEAR)


def _level(arm: str, text: str, users: int, sample: str, rungs: list[Rung]) -> Level:
    kept = None
    for rung in rungs:
        if rung.outcome != KEPT:
            break
        kept = rung.rate
    broken = next((rung.rate for rung in rungs if rung.outcome == BROKEN), None)
    return Level(arm, text, users, sample, kept, broken, tuple(rungs))
