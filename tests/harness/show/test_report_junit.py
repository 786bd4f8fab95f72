"""A run as JUnit XML: what passes, fails, errs and is skipped."""

from xml.etree import ElementTree as ET

from msgspec.structs import replace

from harness.decide import compare
from harness.results import Failure, LeftOut
from harness.show import comparison_junit


def suites(*results):
    root = ET.fromstring(comparison_junit.render(compare.answer(results)))
    assert root.tag == "testsuites"
    return root, list(root)


def cases(suite):
    return {case.get("name"): case for case in suite.findall("testcase")}


def test_a_good_run_passes_every_case(made):
    root, (suite,) = suites(made.result(floor=20_000))
    assert set(cases(suite)) == {"grpc-protobuf", "tcp-msgpack", "floor"}
    assert [list(case) for case in cases(suite).values()] == [[], [], []]
    assert suite.get("tests") == root.get("tests") == "3"
    assert {root.get(key) for key in ("failures", "errors", "skipped")} == {"0"}
    assert suite.get("name").startswith("made-up: Quote, 1 user, sample small; 5 forks")
    assert "tcp-msgpack: p50" in suite.findtext("system-out")
    assert "\x1b" not in ET.tostring(root, encoding="unicode")


def test_every_kind_of_trouble_is_told_apart(made):
    costs = {"good": 100_000, "differs": 90_000, "crashed": 80_000, "floor": 20_000}
    result = made.run(made.result(costs), "differs", differs="field <total>\x1b: 3 instead of 4")
    result = made.run(result, "crashed", failure=Failure(2, "it ended with status 1", "Traceback:\nKeyError"))
    left_out = (LeftOut("tcp-msgpack", "it carries no streams"),)
    result = replace(result, trial=replace(result.trial, left_out=left_out))
    root, (suite,) = suites(made.turns(result, foreign=lambda old: old + 900_000))
    found = cases(suite)
    assert [each.tag for each in found["good"]] == ["system-out"]
    assert "doubtful: other processes" in found["good"].findtext("system-out")
    assert found["differs"].find("failure").get("type") == "differs"
    assert "field <total>: 3 instead of 4" in found["differs"].find("failure").get("message")
    assert "KeyError" in found["crashed"].findtext("error")
    assert found["tcp-msgpack"].find("skipped").get("message") == "not applicable: it carries no streams"
    for element in (root, suite):
        counts = {key: element.get(key) for key in ("tests", "failures", "errors", "skipped")}
        assert counts == {"tests": "5", "failures": "1", "errors": "1", "skipped": "1"}


def test_cases_of_a_run_have_names_of_their_own(made):
    base = made.result(rounds=6, long_rounds=2)
    results = [replace(base, trial=replace(base.trial, users=users)) for users in (1, 16)]
    root, found = suites(*results)
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(found) == 2
    assert len(set(names)) == len(names) == 4
