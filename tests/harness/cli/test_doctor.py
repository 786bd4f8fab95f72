"""The command `rpcduel doctor`: what it examines, prints, stores and refuses."""

import json

import pytest
from msgspec.structs import replace

from harness import noise
from harness.cli import doctor, main
from harness.doctor.check import Check

MACHINE = "0123456789ab"


def run(*args):
    try:
        return main(["doctor", *args])
    except SystemExit as stop:
        return stop.code


@pytest.fixture
def played(made, monkeypatch):
    """Let a machine that is made up play made-up trials; gives the users of each."""
    users_played = []

    class Bench:
        def __init__(self, machine, observer, seed):
            self.machine = machine
            self.doubts = {}

        def plan(self, trials):
            pass

        def play(self, arms, users, seconds, forks, *, floor):
            users_played.append(users)
            self.doubts["foreign-cpu"] = 1
            result = made.result({"A": 100_000, "B": 100_000}, floor=20_000, forks=forks)
            return replace(result, trial=replace(result.trial, users=users))

    monkeypatch.setattr("harness.doctor.bench.Bench", Bench)
    here = replace(made.machine, fingerprint=MACHINE)
    monkeypatch.setattr("harness.machine.look", lambda: here)
    return users_played


@pytest.fixture
def checked(monkeypatch):
    """Let every check be one that only tells its name, but for the session."""
    monkeypatch.setattr(doctor, "_find", lambda path: lambda _: Check(path, "?", (), (), "answer", None))


def names(text):
    return [each["name"].rpartition(":")[2] for each in json.loads(text)["checks"]]


def test_every_check_exists():
    assert all(callable(doctor._find(path)) for path in doctor.ALL.values())


def test_the_machine_is_examined_and_looked_back_on(capsys):
    assert run("--only", "machine,meanwhile", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [check["name"] for check in found["checks"]] == ["machine", "meanwhile"]
    assert "noise" not in found
    assert {len(row) for check in found["checks"] for row in check["rows"]} == {3}


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ((), [*doctor.NAMES, *doctor.LAST]),
        (("--full",), list(doctor.ALL)),
        (("--only", "memory,floor"), ["memory", "floor"]),
        (("--aa",), ["noise"]),
        (("--aa", "--only", "machine"), ["machine", "noise"]),
        (("--aa", "--full"), [*doctor.ALL, "noise"]),
    ],
)
def test_what_is_chosen(played, checked, tmp_path, capsys, args, wanted):
    assert run(*args, "--out", str(tmp_path), "--json") == 0
    path = {doctor.ALL[name].rpartition(":")[2]: name for name in doctor.ALL}
    assert [path.get(name, name) for name in names(capsys.readouterr().out)] == wanted


def test_sessions_are_stored_and_shown(played, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    place = tmp_path / "noise" / f"{MACHINE}.json"
    for count in range(1, 6):
        assert run("--aa", "--out", str(tmp_path)) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert ("5 sessions, of which" if count == 5 else f"{count} of the 5 sessions") in shown
        assert "doubtful: foreign-cpu in 1" in shown
    assert "SD between sessions" in shown
    assert len(noise.read(place).sessions) == 5
    assert played == [1, 16] * 5


def test_sessions_are_told_as_json(played, tmp_path, capsys):
    for _ in range(5):
        assert run("--aa", "--out", str(tmp_path), "--json") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.replace("}\n{", "}\0{").split("\0")]
    assert [one["noise"]["sessions"] for one in told] == [1, 2, 3, 4, 5]
    assert [len(one["noise"]["spreads"]) for one in told] == [0, 0, 0, 0, 6]
    assert told[-1]["noise"]["wanted"] == 5


@pytest.mark.parametrize(
    ("data", "reason"),
    [("{", "holds no sessions"), ('{"format": 2}', "has format 2")],
    ids=["damaged", "newer"],
)
def test_a_file_that_cannot_be_read_is_refused_before_anything_is_played(
    played, tmp_path, capsys, data, reason
):
    place = tmp_path / "noise" / f"{MACHINE}.json"
    place.parent.mkdir()
    place.write_text(data)
    assert run("--aa", "--out", str(tmp_path)) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"rpcduel: {place}: {reason}")
    assert told.out == ""
    assert place.read_text() == data
    assert played == []


def test_a_folder_that_cannot_be_written_is_refused(played, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run("--aa", "--out", str(tmp_path / "file")) == 2
    assert "choose another --out" in capsys.readouterr().err
    assert played == []


def test_a_goal_that_is_missed_gives_its_exit_code(played, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_find", lambda _: lambda _: Check("x", "?", (), (), "", met=False))
    assert run("--only", "tax", "--json") == 4


def test_a_check_that_there_is_not(capsys):
    assert run("--only", "machine,nonsense") == 2
    assert "there is no check 'nonsense'" in capsys.readouterr().err


def test_tables_are_written_too(played, checked, tmp_path, capsys):
    assert run("--only", "machine", "-o", str(tmp_path / "tables.md")) == 0
    assert (tmp_path / "tables.md").read_text().startswith("### ")
