"""What a gate shows: plain lines, JSON, Markdown, JUnit XML, and what two trackers of benchmarks take."""

import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from harness.decide.gate import Decision, Rule, Ruled, Ruling, worst
from harness.decide.judge import Outcome, Verdict
from harness.show import action, bencher, junit, rulings, rulings_markdown

FULL = (
    Verdict("time", 0.062, 0.034, 0.091, Outcome.WORSE),
    Verdict("cpu", 0.001, -0.008, 0.01, Outcome.SAME),
)
SAME = (Verdict("time", -0.004, -0.02, 0.013, Outcome.SAME), Verdict("cpu", 0.0, -0.007, 0.007, Outcome.SAME))
BETTER = (Verdict("time", -0.3, -0.31, -0.28, Outcome.BETTER), Verdict("cpu", 0.01, 0.0, 0.02, Outcome.SAME))
UNCLEAR = (Verdict("time", 0.035, 0.011, 0.06, Outcome.UNCLEAR), SAME[1])
UNKNOWN = (
    Verdict("time", None, None, None, Outcome.UNCLEAR),
    Verdict("cpu", None, None, None, Outcome.UNCLEAR),
)
WORSE_ONE = Ruled("grpc-protobuf,with=grpcio==1.75.0,with=protobuf==6.0", Ruling.WORSE, FULL, 8, final=True)
SAME_ONE = Ruled("same", Ruling.SAME, SAME, 16, final=True)
BETTER_ONE = Ruled("quick <1>", Ruling.BETTER, BETTER, 8, final=True)
UNCLEAR_ONE = Ruled("hazy", Ruling.UNCLEAR, UNCLEAR, 32, final=True, needed=57)
INVALID_ONE = Ruled(
    "broken",
    Ruling.INVALID,
    UNKNOWN,
    0,
    final=True,
    reason="broken: 9 of 100 calls failed (9.00%) \x1b[31m",
    said="\x1b[2JTraceback <of> ```its``` own:\n\n\tno `licence`\x00",
)
EVERY = (WORSE_ONE, SAME_ONE, BETTER_ONE, UNCLEAR_ONE, INVALID_ONE)


def decision(*candidates, doubts=()):
    ruling = worst([one.ruling for one in candidates])
    return Decision("today", ruling, candidates, 32, final=True, doubts=doubts, rule=Rule())


WHOLE = decision(*EVERY, doubts=("others used 1.6% of the cores' time in today's turns",))


def shown(found, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    rulings.show(found, stream)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gate.txt", shown(WHOLE)),
        ("gate-ascii.txt", shown(WHOLE, "ascii")),
        ("gate-80.txt", "\n".join([*rulings.render(WHOLE, 80), ""])),
        ("gate.md", rulings_markdown.render(WHOLE)),
        ("gate.xml", junit.render(WHOLE)),
        ("gate.json", rulings.json(WHOLE, "results/20261124T120000-gate")),
        ("gate-action.json", action.render(WHOLE)),
        ("gate-bencher.json", bencher.render(WHOLE)),
    ],
)
def test_golden(name, text, golden):
    golden(name, text)


def test_a_terminal_s_lines_have_at_most_80_columns():
    assert max(map(len, rulings.render(WHOLE, 80))) <= 80


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            replace(WORSE_ONE, name="new"),
            "new costs more than today, by over 2 %: time per call +6.2 % (+3.4 to +9.1 %).",
        ),
        (
            SAME_ONE,
            (
                "same does not cost 5 % more than today: time per call −0.4 % (−2.0 to +1.3 %), "
                "CPU per call 0.0 % (−0.7 to +0.7 %)."
            ),
        ),
        (
            replace(BETTER_ONE, name="quick"),
            "quick costs less than today, by over 2 %: time per call −30.0 % (−31.0 to −28.0 %).",
        ),
        (
            UNCLEAR_ONE,
            (
                "hazy: after 32 forks it is unclear whether it costs more than today: "
                "time per call +3.5 % (+1.1 to +6.0 %); it would take about 57 forks."
            ),
        ),
        (
            replace(UNCLEAR_ONE, needed=None),
            (
                "hazy: after 32 forks it is unclear whether it costs more than today: "
                "time per call +3.5 % (+1.1 to +6.0 %); it would take more than 200 forks."
            ),
        ),
        (INVALID_ONE, "broken cannot be judged: 9 of 100 calls failed (9.00%) [31m."),
    ],
)
def test_the_answer_is_one_sentence(one, said):
    assert rulings.sentence(decision(one)) == said
    assert rulings.render(decision(replace(one, said="")))[-1] == said


def test_what_a_broken_arm_said_stands_in_every_format():
    found = decision(INVALID_ONE)
    lines = ("[2JTraceback <of> ```its``` own:", "    no `licence`")
    assert rulings.render(found)[-2:] == [f"    | {line}" for line in lines]
    assert "\n".join(["", "````text", *lines, "````", ""]) in rulings_markdown.render(found)
    (error, _) = ET.fromstring(junit.render(found)).iter("error")
    assert error.text.endswith("\n".join(["", *lines]))
    assert json.loads(rulings.json(found, ""))["candidates"][0]["said"] == "\n".join(lines)


def test_of_what_was_said_the_end_is_shown_and_what_several_share_once():
    def quoted(*candidates):
        return [line for line in rulings.render(decision(*candidates)) if line.startswith("    | ")]

    flood = replace(INVALID_ONE, said="\n".join(["x" * 5000] * 30 + ["last"]))
    assert quoted(flood)[0] == "    | …"
    assert quoted(flood)[-1] == "    | last"
    assert len("".join(quoted(flood))) < 2100
    assert quoted(flood, replace(flood, name="other")) == quoted(flood)
    other = replace(flood, reason="today: gone", said="why")
    assert rulings.render(decision(flood, other))[-2:] == ["  today: gone:", "    | why"]


def test_several_candidates_are_counted_first():
    assert rulings.sentence(decision(SAME_ONE, BETTER_ONE)).startswith(
        "1 of 2 candidates is better, 1 is the same. quick <1> costs less than today"
    )


def test_json_says_all_that_the_docs_say():
    found = json.loads(rulings.json(WHOLE, "there"))
    told = (Path(__file__).parents[3] / "docs" / "json.md").read_text(encoding="utf-8")
    section = told.partition("## `rpcduel gate --json`")[2].partition("\n## ")[0]
    for key in {*found, *found["candidates"][0], *found["verdicts"][0]}:
        assert f"`{key}`" in section, key
    assert found["outcome"] == "invalid"
    broken = [each for each in found["verdicts"] if each["candidate"] == "broken"]
    assert [(each["outcome"], each["change"]) for each in broken] == [("invalid", None)] * 2


SUITE_KEYS = {"name", "tests", "failures", "errors", "skipped"}


def test_junit_has_the_usual_structure():
    root = ET.fromstring(junit.render(WHOLE))
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    assert set(suite.attrib) == set(root.attrib) == SUITE_KEYS
    cases = [each for each in suite if each.tag == "testcase"]
    assert {each.tag for each in suite} == {"testcase", "system-out"}
    assert all(set(case.attrib) == {"classname", "name"} for case in cases)
    inside = [child for case in cases for child in case]
    assert all(len(case) <= 1 for case in cases)
    for tag, key in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        count = sum(child.tag == tag for child in inside)
        assert count > 0
        assert suite.attrib[key] == root.attrib[key] == str(count)
    assert suite.attrib["tests"] == str(len(cases)) == "10"
    assert all("message" in child.attrib for child in inside)
    assert "skipped" in {child.tag for case in cases if case.attrib["classname"] == "hazy" for child in case}
    assert {child.tag for case in cases if case.attrib["classname"] == "broken" for child in case} == {
        "error"
    }
    names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
    assert len(set(names)) == len(names)


def test_a_gate_that_passes_fails_no_case():
    (suite,) = ET.fromstring(junit.render(decision(SAME_ONE, BETTER_ONE)))
    assert {suite.attrib[key] for key in ("failures", "errors", "skipped")} == {"0"}


def test_what_may_not_be_passed_is_skipped_whatever_its_metrics_say():
    barred = replace(SAME_ONE, ruling=Ruling.UNCLEAR, reason="its cost is another in long turns")
    found = decision(barred)
    (suite,) = ET.fromstring(junit.render(found))
    assert (suite.get("skipped"), suite.get("failures"), suite.get("errors")) == ("2", "0", "0")
    assert [case.find("skipped").get("message") for case in suite.iter("testcase")] == [barred.reason] * 2
    assert "✅" not in rulings_markdown.render(found)


def test_trackers_get_ratios_and_nothing_that_is_invalid():
    rows = json.loads(action.render(WHOLE))
    assert all(set(row) == {"name", "unit", "value", "range", "extra"} for row in rows)
    assert (rows[0]["value"], rows[0]["range"]) == (pytest.approx(1.062), "1.034 to 1.091")
    assert not [row for row in rows if "broken" in row["name"]]
    found = json.loads(bencher.render(WHOLE))
    assert "broken" not in found
    assert found["hazy"]["time-ratio"] == {
        "value": pytest.approx(1.035),
        "lower_value": pytest.approx(1.011),
        "upper_value": pytest.approx(1.06),
    }
