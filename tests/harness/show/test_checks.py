"""An examination's tables in each of their forms, against golden files."""

import pytest

from harness.decide.sessions import Spread, Told
from harness.doctor.check import Check
from harness.show import checks

FOUND = (
    Check(
        name="machine",
        question="What is there, and what disturbs?",
        columns=("what", "found", "remedy"),
        rows=(
            ("CPU", "Made-up 9000, 2 cores", ""),
            ("governor", "powersave", "set performance: cpupower frequency-set -g performance | as root"),
            ("steal", "not visible", ""),
        ),
        answer="One thing disturbs.",
    ),
    Check("help", "How soon is help there?", ("what", "measured"), (("--help", "0.04 s"),), "", met=True),
    Check("bare", "Is there anything?", (), (), "There is nothing.", met=False),
)
NOISE = Told(
    file="results/noise/abc.json",
    sessions=5,
    wanted=5,
    spreads=(
        Spread(users=1, metric="p50", between=0.012, within=0.009, sessions=5, freedom=3.1, scatter=0.013),
    ),
)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("checks.txt", "".join(checks.terminal(check, 80) for check in FOUND)),
        ("checks.md", checks.markdown(FOUND)),
        ("checks.json", checks.json(FOUND, NOISE) + "\n"),
    ],
)
def test_golden(golden, name, written):
    golden(name, written)


def test_a_table_is_as_wide_as_it_is_told():
    for width in (60, 80, 120):
        assert max(map(len, checks.terminal(FOUND[0], width).splitlines())) <= width
