"""A trial as claims look at it: arms that are alike but for one thing, and ratios between any two of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property

import msgspec
import numpy as np
from msgspec.structs import replace

from harness import twins
from harness.decide import rounds as costs
from harness.decide import sentence, stats
from harness.decide.claims.claim import COSTS
from harness.decide.comparison import DOUBTFUL, INVALID, Estimate, Finding
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.findings import find_all
from harness.decide.rounds import Rounds
from harness.results import Result, Run
from scenarios.arm import FLOOR, Arm
from stacks import examples, service
from stacks.base import Kind

_BLANK: dict[str, object] = {"channel": "", "hops": (), "method": "", "stack": ""}
_WORDS = {"time": "time", "cpu": "CPU"}


class Played:
    """A trial, and what its figures may be used for; what nobody asks for is not worked out."""

    def __init__(self, result: Result) -> None:
        """Take a trial; its twins are left out."""
        self.result = twins.without(result)
        self.trial = self.result.trial

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Give what may be compared: no floor, and nothing that is held up on purpose."""
        return tuple(
            arm
            for arm in self.trial.arms
            if arm.stack != FLOOR.stack and not arm.beside and not arm.streams and not arm.work
        )

    @property
    def plain(self) -> list[Arm]:
        """Give the arms with unary calls, a channel a user and no hops."""
        return [
            arm
            for arm in self.arms
            if arm.channel == "per-user" and not arm.hops and (arm.method or self.trial.method) in _unary()
        ]

    @property
    def point(self) -> str:
        """Say at which point it was played, and in which scenario."""
        users = "1 user" if self.trial.users == 1 else f"{self.trial.users:,} users"
        return f"{users}, {examples.written(self.trial.sample)} ({self.trial.scenario})"

    @cached_property
    def rounds(self) -> Rounds:
        """Give its turns by rounds."""
        return costs.arrange(self.result)

    @cached_property
    def _found(self) -> tuple[Finding, ...]:
        return find_all(self.rounds)

    def run(self, arm: Arm) -> Run | None:
        """Give what is known of an arm beside its turns."""
        return next((run for run in self.result.runs if run.arm == arm.name), None)

    def connections(self, arm: Arm) -> tuple[int, ...]:
        """Give the connections of an arm, the client's first; empty where they were not counted.

        Those at a server that runs already are of all arms that share it, and say nothing of one.
        """
        run = self.run(arm)
        return run.connections if run and not arm.at and not self.fault(arm) else ()

    def calls(self, arm: Arm) -> tuple[int, int]:
        """Give how many calls ended, and how many of these failed."""
        rows = self.rounds.rows(self.trial.arms.index(arm), long=None)
        return int(self.rounds.turns.calls[rows].sum()), int(self.rounds.turns.failed[rows].sum())

    def fault(self, arm: Arm) -> str:
        """Say why an arm has no valid figures; empty where it has."""
        if not self.rounds.forks:
            return "no start was measured to the end"
        texts = (one.text for one in self._found if one.arm == arm.name and one.validity == INVALID)
        return next(texts, "").partition("\n")[0]

    def doubts(self, arms: Iterable[Arm]) -> set[str]:
        """Name the kinds of findings that make figures of `arms` doubtful."""
        names = {"", *(arm.name for arm in arms)}
        return {one.kind for one in self._found if one.arm in names and one.validity == DOUBTFUL}

    def ratio(self, metric: str, arm: Arm, base: Arm, looks: float) -> Estimate | None:
        """Give a cost of `arm` over that of `base`, its interval adjusted for so many `looks`.

        A turn-sensitive arm is taken from its long turns. None where an arm has no valid figures, or a start
        does not know both.
        """
        if self.fault(arm) or self.fault(base):
            return None
        names = {arm.name, base.name}
        long = any(
            one.kind == "turn-sensitive" and one.arm in names and metric in one.figures for one in self._found
        )
        places = (self.trial.arms.index(arm), self.trial.arms.index(base))
        found, _ = costs.effects(self.rounds, metric, *places, long=long)
        if not np.isfinite(found).all():
            return None
        if len(found) < FORKS_FOR_INTERVAL:
            value = float(np.exp(found.mean()))
            if len(found) == 1:
                return Estimate(value, None, None, "none")
            return Estimate(value, float(np.exp(found.min())), float(np.exp(found.max())), "spread")
        mean, low, high = stats.interval(found, 1 - (1 - stats.CONFIDENCE) / looks)
        return Estimate(float(np.exp(mean)), float(np.exp(low)), float(np.exp(high)), "interval")


class Pair(msgspec.Struct, frozen=True):
    """Two arms of a trial, the first of which is held against the second."""

    played: Played
    ours: Arm
    theirs: Arm

    @property
    def fault(self) -> str:
        """Say why there is no ratio; empty where neither arm is to blame."""
        faults = ((arm.name, self.played.fault(arm)) for arm in (self.ours, self.theirs))
        return "; ".join(f"{name}: {fault}" for name, fault in faults if fault)


class Weighed(msgspec.Struct, frozen=True):
    """A pair with its ratios, by metric."""

    pair: Pair
    costs: dict[str, Estimate]
    missing: tuple[str, ...] = ()
    """Those that were asked for, but are not known."""

    @property
    def text(self) -> str:
        """Write the ratios: ``1.31× the time (1.29 to 1.33), 1.2× the CPU (1.1 to 1.3)``."""
        if not self.costs:
            return f"no ratio: {self.pair.fault or 'not every start knows both'}"
        told = [
            f"{sentence.show(one)} the {_WORDS[metric]}"
            + sentence.bounds(one, "" if one.basis == "interval" else "spread ")
            for metric, one in self.costs.items()
        ]
        return ", ".join([*told, *(f"{_WORDS[metric]} not known" for metric in self.missing)])


def weigh(pairs: Sequence[Pair], metrics: Sequence[str] = COSTS) -> list[Weighed]:
    """Give the ratios of all pairs of a claim; intervals hold for all of them together (Bonferroni).

    Two arms that are looked at both ways round are looked at once.
    """
    seen = {(id(pair.played), frozenset((pair.ours.name, pair.theirs.name))) for pair in pairs}
    looks = len(seen) * len(metrics)
    weighed = []
    for pair in pairs:
        found = {metric: pair.played.ratio(metric, pair.ours, pair.theirs, looks) for metric in metrics}
        known = {metric: one for metric, one in found.items() if one is not None}
        weighed.append(Weighed(pair, known, tuple(metric for metric in metrics if metric not in known)))
    return weighed


def families(arms: Iterable[Arm], varied: str) -> list[dict[str, Arm]]:
    """Put arms together that are alike but for their name and the field `varied`, by its value.

    Of arms that are alike in that, too, the first is taken. Hops are written with ``@`` between them.
    """
    found: dict[Arm, dict[str, Arm]] = {}
    for arm in arms:
        value = getattr(arm, varied)
        key = "@".join(value) if isinstance(value, tuple) else value
        found.setdefault(replace(arm, name="", **{varied: _BLANK[varied]}), {}).setdefault(key, arm)
    return list(found.values())


def doubtful(weighed: Iterable[Weighed]) -> str:
    """Say what makes ratios doubtful, to stand at the end of a sentence; empty where nothing does."""
    kinds = {kind for one in weighed for kind in one.pair.played.doubts((one.pair.ours, one.pair.theirs))}
    return f"; doubtful ({', '.join(sorted(kinds))})" if kinds else ""


def few(weighed: Iterable[Weighed]) -> str:
    """Say that there were too few starts for intervals, as a sentence; empty where there were enough."""
    if any(one.basis != "interval" for each in weighed for one in each.costs.values()):
        return f" It takes {FORKS_FOR_INTERVAL} starts (--forks) for an interval."
    return ""


def usable(results: Iterable[Result]) -> Iterator[Played]:
    """Give the trials that claims look at: whole calls of the default service in a closed loop."""
    for result in results:
        if result.trial.open is None and not result.trial.part and result.trial.service == service.DEFAULT:
            yield Played(result)


@cache
def _unary() -> frozenset[str]:
    """Name the unary methods of the default service."""
    return frozenset(one.name for one in service.load(service.DEFAULT).methods if one.kind is Kind.UNARY)
