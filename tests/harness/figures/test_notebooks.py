"""The notebooks run from a clean kernel, on whatever results there are."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from harness import results

FOLDER = Path(__file__).parents[3] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def store(found, place):
    place.mkdir(parents=True)
    for number, result in enumerate(found):
        results.write(result, place / f"{number:03d}-x.json")


def executed(notebook, folder, place=None):
    """Run a notebook in `folder`, on the run at `place`, else on what it finds; a cell that fails raises."""
    read = nbformat.read(notebook, as_version=4)
    if place:
        read.cells[1].source = f"RESULTS = {str(place)!r}"
    NotebookClient(
        read, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return read


def outputs(read):
    return [output for cell in read.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(read):
    return "".join(output.text for output in outputs(read) if output.output_type == "stream")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]))
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def test_there_are_five():
    assert [notebook.stem[:2] for notebook in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(notebook):
    read = nbformat.read(notebook, as_version=4)
    nbformat.validate(read)
    assert read.cells[1].source == "RESULTS = None"
    for cell in read.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_all_that_it_is_about(notebook, folder, sets, everything):
    for name, found in (("1-all", everything), ("2-gate", sets.gate)):
        store(found, folder.parent / "results" / name)
    read = executed(notebook, folder)
    figures = sum("image/png" in output.get("data", {}) for output in outputs(read))
    wanted = sum(cell.source.startswith("show(plot_") for cell in read.cells)
    missing = {"02-channels-and-fan-in": 2, "04-payloads-and-codecs": 2}.get(notebook.stem, 0)
    assert figures == wanted - missing
    assert printed(read).count("` measures it") == missing


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_kindly_what_is_missing(notebook, folder, sets):
    place = folder.parent / "results" / "1-coldstart"
    store([sets.make.at(sets.channels[0], scenario="coldstart")], place)
    said = printed(executed(notebook, folder, place))
    assert "Error" not in said
    assert "rpcduel" in said or notebook.stem.startswith("01")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_draws_the_sample(notebook, folder):
    drawn = [out for out in outputs(executed(notebook, folder)) if "image/png" in out.get("data", {})]
    assert len(drawn) >= 1
