"""The committed sample: whole, small, and what the README shows of it."""

import sys
from pathlib import Path

import pytest

from harness import results
from harness.archive import SAMPLE
from harness.decide import compare

ROOT = SAMPLE.parents[1]
RUNS = sorted(path for path in SAMPLE.glob("*") if path.is_dir())


def test_it_has_what_it_is_said_to_have_and_is_small():
    files = list(SAMPLE.glob("*/*"))
    assert {file.suffix for file in files} == {".json"}
    assert sum(file.stat().st_size for file in files) < 3_000_000
    asked = {result.trial.within or result.trial.scenario for run in RUNS for result in results.read_all(run)}
    assert {"unary", "channels", "fanin", "payload", "claims"} <= asked


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_its_commands_stand_beside_it(run):
    told = (SAMPLE / "README.md").read_text(encoding="utf-8")
    for result in results.read_all(run):
        assert result.command in told
        assert result.machine.cores == 2


def test_the_readmes_table_is_of_it():
    told = (ROOT / "README.md").read_text(encoding="utf-8")
    (run,) = [run for run in RUNS if run.name.endswith("-unary")]
    comparison = compare.answer(results.read_all(run)).comparisons[1]
    sentence = " ".join(comparison.sentence.split())
    assert sentence in " ".join(told.split())


def test_the_readmes_picture_can_be_drawn_again(tmp_path):
    sys.path.insert(0, str(ROOT / "docs" / "images"))
    try:
        import draw
    finally:
        sys.path.pop(0)
    for file in draw.draw(tmp_path):
        assert file.read_text(encoding="utf-8").startswith("<?xml")
        assert (Path(draw.HERE) / file.name).is_file()
