"""Twins: instrumented copies of arms, which take turns like any other and are no contenders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from harness.results import Result
from scenarios.arm import Arm

_MARK = " (spans)"


def made(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Make the twin of each arm; those at a server that runs already have none.

    Two arms would call this one server, and what it does for one would be foreign CPU to the other.
    """
    taken = {arm.name for arm in arms}
    found = []
    for arm in arms:
        name = arm.name + _MARK
        while name in taken:
            name += _MARK
        taken.add(name)
        if not arm.at:
            found.append(replace(arm, name=name, twin_of=arm.name))
    return tuple(found)


def without(result: Result) -> Result:
    """Leave the twins out, as if they had not been there; without any it is the same result."""
    kept = [index for index, arm in enumerate(result.trial.arms) if not arm.twin_of]
    if len(kept) == len(result.trial.arms):
        return result
    arms = tuple(result.trial.arms[index] for index in kept)
    names = {arm.name for arm in arms}
    rows = np.isin(result.turns.arm, kept)
    columns = {name: getattr(result.turns, name)[rows] for name in result.turns.__struct_fields__}
    columns["arm"] = np.searchsorted(kept, columns["arm"])
    return replace(
        result,
        trial=replace(result.trial, arms=arms),
        runs=tuple(run for run in result.runs if run.arm in names),
        turns=type(result.turns)(**columns),
        histograms=tuple(replace(h, arm=kept.index(h.arm)) for h in result.histograms if h.arm in kept),
    )
