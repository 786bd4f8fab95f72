"""Reads the options of `rpcduel run` as wishes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.plan.wish import Wish

_CROWD = (16,)


def read(what: Sequence[str]) -> list[Wish]:
    """Read suites and scenario names; the scenario `unary` where there is neither."""
    from harness.plan import suite
    from harness.plan.wish import Wish

    return [
        suite.read(Path(word)) if word.endswith(".toml") else Wish(scenario=word)
        for word in what or ["unary"]
    ]


def arms(names: Sequence[str], specs: Sequence[str], modes: Sequence[str], wish: Wish) -> tuple[object, ...]:
    """Put together the arms of a wish: those named here, else those of the suite, in each channel mode."""
    import msgspec

    from scenarios.arm import Arm, parse
    from scenarios.catalog import ARMS

    for name in names:
        if {"@", "="} & set(name):
            raise click.UsageError(f"--stack {name!r}: it takes names of stacks alone; give a SPEC by --arm")
    chosen = _all(wish) if list(names) == ["all"] else names
    arms = [*(Arm(name="", stack=name) for name in chosen), *map(parse, specs)] or list(wish.arms)
    if not modes:
        return tuple(arms)
    arms = arms or list(map(parse, ARMS))
    return tuple(
        msgspec.structs.replace(arm, channel=mode, name=f"{arm.name},channel={mode}" if arm.name else "")
        for arm in arms
        for mode in modes
    )


def _all(wish: Wish) -> list[str]:
    """Name all stacks that can be loaded here; says which cannot.

    Those with a wire where calls are made, and those without one where codecs are timed alone.
    """
    import stacks
    from scenarios.catalog import SCENARIOS
    from stacks.errors import StackError

    scenario = SCENARIOS.get(wish.scenario)
    wire = scenario is None or not any(scenario.parts)

    found = []
    for name in stacks.names():
        try:
            if stacks.find(name).wire == wire and name not in ("floor", "memory"):
                found.append(name)
        except StackError as error:
            click.echo(f"left out: {error}", err=True)
    return found


def crowd(wish: Wish) -> tuple[int, ...]:
    """Give the users of a first look: some, or the scenario's own where it asks for one number alone."""
    from scenarios.catalog import SCENARIOS

    scenario = SCENARIOS.get(wish.scenario)
    return () if scenario and (scenario.made_of or len(scenario.users) == 1) else _CROWD


def overridden(wish: Wish, **values: object) -> Wish:
    """Let what the command line says stand above the suite."""
    import msgspec

    return msgspec.structs.replace(
        wish, **{key: value for key, value in values.items() if value not in (None, (), "")}
    )


def served(service: str, message: str) -> str:
    """Give the path of the service; raises `UsageError` where both are given."""
    if service and message:
        raise click.UsageError(
            "--service and --message exclude each other; a message is a service that echoes it"
        )
    return service or message
