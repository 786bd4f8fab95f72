"""The door for notebooks."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from msgspec.structs import replace

from harness import archive, results, study
from harness.decide.gate import Rule, Ruling
from harness.show import csv, frames
from harness.study import StudyError


def store(found, place):
    place.mkdir(parents=True)
    for number, result in enumerate(found):
        results.write(result, place / f"{number:03d}-x.json")


@pytest.fixture
def root(tmp_path, sets, monkeypatch):
    store(sets.unary, tmp_path / "results" / "20260101T000000-unary")
    store(sets.channels, tmp_path / "results" / "20260102T000000-channels")
    store(sets.gate, tmp_path / "results" / "20260103T000000-gate")
    (tmp_path / "results" / "noise").mkdir()
    (tmp_path / "results" / "noise" / "x.json").write_text("{}")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setattr(archive, "SAMPLE", tmp_path / "sample")
    return tmp_path


def scenarios(found):
    return [result.trial.scenario for result in found]


def test_a_run_a_file_and_a_directory_of_runs_are_read(root):
    folder = root / "results"
    assert scenarios(study.load_runs(folder / "20260101T000000-unary")) == ["unary", "unary"]
    assert scenarios(study.load_runs(str(folder / "20260101T000000-unary" / "001-x.json"))) == ["unary"]
    assert scenarios(study.load_runs(folder)) == ["unary", "unary", "channels", "unary", "unary"]


def test_without_a_place_the_newest_run_further_up_is_read(root):
    assert len(study.load_runs()) == 2
    assert scenarios(study.load_runs(scenarios=["channels"])) == ["channels"]
    assert study.load_runs(scenarios=["gate"])[0].command.startswith("rpcduel gate")
    assert not study.load_runs(scenarios=["unary"])[0].command.startswith("rpcduel gate")


def test_a_place_is_looked_for_further_up_too(root):
    assert Path.cwd() == root / "notebooks"
    assert len(study.load_runs("results/20260101T000000-unary")) == 2
    (root / "notebooks" / "results").symlink_to(root / "results" / "20260102T000000-channels")
    assert scenarios(study.load_runs("results")) == ["channels"]


def test_the_sample_of_the_folders_above_comes_before_that_of_the_package(root, sets):
    store(sets.anatomy, root / "sample" / "1-anatomy")
    store(sets.channels, root / "results" / "sample" / "1-channels")
    shutil.rmtree(root / "results" / "20260102T000000-channels")
    assert scenarios(study.load_runs(scenarios=["channels"])) == ["channels"]


def test_of_the_sample_a_scenario_of_its_own_comes_before_a_part_of_another(root, sets):
    shutil.rmtree(root / "results")
    within = [replace(one, trial=replace(one.trial, within="claims")) for one in sets.unary]
    store(within, root / "sample" / "2-claims")
    store(sets.unary[:1], root / "sample" / "1-unary")
    store(sets.channels, root / "sample" / "3-channels")
    assert [one.trial.within for one in study.load_runs(scenarios=["unary"])] == [""]
    shutil.rmtree(root / "sample" / "1-unary")
    assert [one.trial.within for one in study.load_runs(scenarios=["unary"])] == ["claims", "claims"]


def test_else_the_sample_is_read(root, sets):
    store(sets.anatomy, root / "sample" / "1-anatomy")
    store(sets.channels, root / "sample" / "2-channels")
    assert scenarios(study.load_runs(scenarios=["anatomy"])) == ["anatomy"]
    assert len(study.load_runs(scenarios=["fanin"])) == len(study.load_runs())
    shutil.rmtree(root / "results")
    assert (
        scenarios(study.load_runs())
        == scenarios(study.load_runs(scenarios=["fanin"]))
        == ["anatomy", "channels"]
    )


def test_where_there_is_nothing_it_says_so(root):
    shutil.rmtree(root / "results")
    with pytest.raises(results.ResultError, match="rpcduel run"):
        study.load_runs()
    with pytest.raises(results.ResultError, match="no such result"):
        study.load_runs("nowhere")


def test_points_are_selected(everything):
    assert scenarios(study.select(everything, scenario="unary", users=16)) == ["unary"]
    assert study.select(everything, users=7) == []
    assert len(study.select(everything)) == len(everything)


def test_turns_are_a_frame_like_the_csv(sets, made):
    result = made.turns(sets.channels[0], arm="grpc-protobuf", p50=lambda old: old * 0 - 1)
    frame = study.to_frame([result, *sets.rated])
    assert tuple(frame.columns) == csv.HEADER
    assert len(frame) == sum(len(one.turns.arm) for one in (result, *sets.rated))
    lacking = frame[(frame.trial == 0) & (frame.arm == "grpc-protobuf")]
    assert lacking.p50_ns.isna().all()
    assert frame.memory_bytes.isna().all()
    assert frame[frame.trial == 0].rate.isna().all()
    assert (frame[frame.trial == 1].rate > 0).all()
    import io

    text = pd.read_csv(io.StringIO(csv.render([result, *sets.rated])))
    pd.testing.assert_frame_equal(
        text.drop(columns=["part"]), frame.drop(columns=["part"]), check_dtype=False
    )


def test_figures_are_a_row_each(sets):
    frame = study.to_frame(sets.unary, by="figure")
    assert tuple(frame.columns) == frames.FIGURES
    one = frame[(frame.users == 1) & (frame.arm == "tcp-msgpack")].set_index("figure")
    assert one.loc["ratio time", "value"] == pytest.approx(0.31, rel=0.05)
    assert one.loc["ratio time", "basis"] == "interval"
    assert one.loc["p50", "low"] < one.loc["p50", "value"] < one.loc["p50", "high"]
    assert np.isnan(one.loc["calls_per_second", "low"])
    assert set(frame.validity) == {"valid"}


def test_a_doubtful_figure_says_so(made):
    result = made.result({"a": 100_000, "b": 50_000}, long_costs={"b": 80_000})
    frame = study.to_frame([result], by="figure")
    assert set(frame[(frame.arm == "b") & (frame.figure == "ratio time")].validity) == {"doubtful"}
    assert set(frame[frame.arm == "a"].validity) == {"valid"}


def test_no_results_are_empty_frames():
    assert list(study.to_frame([]).columns) == list(csv.HEADER)
    assert study.to_frame([], by="figure").empty


def test_frames_that_cannot_be_made_are_refused(sets):
    with pytest.raises(StudyError, match="by='turn' or by='figure'"):
        study.to_frame(sets.unary, by="month")
    with pytest.raises(StudyError, match="no turns any more"):
        study.to_frame(study.decide(sets.unary))


PLOTS = {
    study.plot_ratios: "unary",
    study.plot_percentiles: "unary",
    study.plot_users: "unary",
    study.plot_fanin: "fanin",
    study.plot_sizes: "payload",
    study.plot_rates: "rated",
    study.plot_anatomy: "anatomy",
    study.plot_bytes: "anatomy",
    study.plot_rounds: "channels",
    study.plot_gate: "gate",
}


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.__name__)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_plot_gives_a_figure_that_a_notebook_shows(sets, plot, dark):
    figure = plot(getattr(sets, PLOTS[plot]), dark=dark)
    assert isinstance(figure, Figure)
    assert figure._repr_png_()[0].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "plot", [plot for plot in PLOTS if plot is not study.plot_gate], ids=lambda plot: plot.__name__
)
def test_a_plot_of_nothing_says_what_it_needs(plot, made):
    alone = [
        replace(
            made.run(made.result({"only": 100_000}, forks=1, rounds=2, long_rounds=0), "only", payload=None)
        )
    ]
    with pytest.raises(StudyError, match=r"which needs .*; they are of: made-up"):
        plot(alone)


def test_a_notebook_goes_on_where_something_is_missing(sets, capsys):
    assert study.show(study.plot_ratios, sets.unary, scenario="fanin") is None
    assert "`rpcduel run fanin` measures it" in capsys.readouterr().out
    assert isinstance(study.show(study.plot_ratios, sets.unary), Figure)


def test_an_unknown_scenario_is_named_with_those_that_there_are(sets):
    with pytest.raises(StudyError, match="no scenario 'soak' in these results, which are of: unary"):
        study.plot_ratios(sets.unary, scenario="soak")


def test_plots_go_onto_axes_of_the_users_own(sets):
    figure = Figure()
    axes = figure.subplots(1, 2)
    assert study.plot_users(sets.unary, list(axes)) is figure
    assert all(one.lines for one in axes)
    with pytest.raises(StudyError, match="2 panels, and there are 1 axes"):
        study.plot_users(sets.unary, Figure().subplots())


def test_plots_work_under_pyplot(sets):
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    _, axes = plt.subplots()
    assert study.plot_rounds(sets.channels, axes) is axes.figure
    plt.close("all")


def test_answers_are_plotted_where_no_results_are_needed(sets):
    found = study.decide(sets.unary)
    assert study.decide(found) is found
    assert isinstance(study.plot_ratios(found), Figure)
    with pytest.raises(StudyError, match="no answer"):
        study.plot_percentiles(found)


def test_gates_are_ruled_on(sets):
    assert study.rule(sets.gate).ruling in set(Ruling)
    assert study.rule(sets.gate, Rule(looks=(8, 16), tolerance=0.5, detect=0.6)).ruling is Ruling.SAME
    with pytest.raises(StudyError, match="rpcduel gate"):
        study.rule(sets.unary)
    with pytest.raises(StudyError, match="rpcduel gate"):
        study.plot_gate(sets.unary)


def test_pyplot_is_not_imported_by_harness():
    import subprocess
    import sys

    code = (
        "import sys, harness.study; sys.exit('matplotlib.pyplot' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
