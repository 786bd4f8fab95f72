"""Which stored runs are chosen to be compared."""

import pytest

from harness import results, runs
from harness.results import NOISE, ResultError


@pytest.fixture
def root(tmp_path):
    """Give a folder with runs, by name."""
    names = (
        "20260101T000000-unary",
        "20260102T000000-payload",
        "20260103T000000-unary",
        "20260103T000000-unary-2",
        "20260104T000000-gate",
        NOISE,
        "20260105T000000-slo",
    )
    for name in names[:-1]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "000.json").write_text("{}")
    (tmp_path / names[-1]).mkdir()  # nothing was stored
    return tmp_path


def test_runs_are_listed_by_time_without_noise_and_empty_ones(root):
    assert [run.name[:8] for run in results.stored(root)] == [
        "20260101",
        "20260102",
        "20260103",
        "20260103",
        "20260104",
    ]


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("20260101T000000-unary", "unary"),
        ("20260101T000000-head-of-line-12", "head-of-line"),
        ("20260101T000000-unary+codec", "unary+codec"),
        ("before-the-change", ""),
    ],
)
def test_a_run_s_name_says_what_it_asked(tmp_path, name, asked):
    assert runs.question(tmp_path / name) == asked


def test_a_file_asked_what_its_run_did(root):
    assert runs.question(root / "20260102T000000-payload" / "000.json") == "payload"


def test_without_arguments_the_two_newest_of_the_same_scenario_are_taken(root):
    names = [place.name for place in runs.pair(root, None, None)]
    assert names == ["20260103T000000-unary", "20260103T000000-unary-2"]


def test_one_is_held_against_the_newest_like_it(root):
    base = root / "20260101T000000-unary"
    assert runs.pair(root, base, None) == (base, root / "20260103T000000-unary-2")
    file = base / "000.json"
    assert runs.pair(root, file, None) == (file, root / "20260103T000000-unary-2")


def test_one_of_the_user_s_naming_is_held_against_the_newest_of_all(root):
    kept = root / "kept"
    kept.mkdir()
    (kept / "000.json").write_text("{}")
    assert runs.pair(root, kept, None)[1].name == "20260104T000000-gate"


def test_of_a_folder_of_runs_the_newest_is_taken(root, tmp_path):
    other = tmp_path / "20260102T000000-payload"
    assert runs.pair(root, other, root) == (other, root / "20260104T000000-gate")


def test_both_are_taken_as_given(root):
    both = (root / "20260102T000000-payload", root / "20260101T000000-unary")
    assert runs.pair(root, *both) == both


@pytest.mark.parametrize(
    ("base", "candidate", "said"),
    [
        ("20260101T000000-unary", "20260101T000000-unary", "is compared with itself"),
        ("20260102T000000-payload", None, "holds no other run of payload; `rpcduel run` makes one"),
        ("nowhere", None, "nowhere: there is no such result"),
    ],
)
def test_what_cannot_be_chosen_is_told(root, base, candidate, said):
    with pytest.raises(ResultError, match=said):
        runs.pair(root, root / base, root / candidate if candidate else None)


def test_no_two_runs_of_a_scenario_are_told(tmp_path):
    with pytest.raises(ResultError, match=r"holds no two runs of the same scenario; .* makes another"):
        runs.pair(tmp_path, None, None)
