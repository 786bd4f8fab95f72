"""What a gate measured for the action github-action-benchmark, as its tool ``customSmallerIsBetter``."""

from __future__ import annotations

from harness.decide.gate import Decision, Ruling
from harness.decide.judge import Verdict
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
                "range": _range(verdict),
                "extra": rulings.outcome(one, verdict),
            }
            for one, verdict in rulings.pairs(decision.candidates)
            if verdict.change is not None and one.ruling is not Ruling.INVALID
        ]
    )


def _range(verdict: Verdict) -> str:
    """Write the adjusted interval as ratios, as the value is one; empty where there is none."""
    if verdict.low is None or verdict.high is None:
        return ""
    return f"{1 + verdict.low:.4g} to {1 + verdict.high:.4g}"
