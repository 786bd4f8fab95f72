"""Reads what `rpcduel gate` is asked, and says what it is going to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import intention
from harness.measure.observer import Part

if TYPE_CHECKING:
    from harness.decide.gate import Decision, Rule
    from harness.measure.observer import Observer
    from harness.plan.gate import Question
    from harness.plan.suite import GateTable
    from harness.plan.wish import Wish
    from harness.results import Trial
    from scenarios.arm import Arm


class Look(Part):
    """One look of a gate; `observer` of the whole is told which."""

    def __init__(self, observer: Observer, number: int, looks: int) -> None:
        """Be look `number` (from 0) of at most so many; how long later ones take is nobody's to know."""
        super().__init__(observer, 0, 1, 0.0)
        self._more = number > 0
        self._look = f"look {number + 1} of at most {looks}"

    def begin(
        self, point: str, arms: Sequence[str], baseline: str, figure: str, cores: int, *, more: bool = False
    ) -> None:
        """Let the forks of all looks be taken together."""
        del more
        super().begin(point, arms, baseline, figure, cores, more=self._more)

    def _named(self, text: str) -> str:
        return f"{self._look}: {text}"


def options(rule: Rule, given: Sequence[str]) -> list[str]:
    """Write as options what of a rule stands in a suite alone, for the command line that is stored.

    What is as usual, or `given` already, is left out.
    """
    from harness.decide.gate import Rule as Usual

    usual = _written(Usual())
    named = {part.partition("=")[0] for part in given}
    return [
        f"{option}={value}"
        for option, value in _written(rule).items()
        if value != usual[option] and option not in named
    ]


def _written(rule: Rule) -> dict[str, str]:
    return {
        "--metrics": ",".join(rule.metrics),
        "--tolerance": f"{100 * rule.tolerance:g}%",
        "--detect": f"{100 * rule.detect:g}%",
        "--looks": ",".join(map(str, rule.looks)),
    }


def question(
    suite: Path | None,
    base: str,
    candidates: Sequence[str],
    *,
    users: int | None,
    sample: str,
    service: str,
    method: str,
    tolerance: str,
    detect: str,
    metrics: str,
    looks: str,
    seconds: float | None,
) -> Question:
    """Put together what suite and options ask, options above; raises `SpecError` or `click.UsageError`."""
    from msgspec import UNSET

    from harness.cli import wishes
    from harness.decide.gate import Rule
    from harness.plan import gate
    from harness.plan import suite as suites
    from harness.plan.suite import GateTable
    from harness.plan.wish import Wish

    wish, table = suites.read_gate(suite) if suite else (Wish(), GateTable())
    load = table.users if users is None else users
    wish = wishes.overridden(
        wish,
        users=() if load is UNSET else (load,),
        samples=(sample,) if sample else (),
        service=service or table.service,
        method=method,
    )
    first, others = _arms(wish, table, base, candidates)
    standard = Rule()
    rule = Rule(
        metrics=tuple(metrics.split(",")) if metrics else table.metrics or standard.metrics,
        tolerance=_percent(tolerance or table.tolerance, "tolerance", standard.tolerance),
        detect=_percent(detect or table.detect, "detect", standard.detect),
        looks=_numbers(looks) if looks else table.looks or standard.looks,
    )
    length = table.seconds if seconds is None else seconds
    return gate.ask(wish, first, others, rule, gate.SECONDS if length is UNSET else length)


def _percent(text: str, what: str, standard: float) -> float:
    from harness.plan.gate import percent

    return percent(text, what) if text else standard


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise click.UsageError(f"looks {text!r} is no list of whole numbers, such as 8,16,32")
    return tuple(map(int, parts))


def _arms(wish: Wish, table: GateTable, base: str, candidates: Sequence[str]) -> tuple[Arm, list[Arm]]:
    """Find base and candidates: arms of the suite by their names, all else by SPEC."""
    from scenarios.arm import SpecError

    known = {arm.name: arm for arm in wish.arms}
    first = base or table.base or wish.baseline or next(iter(known), "")
    if not first:
        raise click.UsageError("there is no base; give --base SPEC and --candidate SPEC, or a suite")
    for name in (*((table.base,) if table.base else ()), *table.candidates):
        if name not in known:
            raise SpecError(f"the gate's {name!r} is none of the arms: {', '.join(known)}")
    named = candidates or table.candidates or [name for name in known if name != first]
    for name in known:
        if name == first and name in named:
            raise SpecError(
                f"{name!r} is the base and one of its candidates; leave it out there, or write an arm like it"
            )
        if list(named).count(name) > 1:
            raise SpecError(f"the candidate {name!r} is given twice; give it once")
    return _arm(first, known), [_arm(each, known) for each in named]


def _arm(text: str, known: dict[str, Arm]) -> Arm:
    from scenarios.arm import parse

    return known[text] if text in known else parse(text)


def plan(question: Question, trials: Sequence[Trial]) -> str:
    """Say what is going to be done, in a line."""
    names = ", ".join(arm.name for arm in question.candidates)
    looks = question.rule.looks
    times = [intention.duration(trial) for trial in trials]
    ends = ", ".join(f"{sum(times[: k + 1]):.0f}" for k in range(len(times)))
    forks = ", ".join(map(str, looks))
    many = "looks" if len(looks) > 1 else "a look"
    return f"{names} against {question.base.name}: {many} after {forks} forks, which take about {ends} s"


def so_far(decision: Decision) -> str:
    """Say where candidates stand after a look that did not decide all."""
    from harness.show import rulings

    return f"after {decision.forks} forks {rulings.counted(decision)}"
