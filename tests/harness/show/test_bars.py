"""Where the time of a call goes, as it is shown: golden files, and what must hold for any anatomy."""

import io
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from harness.decide.compare import Answer
from harness.decide.comparison import Anatomy, ArmFigures, Comparison, Estimate, Finding, Piece, Traffic
from harness.show import anatomy, bars, json, markdown, terminal
from stacks.spans import CLIENT_DECODE, CLIENT_ENCODE, HANDLER, SERVER_DECODE, SERVER_ENCODE, SPANS

DOCS = Path(__file__).parents[3] / "docs" / "json.md"
LONG = "grpc-msgpack,channel=shared,python=/usr/bin/python3.12"


def estimate(value, basis="interval"):
    half = 0.01 * value
    return (
        Estimate(value, value - half, value + half, basis)
        if basis != "none"
        else Estimate(value, None, None, basis)
    )


def figures(name, **changes):
    made = ArmFigures(
        name=name,
        stack=name,
        floor=name == "floor",
        hops=(),
        calls=52_000,
        failed=0,
        p50=estimate(312_400),
        p99=None,
        calls_per_second=3120,
        client_cpu=130_000,
        hop_cpu=None,
        server_cpu=80_100,
        bound_by="client",
        times_floor=None,
        messages=1,
        payload=(90, 77),
        connections=(1,),
        first=None,
        gap=None,
        ratios={},
        validity="valid",
    )
    return msgspec.structs.replace(made, **changes)


def piece(name, time, whole, basis="interval"):
    return Piece(name, time, estimate(time / whole, basis))


def dissected(name, time, client, server, hop=0.0, basis="interval", **changes):
    """Make an anatomy in which processes take these times of a call in ns."""
    rest = time - client - server - hop
    cpu = {"client": client, "hop": hop, "server": server}
    sides = [piece(side, spent, time, basis) for side, spent in cpu.items() if spent]
    last = (
        piece("neither", rest, time, basis)
        if rest >= 0
        else Piece("neither", 0.0, Estimate(0.0, None, None, "none"))
    )
    made = Anatomy(
        arm=name,
        time=time,
        parts=(*sides, last),
        overlap=None if rest >= 0 else piece("overlap", -rest, time, basis),
        spans=dict.fromkeys(SPANS, None),
        unattributed={"client": None, "server": None},
        instrumented=None,
        cpu_seconds={side: spent / 1000 for side, spent in cpu.items() if spent},
        traffic=None,
    )
    return msgspec.structs.replace(made, **changes)


SPANNED = {
    "spans": {
        CLIENT_ENCODE: estimate(12_340),
        CLIENT_DECODE: estimate(15_100),
        SERVER_DECODE: estimate(14_900),
        HANDLER: estimate(3_210),
        SERVER_ENCODE: estimate(10_200),
    },
    "unattributed": {"client": 102_560.0, "server": 51_790.0},
    "instrumented": estimate(1.034),
    "traffic": Traffic(90e6, 152.5e6, 77e6, 46e6),
}
HALF = {
    "spans": {**dict.fromkeys(SPANS, None), HANDLER: estimate(3_300)},
    "unattributed": {"client": None, "server": 30_123.0},
    "instrumented": estimate(1.01),
    "traffic": Traffic(120e6, 31e6, 101e6, 29e6),
}


def comparison(*found, **changes):
    made = Comparison(
        scenario="anatomy",
        method="Quote",
        users=1,
        sample="small",
        forks=5,
        forks_asked=5,
        seconds=90.0,
        baseline=found[0].arm,
        turn=20_000_000,
        arms=tuple(figures(one.arm) for one in found),
        findings=(),
        sentence="",
        machine="A CPU, 2 cores, Linux 6.1",
        started="2026-11-24T15:44:33+00:00",
        versions={"rpcduel": "0.1.0"},
        anatomy=found,
    )
    return msgspec.structs.replace(made, **changes)


def several():
    """A plain one, an overlap, a hop, an encoding of its own, a long name, and the floor first."""
    return comparison(
        dissected("floor", 26_000, 10_800, 6_700, traffic=Traffic(90e6, 10e6, 77e6, 5e6)),
        dissected("grpc-protobuf", 312_400, 130_000, 80_100, **SPANNED),
        dissected("tcp-msgpack", 33_300, 22_000, 15_000, **SPANNED),
        dissected("grpc-protobuf@envoy", 501_900, 131_000, 81_000, hop=90_000, **SPANNED),
        dissected("thrift-binary", 95_000, 33_000, 33_423, **HALF),
        dissected(LONG, 410_000, 160_000, 90_000, traffic=Traffic(100e6, 152.5e6, 87e6, 46e6)),
        baseline="grpc-protobuf",
        findings=(Finding("foreign-cpu", "thrift-binary", ("time",), "doubtful", "others used 3.1 %"),),
    )


def few():
    return comparison(dissected("memory", 4_000, 3_900, 0, basis="none"), forks=1)


class Output(io.StringIO):
    def __init__(self, encoding="utf-8", *, tty=False):
        super().__init__()
        self._encoding = encoding
        self._tty = tty

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return self._tty


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in (
        "NO_COLOR",
        "FORCE_COLOR",
        "COLUMNS",
        "LINES",
        "TTY_COMPATIBLE",
        "TTY_INTERACTIVE",
        "COLORTERM",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown(*comparisons, width=None, encoding="utf-8", tty=False):
    out = Output(encoding, tty=tty)
    terminal.show(Answer(comparisons, ()), out, width)
    return out.getvalue()


def below(text):
    return text[text.index("Where the time") :]


@pytest.mark.parametrize("width", [80, 140])
def test_bars(width, golden):
    golden(f"anatomy-{width}.txt", below(shown(several(), width=width)))


def test_ascii_bars(golden):
    text = below(shown(several(), width=80, encoding="ascii"))
    assert text.isascii()
    golden("anatomy-ascii.txt", text)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_lines(encoding, golden):
    text = below(shown(several(), few(), encoding=encoding))
    assert text.isascii() == (encoding == "ascii")
    golden(f"anatomy-lines-{encoding}.txt", text)


def test_markdown(golden):
    golden("anatomy.md", below(markdown.render(Answer((several(), few()), ()))))


def test_json_has_it_all():
    text = json.render(Answer((several(),), ()))
    (found,) = msgspec.json.decode(text)["comparisons"]
    assert msgspec.convert(found["anatomy"], tuple[Anatomy, ...]) == several().anatomy


@pytest.mark.parametrize("kind", [Anatomy, Piece, Traffic, Comparison])
def test_every_json_key_is_documented(kind):
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in (*kind.__struct_fields__, *SPANS) if f"`{name}`" not in text] == []


def test_nothing_is_added_where_nothing_is_known():
    plain = msgspec.structs.replace(several(), anatomy=())
    for text in (shown(plain, width=80), shown(plain), markdown.render(Answer((plain,), ()))):
        assert anatomy.TITLE not in text


@pytest.mark.parametrize("width", [*range(20, 200, 7), 80, 140])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_is_wider_than_the_paper(width, encoding):
    text = below(shown(several(), width=width, encoding=encoding))
    assert max(cell_len(line) for line in text.splitlines()) <= width
    for word in ("152.5", "130.0", "measured", "34.7"):
        assert word in text


def test_what_is_not_measured_says_so_and_is_no_0():
    chart = anatomy.chart(several())
    names = [bar.name for bar in chart.bars]
    cells = {row.title: row.cells for row in chart.rows}
    thrift = {title: row[names.index("thrift-binary")] for title, row in cells.items() if row}
    assert {thrift[key] for key in ("client encode", "client decode", "server decode", "server encode")} == {
        "not measured"
    }
    assert thrift["client unattributed"] == "not measured"
    assert thrift["server handler"] == "3.3"
    assert cells["payload out, MB"][names.index(LONG)] == "100.0"
    assert cells["time with spans"][names.index(LONG)] == "not measured"
    assert cells["hop CPU, s"][names.index("grpc-protobuf")] == ""


def test_the_floor_is_last_and_doubts_are_marked():
    chart = anatomy.chart(several())
    assert chart.bars[-1].name == "floor"
    assert [bar.time for bar in chart.bars if "?" in bar.time] == ["95.0? µs"]


def test_an_overlap_is_told_and_has_no_cells_of_its_own():
    chart = anatomy.chart(several())
    bar = next(bar for bar in chart.bars if bar.name == "tcp-msgpack")
    assert [part.key for part in bar.parts] == ["client", "server", "overlap"]
    assert "11.1 %" in bar.parts[-1].text
    text = below(shown(several(), width=80))
    drawn = next(line for line in text.split("tcp-msgpack")[1].splitlines()[1:] if line)
    assert set(drawn) == {"█", "▒"}
    assert any(note.startswith("overlap: ") for note in chart.notes)
    assert not any("overlap" in note for note in anatomy.chart(few()).notes)


def test_a_server_that_cannot_be_read_is_named_with_what_is_left():
    one = dissected("at-home", 100_000, 40_000, 0)
    rest = msgspec.structs.replace(one.parts[-1], name="rest")
    text = below(shown(comparison(msgspec.structs.replace(one, parts=(one.parts[0], rest))), width=80))
    assert "server or neither 60 µs 60.0 %" in text


def test_a_terminal_gets_colours_and_nothing_else_does():
    assert re.search(r"\x1b\[[0-9;]*m█", shown(several(), tty=True))
    assert "\x1b" not in shown(several(), width=80)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.integers(5, 200))
def test_cells_fill_the_bar_and_every_part_is_seen(shares, width):
    found = bars.cells(shares, width)
    assert sum(found) == (width if sum(shares) else 0)
    for share, count in zip(shares, found, strict=True):
        exact = width * share / sum(shares) if sum(shares) else 0
        assert (count > 0) == (exact > 0)
        assert abs(count - exact) < len(shares) + 1
