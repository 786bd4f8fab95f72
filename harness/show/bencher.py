"""What a gate measured in Bencher Metric Format: benchmark → measure → value with bounds."""

from __future__ import annotations

from harness.decide.gate import Decision, Ruling
from harness.show import words
from harness.show.json import write


def render(decision: Decision) -> str:
    """Write ratios to the base, a benchmark each candidate, a measure each metric; none that is invalid."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for one in decision.candidates:
        measures = {}
        for verdict in one.verdicts:
            values = {"value": verdict.change, "lower_value": verdict.low, "upper_value": verdict.high}
            known = {key: 1 + value for key, value in values.items() if value is not None}
            if "value" in known:
                measures[f"{verdict.metric}-ratio"] = known
        if measures and one.ruling is not Ruling.INVALID:
            found[words.clean(one.name)] = measures
    return write(found)
