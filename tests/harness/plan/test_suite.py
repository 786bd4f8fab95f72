import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.plan.suite import GateTable, read, read_gate
from harness.plan.trials import expand
from harness.plan.wish import Wish
from scenarios.arm import Arm, SpecError

KEYS = (
    "arms, scenario, baseline, users, sample, seconds, forks, service, message, method, "
    "rate, arrivals, "
    "waiting, slo, gate"
)
ARM_KEYS = "stack, channel, method, at, python, with, tls, ca, hops, work, streams, beside, server"
GATE_KEYS = "base, candidates, metrics, tolerance, detect, looks, users, service, seconds"
WHOLE = """
scenario = "unary"
baseline = "today"
users    = [1, 16]
sample   = ["small", "large"]
seconds  = 90
forks    = 8

[arms.today]
stack = "grpc-protobuf"

[arms.swap]
stack   = "grpc-msgpack"
channel = "shared"
python  = "/bin/true"
with    = ["grpcio==1.75.0"]
work    = "spin:9us"

[arms."the Go one"]
stack  = "grpc-protobuf"
server = ["/bin/false", "--port", "{port}"]

[arms.there]
stack = "tcp-msgpack"
at    = "10.0.0.7:4000"
"""


@pytest.fixture
def suite(tmp_path):
    """Write a suite; gives its path."""

    def write(text):
        path = tmp_path / "suite.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refusal(path):
    """Read a suite that is wrong; gives what is said after its path, which must come first."""
    with pytest.raises(SpecError) as caught:
        read(path)
    text = str(caught.value).strip("'\"")
    assert text.startswith(f"{path}:")
    return text.removeprefix(f"{path}:")


def test_a_whole_suite(suite):
    assert read(suite(WHOLE)) == Wish(
        scenario="unary",
        baseline="today",
        users=(1, 16),
        samples=("small", "large"),
        seconds=90.0,
        forks=8,
        arms=(
            Arm("today", "grpc-protobuf"),
            Arm(
                "swap",
                "grpc-msgpack",
                channel="shared",
                python="/bin/true",
                needs=("grpcio==1.75.0",),
                work="spin:9us",
            ),
            Arm("the Go one", "grpc-protobuf", server=("/bin/false", "--port", "{port}")),
            Arm("there", "tcp-msgpack", at="10.0.0.7:4000"),
        ),
    )


def test_a_suite_of_an_open_loop(suite):
    text = 'scenario = "open"\nrate = [500, "50%", 20.5]\narrivals = "poisson"\nwaiting = 9\n'
    text += '[arms.a]\nstack = "tcp-json"'
    wish = read(suite(text))
    assert (wish.rates, wish.arrivals, wish.waiting, wish.forks) == (
        ("500", "50%", "20.5"),
        "poisson",
        9,
        None,
    )
    assert [str(trial.open) for trial in expand(wish)] == ["500/s", "50 %", "20.5/s"]


def test_a_whole_suite_can_be_planned(suite):
    found = expand(read(suite(WHOLE)))
    assert [(trial.users, trial.sample) for trial in found] == [
        (1, "small"),
        (16, "small"),
        (1, "large"),
        (16, "large"),
    ]


def test_what_is_left_out_is_as_on_the_command_line(suite):
    assert read(suite("[arms.a]\nstack = 'memory'")) == Wish(arms=(Arm("a", "memory"),))


@pytest.mark.parametrize(
    "text",
    ["[arms]\na = {stack = 'memory'}", "arms.a.stack = 'memory'", "arms = {a = {stack = 'memory'}}"],
)
def test_toml_may_be_written_in_any_way(suite, text):
    assert read(suite(text)).arms == (Arm("a", "memory"),)


MISTAKES = {
    "unknown key": (
        "seconds = 3\nuser = [1]\n[arms.a]\nstack = 'memory'",
        f"2: user: there is no such key; keys are: {KEYS}",
    ),
    "unknown key of an arm": (
        "[arms.a]\nstack = 'memory'\n\n[arms.b]\nstack = 'memory'\nspeed = 9",
        f"6: arms.b.speed: there is no such key; keys are: {ARM_KEYS}",
    ),
    "unknown key that has the name of an arm's": (
        "[arms.a]\nstack = 'memory'\n[arms.b]\nstack = 'memory'\nusers = 9",
        f"5: arms.b.users: there is no such key; keys are: {ARM_KEYS}",
    ),
    "unknown table": (
        "[arms.a]\nstack = 'memory'\n[load]\nrate = 3",
        f"3: load: there is no such key; keys are: {KEYS}",
    ),
    "text for a number": (
        "scenario = 'unary'\nforks = 'five'\n[arms.a]\nstack = 'memory'",
        "2: forks: Expected `int`, got `str`",
    ),
    "text in a list of numbers": (
        "# users below\n\nusers = [\n  1,\n  'x',\n]\n[arms.a]\nstack = 'memory'",
        "3: users: Expected `int`, got `str`",
    ),
    "a number for a list": (
        "users = 16\n[arms.a]\nstack = 'memory'",
        "1: users: Expected `array`, got `int`",
    ),
    "a fraction of a fork": (
        "forks = 1.5\n[arms.a]\nstack = 'memory'",
        "1: forks: Expected `int`, got `float`",
    ),
    "a date": ("seconds = 2024-02-29\n[arms.a]\nstack = 'a'", "1: seconds: Expected `float`, got `date`"),
    "number for an arm's text": (
        "[arms.a]\nstack = 'memory'\n[arms.b]\nchannel = 'shared'\nstack = 7",
        "5: arms.b.stack: Expected `str`, got `int`",
    ),
    "number in an arm's command": (
        "[arms.a]\nstack = 'memory'\nserver = ['./go', 8080]",
        "3: arms.a.server: Expected `str`, got `int`",
    ),
    "unknown key of the gate": (
        "[arms.a]\nstack = 'memory'\n[gate]\nusers = 3\nforks = 9",
        f"5: gate.forks: there is no such key; keys are: {GATE_KEYS}",
    ),
    "text for a gate's number": (
        "[arms.a]\nstack = 'memory'\n[gate]\nusers = 'all'",
        "4: gate.users: Expected `int`, got `str`",
    ),
    "an inline arm": (
        "[arms]\na = {stack = 'memory'}\nb = {stack = 1}",
        "3: arms.b.stack: Expected `str`, got `int`",
    ),
    "a dotted arm": (
        "arms.a.stack = 'memory'\narms.b.stack = 1",
        "2: arms.b.stack: Expected `str`, got `int`",
    ),
    "a quoted arm": (
        "[arms.a]\nstack = 'memory'\n[arms.'the Go one']\nstack = 1",
        "4: arms.the Go one.stack: Expected `str`, got `int`",
    ),
    "an arm that is no table": (
        "[arms]\na = {stack = 'memory'}\nb = 'memory'",
        "3: arms.b: Expected `object`, got `str`",
    ),
    "an arm without a stack": (
        "[arms.a]\nstack = 'memory'\n[arms.b]\nchannel = 'shared'",
        "3: arms.b: Object missing required field `stack`",
    ),
    "arms that are no table": ("seconds = 1\narms = 3", "2: arms: Expected `object`, got `int`"),
    "arms that are a list": ("seconds = 1\narms = []", "2: arms: Expected `object`, got `array`"),
    "no arms": ("seconds = 1", "1: the suite: Object missing required field `arms`"),
    "an empty table of arms": ("seconds = 1\n[arms]", "2: arms: is empty; name one"),
    "an empty list": (
        "seconds = 1\nusers = []\n[arms.a]\nstack = 'memory'",
        "2: users: is empty; leave it out, or write what it is to be",
    ),
    "an empty text": (
        "baseline = ''\n[arms.a]\nstack = 'memory'",
        "1: baseline: is empty; leave it out, or write what it is to be",
    ),
    "an empty list of the gate": (
        "[arms.a]\nstack = 'memory'\n[gate]\nlooks = []",
        "4: gate.looks: is empty; leave it out, or write what it is to be",
    ),
    "an empty text of the gate": (
        "[arms.a]\nstack = 'memory'\n[gate]\n\ntolerance = ''",
        "5: gate.tolerance: is empty; leave it out, or write what it is to be",
    ),
    "nothing": ("", "1: the suite: Object missing required field `arms`"),
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_file_line_and_key(suite, text, said):
    assert refusal(suite(text)) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("at = 'there'", "'there' is no address; write host:port"),
        ("work = 'dig:1h'", "'dig:1h' is no work; write wait, spin or touch"),
        ("server = ['./go']", "the server command must contain {port}"),
        ("with = ['go?']", "with='go?' is no requirement"),
        (
            "at = 'a:1'\nwork = 'spin:1us'",
            "a server that already runs (at) takes no work and no server command",
        ),
    ],
)
def test_an_arm_that_makes_no_sense_is_named_with_its_line(suite, line, said):
    found = refusal(suite(f"[arms.a]\nstack = 'memory'\n\n[arms.b]\nstack = 'memory'\n{line}"))
    assert found.startswith("4: arms.b")
    assert said in found


def test_what_is_no_toml_is_refused_with_its_line(suite):
    found = refusal(suite("seconds = 1\nusers = [1, 16\n[arms.a]\nstack = 'memory'"))
    assert found.startswith(" is no TOML: ")
    assert "line 3" in found


def test_a_key_that_stands_twice_is_refused(suite):
    assert "is no TOML: Cannot overwrite a value (at line 2" in refusal(
        suite("forks = 1\nforks = 2\nseconds = 3")
    )


def test_what_is_no_utf8_is_refused(suite):
    assert refusal(suite(b"baseline = '\xff'")).startswith(" is no TOML: 'utf-8' codec can't decode")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert refusal(tmp_path / "none.toml") == " cannot be read: No such file or directory"
    assert refusal(tmp_path) == " cannot be read: Is a directory"


words = st.text(string.ascii_letters + string.digits + "-_:/. é", min_size=1, max_size=10)
arms = st.builds(
    Arm,
    name=words,
    stack=words,
    channel=words,
    python=words,
    work=st.sampled_from(["", "spin:9us", "wait:1.5ms"]),
    needs=st.sampled_from([(), ("grpcio==1.75.0",), ("msgpack>=1,<2", "protobuf~=6.0")]),
    server=st.sampled_from([(), ("./go", "{port}"), ("./go --at :{port}",)]),
)
wishes = st.builds(
    Wish,
    arms=st.lists(arms, min_size=1, max_size=4, unique_by=lambda arm: arm.name).map(tuple),
    scenario=words,
    baseline=words,
    users=st.lists(st.integers(-5, 10**6), max_size=3).map(tuple),
    samples=st.lists(words, max_size=3).map(tuple),
    seconds=st.floats(allow_nan=False),
    forks=st.integers(-5, 500),
    rates=st.lists(st.sampled_from(["500", "50%", "0.5"]), max_size=3).map(tuple),
    arrivals=st.sampled_from(["", "poisson"]),
    waiting=st.integers(-5, 500),
    slo=words,
)


@given(wishes)
def test_every_wish_can_be_written_as_a_suite(tmp_path_factory, wish):
    table = msgspec.structs.asdict(wish)
    del table["service"]
    table["sample"] = table.pop("samples")
    table["rate"] = table.pop("rates")
    table["arms"] = {}
    for arm in wish.arms:
        table["arms"][arm.name] = {
            "with" if key == "needs" else key: value
            for key, value in msgspec.structs.asdict(arm).items()
            if value and key not in {"name", "driver"}
        }
    path = tmp_path_factory.getbasetemp() / "written.toml"
    path.write_text(written(table), encoding="utf-8")
    assert read(path) == wish


def written(table):
    """Write a table as TOML, whose inline values are but for tables and infinities those of JSON."""
    arms = table.pop("arms")
    lines = [f"{key} = {value_text(value)}" for key, value in table.items() if value not in ("", ())]
    for name, arm in arms.items():
        lines.append(f"[arms.{value_text(name)}]")
        lines += [f"{key} = {value_text(value)}" for key, value in arm.items()]
    return "\n".join(lines)


def value_text(value):
    if isinstance(value, float):
        return repr(value)
    return msgspec.json.encode(value).decode()


def test_a_suite_s_arm_can_use_tls(suite):
    path = suite(
        "[arms.a]\nstack = 'grpc-json'\ntls = true\n[arms.b]\nstack = 'memory'\ntls = true\nca = 'a'"
    )
    with pytest.raises(SpecError, match=r"suite\.toml:4: arms\.b': ca is for a server that is not ours"):
        read(path)
    wish = read(suite("[arms.a]\nstack = 'grpc-json'\ntls = true\nserver = ['./a', '{port}']\nca = 'a.pem'"))
    assert wish.arms == (Arm(name="a", stack="grpc-json", tls=True, ca="a.pem", server=("./a", "{port}")),)


def test_a_gate_stands_next_to_its_arms(suite):
    path = suite(
        "users = [4]\n[arms.old]\nstack = 'memory'\n[arms.new]\nstack = 'memory'\n"
        "[gate]\nbase = 'old'\ncandidates = ['new']\nmetrics = ['cpu']\n"
        "tolerance = '3%'\nlooks = [4, 8]\nusers = 2\n"
    )
    wish, table = read_gate(path)
    assert wish == read(path)
    assert table == GateTable(
        base="old", candidates=("new",), metrics=("cpu",), tolerance="3%", looks=(4, 8), users=2
    )
    for rest in ("", "\n[gate]"):
        assert read_gate(suite(f"[arms.a]\nstack = 'memory'{rest}"))[1] == GateTable()


def test_what_is_empty_in_an_arm_is_none_of_it(suite):
    empty = 'hops = []\nwith = []\nserver = []\nwork = ""\nat = ""\nbeside = ""'
    assert read(suite(f"[arms.a]\nstack = 'memory'\n{empty}")).arms == (Arm("a", "memory"),)
