"""What a gate is asked, and the trial of each of its looks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import msgspec

from harness.decide import rounds
from harness.decide.gate import Rule
from harness.plan import trials
from harness.plan.wish import MOST_FORKS, MOST_SECONDS, Wish
from harness.results import Trial
from scenarios import catalog
from scenarios.arm import Arm, SpecError, name_all

USERS = 16
SECONDS = 10.0
"""Of each arm in the first look: with eight forks enough to tell equal arms from those 5 % apart."""
_FEWEST = 4
"""Forks of a look, below which there is no interval."""
_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")


class Question(msgspec.Struct, frozen=True):
    """Candidates, what they are held against, and by which rule."""

    wish: Wish
    """Its arms are the base, then the candidates, all named."""
    rule: Rule
    seconds: float
    """Measuring time of each arm in the first look; later looks give each fork as much."""

    @property
    def base(self) -> Arm:
        """Give the arm that candidates are held against."""
        return self.wish.arms[0]

    @property
    def candidates(self) -> tuple[Arm, ...]:
        """Give the others."""
        return self.wish.arms[1:]


def ask(wish: Wish, base: Arm, candidates: Sequence[Arm], rule: Rule, seconds: float) -> Question:
    """Put a question; raises `SpecError` for what cannot be held against each other, or no sensible rule."""
    _check(rule, seconds)
    if not candidates:
        raise SpecError("there is no candidate to hold against the base; name one with --candidate")
    if len(candidates) >= catalog.MOST_ARMS:
        raise SpecError(
            f"{len(candidates)} candidates are too many: {catalog.MOST_ARMS - 1} share a trial with a base"
        )
    base, *others = name_all([base, *candidates])
    for other in others:
        _check_alike(base, other)
    asked = msgspec.structs.replace(
        wish, arms=(base, *others), baseline=base.name, users=wish.users or (USERS,), seconds=None, forks=None
    )
    question = Question(asked, rule, seconds)
    expand(question)
    return question


def expand(question: Question) -> list[Trial]:
    """Plan the trial of each look: as many more forks as it has, each measured as long as those before.

    Raises `SpecError` or `StackError` for what cannot be measured, or more than one point.
    """
    planned = trials.expand(question.wish)
    if len(planned) != 1:
        scenario, count = question.wish.scenario, len(planned)
        raise SpecError(
            f"a gate looks at one point, and {scenario} asked like this has {count}; "
            f"say which by --users, --sample, --method"
        )
    (trial,) = planned
    if trial.open:
        raise SpecError(
            f"{trial.scenario} is an open loop, whose rate is given; a gate is for costs, so a closed one"
        )
    if trial.left_out:
        raise SpecError("; ".join(f"{one.arm} cannot take part: {one.reason}" for one in trial.left_out))
    looks = question.rule.looks
    fork = question.seconds / looks[0] * len(trial.arms)
    more = [after - before for before, after in zip((0, *looks), looks, strict=False)]
    return [msgspec.structs.replace(trial, forks=forks, seconds=forks * fork) for forks in more]


def percent(text: str, what: str) -> float:
    """Read ``2%`` as 0.02; raises `SpecError`."""
    found = _PERCENT.fullmatch(text.strip())
    if found is None:
        raise SpecError(f"{what} {text!r} is no share; write it as 2% or 0.5%")
    return float(found[1]) / 100


def check_limits(metrics: Sequence[str], tolerance: float, detect: float) -> None:
    """Raise `SpecError` for metrics that there are not, and for limits that make no sense together."""
    if not metrics or len(set(metrics)) < len(metrics):
        raise SpecError(
            f"metrics {','.join(metrics)!r}: name each of {', '.join(rounds.METRICS)} at most once"
        )
    for metric in metrics:
        if metric not in rounds.METRICS:
            raise SpecError(f"there is no metric {metric!r}; metrics are: {', '.join(rounds.METRICS)}")
    if not 0 <= tolerance < detect < 1:
        raise SpecError(
            f"tolerance {tolerance:.2%} must be below detect, which is {detect:.2%} and under 100 %"
        )


def _check(rule: Rule, seconds: float) -> None:
    check_limits(rule.metrics, rule.tolerance, rule.detect)
    looks = rule.looks
    if not looks or list(looks) != sorted(set(looks)) or not _FEWEST <= looks[0] <= looks[-1] <= MOST_FORKS:
        shown = ",".join(map(str, looks))
        raise SpecError(f"looks {shown!r}: write ascending numbers of forks, from {_FEWEST} to {MOST_FORKS}")
    if not (math.isfinite(seconds) and 0 < seconds <= MOST_SECONDS):
        raise SpecError(f"seconds={seconds:g}: must be more than 0 and at most {MOST_SECONDS:.0f}")


def _check_alike(base: Arm, other: Arm) -> None:
    """Refuse to hold different work against each other: the answer would be of the work."""
    for what, ours, theirs in (("method", base.method, other.method), ("beside", base.beside, other.beside)):
        if ours != theirs:
            raise SpecError(
                f"{other.name} has {what} {theirs or '(none)'}, and its base {base.name} {ours or '(none)'}: "
                f"a gate holds two ways of doing the same against each other; give both the same {what}"
            )
