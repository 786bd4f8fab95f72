"""`rpcduel init`: a suite that runs as it is, and whose examples all hold."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import stacks
from harness import results
from harness.cli import main
from harness.plan import starter, suite
from harness.plan.suite import GateTable, _ArmTable, _Suite
from harness.plan.trials import expand
from scenarios.arm import name_all, parse
from scenarios.catalog import ARMS, SCENARIOS
from stacks import hops

SHOP = """
import msgspec
class Basket(msgspec.Struct):
    count: int
class Total(msgspec.Struct):
    pieces: int
class Orders:
    def price(self, basket: Basket) -> Total:
        return Total(basket.count)
"""
BLOCKS = [
    block
    for block in re.findall(r"(?:^#[^ \n].*\n)+", starter.write(), re.MULTILINE)
    if block.startswith("#[")
]
LINES = [
    line
    for block in re.findall(r"(?:^#[^ \n].*\n)+", starter.write(), re.MULTILINE)
    if not block.startswith("#[")
    for line in block.splitlines()
]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(text):
    file = Path("read.toml")
    file.write_text(text, encoding="utf-8")
    return suite.read_gate(file)


def uncommented(part, text):
    assert part in text
    return text.replace(part, "\n".join(line.removeprefix("#") for line in part.splitlines()) + "\n")


def all_uncommented(text):
    return re.sub(r"^#(?=[^ \n])", "", text, flags=re.MULTILINE)


def test_it_is_the_default_comparison():
    wish, table = read(starter.write())
    assert wish.arms == tuple(name_all([parse(spec) for spec in ARMS]))
    assert wish.baseline == stacks.DEFAULTS[0]
    assert wish.seconds == SCENARIOS["unary"].seconds
    assert table == GateTable()
    assert [(trial.users, trial.sample, trial.forks) for trial in expand(wish)] == [
        (1, "small", 5),
        (16, "small", 5),
    ]


@pytest.mark.parametrize("table", [_Suite, _ArmTable, GateTable])
def test_every_key_is_told_of(table):
    text = starter.write()
    keys = [key for key in table.__struct_encode_fields__ if key not in {"arms", "gate"}]
    if table is GateTable:
        text = text.partition("#[gate]")[2]
    elif table is _ArmTable:
        text = text.partition("[arms.")[2].partition("#[gate]")[0]
    else:
        text = text.partition("[arms.")[0]
    missing = [key for key in keys if not re.search(rf"^#?{key} *= ", text, re.MULTILINE)]
    assert missing == []


def test_every_name_is_told_of():
    text = starter.write()
    assert [name for name in (*stacks.names()[:-1], *SCENARIOS, *hops.names()) if name not in text] == []


def test_there_are_examples():
    assert len(BLOCKS) == 8
    assert len(LINES) == 7


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_of_examples_can_be_read(block):
    wish, table = read(uncommented(block, starter.write()))
    assert (len(wish.arms) > len(ARMS)) != (table != GateTable())


@pytest.mark.parametrize("line", LINES)
def test_each_example_can_be_read(line):
    assert read(uncommented(f"{line}\n", starter.write())) != read(starter.write())


def test_all_examples_together_can_be_read():
    text = all_uncommented(starter.write())
    wish, table = read(text)
    assert wish.service == "shop:Orders"
    assert table.base in {arm.name for arm in wish.arms}
    data = tomllib.loads(text)
    assert set(data) == set(_Suite.__struct_encode_fields__)
    assert set(data["gate"]) == set(GateTable.__struct_encode_fields__)
    assert {key for arm in data["arms"].values() for key in arm} == set(_ArmTable.__struct_encode_fields__)


def test_lines_are_not_too_long():
    assert max(map(len, starter.write().splitlines())) <= 110


def test_a_file_is_written_once(capsys):
    assert main(["init"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "rpcduel.toml written",
        "Next: rpcduel run rpcduel.toml, or first rpcduel run rpcduel.toml --quick",
    ]
    file = Path("rpcduel.toml")
    assert file.read_text(encoding="utf-8") == starter.write()
    file.write_text("mine")
    assert main(["init"]) == 2
    assert "rpcduel.toml is there already; name another file, or replace it with --force" in (
        capsys.readouterr().err
    )
    assert file.read_text() == "mine"
    assert main(["init", "--force"]) == 0
    assert file.read_text(encoding="utf-8") == starter.write()


def test_a_dash_prints(capsys):
    assert main(["init", "-"]) == 0
    assert capsys.readouterr() == (starter.write(), "")
    assert list(Path().iterdir()) == []


def test_what_is_given_is_filled_in(capsys):
    Path("shop_of_mine.py").write_text(SHOP)
    assert (
        main(["init", "mine.toml", "--stack", "tcp-json,rest-json", "--service", "shop_of_mine:Orders"]) == 0
    )
    wish = suite.read(Path("mine.toml"))
    assert ([arm.name for arm in wish.arms], wish.service) == (
        ["tcp-json", "rest-json"],
        "shop_of_mine:Orders",
    )
    assert wish.baseline == "tcp-json"
    assert {trial.method for trial in expand(wish)} == {"Price"}
    assert main(["init", "echo.toml", "--message", "shop_of_mine:Basket"]) == 0
    assert suite.read(Path("echo.toml")).service == "shop_of_mine:Basket"


@pytest.mark.parametrize("given", ["service", "message"])
def test_a_gate_is_of_the_service_that_is_given(given):
    text = starter.write(**{given: "mine:Own"})
    head, gate = text.split("#[gate]\n")
    wish, table = read(f"{head}[gate]\n{all_uncommented(gate)}")
    assert table.service == wish.service == "mine:Own"


@pytest.mark.parametrize("names", [["tcp-json"], ["tcp-json", "rest-json"]])
def test_a_gate_has_another_arm_for_a_candidate(names):
    wish, table = read(all_uncommented(starter.write(names)))
    arms = {arm.name: arm for arm in wish.arms}
    (candidate,) = table.candidates
    assert table.base == "tcp-json"
    assert arms[candidate] != arms[table.base]


def test_a_stack_that_is_no_bare_key_is_quoted():
    text = starter.write(["stacks.transports.tcp.stack:TcpStack"])
    assert '[arms."stacks.transports.tcp.stack:TcpStack"]' in text
    assert read(text)[0].arms[0].name == "stacks.transports.tcp.stack:TcpStack"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["rpcduel.json"],
            "rpcduel.json: `rpcduel run` takes a suite by its ending; call it rpcduel.json.toml",
        ),
        (["none/a.toml"], "none/a.toml: cannot be written: No such file or directory"),
        (["--stack", "grpc-protobuff"], "there is no stack 'grpc-protobuff'; did you mean 'grpc-protobuf'?"),
        (["--service", "nowhere:Shop"], "there is no module 'nowhere'"),
        (["--service", "a:B", "--message", "a:C"], "--service and --message exclude each other"),
        (["--stack", "floor"], "the floor takes part in every trial by itself"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(args, said, capsys):
    assert main(["init", *args]) == 2
    assert said in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_it_runs(tmp_path):
    def rpcduel(*args):
        return subprocess.run(
            [sys.executable, "-P", "-m", "harness", *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    made = rpcduel("init", "--stack", "tcp-msgpack,tcp-json")
    assert made.returncode == 0, made.stderr
    ran = rpcduel("run", "rpcduel.toml", "--seconds", "1", "--forks", "1", "--users", "1")
    assert ran.returncode == 0, ran.stderr
    (found,) = results.read_all(results.newest(tmp_path / "results"))
    assert [arm.name for arm in found.trial.arms] == ["tcp-msgpack", "tcp-json", "floor"]


def test_a_suite_sends_nobody_to_a_heading_that_there_is_not():
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r'See README, "([^"]+)"', starter.write().replace("\n# ", " "))
    assert headings
    assert all(f"\n## {heading}\n" in readme for heading in headings)
