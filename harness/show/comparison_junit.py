"""Comparisons as JUnit XML: a suite a point, a case an arm."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from harness.decide.compare import Answer
from harness.decide.comparison import DOUBTFUL, INVALID, ArmFigures, Comparison, Finding
from harness.show import lines, words
from harness.show.sheet import fill

_COUNTED = (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))


def render(answer: Answer) -> str:
    """Write suites: arms that failed err, others without valid figures fail, what cannot be is skipped.

    A doubtful arm passes, and its ``system-out`` says what is doubtful about it.
    """
    root = ET.Element("testsuites", {"name": "rpcduel"})
    for comparison in answer.comparisons:
        _suite(root, comparison)
    _count(root, list(root.iter("testcase")))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, comparison: Comparison) -> None:
    name = words.title(comparison)
    suite = ET.SubElement(root, "testsuite", {"name": name, "timestamp": words.clean(comparison.started)})
    for arm in comparison.arms:
        _case(suite, name, arm, _findings(comparison, arm))
    for absent in comparison.left_out:
        case = _named(suite, name, absent.name)
        ET.SubElement(case, "skipped", {"message": words.clean(f"not applicable: {absent.reason}")})
    _count(suite, suite.findall("testcase"))
    ET.SubElement(suite, "system-out").text = lines.render(fill(comparison))


def _named(suite: ET.Element, group: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", {"classname": group, "name": words.clean(name)})


def _count(element: ET.Element, cases: Sequence[ET.Element]) -> None:
    element.set("tests", str(len(cases)))
    for key, tag in _COUNTED:
        element.set(key, str(sum(case.find(tag) is not None for case in cases)))


def _findings(comparison: Comparison, arm: ArmFigures) -> list[Finding]:
    """Give what limits the figures of `arm`, the worst first."""
    found = [one for one in comparison.findings if one.arm in {"", arm.name} and one.validity in words.MARKS]
    return sorted(found, key=lambda one: one.validity != INVALID)


def _case(suite: ET.Element, group: str, arm: ArmFigures, findings: Sequence[Finding]) -> None:
    case = _named(suite, group, arm.name)
    if arm.validity == INVALID:
        reasons = [one for one in findings if one.validity == INVALID]
        crashed = any(one.kind == "failed" for one in reasons)
        made = ET.SubElement(case, "error" if crashed else "failure")
        made.set("message", words.finding(reasons[0])[0] if reasons else "it has no valid figures")
        made.set("type", words.clean(reasons[0].kind) if reasons else INVALID)
        made.text = "\n".join(map(_told, reasons))
    elif arm.validity == DOUBTFUL:
        ET.SubElement(case, "system-out").text = "\n".join(map(_told, findings))


def _told(finding: Finding) -> str:
    sentence, quote = words.finding(finding)
    return "\n".join([f"{finding.validity}: {sentence}", *quote])
