"""The documents tell of everything: each command, option, name and key stands where one looks for it."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import click
import msgspec
import pytest

import stacks
from harness import noise, results
from harness.cli import COMMANDS, group
from harness.decide import compare, comparison, crossover, levels
from harness.decide.claims import RULES
from harness.plan.suite import GateTable, _ArmTable, _Suite, read_gate
from harness.show import csv
from harness.tapped import Part
from scenarios import arm
from scenarios.catalog import SCENARIOS
from scenarios.load import Open
from stacks import hops
from stacks.base import Facts
from stacks.hops.routing import Answer
from stacks.spans import Span

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GOLDEN = ROOT / "tests" / "harness" / "golden"
PAGES = sorted(
    [*DOCS.glob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
)


def text(page):
    """Give a page of docs/, or the README."""
    return (ROOT / page if page == "README.md" else DOCS / page).read_text(encoding="utf-8")


def section(page, heading):
    """Give what stands below `heading` of a page, with the smaller headings below it."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text(page), re.MULTILINE)
    assert found, f"{page} has no heading {heading!r}"
    rest = text(page)[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def cells(block):
    """Give the names in backticks in the first cells of a block's tables."""
    rows = [line for line in block.splitlines() if line.startswith("|")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def told(block):
    """Give the names in backticks anywhere in a block."""
    return set(re.findall(r"`([^`\n]+)`", block))


def commands():
    context = click.Context(group)
    return {name: group.get_command(context, name) for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_told_of(name):
    block = section("commands.md", f"`rpcduel {name}`")
    heads = {cell.split(" ")[0] for cell in cells(block)}
    options = [option for option in commands()[name].params if isinstance(option, click.Option)]
    missing = [each for option in options for each in option.opts if each not in heads]
    assert missing == []
    choices = [
        each for option in options if isinstance(option.type, click.Choice) for each in option.type.choices
    ]
    assert [each for each in choices if each not in told(block)] == []
    known = {each for option in options for each in option.opts}
    assert {head for head in heads if head.startswith("-")} - known == set()


def test_no_other_command_is_told_of():
    assert set(re.findall(r"^## `rpcduel (\w+)`$", text("commands.md"), re.MULTILINE)) == set(COMMANDS)


def test_every_key_of_a_spec_is_told_of():
    assert cells(section("commands.md", "An arm: SPEC")) == set(arm.KEYS)


def test_every_exit_code_is_told_of():
    from harness import cli

    codes = {cli.FINE, cli.REGRESSION, cli.USAGE, cli.UNCLEAR, cli.INVALID, cli.DEFECT, cli.INTERRUPTED}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text("commands.md"), re.MULTILINE)} == codes


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_told_of(name):
    block = section("scenarios.md", f"`{name}`")
    assert "**Varied:**" in block
    assert "**Read:**" in block
    (row,) = re.findall(
        rf"^\| \[`{name}`\]\(#{name}\) \| (.*) \| .* \| (\d+) s \|$", text("scenarios.md"), re.MULTILINE
    )
    seconds = sum(SCENARIOS[each].seconds for each in (name, *SCENARIOS[name].also))
    assert row == (SCENARIOS[name].question, f"{seconds:.0f}")
    readme = re.search(rf"^\| `{name}` \| (.*?) \|$", text("README.md"), re.MULTILINE)
    assert readme
    assert readme[1].startswith(SCENARIOS[name].question)


def test_every_stack_and_hop_is_told_of():
    plugins = {point.name for point in stacks.metadata.entry_points(group=stacks.GROUP)}
    found = cells(section("stacks.md", "All stacks"))
    assert set(stacks.names()) - plugins - found == set()
    assert cells(section("stacks.md", "All hops")) == set(hops.names())


def test_every_claim_is_told_of_in_its_own_words():
    headings = re.findall(r"^## (\d+)\. (.*)$", text("claims.md"), re.MULTILINE)
    assert [number for number, _ in headings] == [str(k + 1) for k in range(len(RULES))]
    for (number, heading), rule in zip(headings, RULES, strict=True):
        assert rule.text.rstrip(".") == heading.rstrip("."), number
        assert re.search(r"^\*Rule", section("claims.md", f"{number}. {heading}"), re.MULTILINE)
        assert rule.scenario in SCENARIOS


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("Keys", results.Result),
        ("`trial`", results.Trial),
        ("`trial.arms`", arm.Arm),
        ("`trial.open`", Open),
        ("`machine`", results.Machine),
        ("`runs`", results.Run),
        ("`runs.facts`", Facts),
        ("`runs.spans`", Span),
        ("`runs.tapped`", Part),
        ("`turns`", results.Turns),
        ("`histograms`", results.Histograms),
        ("`pressure`", results.Pressure),
    ],
)
def test_every_key_of_a_result_is_told_of(heading, kind):
    block = section("results.md", heading).partition("\n#")[0]
    assert cells(block) == set(kind.__struct_encode_fields__)


def test_smaller_keys_of_a_result_are_told_of():
    trial, runs = section("results.md", "`trial`"), section("results.md", "`runs`")
    for kind, block in ((results.LeftOut, trial), (results.Failure, runs), (Answer, runs)):
        assert set(kind.__struct_encode_fields__) - told(block) == set()


def test_formats_are_those_of_the_documents():
    assert f"| `format` | {results.FORMAT};" in text("results.md")
    assert f"| `format` | {noise.FORMAT} |" in section("results.md", "Noise files")


def test_every_key_of_a_noise_file_is_told_of():
    block = section("results.md", "Noise files")
    fields = {*noise.Noise.__struct_encode_fields__, *noise.Session.__struct_encode_fields__}
    assert cells(block) == fields
    assert set(noise.Point.__struct_encode_fields__) - told(block) == set()


def test_every_column_of_the_csv_is_told_of():
    assert cells(section("results.md", "Columns of the CSV")) == set(csv.HEADER)


@pytest.mark.parametrize(
    ("heading", "table"), [("The suite", _Suite), ("An arm", _ArmTable), ("The gate", GateTable)]
)
def test_every_key_of_a_suite_is_told_of(heading, table):
    assert cells(section("suite.md", heading)) == set(table.__struct_encode_fields__)


def structs(kind):
    """Give all struct types that values of `kind` hold."""
    found, waiting = [], [kind]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found.append(each)
        hints = [field.type for field in msgspec.structs.fields(each)]
        while hints:
            hint = hints.pop()
            if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
                waiting.append(hint)
            hints += getattr(hint, "__args__", ())
    return found


RUN = "`rpcduel run --json`, `rpcduel report --format json`"


@pytest.mark.parametrize("kind", structs(compare.Answer), ids=lambda kind: kind.__name__)
def test_every_key_of_run_s_json_is_told_of(kind):
    assert set(kind.__struct_encode_fields__) - told(section("json.md", RUN)) == set()


def test_the_walk_through_types_sees_all():
    seen = {kind.__name__ for kind in structs(compare.Answer)}
    assert {
        comparison.Estimate.__name__,
        comparison.Anatomy.__name__,
        crossover.Crossover.__name__,
        levels.Rung.__name__,
    } <= seen


def keys(value):
    """Give all keys of objects in `value`, at any depth, but names of packages."""
    if isinstance(value, dict):
        inner = [each for key, each in value.items() if key != "versions"]
        return set(value) | {key for each in inner for key in keys(each)}
    return {key for each in value for key in keys(each)} if isinstance(value, list) else set()


def test_every_key_of_gate_s_json_is_told_of():
    found = keys(json.loads((GOLDEN / "gate.json").read_text(encoding="utf-8")))
    assert found
    assert found - told(section("json.md", "`rpcduel gate --json`, `rpcduel gate --format json`")) == set()


def test_every_key_of_compare_s_json_is_told_of():
    found = keys(json.loads((GOLDEN / "compare.json").read_text(encoding="utf-8")))
    assert found
    block = section("json.md", "`rpcduel compare --json`, `rpcduel compare --format json`")
    block += section("json.md", "`rpcduel doctor --json`")  # for spreads
    assert found - told(block) == set()


def test_every_key_of_tap_s_json_is_told_of():
    found = keys(json.loads((GOLDEN / "taps.json").read_text(encoding="utf-8")))
    assert "overhead_out" in found
    assert found - told(section("json.md", "`rpcduel tap --json`")) == set()


def test_every_key_of_doctor_s_json_is_told_of():
    found = keys(json.loads((GOLDEN / "checks.json").read_text(encoding="utf-8")))
    assert {"checks", "met", "noise", "between"} <= found
    assert found - told(section("json.md", "`rpcduel doctor --json`")) == set()


def test_every_key_of_list_s_and_serve_s_json_is_told_of(capsys):
    from harness.cli import listing

    listed = [row for part in ("stacks", "scenarios", "hops") for row in listing._PART[part]()]
    found = {key for row in listed for key in row} | {"format", "stacks", "scenarios", "hops", "probe"}
    assert found - told(section("json.md", "`rpcduel list --json`")) == set()
    block = section("json.md", "`rpcduel serve --json`")
    assert {"address", "host", "port", "pids"} - told(block) == set()


def test_every_command_with_json_has_its_section():
    for name, command in commands().items():
        if any("--json" in option.opts for option in command.params):
            assert re.search(rf"^## .*`rpcduel {name} --json`", text("json.md"), re.MULTILINE), name


def links():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                yield page, link


def anchor(heading):
    """Write a heading as GitHub writes its anchor."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@pytest.mark.parametrize(
    ("page", "link"), [*links()], ids=lambda value: value.name if isinstance(value, Path) else value
)
def test_links_lead_somewhere(page, link):
    file, _, fragment = link.partition("#")
    target = (page.parent / file).resolve() if file else page
    assert target.exists()
    if fragment and target.suffix == ".md":
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert fragment in {anchor(heading) for heading in headings}


def test_modules_that_architecture_names_exist():
    known = {
        path.relative_to(ROOT).as_posix()
        for part in ("harness", "scenarios", "stacks", "tests")
        for path in (ROOT / part).rglob("*")
    }
    named = [
        name
        for name in told(text("architecture.md"))
        if re.fullmatch(r"[\w/]+\.py|(harness|scenarios|stacks|tests)/[\w/]+", name)
    ]
    assert len(named) > 30
    missing = [
        name for name in named if not any(f"/{each}".endswith(f"/{name.rstrip('/')}") for each in known)
    ]
    assert missing == []


def test_the_index_names_every_page():
    found = {link.partition("#")[0] for page, link in links() if page == DOCS / "README.md"}
    assert {page.name for page in DOCS.glob("*.md")} - found == {"README.md"}


SUITES = [
    block
    for page in PAGES
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    if "[arms." in block
]


@pytest.mark.parametrize("block", SUITES)
def test_suites_in_the_documents_can_be_read(block, tmp_path):
    file = tmp_path / "suite.toml"
    file.write_text(block, encoding="utf-8")
    assert read_gate(file)[0].arms
    assert tomllib.loads(block)


LINES = sorted(
    {
        line.partition("  #")[0].partition(" # ")[0].strip()
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for whole in re.findall(r"^\$ (rpcduel .*)$", block.replace("\\\n", " "), re.MULTILINE)
        for line in whole.split("&&")
    }
)


@pytest.mark.parametrize("line", LINES)
def test_command_lines_in_the_documents_can_be_parsed(line):
    _, name, *rest = shlex.split(re.sub(r"\$\(.*?\)", "1.75.0", line))
    assert commands()[name].make_context(name, rest).info_name == name


def test_there_are_command_lines_and_suites():
    assert len(LINES) > 20
    assert len(SUITES) >= 4
