"""`rpcduel gate`: its question, its exit codes with real processes, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import psutil
import pytest
from msgspec.structs import replace

from harness import results
from harness.cli import gating, main
from harness.decide.gate import Rule
from harness.measure import conduct
from harness.plan import gate
from harness.plan.wish import Wish
from scenarios.arm import SpecError, parse

ROOT = Path(__file__).parents[3]
GATE = [sys.executable, "-P", "-m", "harness", "gate"]
BRIEF = ["--looks", "4", "--seconds", "0.4", "--users", "2"]
"""As few forks as there can be an interval of."""
FAR = ["--tolerance", "30%", "--detect", "90%"]
"""So far apart that noise of a busy machine decides nothing."""


def rpcduel(*arguments, cwd, **environment):
    return subprocess.run(
        [*GATE, *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def asked(*candidates, base="tcp-msgpack", rule=None, wish=None, seconds=8.0):
    return gate.ask(
        wish or Wish(), parse(base), [parse(each) for each in candidates], rule or Rule(), seconds
    )


def test_each_look_has_as_many_more_forks_and_each_fork_as_much_time():
    question = asked("tcp-json")
    trials = gate.expand(question)
    assert [trial.forks for trial in trials] == [8, 8, 16]
    assert [trial.seconds for trial in trials] == [24.0, 24.0, 48.0]  # two arms and the floor
    for trial in trials:
        assert [arm.name for arm in trial.arms] == ["tcp-msgpack", "tcp-json", "floor"]
        assert (trial.baseline, trial.users, trial.sample, trial.method) == (
            "tcp-msgpack",
            16,
            "small",
            "Quote",
        )


def test_the_same_against_the_same_gets_names():
    question = asked("tcp-msgpack", "tcp-msgpack,work=spin:9us")
    assert question.base.name == "tcp-msgpack"
    assert [arm.name for arm in question.candidates] == ["tcp-msgpack#2", "tcp-msgpack,work=spin:9us"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"candidates": []}, "no candidate"),
        ({"candidates": ["tcp-json"] * 6}, "6 candidates are too many: 5 share"),
        ({"candidates": ["tcp-json,method=Echo"]}, "has method Echo, and its base tcp-msgpack (none)"),
        ({"candidates": ["tcp-json,beside=1MiB"]}, "has beside 1MiB"),
        ({"candidates": ["tcp-json"], "wish": Wish(users=(1, 16))}, "a gate looks at one point, and unary"),
        ({"candidates": ["tcp-json"], "wish": Wish(scenario="open", rates=("500",))}, "is an open loop"),
        ({"candidates": ["tcp-json"], "wish": Wish(method="Haggle")}, "Haggle is a bidi call"),
        ({"candidates": ["tcp-json"], "rule": Rule(looks=(3,))}, "looks '3'"),
        ({"candidates": ["tcp-json"], "rule": Rule(looks=(8, 8))}, "looks '8,8'"),
        ({"candidates": ["tcp-json"], "rule": Rule(looks=(8, 201))}, "from 4 to 200"),
        (
            {"candidates": ["tcp-json"], "rule": Rule(metrics=("speed",))},
            "no metric 'speed'; metrics are: p50, time, cpu",
        ),
        ({"candidates": ["tcp-json"], "rule": Rule(metrics=("cpu", "cpu"))}, "at most once"),
        ({"candidates": ["tcp-json"], "rule": Rule(tolerance=0.05)}, "tolerance 5.00% must be below detect"),
        ({"candidates": ["tcp-json"], "seconds": 0.0}, "seconds=0"),
        ({"candidates": ["floor"]}, "the floor takes part"),
    ],
)
def test_what_cannot_be_gated_is_refused(change, said):
    candidates = change.pop("candidates")
    with pytest.raises(SpecError) as caught:
        asked(*candidates, **change)
    assert said in str(caught.value)


@pytest.mark.parametrize(("text", "value"), [("2%", 0.02), ("0.5 %", 0.005), (" 10% ", 0.1)])
def test_shares_are_per_cent(text, value):
    assert gate.percent(text, "tolerance") == pytest.approx(value)


@pytest.mark.parametrize("text", ["2", "0.02", "-2%", "two%", "%"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(SpecError, match=r"tolerance .* is no share; write it as 2%"):
        gate.percent(text, "tolerance")


@pytest.fixture
def suite(tmp_path):
    file = tmp_path / "suite.toml"
    file.write_text(
        'sample = ["medium"]\n[arms.old]\nstack = "tcp-msgpack"\n[arms.new]\nstack = "tcp-json"\n'
        '[arms.odd]\nstack = "rest-json"\n'
        '[gate]\nbase = "new"\ncandidates = ["old"]\nusers = 3\ntolerance = "3%"\nlooks = [5, 9]\n'
        'metrics = ["cpu"]\nseconds = 2\n'
    )
    return file


def question(path, base="", candidates=(), **given):
    empty = dict.fromkeys(("sample", "service", "method", "tolerance", "detect", "metrics", "looks"), "")
    return gating.question(path, base, candidates, **{**empty, "users": None, "seconds": None, **given})


def test_a_suite_says_what_is_gated(suite):
    found = question(suite)
    assert (found.base.name, [arm.name for arm in found.candidates]) == ("new", ["old"])
    assert found.rule == Rule(metrics=("cpu",), tolerance=0.03, looks=(5, 9))
    assert (found.wish.users, found.wish.samples, found.seconds) == ((3,), ("medium",), 2.0)


def test_the_command_line_stands_above_the_suite(suite):
    found = question(
        suite,
        "old",
        ["odd", "x=tcp-json"],
        users=4,
        sample="small",
        tolerance="1%",
        metrics="time",
        looks="8",
    )
    assert (found.base.name, [arm.name for arm in found.candidates]) == ("old", ["odd", "x"])
    assert found.rule == Rule(metrics=("time",), tolerance=0.01, looks=(8,))
    assert (found.wish.users, found.wish.samples) == ((4,), ("small",))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("users", "0", "users=0: must be from 1 to"), ("seconds", "0", "seconds=0: must be more than 0")]
    + [
        (key, value, f"gate.{key}: is empty; leave it out")
        for key, value in (
            ("looks", "[]"),
            ("metrics", "[]"),
            ("candidates", "[]"),
            ("tolerance", '""'),
            ("detect", '""'),
            ("base", '""'),
            ("service", '""'),
        )
    ],
)
def test_what_a_suite_s_gate_says_and_means_nothing_is_refused(tmp_path, key, value, said):
    file = tmp_path / "suite.toml"
    arms = '[arms.old]\nstack = "tcp-msgpack"\n[arms.new]\nstack = "tcp-json"'
    file.write_text(f"{arms}\n[gate]\n{key} = {value}\n")
    with pytest.raises(SpecError) as caught:
        question(file)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("base", "candidates", "said"),
    [
        ("new", ["new"], "'new' is the base and one of its candidates; leave it out there"),
        ("new", ["old", "odd", "old"], "the candidate 'old' is given twice; give it once"),
    ],
)
def test_an_arm_of_a_suite_stands_in_a_gate_once(suite, base, candidates, said):
    text = suite.read_text().replace('"new"\n', f'"{base}"\n')
    suite.write_text(text.replace('["old"]', json.dumps(candidates)))
    with pytest.raises(SpecError) as by_suite:
        question(suite)
    with pytest.raises(SpecError) as by_options:
        question(suite, base, candidates)
    assert said in str(by_suite.value)
    assert said in str(by_options.value)


def test_without_a_table_the_first_arm_is_the_base_and_all_others_are_candidates(suite):
    suite.write_text(suite.read_text().partition("[gate]")[0])
    found = question(suite)
    assert (found.base.name, [arm.name for arm in found.candidates]) == ("old", ["new", "odd"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no base; give --base SPEC"),
        (["--base", "tcp-msgpack"], "there is no candidate"),
        (["--base", "tcp-msgpack", "--candidate", "tcp-jsonn"], "did you mean"),
        (["--base", "tcp-msgpack", "--candidate", "tcp-json", "--tolerance", "2"], "write it as 2%"),
        (["--base", "tcp-msgpack", "--candidate", "tcp-json", "--looks", "8,x"], "looks '8,x'"),
        (["--base", "tcp-msgpack", "--candidate", "tcp-json", "-o", "gate.txt"], "the ending says no format"),
        (
            ["--base", "tcp-msgpack", "--candidate", "tcp-json", "--format", "md", "--json"],
            "give --format a file",
        ),
        (
            [
                "--base",
                "tcp-msgpack",
                "--candidate",
                "tcp-json",
                "--format",
                "md",
                "--format",
                "json",
                "-o",
                "a.md",
            ],
            "needs a -o of its own",
        ),
        (["nowhere.toml"], "nowhere.toml: cannot be read"),
    ],
)
def test_usage_errors_are_said_before_anything_starts(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["gate", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_regression_exits_with_1_and_tells_everybody(tmp_path):
    specs = ["--base", "old=tcp-msgpack", "--candidate", "new=tcp-msgpack,work=wait:5ms"]
    forms = ["-o", "gate.md", "-o", "gate.xml", "-o", "gate.json"]
    found = rpcduel(*specs, *BRIEF, "--metrics", "time", *FAR, *forms, cwd=tmp_path)

    assert found.returncode == 1, found.stderr
    assert found.stderr.startswith("new against old: a look after 4 forks, which take about ")
    *_, answer, stored = found.stdout.splitlines()
    assert answer.startswith("new costs more than old, by over 30 %: time per call +")
    place = tmp_path / stored.removeprefix("Stored in ").partition(";")[0]
    (result,) = results.read_all(place)
    assert [run.arm for run in result.runs] == ["old", "new", "floor"]
    assert "❌" in (tmp_path / "gate.md").read_text(encoding="utf-8")
    assert ET.parse(tmp_path / "gate.xml").getroot().attrib["failures"] == "1"
    assert json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))["outcome"] == "worse"


def crowded(found):
    """Give the code and the outcome of a gate beside which other tests took too much of the machine."""
    return [(3, "unclear")] if "other processes used" in found.stdout else []


def test_the_same_passes_as_json(tmp_path):
    specs = ["--base", "tcp-msgpack", "--candidate", "tcp-msgpack", "--metrics", "cpu"]
    found = rpcduel(*specs, *BRIEF, *FAR, "--json", cwd=tmp_path)

    told = json.loads(found.stdout)
    assert (found.returncode, told["outcome"]) in ((0, "same"), *crowded(found)), found.stdout
    assert found.stderr == ""
    assert told["forks"] == 4
    assert [each["metric"] for each in told["verdicts"]] == ["cpu"]


def test_a_broken_base_is_invalid_and_never_a_pass(tmp_path, capsys):
    (tmp_path / "suite.toml").write_text(
        '[arms.good]\nstack = "tcp-msgpack"\n[arms.bad]\nstack = "tcp-msgpack"\n'
        f'server = ["{sys.executable}", "-c", "raise SystemExit(\'no licence\')", "{{port}}"]\n'
        '[gate]\nbase = "bad"\n'
    )
    found = rpcduel("suite.toml", *BRIEF, cwd=tmp_path)

    assert found.returncode == 4, found.stderr
    why = "bad: failed in start 1: its server ended with exit code 1.\n    | no licence\n"
    assert f"good cannot be judged: {why}" in found.stdout
    assert main(["report", str(next(tmp_path.glob("results/*-gate")))]) == 0
    assert why in capsys.readouterr().out


@pytest.fixture
def played(made, monkeypatch):
    """Let looks give made-up results of a cost and a spread each; gives the list of trials asked for."""
    trials = []

    def play(*costs):
        def conduct_(trial, _machine, seed, _command, _observer, *, fixed):
            assert fixed is bool(trials)
            trials.append(trial)
            cost, fork_sd = costs[len(trials) - 1]
            made_up = made.result(
                {"tcp-msgpack": 100_000, "tcp-json": cost},
                forks=trial.forks,
                floor=20_000,
                fork_sd=fork_sd,
                seed=seed,
            )
            return replace(made_up, trial=replace(made_up.trial, turn=2 * trial.turn))

        monkeypatch.setattr(conduct, "conduct", conduct_)
        return trials

    return play


def ended(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return stop.value.code


CONTENDERS = ["--base", "tcp-msgpack", "--candidate", "tcp-json", "--metrics", "time", "--seed", "3"]


def test_it_looks_again_until_something_can_be_said(played, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    trials = played((105_000, 0.05), (130_000, 0.01))
    assert ended(["gate", *CONTENDERS]) == 1
    shown = capsys.readouterr()
    assert [trial.forks for trial in trials] == [8, 8]
    assert trials[1].turn == 2 * trials[0].turn  # as long as those of the first look came to be
    assert "after 8 forks 1 of 1 candidate is unclear" in shown.err
    assert "tcp-json costs more than tcp-msgpack" in shown.out
    assert [path.name for path in sorted(tmp_path.glob("results/*-gate/*"))] == [
        "000-look-1.json",
        "001-look-2.json",
    ]


def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(
    played, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    trials = played((130_000, 0.01))
    assert main(["gate", *CONTENDERS, "-o", "good.xml", "-o", "none/gate.md"]) == 2
    assert "none/gate.md: cannot be written: No such file or directory" in capsys.readouterr().err
    assert trials == []
    assert [path.name for path in tmp_path.rglob("*")] == ["results"]


def test_what_cannot_be_written_at_the_end_takes_nothing_from_the_ruling(
    played, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    played((130_000, 0.01))
    forms = ["--format", "md", "-o", "/dev/full", "--format", "json", "-o", "good.json"]
    assert ended(["gate", *CONTENDERS, *forms]) == 1
    shown = capsys.readouterr()
    assert "rpcduel: /dev/full: cannot be written: No space left on device" in shown.err
    assert "tcp-json costs more than tcp-msgpack" in shown.out
    assert json.loads((tmp_path / "good.json").read_text())["outcome"] == "worse"


def test_a_full_standard_output_takes_nothing_from_the_ruling(tmp_path):
    broken = f'stack = "tcp-msgpack"\nserver = ["{sys.executable}", "-c", "", "{{port}}"]\n'
    (tmp_path / "suite.toml").write_text(f"[arms.old]\n{broken}[arms.new]\n{broken}")
    with Path("/dev/full").open("wb") as full:
        found = subprocess.run(
            [*GATE, "suite.toml", *BRIEF, "--json", "-o", "gate.md"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=100,
        )
    assert found.returncode == 4
    assert found.stderr.endswith("rpcduel: standard output cannot be written: No space left on device\n")
    assert (tmp_path / "gate.md").exists()


def test_what_stays_unclear_exits_with_3_and_says_how_many_forks_it_takes(
    played, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    trials = played(*[(103_500, 0.06)] * 3)
    assert ended(["gate", *CONTENDERS]) == 3
    answer = capsys.readouterr().out.splitlines()[-2]
    assert [trial.forks for trial in trials] == [8, 8, 16]
    assert answer.startswith("tcp-json: after 32 forks it is unclear whether it costs more than tcp-msgpack")
    assert re.search(r"; it would take (about \d+|more than 200) forks\.$", answer)


def test_what_was_measured_before_a_signal_is_told(played, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    played((100_000, 0.005))
    whole = conduct.conduct

    def broken_off(*asked, fixed):
        raise conduct.Interrupted(whole(*asked, fixed=fixed))

    monkeypatch.setattr(conduct, "conduct", broken_off)
    assert ended(["gate", *CONTENDERS]) == 130
    assert "tcp-json does not cost 5 % more than tcp-msgpack" in capsys.readouterr().out


def test_a_signal_leaves_nothing_running_and_says_what_is_known(tmp_path):
    specs = ["--base", "tcp-msgpack", "--candidate", "tcp-json", "--seconds", "30"]
    process = subprocess.Popen(
        [*GATE, *specs], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "fork 1" in line:
            break
    offspring = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "interrupted before anything could be said" in err
    assert list((tmp_path / "results").iterdir()) == []
    assert len(offspring) >= 3
    assert psutil.wait_procs(offspring, timeout=10)[1] == []


def test_a_report_shows_looks_one_by_one_and_then_what_was_ruled(made, tmp_path, capsys):
    for k in range(2):
        look = made.result({"old": 90_000, "new": 99_000}, floor=20_000, seed=k, forks=8)
        results.write(replace(look, command="rpcduel gate --tolerance 3%"), tmp_path / f"{k}.json")
    assert main(["report", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("made-up: Quote") == 2
    assert "trials that share" not in shown
    ruling = "new costs more than old, by over 3 %"
    assert ruling in shown.splitlines()[-1]
    for form, said in (("md", ruling), ("junit", 'failures="2"'), ("json", '"outcome": "worse"')):
        assert main(["report", str(tmp_path), "--format", form]) == 0
        assert said in capsys.readouterr().out


@pytest.mark.parametrize(("candidate", "code"), [("indexed", 0), ("scanning", 1)])
def test_the_worked_example_does_what_the_docs_say(tmp_path, candidate, code):
    place = tmp_path / "orders"
    shutil.copytree(ROOT / "docs" / "examples" / "orders", place)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quick = ["--looks", "4", "--seconds", "0.8", "--tolerance", "10%", "--detect", "60%", "--metrics", "cpu"]
    found = rpcduel("gate.toml", "--candidate", candidate, *quick, cwd=place, PATH=path)
    codes = (code, *(3 for _ in crowded(found))) if code == 0 else (code,)
    assert found.returncode in codes, found.stdout + found.stderr


def test_the_suite_for_ci_finds_what_a_branch_made_slower(tmp_path):
    orders, place = ROOT / "docs" / "examples" / "orders", tmp_path / "repository"
    for side in (place, place / "base"):
        shutil.copytree(orders, side, dirs_exist_ok=True)
    shutil.copy(ROOT / "docs" / "ci" / "gate.toml", place)
    server = place / "server.py"
    server.write_text(server.read_text().replace('default="indexed"', 'default="scanning"'))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quick = ["--looks", "4", "--seconds", "0.8", "--tolerance", "10%", "--detect", "60%", "--metrics", "cpu"]
    found = rpcduel("gate.toml", *quick, "-o", "gate.md", cwd=place, PATH=path)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "proposed costs more than target" in (place / "gate.md").read_text()
