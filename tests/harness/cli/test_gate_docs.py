"""What the gate's documents say is so."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from harness.cli import gate as command
from harness.plan.suite import read_gate

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("gate.md", "which-release.md")
LINKS = [
    (page, link)
    for page in PAGES
    for link in re.findall(r"\]\(([^)#]+)", (DOCS / page).read_text(encoding="utf-8"))
    if "://" not in link
]
SUITES = [
    text
    for page in PAGES
    for text in re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_links_lead_somewhere(page, link):
    assert (DOCS / page).parent.joinpath(link).exists(), link


@pytest.mark.parametrize("text", SUITES)
def test_suites_can_be_read(tmp_path, text):
    file = tmp_path / "gate.toml"
    file.write_text(text, encoding="utf-8")
    wish, table = read_gate(file)
    assert table.base in [arm.name for arm in wish.arms]


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_ci_files_are_yaml_and_call_the_gate_with_options_that_there_are(name):
    text = (DOCS / "ci" / name).read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)
    steps = (
        jobs["jobs"]["gate"]["steps"]
        if "jobs" in jobs
        else [{"run": line} for line in jobs["rpcduel"]["script"]]
    )
    (called,) = [step["run"] for step in steps if step.get("run", "").startswith("rpcduel gate")]
    arguments = shlex.split(called.partition(" || ")[0], comments=True)[2:]
    assert arguments[0] == "gate.toml"
    made = command.command.make_context("gate", list(arguments))
    assert [form for form, _ in made.params["files"]] == ["md", "junit"]


def outcome(script, code):
    """Run a step as GitHub's shell does, with a gate that exits with `code`; gives the step's own code."""
    script = f"rpcduel() {{ return {code}; }}\n{script}"
    return subprocess.run(["bash", "-e", "-c", script], capture_output=True, check=False).returncode


def test_both_ci_files_let_unclear_pass_and_nothing_else():
    gitlab, github = (
        yaml.safe_load((DOCS / "ci" / name).read_text(encoding="utf-8"))
        for name in ("gitlab-ci.yml", "github-actions.yml")
    )
    assert gitlab["rpcduel"]["allow_failure"] == {"exit_codes": [3]}
    (step,) = [
        each["run"] for each in github["jobs"]["gate"]["steps"] if "rpcduel gate" in each.get("run", "")
    ]
    assert [code for code in (0, 1, 2, 3, 4, 70, 130) if outcome(step, code) == 0] == [0, 3]


def test_the_answer_is_a_comment_where_the_token_may_write_one():
    jobs = yaml.safe_load((DOCS / "ci" / "github-actions.yml").read_text(encoding="utf-8"))
    assert jobs["permissions"] == {"contents": "read", "pull-requests": "write"}
    (step,) = [each for each in jobs["jobs"]["gate"]["steps"] if "gh pr comment" in each.get("run", "")]
    assert step["if"] == "always() && github.event.pull_request.head.repo.full_name == github.repository"
    assert set(re.findall(r"\$(\w+)", step["run"])) <= set(step["env"])
    assert outcome(f"gh() {{ return 1; }}\n{step['run']}", 0) == 0  # there is no gate.md


def test_the_suite_for_ci_starts_both_sides_where_the_recipes_put_them():
    data = tomllib.loads((DOCS / "ci" / "gate.toml").read_text(encoding="utf-8"))
    base, (candidate,) = data["gate"]["base"], data["gate"]["candidates"]
    assert data["arms"][base]["server"][1] == f"base/{data['arms'][candidate]['server'][1]}"
    github, gitlab = (
        yaml.safe_load((DOCS / "ci" / name).read_text(encoding="utf-8"))
        for name in ("github-actions.yml", "gitlab-ci.yml")
    )
    assert [each.get("with", {}).get("path") for each in github["jobs"]["gate"]["steps"]][1] == "base"
    assert any(line.startswith("git worktree add base ") for line in gitlab["rpcduel"]["script"])


def test_every_option_is_told_of_in_the_docs():
    told = (DOCS / "gate.md").read_text(encoding="utf-8")
    for option in (
        "--users",
        "--metrics",
        "--looks",
        "--seconds",
        "--format",
        "--out",
        "--tolerance",
        "--detect",
    ):
        assert option in told
        assert option in CliRunner().invoke(command.command, ["--help"]).output


def test_the_example_s_suite_has_arms_that_start():
    path = DOCS / "examples" / "orders" / "gate.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    for arm in data["arms"].values():
        assert path.with_name(arm["server"][1]).is_file()
