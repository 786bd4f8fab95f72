"""`rpcduel compare`: what it shows, what it exits with, and what it refuses."""

import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from rich.console import Console

from harness import noise, results
from harness.cli import group, main
from harness.cli.compare import command
from harness.decide.across import Across, Rule, compare
from harness.decide.known import Known, know
from harness.noise import Noise, Point, Session
from harness.results import Failure
from harness.show import changes, changes_json, changes_junit, changes_markdown
from harness.show.changes_words import sentence

METRICS = ("p50", "time", "cpu")
VERSIONS = {"rpcduel": "0.1.0", "grpcio": "1.66.0", "python": "3.11.7", "kernel": "6.1.0"}
DOCS = Path(__file__).parents[3] / "docs"
PLACES = ("results/20261117T100000-unary", "results/20261124T171100-unary")


def session(number, between=0.004, users=(1, 16)):
    generator = np.random.default_rng(number)
    rows = generator.normal(1, between) + generator.normal(0, 0.002, (2, 4))
    ratios = dict.fromkeys(METRICS, tuple(map(tuple, rows.tolist())))
    started = f"2026-11-{number + 10:02}T09:00:00+00:00"
    return Session(started, VERSIONS, "grpc-protobuf", "small", tuple(Point(each, ratios) for each in users))


SESSIONS = tuple(map(session, range(9)))


def run(made, day, costs, users=(1,), **fields):
    """Make a run of a trial for each number of users, on a day of November."""
    found = []
    for number in users:
        result = made.result(costs, floor=20_000, forks=8, fork_sd=0.003, long_rounds=0, seed=day)
        trial = replace(result.trial, users=number, scenario="unary")
        fields = {"command": "rpcduel run unary", **fields}
        found.append(replace(result, trial=trial, started=f"2026-11-{day}T10:00:00+00:00", **fields))
    return found


BASE = {
    "grpc-protobuf": 100_000,
    "tcp-msgpack": 30_000,
    "a-stack-with-a-name-that-is-longer": 50_000,
    "x": 40_000,
}


@pytest.fixture(scope="module")
def pair(made):
    """Give two runs in which about everything happens that can."""
    base = run(made, 17, BASE, (1, 16))
    candidate = run(made, 24, {**BASE, "grpc-protobuf": 120_000, "tcp-msgpack": 26_000, "y": 40_000}, (16, 4))
    candidate[0] = made.run(
        candidate[0], "x", failure=Failure(fork=0, reason="it ended \x1b[31m", stderr="x")
    )
    newer = replace(made.facts, versions={"grpcio": "1.67.0"})
    candidate[0] = made.run(candidate[0], "grpc-protobuf", facts=newer)
    candidate = [
        replace(each, machine=replace(each.machine, versions={"grpcio": "1.67.0"})) for each in candidate
    ]
    return base, candidate


@pytest.fixture(scope="module")
def whole(pair) -> Across:
    return compare(*pair, know(Noise(1, "made-up", SESSIONS), "results/noise/made-up.json"))


@pytest.fixture(scope="module")
def plain(pair) -> Across:
    """Without A/A sessions."""
    base, candidate = ([each for each in part if each.trial.users == 16] for part in pair)
    sound = [replace(each, runs=tuple(replace(one, failure=None) for one in each.runs)) for each in candidate]
    return compare(base, sound, Known("results/noise/made-up.json"))


def shown(found, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    changes.show(found, stream)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("name", "render"),
    [
        ("compare.txt", shown),
        ("compare-ascii.txt", lambda found: shown(found, "ascii")),
        ("compare-80.txt", lambda found: "\n".join([*changes.render(found, 80), ""])),
        ("compare.md", changes_markdown.render),
        ("compare.xml", changes_junit.render),
        ("compare.json", lambda found: changes_json.render(found, PLACES)),
    ],
)
def test_golden(whole, name, render, golden):
    golden(name, render(whole))


def test_golden_without_a_a_sessions(plain, golden):
    golden("compare-plain-80.txt", "\n".join([*changes.render(plain, 80), ""]))


@pytest.mark.parametrize("which", ["whole", "plain"])
def test_a_terminal_s_lines_have_at_most_80_columns(request, which):
    found = request.getfixturevalue(which)
    assert max(map(len, changes.render(found, 80))) <= 80


def test_a_terminal_gets_colour_where_something_is_judged(whole, monkeypatch):
    monkeypatch.setattr(
        changes,
        "Console",
        lambda **given: Console(**given, force_terminal=True, width=80, color_system="standard"),
    )
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = shown(whole)
    assert "\x1b[1;31mworse" in text
    assert "it ended \x1b" not in text


def test_json_says_all_that_the_docs_say(whole):
    found = json.loads(changes_json.render(whole, PLACES))
    told = (Path(__file__).parents[3] / "docs" / "json.md").read_text(encoding="utf-8")
    section = told.partition("## `rpcduel compare --json`")[2].partition("\n## ")[0]
    nested = (found["base"], found["arms"][0], found["arms"][0]["point"], found["arms"][0]["changes"][0])
    more = (found["not_compared"][0], found["floors"][0], found["noise"])
    for key in {key for each in (found, *nested, *more) for key in each}:
        assert f"`{key}`" in section, key
    assert found["outcome"] == "invalid"


def test_junit_counts_what_it_holds(whole):
    root = ET.fromstring(changes_junit.render(whole))
    (suite,) = root
    cases = [each for each in suite if each.tag == "testcase"]
    assert {case.attrib["name"] for case in cases} == {"time per call", "CPU per call"}
    for tag, key in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert suite.attrib[key] == str(sum(child.tag == tag for case in cases for child in case))
    assert int(suite.attrib["failures"]) > 0 < int(suite.attrib["errors"])


def test_the_answer_of_one_arm_is_one_sentence(made):
    known = know(Noise(1, "made-up", SESSIONS), "file")
    base = run(made, 17, {"grpc": 100_000})
    for cost, said in (
        (130_000, "grpc costs more than in the base, by over 2 %: time per call +"),
        (70_000, "grpc costs less than in the base, by over 2 %: time per call −"),
        (100_000, "grpc does not cost 5 % more than in the base: time per call "),
        (104_000, "Sessions cannot tell whether grpc costs more than in the base: time per call +"),
    ):
        assert sentence(compare(base, run(made, 24, {"grpc": cost}), known)).startswith(said)


@pytest.fixture
def stored(made, tmp_path, monkeypatch):
    """Give a working directory and what stores runs and sessions in it."""
    monkeypatch.chdir(tmp_path)

    def store(day, cost=100_000, *, sound=True, **fields):
        found = run(made, day, {"grpc": cost}, **fields)
        if not sound:
            found = [made.run(found[0], "grpc", failure=Failure(fork=0, reason="it ended", stderr=""))]
        place = Path("results") / f"202611{day}T100000-unary"
        place.mkdir(parents=True)
        results.write(found[0], place / "000.json")
        return place

    def keep(count=9, fingerprint="made-up"):
        place = noise.place(Path("results"), fingerprint)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(msgspec.json.encode(Noise(1, fingerprint, SESSIONS[:count])))

    store.keep = keep
    return store


def call(*args):
    return CliRunner().invoke(group, ["compare", *map(str, args)], prog_name="rpcduel", terminal_width=80)


@pytest.mark.parametrize(("cost", "code"), [(100_000, 0), (80_000, 0), (130_000, 1), (104_000, 3)])
def test_the_outcome_is_the_exit_code(stored, cost, code):
    stored.keep()
    stored(17)
    stored(24, cost)
    found = call()
    assert found.exit_code == code, found.output
    assert found.output.startswith(
        "2026-11-24 10:00 against 2026-11-17 10:00, 7 days later; the same versions\n"
    )


def test_what_is_invalid_is_4(stored):
    stored(17)
    stored(24, sound=False)
    found = call()
    assert found.exit_code == 4
    assert "cannot be judged: candidate: failed in start 1: it ended" in found.output


@pytest.mark.parametrize(("args", "code"), [((), 0), (("--strict",), 3)])
def test_without_a_a_sessions_nothing_is_judged(stored, args, code):
    stored.keep(3)
    stored.keep(9, "another")
    stored(17)
    stored(24, 130_000)
    found = call(*args)
    assert found.exit_code == code
    assert "(3 of 5 A/A sessions in results/noise/made-up.json)" in found.output
    assert "+30" in found.output or "+29" in found.output
    assert "worse" not in found.output


def test_strict_changes_nothing_where_all_is_judged(stored):
    stored.keep()
    stored(17)
    stored(24)
    assert call("--strict").exit_code == 0


def test_results_are_named_or_found(stored):
    stored.keep()
    old, middle, new = stored(15, 200_000), stored(17), stored(24, 130_000)
    assert call().output.startswith("2026-11-24 10:00 against 2026-11-17")
    assert call(old).output.startswith("2026-11-24 10:00 against 2026-11-15")
    assert call(old, middle).output.startswith("2026-11-17 10:00 against 2026-11-15")
    assert call(new, old / "000.json").exit_code == 1
    assert "doubtful: the candidate was measured before the base" in call(new, old).output


def test_limits_may_be_given(stored):
    stored.keep()
    stored(17)
    stored(24, 104_000)
    assert call("--tolerance", "10%", "--detect", "20%").exit_code == 0
    assert call("--tolerance", "0.1%", "--metrics", "time").exit_code == 1


def test_json_is_all_there_is(stored):
    stored(17)
    stored(24)
    found = json.loads(call("--json").output)
    assert (found["outcome"], found["format"]) == (None, 1)
    assert found["base"]["stored"] == "results/20261117T100000-unary"


@pytest.mark.parametrize("name", ["out.md", "out.xml", "out.json"])
def test_files_are_written_beside_the_lines(stored, name):
    stored(17)
    stored(24)
    found = call("-o", name)
    assert found.exit_code == 0
    assert Path(name).read_text(encoding="utf-8")
    assert "7 days later" in found.stderr
    assert found.stdout == ""


@pytest.mark.parametrize("form", ["md", "json", "junit"])
def test_formats_may_be_printed(stored, form):
    stored(17)
    stored(24)
    assert call("--format", form).stdout[0] in "#{<"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "results: holds no two runs of the same scenario"),
        (("nowhere",), "nowhere: there is no such result"),
        (("results/20261117T100000-unary",) * 2, "is compared with itself; name another run"),
        (("results/20261117T100000-unary",), "holds no other run of unary"),
        (("results/20261117T100000-unary", "broken.json"), "broken.json: is no whole rpcduel result"),
        (("results/20261117T100000-unary", "newer.json"), "has format 99, this rpcduel reads up to"),
        (("--tolerance", "much"), "tolerance 'much' is no share"),
        (("--tolerance", "9%"), "must be below detect"),
        (("--metrics", "speed"), "there is no metric 'speed'; metrics are: p50, time, cpu"),
        (("-o", "out.pdf"), "the ending says no format; add --format md, json, junit"),
        (("--json", "-o", "out.json"), "--json prints JSON; to write a file leave it out"),
    ],
)
def test_what_cannot_be_is_told_with_the_remedy(stored, args, said, capfd):
    stored(17)
    Path("broken.json").write_text('{"format": 3}', encoding="utf-8")
    Path("newer.json").write_text('{"format": 99}', encoding="utf-8")
    assert main(["compare", *args]) == 2
    assert said in capfd.readouterr().err


def test_results_that_have_nothing_in_common_say_what_they_have(made, stored, capfd):
    base = stored(17)
    other = Path("results/20261124T100000-unary")
    other.mkdir()
    (found,) = run(made, 24, {"tcp": 30_000})
    results.write(found, other / "000.json")
    assert main(["compare", str(base), str(other)]) == 2
    told = capfd.readouterr().err
    assert "no arm in common" in told
    assert "not compared: tcp (unary: Quote, 1 user, sample small): only in the candidate" in told
    assert "not compared: grpc (unary: Quote, 1 user, sample small): only in the base" in told


def test_noise_that_cannot_be_read_is_told(stored, capfd):
    stored(17)
    stored(24)
    place = noise.place(Path("results"), "made-up")
    place.parent.mkdir()
    place.write_text("no JSON", encoding="utf-8")
    assert main(["compare"]) == 2
    assert "made-up.json: holds no sessions" in capfd.readouterr().err


def test_the_rule_is_the_gate_s():
    from harness.decide.gate import Rule as Gate

    assert all(getattr(Rule(), key) == getattr(Gate(), key) for key in Rule.__struct_fields__)


def test_what_is_true_of_all_arms_is_said_once(made):
    base = run(made, 17, {"a": 100_000, "b": 50_000}, (1, 16))

    def busy(*points):
        return [
            made.turns(each, foreign=lambda column: column + 2_000_000)
            if each.trial.users in points
            else each
            for each in base
        ]

    def doubtful(candidate):
        found = compare(base, candidate, Known("file"))
        return [
            line.partition(": other processes")[0] for line in changes.render(found) if "doubtful: " in line
        ]

    assert doubtful(busy(1, 16)) == ["  doubtful: all arms"]
    assert doubtful(busy(16)) == ["  doubtful: all arms (16 users)"]
    assert doubtful(base) == []


def test_a_broken_floor_is_told_once_for_all_arms(made):
    base = run(made, 17, {"a": 100_000, "b": 50_000})
    broken = [made.run(base[0], "floor", failure=Failure(fork=0, reason="it ended", stderr=""))]
    assert sentence(compare(base, broken, Known("file"))) == (
        "2 of 2 arms are invalid. No arm can be judged: candidate: the floor: failed in start 1: it ended."
    )


def test_what_is_said_of_all_arms_of_a_point_begins_as_sentences_do(made):
    base = run(made, 17, {"a": 100_000, "b": 50_000}, (1, 16))
    broken = [made.run(base[0], "floor", failure=Failure(fork=0, reason="it ended", stderr="")), base[1]]
    assert " All arms (1 user) cannot be judged: " in sentence(compare(base, broken, Known("file")))


def test_of_many_that_are_worse_three_are_told_of(made):
    names = "abcde"
    known = know(Noise(1, "made-up", SESSIONS), "file")
    base = run(made, 17, dict.fromkeys(names, 50_000))
    text = sentence(compare(base, run(made, 24, dict.fromkeys(names, 70_000)), known))
    assert text.startswith("5 of 5 arms are worse. a costs more")
    assert text.count("costs more") == 3
    assert text.endswith("; and 2 more.")


def test_what_cannot_be_told_gets_advice(made):
    known = know(Noise(1, "made-up", SESSIONS), "file")
    found = compare(run(made, 17, {"grpc": 100_000}), run(made, 24, {"grpc": 104_000}), known)
    assert sentence(found).endswith(" To decide it, measure both sides together: rpcduel gate.")


def test_of_several_that_cannot_be_told_only_names_are_given(made):
    known = know(Noise(1, "made-up", SESSIONS), "file")
    base = run(made, 17, {"a": 100_000, "b": 100_000, "c": 100_000})
    near = compare(base, run(made, 24, {"a": 104_000, "b": 104_000, "c": 104_000}), known)
    assert "are unclear. Sessions cannot tell whether any arm costs more than in the base." in sentence(near)
    some = compare(base, run(made, 24, {"a": 104_000, "b": 104_000, "c": 70_000}), known)
    assert "Sessions cannot tell whether a, b cost more than in the base." in sentence(some)


def test_costs_without_an_interval_are_named_with_the_reason(made):
    known = know(Noise(1, "made-up", SESSIONS), "file")
    base = run(made, 17, {"a": 100_000, "b": 50_000})
    silent = [made.turns(base[0], arm="a", server=lambda column: column * 0 - 1)]
    lines = changes.render(compare(base, silent, known))
    assert "  a: no ratio of CPU per call: it is not known of every fork (candidate)" in lines
    other = [replace(base[0], trial=replace(base[0].trial, users=4))]
    lines = changes.render(compare(other, other, known))
    assert "  all arms: no interval: A/A sessions are of 1 and 16 users" in lines
    assert lines[-1].endswith("Nothing is judged: A/A sessions are of 1 and 16 users.")
    assert not any("noise between sessions" in line for line in lines)


def test_a_metric_that_an_open_loop_has_not_is_named(made):
    known = know(Noise(1, "made-up", SESSIONS), "file")
    base = run(made, 17, {"a": 100_000}, (1, 16))
    found = compare(base, base, known, Rule(metrics=("time",)))
    loop = replace(
        found, ruling=None, arms=tuple(replace(one, changes=one.changes[:1]) for one in found.arms)
    )
    assert sentence(loop).endswith("Nothing is judged: time is none of the costs that both have.")


def test_every_option_is_told_of_in_the_docs_and_links_lead_somewhere():
    told = (DOCS / "compare.md").read_text(encoding="utf-8")
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.opts[0] in told, option.opts
    for link in re.findall(r"\]\(([^)#]+)", told):
        assert (DOCS / link).exists(), link
