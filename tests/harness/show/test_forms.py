"""How comparisons are shown: every form against a golden file, and what must hold for any comparison."""

import csv as stdlib_csv
import io
import json as stdlib_json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from harness.decide.claims.claim import Claim, Evidence
from harness.decide.compare import Answer
from harness.decide.comparison import Absent, ArmFigures, Comparison, Estimate, Finding, Ratio
from harness.decide.crossover import Crossover
from harness.results import Turns
from harness.show import csv, json, lines, markdown, sheet, terminal, words
from scenarios.arm import Arm

DOCS = Path(__file__).parents[3] / "docs" / "json.md"
VERDICTS = re.compile(
    r"\b(better|worse|same|faster|fastest|slower|slowest|equal|wins?|difference)\b", re.IGNORECASE
)


def estimate(value, spread=0.02, basis="interval"):
    if basis == "none":
        return Estimate(value, None, None, basis)
    return Estimate(value, value * (1 - spread), value * (1 + spread), basis)


def ratio(value, metric="time", basis="interval", spread=0.01, **changes):
    found = estimate(value, spread, basis)
    resolved = basis == "interval" and not found.low <= 1 <= found.high
    made = Ratio(metric, found, 320_000 * (value - 1), resolved, long_turns=False)
    return msgspec.structs.replace(made, **changes)


def ratios(value, **changes):
    return {metric: ratio(value, metric, **changes) for metric in ("p50", "time", "cpu")}


def arm(name, factor=1.0, **changes):
    made = ArmFigures(
        name=name,
        stack=name.partition(",")[0],
        floor=False,
        hops=(),
        calls=52_000,
        failed=0,
        p50=estimate(312_400 * factor),
        p99=estimate(401_234 * factor),
        calls_per_second=3120 / factor,
        client_cpu=130_000 * factor,
        hop_cpu=None,
        server_cpu=80_100 * factor,
        bound_by="client",
        times_floor=12.0 * factor,
        messages=1,
        payload=(90, 77),
        connections=(1,),
        first=None,
        gap=None,
        ratios={},
        validity="valid",
    )
    return msgspec.structs.replace(made, **changes)


FLOOR = arm("floor", 1 / 12, floor=True, bound_by="shared core")
LOST = arm(
    "gone",
    p50=None,
    p99=None,
    calls_per_second=None,
    client_cpu=None,
    server_cpu=None,
    bound_by="",
    times_floor=None,
    validity="invalid",
)


def comparison(*arms, **changes):
    made = Comparison(
        scenario="unary",
        method="Quote",
        users=1,
        sample="small",
        forks=5,
        forks_asked=5,
        seconds=30.0,
        baseline="grpc-protobuf",
        turn=5_000_000,
        arms=arms,
        findings=(),
        sentence="tcp-msgpack takes 0.42× the time per call of grpc-protobuf (0.41 to 0.43).",
        machine="A CPU, 2 cores, Linux 6.1",
        started="2026-11-22T15:44:33+00:00",
        versions={"rpcduel": "0.1.0", "grpcio": "1.85.1"},
    )
    return msgspec.structs.replace(made, **changes)


def good():
    close = arm("grpc-msgpack", ratios=ratios(0.995, spread=0.02), bound_by="shared core")
    return comparison(FLOOR, arm("grpc-protobuf"), close, arm("tcp-msgpack", 0.42, ratios=ratios(0.42)))


def troubled():
    """A failed arm, a long name, a doubtful figure, one from long turns, one of which no CPU is known."""
    long = "grpc-msgpack,channel=shared,python=/usr/bin/python3.12"
    return comparison(
        arm("grpc-protobuf"),
        arm(long, 1.3, p99=None, ratios=ratios(1.3, long_turns=True), validity="doubtful"),
        LOST,
        arm("at|home", 41.3, ratios=ratios(41.3), server_cpu=None),
        FLOOR,
        users=16,
        forks=4,
        findings=(
            Finding(
                "failed",
                "gone",
                (),
                "invalid",
                'failed in start 2: it ended with status 1\nTraceback:\n  "x.py"\n\x1b[31mKeyError: `a|b`',
            ),
            Finding("foreign-cpu", long, ("p50",), "doubtful", "others used 3.1 % of its turns' CPU"),
            Finding("drift", "", ("time",), "note", "the halves differ by 0.4 %; nothing is wrong with *it*"),
        ),
    )


def streamed():
    """Streams: costs by message, times to the first reply and between replies, an arm left out."""

    def stream(name, factor, **changes):
        times = {"first": estimate(900_000 * factor), "gap": estimate(9_000 * factor), "p99": None}
        return arm(name, factor, messages=100, **times, **changes)

    return comparison(
        stream("grpc-protobuf", 12.0),
        stream("yamux-msgpack", 3.0, ratios=ratios(0.25)),
        FLOOR,
        scenario="streaming",
        method="Haggle",
        messages=100,
        left_out=(Absent("tcp-msgpack", "Haggle is a bidi call, and tcp-msgpack carries: unary"),),
        sentence="yamux-msgpack is the fastest: 0.25× the time per message of grpc-protobuf (0.24 to 0.26).",
    )


def coded():
    """A codec alone: no server, bytes of the request."""

    def codec(name, factor, size, **changes):
        none = {"server_cpu": 0.0, "p99": None, "times_floor": 0.01 * factor}
        return arm(name, factor, messages=100, payload=(size, 77), **none, **changes)

    return comparison(
        codec("memory-msgpack", 1.0, 90),
        codec("memory-json", 4.0, 1_254, ratios=ratios(4.0)),
        FLOOR,
        scenario="codec",
        baseline="memory-msgpack",
        part="encode",
        messages=100,
        sentence="memory-msgpack is the fastest; memory-json takes 4.00× the time to encode a message.",
    )


def joined():
    return msgspec.structs.replace(good(), trials=3, sentence="tcp-msgpack is the fastest of 16 arms.")


def answer(*comparisons):
    return Answer(comparisons, CROSSOVERS if len(comparisons) > 1 else ())


def claimed():
    """Claims of every verdict, and what would not change the decision."""
    wide = " ".join(["two words"] * 12)
    seen = (
        Evidence("grpc-protobuf, 16 users, small (unary)", "0.93× the time", estimate(0.93), "holds"),
        Evidence("a|b\x1b[31m", "1.4× the time (1.3 to 1.5)", estimate(1.4), "does not hold"),
        Evidence("GraphQL", "2.2× the time", None, ""),
        *(Evidence(f"user {k}", wide, None, "unclear") for k in range(9)),
    )
    found = (
        Claim(1, "A channel is expensive → reuse it.", "holds", seen[:1], "It costs more than 2×."),
        Claim(3, "100 clients → 1 connection.", "does not hold", seen[1:2], "More than one: nginx."),
        Claim(7, "TCP is full duplex.", "unclear", seen, "Not settled; doubtful (foreign-cpu)."),
        Claim(9, "REST/JSON is slower.", "not measured", (), "It takes rest-json."),
    )
    rest = (Claim(k, f"Claim {k}.", "not measured", (), "It takes more.") for k in (2, 4, 5, 6, 8))
    found = tuple(sorted((*found, *rest), key=lambda claim: claim.number))
    said = (
        "The codec, grpc-msgpack or grpc-protobuf, does not matter up to 1KiB with 1 user: time and CPU per "
        "call differ by at most 3 % (−1 % to +3 %)."
    )
    return Answer((good(),), (), claims=found, unmoved=(said,))


def test_claims_that_nobody_asked_about_are_mentioned():
    some = claimed()
    out = Output("utf-8")
    terminal.show(msgspec.structs.replace(some, claims=some.claims[:3]), out, 80)
    told = " ".join(out.getvalue().split())
    assert "speak to the claims under test: 1 (holds), 2 (not measured), 3 (does not hold)." in told
    assert "HOLDS" not in told
    assert all(len(line) <= 80 for line in out.getvalue().splitlines())


def claimed_on(width=None, encoding="utf-8"):
    out = Output(encoding)
    terminal.show(claimed(), out, width)
    return out.getvalue().partition("0.43).\n")[2]


@pytest.mark.parametrize("width", [40, 80])
def test_claims_on_a_terminal(width, golden):
    text = claimed_on(width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    golden(f"claims-{width}.txt", text)


def test_claims_in_ascii_and_without_a_terminal():
    assert claimed_on(80, "ascii").isascii()
    lines = claimed_on().splitlines()
    assert "3  DOES NOT HOLD: 100 clients → 1 connection." in lines
    assert "   ✗ a|b[31m: 1.4× the time (1.3 to 1.5)" in lines
    assert "   · and 4 more: rpcduel report --format md" in lines


def test_claims_in_markdown_have_all_the_evidence(golden):
    text = markdown.render(claimed()).partition("0.43\\).**\n")[2] or markdown.render(claimed())
    assert text.count("- user ") == 9
    golden("claims.md", text[text.index("## What would not") :])


def test_claims_in_json_are_read_back():
    found = stdlib_json.loads(json.render(claimed()))
    assert msgspec.convert(found["claims"], list[Claim]) == list(claimed().claims)
    assert found["unmoved"] == list(claimed().unmoved)


CROSSOVERS = (Crossover("tcp-msgpack", "grpc-protobuf", "10KiB", "100KiB", 23_552, 1, "Quote"),)


def few(forks):
    seen = arm("tcp-msgpack", 0.42, ratios=ratios(0.42, basis="spread"))
    sentence = "In this one start tcp-msgpack took 0.42× the time per call of grpc-protobuf."
    return comparison(arm("grpc-protobuf"), seen, FLOOR, forks=forks, forks_asked=forks, sentence=sentence)


class Output(io.StringIO):
    """Text that says of itself in which encoding it is, and whether it is a terminal."""

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
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown(*comparisons, width=None, encoding="utf-8", tty=False):
    out = Output(encoding, tty=tty)
    terminal.show(answer(*comparisons), out, width)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_table(width, golden):
    golden(
        f"table-{width}.txt", shown(good(), troubled(), few(1), streamed(), coded(), joined(), width=width)
    )


def test_ascii_table(golden):
    text = shown(good(), troubled(), width=80, encoding="ascii")
    assert text.isascii()
    golden("table-ascii.txt", text)


def test_lines(golden):
    golden("lines.txt", shown(good(), troubled(), few(1), streamed(), coded(), joined()))


def test_markdown(golden):
    golden(
        "comparison.md", markdown.render(answer(good(), troubled(), few(1), streamed(), coded(), joined()))
    )


def test_json(golden):
    text = json.render(answer(good(), troubled()))
    golden("comparison.json", text)
    found = stdlib_json.loads(text)
    assert found["format"] == 1
    assert msgspec.convert(found["comparisons"], list[Comparison]) == [good(), troubled()]


def test_json_holds_no_number_that_json_has_not():
    endless = arm("a", p50=Estimate(math.inf, math.nan, None, "none"))
    assert stdlib_json.loads(json.render(answer(comparison(endless))))["comparisons"][0]["arms"][0][
        "p50"
    ] == {
        "value": None,
        "low": None,
        "high": None,
        "basis": "none",
    }


@pytest.mark.parametrize("kind", [Answer, Comparison, ArmFigures, Ratio, Estimate, Finding, Claim, Evidence])
def test_every_json_key_is_documented(kind):
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in kind.__struct_fields__ if f"`{name}`" not in text] == []


@pytest.mark.parametrize("width", [*range(20, 200, 7), 80, 140])
@pytest.mark.parametrize("make", [good, troubled, lambda: few(1)])
def test_no_line_is_wider_than_the_paper_and_no_figure_is_cut(width, make):
    text = shown(make(), width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    filled = sheet.fill(make())
    for key in ("p50", "rate", "ratio"):
        for cell in filled.columns[key].cells:
            for word in cell.split():
                assert word in text


def test_a_long_name_is_folded_whole():
    text = shown(troubled(), width=80)
    table = text.split("─\n")[1].split("\n\n")[0].splitlines()
    assert "grpc-msgpack,channel=shared,python=/usr/bin/python3.12" in "".join(
        line[:17].split(" ")[0] for line in table
    )


def test_the_floor_is_last_wherever_it_stands():
    assert good().arms[0].floor
    assert sheet.fill(good()).names[-1] == "floor"


@pytest.mark.parametrize("forks", [1, 3])
@pytest.mark.parametrize("width", [None, 40, 80, 140, 200])
def test_few_forks_give_a_spread_and_no_verdict(forks, width):
    for text in (shown(few(forks), width=width), markdown.render(answer(few(forks)))):
        assert VERDICTS.findall(text) == []
        assert "≈" not in text
        assert "95 %" not in text
        words_only = " ".join(text.split())
        assert ("this start" if forks == 1 else "range of") in words_only


def test_few_forks_have_no_colour_of_a_verdict():
    assert sheet.fill(few(1)).verdicts == ("", "", "")
    assert sheet.fill(good()).verdicts == ("", "", "less", "")


def test_an_arm_with_fewer_forks_than_the_others_is_told_apart():
    mixed = comparison(
        arm("grpc-protobuf"), arm("a", ratios=ratios(1.5)), arm("b", ratios=ratios(2.0, basis="spread"))
    )
    filled = sheet.fill(mixed)
    assert [cell.strip() for cell in filled.columns["ratio"].cells] == ["baseline", "1.50×", "2.00×*"]
    assert any(note.startswith("* ") for note in filled.notes)


def test_a_failed_arm_says_so_and_why():
    for text in (shown(troubled(), width=80), shown(troubled()), markdown.render(answer(troubled()))):
        assert re.search(r"^\W*gone\W+failed\b", text, re.MULTILINE)
        assert "it ended with status 1" in text
        assert "KeyError: `a|b`" in text
        assert "\x1b" not in text


def test_a_baseline_that_failed_leaves_the_others_without_ratios():
    lost = msgspec.structs.replace(LOST, name="grpc-protobuf")
    made = comparison(lost, arm("a"), findings=(Finding("failed", "grpc-protobuf", (), "invalid", "gone"),))
    assert "ratio" not in sheet.fill(made).columns
    assert "failed" in shown(made, width=80)


def test_all_arms_failed():
    made = comparison(LOST, baseline="gone", findings=(Finding("failed", "gone", (), "invalid", "no port"),))
    assert "gone: no port" in shown(made, width=80)


def test_of_a_long_stderr_the_end_is_quoted():
    text = "failed\n" + "\n".join(f"line {number}" for number in range(100))
    _, quote = words.finding(Finding("failed", "a", (), "invalid", text))
    assert quote[0] == "…"
    assert quote[-1] == "line 99"
    assert len(quote) == 13


@pytest.mark.parametrize(
    ("finding", "marks"),
    [
        (Finding("bursty", "a", ("time",), "doubtful", ""), {"p50": "", "time": "?", "cpu": ""}),
        (Finding("errors", "a", (), "invalid", ""), {"p50": "✗", "time": "✗", "cpu": "✗"}),
        (Finding("steal", "", (), "doubtful", ""), {"p50": "?", "time": "?", "cpu": "?"}),
        (Finding("errors", "b", (), "invalid", ""), {"p50": "", "time": "", "cpu": ""}),
        (Finding("drift", "a", (), "note", ""), {"p50": "", "time": "", "cpu": ""}),
    ],
)
def test_marks_stand_where_the_finding_says(finding, marks):
    one = arm("a")
    made = comparison(one, findings=(finding,))
    assert {figure: words.mark(made, one, figure) for figure in marks} == marks


def test_an_arm_that_no_finding_explains_is_marked_everywhere():
    one = arm("a", validity="doubtful")
    assert words.mark(comparison(one), one, "cpu") == "?"


def test_notes_stand_once_for_several_comparisons():
    text = shown(good(), good(), width=200)
    assert text.count("A ratio is not the quotient") == 1
    assert text.count("A CPU, 2 cores") == 1
    assert text.count("tcp-msgpack takes") == 2


def test_a_terminal_gets_a_coloured_table_and_nothing_else_does(monkeypatch):
    assert "\x1b[32m" in shown(good(), tty=True)
    assert "──" in shown(good(), tty=True)
    assert "\x1b" not in shown(good(), width=80)
    assert "──" not in shown(good())
    monkeypatch.setenv("NO_COLOR", "1")
    assert re.search(r"\x1b\[[0-9;]*3[0-9]m", shown(good(), tty=True)) is None


@pytest.mark.parametrize("name", ["a|b", "*a*", "<b>", "`a`", "[a](b)", "a\nb", "\\", "#1", "_a_"])
def test_markdown_shows_any_name_as_it_is(name):
    text = markdown.render(answer(comparison(arm(name), baseline="x")))
    row = next(line for line in text.splitlines() if line.startswith("| ") and "312" in line)
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == row.count(" |") + 1
    assert re.sub(r"\\(.)", r"\1", row.split(" | ")[0][2:]) == " ".join(name.split())


def test_markdown_fences_what_holds_fences():
    text = "failed\n```\n````"
    made = comparison(arm("a"), findings=(Finding("failed", "a", (), "invalid", text),))
    assert "  `````text\n  ```\n  ````\n  `````" in markdown.render(answer(made))


@given(st.floats(1, 1e12), st.floats(1, 1e12))
def test_times_of_a_table_share_unit_and_decimals(first, second):
    made = comparison(arm("a", p50=estimate(first)), arm("b", p50=estimate(second)))
    column = sheet.fill(made).columns["p50"]
    assert column.unit in {"µs", "ms"}
    decimals = {len(cell.partition(".")[2]) for cell in column.cells}
    assert len(decimals) == 1
    size = 1_000 if column.unit == "µs" else 1_000_000
    for cell, value in zip(column.cells, (first, second), strict=True):
        assert float(cell.replace(",", "")) == pytest.approx(value / size, abs=0.5001)


class Trial:
    """As much of a stored trial as CSV reads."""

    scenario, method, part, users, sample = "un,ary", "Quote", "", 16, "small"
    arms = (Arm('say "hi"', 'say "hi"'), Arm("b", "b", method="Haggle"))


def test_csv(golden):
    columns = {name: np.array([k, k + 100]) for k, name in enumerate(Turns.__struct_fields__)}
    missing = {"p50": np.array([5, -1]), "max": np.array([9, -1]), "server": np.array([7, -1])}
    turns = Turns(**{**columns, **missing, "arm": np.array([0, 1])})
    runs = [SimpleNamespace(arm="b", rate=500.0)]
    found = SimpleNamespace(trial=Trial, turns=turns, runs=runs)
    text = csv.render([found, found])
    golden("turns.csv", text)
    rows = list(stdlib_csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == csv.HEADER
    assert [row["arm"] for row in rows] == ['say "hi"', "b"] * 2
    assert [row["p50_ns"] for row in rows] == ["5", ""] * 2
    assert [row["server_cpu_ns"] for row in rows] == ["7", ""] * 2
    assert [row["method"] for row in rows] == ["Quote", "Haggle"] * 2
    assert [row["trial"] for row in rows] == ["0", "0", "1", "1"]


def test_every_column_of_turns_is_in_the_csv_and_explained():
    assert {"arm", *csv.COLUMNS.values()} == set(Turns.__struct_fields__)
    explained = (Path(__file__).parents[3] / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert [name for name in csv.HEADER if f"| `{name}` |" not in explained] == []


def test_lines_have_no_width():
    text = lines.render(sheet.fill(good()))
    assert len([line for line in text.splitlines() if "tcp-msgpack: p50" in line]) == 1
