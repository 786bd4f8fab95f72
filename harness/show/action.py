"""What a gate measured for the action github-action-benchmark, as its tool ``customSmallerIsBetter``."""

from __future__ import annotations

from harness.decide.gate import Decision, Ruling
from harness.show import rulings, words
from harness.show.json import write


def render(decision: Decision) -> str:
    """Write a list of ratios to the base with name, unit, value, range and extra; nothing of what is invalid.

    Ratios, since the action draws them over commits and compares each with the one before: a change would
    be about 0, and a time that of another machine.
    """
    return write(
        [
            {
                "name": words.clean(f"{one.name}: {rulings.WHAT[verdict.metric]}"),
                "unit": words.clean(f"× {decision.base}"),
                "value": 1 + verdict.change,
                "range": rulings.bounds(verdict),
                "extra": rulings.outcome(one, verdict),
            }
            for one, verdict in rulings.pairs(decision.candidates)
            if verdict.change is not None and one.ruling is not Ruling.INVALID
        ]
    )
