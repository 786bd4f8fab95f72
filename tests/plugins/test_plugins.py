"""A stack in a package of its own, as a user would write and install it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "lines"
NAME = "lines-json"
SUITE = """
import pytest
import stacks
from stacks.testing.suite import *

@pytest.fixture
def stack():
    return stacks.find("lines-json")
"""


def python(*arguments: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else None
    return subprocess.run(
        [sys.executable, "-P", "-m", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The plug-in in a directory that nobody looks into unless told so."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(target)]
    found = python("pip", "install", *options, str(PLUGIN), cwd=target)
    assert found.returncode == 0, found.stderr
    return target


def test_it_is_listed_where_it_is_installed_and_nowhere_else(installed, tmp_path):
    with_it = python("harness", "list", "stacks", cwd=tmp_path, path=installed)
    assert with_it.returncode == 0, with_it.stderr
    (line,) = [line for line in with_it.stdout.splitlines() if NAME in line]
    assert "handlers one after the other; uvloop " in line
    assert NAME not in python("harness", "list", "stacks", cwd=tmp_path).stdout


def test_it_is_compared_with_ours(installed, tmp_path):
    found = python(
        "harness", "run", "--stack", f"{NAME},tcp-msgpack", "--quick", "--seconds", "2", "--json",
        cwd=tmp_path, path=installed,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert f'"{NAME}"' in found.stdout


def test_it_keeps_what_every_stack_must_keep(installed, tmp_path):
    (tmp_path / "test_lines.py").write_text(SUITE)
    found = python("pytest", "-q", "-W", "error", "-p", "no:cacheprovider", cwd=tmp_path, path=installed)
    assert found.returncode == 0, found.stdout + found.stderr
    counted = re.fullmatch(r"(\d+) passed, (\d+) skipped in .*", found.stdout.splitlines()[-1])
    assert counted, found.stdout
    assert int(counted[1]) > 60
