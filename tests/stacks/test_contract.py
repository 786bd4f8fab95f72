"""The suite that every stack must keep, and who is let off what."""

from __future__ import annotations

import sys
from pathlib import Path

import stacks
from stacks.testing import suite
from stacks.testing.needs import features
from stacks.testing.suite import *  # noqa: F403 -- found by their names

GOLDEN = Path(__file__).parent / "golden" / "abilities.txt"


def test_who_is_let_off_what():
    assert matrix() == GOLDEN.read_text(), (
        "if this is right: python tests/stacks/test_contract.py > its golden file"
    )


def matrix():
    """Write which stack has which features, and which tests ask for them."""
    tests = {name: test.needs for name, test in vars(suite).items() if getattr(test, "needs", None)}
    columns = sorted(set().union(*tests.values()))
    rows = [["stack", *columns]]
    for name in stacks.names():
        has = features(stacks.find(name))
        rows.append([name, *("yes" if column in has else "n/a" for column in columns)])
    lines = [f"{row[0]:24}" + "".join(f"{cell:<15}" for cell in row[1:]).rstrip() for row in rows]
    lines += ["", *(f"{', '.join(sorted(wanted))}: {name}" for name, wanted in sorted(tests.items()))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(matrix())
