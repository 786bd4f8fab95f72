"""The command line: help, exit codes, errors, `list`, `report` and `serve`."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import click
import numpy as np
import pytest
from click.testing import CliRunner

import harness.cli
import stacks
from harness import results
from harness.cli import COMMANDS, group, main, output
from harness.results import Machine, Pressure, Result, Run, Trial, Turns
from harness.version import VERSION
from scenarios.arm import Arm, SpecError
from scenarios.catalog import SCENARIOS
from stacks import hops
from stacks.base import Facts
from stacks.errors import MissingPackageError, StackError

ROOT = Path(__file__).parents[3]
HEAVY = {"numpy", "scipy", "rich", "grpc", "locust", "gevent", "msgspec", "uvloop", "msgpack"}
FACTS = Facts("one loop", "1", "off", "none", "none", "kept", 8, ("deadlines",), {"grpcio": "1.85"})


def run(*args, cwd=ROOT, **environment):
    return subprocess.run(
        [sys.executable, "-P", "-m", "harness", *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def result(users=1):
    arms = tuple(Arm(name=name, stack=name) for name in ("grpc-protobuf", "tcp-msgpack", "floor"))
    rounds, forks = 20, 5
    order = [(k, fork, r) for fork in range(forks) for r in range(rounds) for k in range(len(arms))]
    arm, fork, round_ = (np.array(column, dtype=np.int64) for column in zip(*order, strict=True))
    cost = np.array([300_000, 130_000, 26_000])[arm] + 500 * ((fork + round_) % 7)
    same = np.ones_like(arm)
    window = 4_000_000 * same
    turns = Turns(
        arm=arm,
        fork=fork,
        round=round_,
        long=0 * same,
        calls=5_000_000 // cost,
        failed=0 * same,
        done=4_000_000 // cost,
        window=window,
        busy=5_100_000 * same,
        p50=cost,
        max=2 * cost,
        client=3_000_000 * same,
        server=1_500_000 * same,
        foreign=0 * same,
        steal=0 * same,
    )
    return Result(
        format=results.FORMAT,
        rpcduel=VERSION,
        started="2026-11-22T15:44:33+00:00",
        command="rpcduel run",
        seed=1,
        trial=Trial(
            scenario="unary",
            arms=arms,
            baseline="grpc-protobuf",
            users=users,
            sample="small",
            method="Quote",
            turn=5_000_000,
            settle=1_000_000,
            seconds=1.5,
            forks=forks,
            service="stacks.shop:Shop",
            timeout=5.0,
        ),
        machine=Machine("A CPU", 2, (0,), (1,), 8 << 30, "6.1", "3.11", {"grpcio": "1.85"}, "abc"),
        runs=tuple(Run(each.name, FACTS, ((1, 2),) * forks, {}, "", 0) for each in arms),
        turns=turns,
        histograms=(),
        pressure=Pressure(None, None),
        forks_done=forks,
    )


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A working directory with two runs in ./results, the newer one of two trials."""
    monkeypatch.chdir(tmp_path)
    for name, users in (("20260101T000000-unary", (4,)), ("20260202T000000-unary", (1, 16))):
        place = tmp_path / "results" / name
        place.mkdir(parents=True)
        for number, each in enumerate(users):
            results.write(result(each), place / f"{number:03d}.json")
    return tmp_path / "results"


@pytest.mark.parametrize("name", ["", "compare", "gate", "init", "list", "report", "schema", "serve", "tap"])
def test_help(name, golden):
    args = [name, "--help"] if name else ["--help"]
    found = CliRunner().invoke(group, args, prog_name="rpcduel", terminal_width=80)
    assert found.exit_code == 0
    golden(f"help-{name or 'rpcduel'}.txt", found.output)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_tells_of_commands_that_exist(name):
    context = click.Context(group)
    assert isinstance(group.get_command(context, name), click.Command)


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["nonsense"]])
def test_the_overview_is_quick(args):
    code = (
        "import sys; from harness.cli import main; main(sys.argv[1:]); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *args], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    modules = set(found.stderr.splitlines()[-1].split())
    assert "click" in modules
    assert modules & HEAVY == set()


def test_version():
    found = run("--version")
    assert (found.returncode, found.stdout) == (0, f"rpcduel {VERSION}\n")


def test_an_unknown_command_gets_the_nearest(capsys):
    assert main(["repot"]) == 2
    assert "no command 'repot'; did you mean 'report'?" in capsys.readouterr().err
    assert main(["xyzzy"]) == 2
    assert "commands are: run, init, gate, compare, report" in capsys.readouterr().err


@pytest.mark.parametrize(
    "args", [["report", "--no-such"], ["list", "stack"], ["serve"], ["report", "a", "b"]]
)
def test_usage_errors_are_2(args, capsys):
    assert main(args) == 2
    assert "Error: " in capsys.readouterr().err


def raising(error):
    @click.command()
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SpecError("'x' is no arm; write y"), 2, "rpcduel: 'x' is no arm; write y\n"),
        (MissingPackageError("needs z; try: pip install z"), 2, "rpcduel: needs z; try: pip install z\n"),
        (results.ResultError("a.json: broken"), 2, "rpcduel: a.json: broken\n"),
        (KeyboardInterrupt(), 130, "rpcduel: interrupted\n"),
        (click.Abort(), 130, "rpcduel: interrupted\n"),
        (click.exceptions.Exit(3), 3, ""),
        (click.FileError("f", "gone"), 2, None),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_errors_have_exit_codes_and_no_trace(error, code, text, monkeypatch, capsys):
    monkeypatch.setattr(harness.cli, "silence", lambda: None)
    monkeypatch.setattr(harness.cli.Commands, "get_command", lambda *_: raising(error))
    assert main(["list"]) == code
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert text is None or shown == text


def test_a_defect_is_no_regression(monkeypatch, capsys):
    monkeypatch.setattr(harness.cli.Commands, "get_command", lambda *_: raising(ZeroDivisionError("oh")))
    assert main(["list"]) == 70
    assert "ZeroDivisionError: oh" in capsys.readouterr().err


def test_known_errors_exist():
    for module, name in harness.cli.KNOWN:
        __import__(module)
        assert issubclass(getattr(sys.modules[module], name), Exception)


def test_a_reader_that_goes_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        found = subprocess.run(
            [sys.executable, "-m", "harness", "list", "scenarios"],
            cwd=ROOT,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert (found.returncode, found.stderr) == (141, b"")


def test_a_full_disk_is_told_and_is_no_defect():
    with Path("/dev/full").open("wb") as full:
        found = subprocess.run(
            [sys.executable, "-m", "harness", "list", "scenarios"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert found.returncode == 2
    assert found.stderr == b"rpcduel: standard output cannot be written: No space left on device\n"


def test_output_goes_through_links_and_into_pipes(tmp_path):
    target, link, pipe = tmp_path / "target.md", tmp_path / "link.md", tmp_path / "pipe"
    target.write_text("before")
    link.symlink_to(target)
    output.give("after", link)
    assert link.is_symlink()
    assert target.read_text() == "after"

    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        output.give("into the pipe", pipe)
        assert os.read(reader, 100) == b"into the pipe"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_standard_output_by_its_name_is_written_to_though_it_is_a_pipe():
    script = (
        "from pathlib import Path; from harness.cli import output; output.give('text', Path('/dev/stdout'))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert (found.returncode, found.stdout) == (0, b"text")


def test_what_can_be_written_is_told_without_touching_it(tmp_path):
    file, loop, pipe = tmp_path / "file.md", tmp_path / "loop.md", tmp_path / "pipe"
    file.write_text("before")
    loop.symlink_to(loop)
    os.mkfifo(pipe)  # without a reader, so that who opens it waits
    for each in (file, loop, pipe, Path("/dev/full"), tmp_path / "new.md"):
        output.check(each)
    assert file.read_text() == "before"
    assert sorted(tmp_path.iterdir()) == [file, loop, pipe]
    for wrong, why in (
        (tmp_path, "Is a directory"),
        (tmp_path / "none" / "x.md", "No such file or directory"),
    ):
        with pytest.raises(
            click.UsageError, match=f"{wrong}: cannot be written: {why}; choose another place"
        ):
            output.check(wrong)


def test_each_run_has_a_directory_of_its_own_which_goes_if_it_stays_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "datetime", SimpleNamespace(now=lambda: datetime(2026, 11, 30, tzinfo=UTC)))
    with output.place(tmp_path, "gate") as one, output.place(tmp_path, "gate") as other:
        assert one != other
        assert one.is_dir()
        assert other.is_dir()
        (one / "000.json").touch()
    assert list(tmp_path.iterdir()) == [one]
    with pytest.raises(KeyboardInterrupt), output.place(tmp_path, "gate"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [one]


def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    with (
        pytest.raises(click.UsageError, match=r"cannot be made: No such file .*; choose another --out"),
        output.place(tmp_path / "gone", "gate"),
    ):
        pass


def test_list_tells_of_every_stack_scenario_and_of_hops(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in (*stacks.names(), *SCENARIOS, *hops.names()):
        assert name in shown
    assert "\nhops" in shown


def test_list_claims_by_number_with_the_scenario_that_measures_each(capsys):
    assert main(["list", "claims"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [str(k) for k in range(1, 10)]
    assert lines[0].endswith("A channel is expensive: reuse it, do not open one per request. (run channels)")
    assert main(["list", "claims", "--json"]) == 0
    assert {row["scenario"] for row in json.loads(capsys.readouterr().out)["claims"]} <= set(SCENARIOS)


def test_list_of_one_kind(capsys):
    assert main(["list", "hops"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "hops (between client and server: STACK@HOP)"
    assert [line.split()[0] for line in lines] == list(hops.names())


class Hop:
    facts = MappingProxyType({"processes": "one", "retries": "none"})

    def __init__(self, *carries):
        self.carries = frozenset(carries)

    def serve(self, routes, listen):
        raise StackError(f"does not start with {len(routes)} routes \x1b[31m")


def test_list_goes_on_past_hops_that_cannot_be_loaded_or_asked(monkeypatch, capsys):
    found = {"mute": Hop(), "dead": Hop("grpc", "rest"), "grpc-only": Hop("grpc")}

    def find(name):
        if name not in found:
            raise MissingPackageError("needs 'x'; try: pip install x")
        return found[name]

    monkeypatch.setattr(hops, "names", lambda: (*found, "lacking"))
    monkeypatch.setattr(hops, "find", find)
    assert main(["list", "hops", "--probe"]) == 0
    assert capsys.readouterr().out == (
        "hops (between client and server: STACK@HOP)\n"
        "  mute       processes: one; retries: none\n"
        "  dead       cannot be used: does not start with 2 routes [31m\n"
        "  grpc-only  cannot be used: does not start with 1 routes [31m\n"
        "  lacking    cannot be used: needs 'x'; try: pip install x\n"
        "\nno hop could be asked\n"
    )
    assert main(["list", "hops", "--probe", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["hops"]
    assert [row["probe"] for row in rows] == [None] * 4
    assert rows[0] == {
        "name": "mute",
        "carries": [],
        "facts": {"processes": "one", "retries": "none"},
        "error": None,
        "probe": None,
    }


def test_a_package_that_asking_needs_is_named(monkeypatch, capsys):
    monkeypatch.setattr(hops, "names", lambda: ("dead",))
    monkeypatch.setattr(hops, "find", lambda _: Hop("grpc"))
    monkeypatch.setitem(sys.modules, "stacks.hops.probe", None)  # as if it could not import h2
    assert main(["list", "hops", "--probe"]) == 0
    assert "asking needs 'stacks.hops.probe'; try: pip install 'rpcduel[gateways]'" in capsys.readouterr().out


@pytest.mark.parametrize("part", [[], ["stacks"]])
def test_only_hops_can_be_asked(part, capsys):
    assert main(["list", *part, "--probe"]) == 2
    assert "rpcduel list hops --probe" in capsys.readouterr().err


class Stack:
    wire = True
    facts = FACTS


def find(name):
    """Stacks of which one is there, one lacks its package and one is broken."""
    if name == "lacking":
        raise MissingPackageError("needs 'x'; try: pip install x")
    if name == "broken":
        raise SyntaxError("bad \x1b[31mplug-in")
    return Stack()


def test_list_goes_on_past_stacks_that_cannot_be_loaded(monkeypatch, capsys):
    monkeypatch.setattr(stacks, "names", lambda: ("grpc-protobuf", "lacking", "broken"))
    monkeypatch.setattr(stacks, "find", find)
    assert main(["list", "stacks"]) == 0
    assert capsys.readouterr().out == (
        "stacks (* compared unless told otherwise)\n"
        "  grpc-protobuf *  one loop; grpcio 1.85\n"
        "  lacking          cannot be used: needs 'x'; try: pip install x\n"
        "  broken           cannot be used: bad [31mplug-in\n"
    )
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["error"] for each in found["stacks"]] == [
        None,
        "needs 'x'; try: pip install x",
        "bad \x1b[31mplug-in",
    ]
    assert found["stacks"][0]["facts"]["versions"] == {"grpcio": "1.85"}
    assert found["stacks"][0]["default"]
    assert [each["name"] for each in found["hops"]] == [*hops.names()]
    assert {each["name"] for each in found["scenarios"]} == set(SCENARIOS)


def test_report_shows_the_newest_run(stored, capsys):
    assert main(["report"]) == 0
    shown = capsys.readouterr().out
    assert "unary: Quote, 1 user, sample small; 5 forks" in shown
    assert "16 users" in shown
    assert "4 users" not in shown
    assert "tcp-msgpack: 7,5" in shown


def test_report_says_which_run_of_several_it_shows(stored, capsys):
    assert main(["report", str(stored)]) == 0
    shown = capsys.readouterr()
    assert f"{stored} holds 2 runs; this is the newest, 20260202T000000-unary" in shown.err
    assert "16 users" in shown.out


def test_report_of_one_file_as_a_table(stored, capsys):
    assert main(["report", str(stored / "20260101T000000-unary" / "000.json"), "--width", "80"]) == 0
    shown = capsys.readouterr().out
    assert "4 users" in shown
    assert "────" in shown
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("html", "<!DOCTYPE html>"),
        ("md", "## unary"),
        ("csv", "trial,scenario,method,part,users,sample,arm"),
        ("json", '{\n  "format": 1'),
        ("junit", "<?xml"),
    ],
)
def test_report_in_other_formats(stored, form, start, capsys):
    assert main(["report", "--format", form]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(start)
    file = stored.parent / f"report.{'xml' if form == 'junit' else form}"
    file.write_text("old")
    assert main(["report", "-o", str(file)]) == 0
    assert file.read_text(encoding="utf-8") == printed
    assert file.stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in stored.parent.iterdir()) == [file.name, "results"]


def test_csv_has_a_row_for_every_turn(stored, capsys):
    assert main(["report", "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2 * 5 * 20 * 3


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["nowhere"], "nowhere: there is no such result; `rpcduel run` makes one"),
        (["-o", "report.xls"], "report.xls: the ending says no format"),
        (["-o", "none/report.md"], "none/report.md: cannot be written: No such file or directory"),
        (["-o", "folder.md"], "folder.md: cannot be written: Is a directory"),
        (["--format", "md", "--width", "80"], "--width is for the table"),
        (["--format", "pdf"], "'pdf' is not one of"),
    ],
)
def test_report_errors(stored, args, text, capsys):
    (stored.parent / "folder.md").mkdir()
    assert main(["report", *args]) == 2
    assert text in capsys.readouterr().err
    assert sorted(path.name for path in stored.parent.iterdir()) == ["folder.md", "results"]


def test_report_without_results(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 2
    assert capsys.readouterr().err == "rpcduel: results: holds no results yet; `rpcduel run` makes some\n"


def test_report_of_a_damaged_file(stored, capsys):
    file = stored / "20260202T000000-unary" / "000.json"
    file.write_text('{"format": 1')
    assert main(["report"]) == 2
    said = capsys.readouterr().err
    assert "is no whole rpcduel result" in said
    assert "move it out of the way to read the others of its run" in said
    assert main(["report", str(file)]) == 2
    assert "out of the way" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "environment", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}]
)
@pytest.mark.parametrize("args", [[], ["--width", "80"], ["--format", "md"]])
def test_report_under_a_poor_encoding(stored, environment, args):
    found = run("report", *args, cwd=stored.parent, **environment)
    assert (found.returncode, found.stderr) == (0, "")
    assert "tcp-msgpack" in found.stdout
