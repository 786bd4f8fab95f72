"""Scenarios that are made of others: what is asked of each, and how the time is shared among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

import stacks
from harness.plan.wish import Wish
from harness.results import LeftOut, Trial
from scenarios import catalog
from scenarios.arm import SpecError
from scenarios.catalog import Scenario
from stacks.errors import StackError

_CHOSEN = ("arms", "baseline", "users", "samples", "method", "service")


def check(wish: Wish) -> None:
    """Raise `SpecError` for a wish for what such a scenario chooses itself."""
    plain = type(wish)(scenario=wish.scenario)
    given = [name for name in _CHOSEN if getattr(wish, name) != getattr(plain, name)]
    if given:
        raise SpecError(
            f"{wish.scenario} is made of other scenarios and chooses arms and points for each itself; leave "
            f"{', '.join(given)} out (seconds and forks may be given), or run one of them: "
            f"{', '.join(dict.fromkeys(name for name, _ in catalog.SCENARIOS[wish.scenario].made_of))}"
        )


def narrowed(scenario: Scenario) -> Iterator[tuple[str, Scenario, tuple[LeftOut, ...]]]:
    """Give what `scenario` is made of, by name, narrowed; with the stacks that cannot be loaded."""
    for name, changes in scenario.made_of:
        one = replace(catalog.SCENARIOS[name], **changes)
        missing = []
        for stack in one.stacks or stacks.DEFAULTS:
            try:
                stacks.find(stack)
            except StackError as error:
                missing.append(LeftOut(stack, str(error)))
        gone = {left.arm for left in missing}
        there = tuple(stack for stack in one.stacks or stacks.DEFAULTS if stack not in gone)
        if there:
            yield name, replace(one, stacks=there), tuple(missing)


def timed(planned: Sequence[Trial], name: str, seconds: float) -> list[Trial]:
    """Share `seconds` among trials of the scenario `name` in the proportion of what they have."""
    if not planned:
        raise SpecError(f"no arm can take part in {name}: nothing that it is made of can be had here")
    scale = seconds / sum(trial.seconds for trial in planned)
    return [replace(trial, within=name, seconds=trial.seconds * scale) for trial in planned]
