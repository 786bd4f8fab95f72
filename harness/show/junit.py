"""What a gate ruled as JUnit XML: a case each candidate and metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

from harness.decide.gate import Decision
from harness.show import rulings, words

_TAGS = {"worse": "failure", "invalid": "error", "unclear": "skipped"}
"""Outcome → what stands in a case that did not pass."""


class Case(NamedTuple):
    """One case of a suite."""

    classname: str
    name: str
    outcome: str
    message: str
    """What is told of one that did not pass."""
    text: str


def render(decision: Decision) -> str:
    """Write a suite: cases that are worse fail, those that are invalid err, and unclear ones are skipped."""
    cases = []
    for one, verdict in rulings.pairs(decision.candidates):
        outcome = rulings.outcome(one, verdict)
        told = one.reason or rulings.measured(verdict)
        text = "\n".join([f"{rulings.why(one, decision)}.", *words.quote(one.said)])
        cases.append(Case(one.name, rulings.WHAT[verdict.metric], outcome, told, text))
    return write(f"gate against {decision.base}", cases, "\n".join(rulings.render(decision)))


def write(name: str, cases: Sequence[Case], told: str) -> str:
    """Write a suite of `cases`; `told` is what the command printed."""
    outcomes = [case.outcome for case in cases]
    counts = {
        "tests": len(cases),
        "failures": outcomes.count("worse"),
        "errors": outcomes.count("invalid"),
        "skipped": outcomes.count("unclear"),
    }
    numbers = {key: str(count) for key, count in counts.items()}
    root = ET.Element("testsuites", {"name": "rpcduel", **numbers})
    suite = ET.SubElement(root, "testsuite", {"name": words.clean(name), **numbers})
    for case in cases:
        _add(suite, case)
    ET.SubElement(suite, "system-out").text = told
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add(suite: ET.Element, case: Case) -> None:
    given = {"classname": words.clean(case.classname), "name": case.name}
    element = ET.SubElement(suite, "testcase", given)
    if case.outcome in _TAGS:
        made = ET.SubElement(element, _TAGS[case.outcome], {"message": words.clean(case.message)})
        if case.outcome != "unclear":
            made.set("type", case.outcome)
        made.text = words.clean(case.text)
