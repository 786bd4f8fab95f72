"""What a gate ruled as JUnit XML: a case each candidate and metric."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from harness.decide.gate import Decision, Ruled
from harness.decide.judge import Verdict
from harness.show import rulings, words

_TAGS = {"worse": "failure", "invalid": "error", "unclear": "skipped"}
"""Outcome → what stands in a case that did not pass."""


def render(decision: Decision) -> str:
    """Write a suite: cases that are worse fail, those that are invalid err, and unclear ones are skipped."""
    pairs = rulings.pairs(decision.candidates)
    outcomes = [rulings.outcome(*pair) for pair in pairs]
    counts = {
        "tests": len(pairs),
        "failures": outcomes.count("worse"),
        "errors": outcomes.count("invalid"),
        "skipped": outcomes.count("unclear"),
    }
    numbers = {key: str(count) for key, count in counts.items()}
    root = ET.Element("testsuites", {"name": "rpcduel", **numbers})
    suite = ET.SubElement(
        root, "testsuite", {"name": words.clean(f"gate against {decision.base}"), **numbers}
    )
    for one, verdict in pairs:
        _case(suite, one, verdict, decision)
    ET.SubElement(suite, "system-out").text = "\n".join(rulings.render(decision))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, one: Ruled, verdict: Verdict, decision: Decision) -> None:
    case = ET.SubElement(
        suite, "testcase", {"classname": words.clean(one.name), "name": rulings.WHAT[verdict.metric]}
    )
    outcome = rulings.outcome(one, verdict)
    if outcome in _TAGS:
        told = one.reason if outcome == "invalid" else rulings.measured(verdict)
        made = ET.SubElement(case, _TAGS[outcome], {"message": words.clean(told)})
        if outcome != "unclear":
            made.set("type", outcome)
        made.text = words.clean(f"{rulings.why(one, decision)}.")
