"""`rpcduel run` as a user types it: what it prints, stores, refuses, and leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness import results
from harness.cli import main
from scenarios.catalog import SCENARIOS

RUN = [sys.executable, "-P", "-m", "harness", "run"]
LOCUSTFILE = Path(__file__).parents[3] / "scenarios" / "locustfile.py"
BRIEF = ["--stack", "tcp-msgpack", "--users", "1", "--forks", "1", "--seconds", "0.5"]


def rpcduel(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=100
    )


def test_a_run_says_its_plan_first_and_its_answer_last(tmp_path):
    found = rpcduel("--stack", "tcp-msgpack,memory", *BRIEF[2:], cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert found.stderr.splitlines()[0].startswith("2 arms and the floor × 1 point × 1 fork, about ")
    lines = found.stdout.splitlines()
    told = re.fullmatch(r"Stored in (results/.+); its report: (.+)", lines[-1])
    assert told
    assert told[2] == f"{told[1]}/report.html"
    assert (tmp_path / told[2]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert any("memory" in line and "×" in line for line in lines)
    (stored,) = (tmp_path / "results").glob("*-unary/*.json")
    assert [run.arm for run in results.read(stored).runs] == ["tcp-msgpack", "memory", "floor"]


def test_json_is_one_object_and_nothing_else(tmp_path):
    found = rpcduel(*BRIEF, "--json", cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    (comparison,) = json.loads(found.stdout)["comparisons"]
    assert [arm["name"] for arm in comparison["arms"]] == ["tcp-msgpack", "floor"]


def test_each_load_is_a_trial_of_its_own(tmp_path):
    found = rpcduel(
        "--stack", "tcp-msgpack", "--users", "1,4", "--forks", "1", "--seconds", "1", cwd=tmp_path
    )

    assert found.returncode == 0, found.stderr
    (place,) = (tmp_path / "results").iterdir()
    assert [result.trial.users for result in results.read_all(place)] == [1, 4]


def test_a_suite_is_run_and_the_command_line_stands_above_it(tmp_path):
    (tmp_path / "suite.toml").write_text(
        'baseline = "two"\nusers = [1]\nforks = 3\nseconds = 0.6\n'
        '[arms.one]\nstack = "memory"\n[arms.two]\nstack = "memory-json"\n'
    )

    found = rpcduel("suite.toml", "--forks", "1", cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    (result,) = results.read_all(next((tmp_path / "results").iterdir()))
    assert result.trial.baseline == "two"
    assert result.trial.forks == 1
    assert result.command == "rpcduel run suite.toml --forks 1"


def test_a_dry_run_measures_and_stores_nothing(tmp_path):
    found = rpcduel("--dry-run", cwd=tmp_path)

    assert found.returncode == 0
    assert "5 forks" in found.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_a_first_look(scenario, capsys):
    assert main(["run", scenario, "--quick", "--dry-run"]) == 0
    assert "a first look, no verdict" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--stack", "grpc-protobuff"], ["'grpc-protobuff'", "did you mean 'grpc-protobuf'?"]),
        (["--stack", "tcp-msgpack,floor"], ["floor"]),
        (["--stack", "memory@python"], ["'memory@python'", "names of stacks alone; give a SPEC by --arm"]),
        (["--stack", "memory,channel=shared"], ["'channel=shared'", "give a SPEC by --arm"]),
        (["unarry"], ["'unarry'", "unary"]),
        (["--arm", "tcp-msgpack,chanel=shared"], ["'chanel=shared'", "channel"]),
        (["--arm", "tcp-msgpack@teleport"], ["hop 'teleport'"]),
        (["--arm", "memory,work=spin:fast"], ["'spin:fast'", "spin:9us"]),
        (["--arm", "a=memory", "--arm", "a=memory-json"], ["'a'", "name of its own"]),
        (["--channel", "sharedd"], ["'sharedd'", "per-request"]),
        (["--sample", "tiny"], ["'tiny'", "small"]),
        (["--users", "1,x"], ["'1,x'"]),
        (["--users", "0"], ["users=0"]),
        (["--forks", "1000"], ["forks=1000"]),
        (["--seconds", "-1"], ["seconds=-1"]),
        (["--baseline", "thrift"], ["'thrift'", "grpc-protobuf"]),
        (["nowhere.toml"], ["nowhere.toml", "No such file"]),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_starts(tmp_path, arguments, words):
    found = rpcduel(*arguments, cwd=tmp_path)

    assert found.returncode == 2
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
    for word in words:
        assert word in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_said_before_measuring(tmp_path):
    (tmp_path / "file").write_text("")

    found = rpcduel(*BRIEF, "--out", "file/results", cwd=tmp_path)

    assert found.returncode == 2
    assert "file/results" in found.stderr
    assert "--out" in found.stderr
    assert "starting" not in found.stderr


def test_a_failed_arm_exits_with_4_and_the_others_are_stored(tmp_path):
    (tmp_path / "suite.toml").write_text(
        'users = [1]\nforks = 1\nseconds = 0.6\n[arms.good]\nstack = "tcp-msgpack"\n'
        '[arms.bad]\nstack = "tcp-msgpack"\n'
        f'server = ["{sys.executable}", "-c", "raise SystemExit(\'no licence\')", "{{port}}"]\n'
    )

    found = rpcduel("suite.toml", cwd=tmp_path)

    assert found.returncode == 4
    assert "no licence" in found.stdout
    (result,) = results.read_all(next((tmp_path / "results").iterdir()))
    assert result.runs[0].failure is None
    assert result.runs[1].failure is not None


def test_an_arm_at_a_running_server_is_measured_with_its_cpu(tmp_path):
    command = [sys.executable, "-P", "-m", "stacks", "serve", "tcp-msgpack"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        spec = f"tcp-msgpack,at={address['host']}:{address['port']}"
        found = rpcduel("--arm", spec, *BRIEF[2:], "--json", cwd=tmp_path)
    finally:
        server.terminate()
        server.communicate()

    assert found.returncode == 0, found.stderr
    arm = json.loads(found.stdout)["comparisons"][0]["arms"][0]
    assert arm["server_cpu"] > 0
    assert arm["client_cpu"] > 0
    (result,) = results.read_all(next((tmp_path / "results").iterdir()))
    assert result.runs[0].pids[0][1] == server.pid
    assert result.runs[0].facts.concurrency == "not ours, so not known"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_finished_trials_and_leaves_nothing_running(tmp_path, number):
    arguments = ["--stack", "tcp-msgpack", "--users", "1,2", "--forks", "1", "--seconds", "6"]
    process = subprocess.Popen(
        [*RUN, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("trial 2 of 2") and "fork 1" in line:
            break
    offspring = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert len(offspring) >= 3
    assert psutil.wait_procs(offspring, timeout=10)[1] == []
    kept = sorted(path.name for path in (tmp_path / "results").glob("*/*"))
    assert kept == ["000-1-users-small-Quote.json", "report.html"]
    assert "1 user" in out


def test_plain_locust_can_drive_a_stack(tmp_path):
    command = [sys.executable, "-P", "-m", "stacks", "serve", "grpc-msgpack"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        host = f"{address['host']}:{address['port']}"
        locust = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--json"]
        found = subprocess.run(
            [*locust, "--users", "2", "--run-time", "3s", "--host", host],
            env=os.environ | {"RPCDUEL_STACK": "grpc-msgpack"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        server.terminate()
        server.communicate()

    assert found.returncode == 0, found.stderr
    (entry,) = json.loads(found.stdout)
    assert entry["num_requests"] >= 2  # a busy machine may let through no more
    assert entry["num_failures"] == 0
