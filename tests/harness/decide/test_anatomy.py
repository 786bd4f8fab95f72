"""Where the time of a call goes: shares, spans and bytes of made-up results."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.decide import anatomy, join
from harness.decide.compare import decide
from harness.results import Failure
from harness.tapped import Part
from stacks.hops.tap.counts import Bytes
from stacks.spans import CLIENT_DECODE, CLIENT_ENCODE, HANDLER, SERVER_DECODE, SERVER_ENCODE, SPANS, Span

COSTS = {"grpc": 100_000, "tcp": 31_000, "grpc (spans)": 110_000, "tcp (spans)": 34_000}
TIMES = {
    CLIENT_ENCODE: 5_000,
    CLIENT_DECODE: 6_000,
    SERVER_DECODE: 4_000,
    HANDLER: 2_000,
    SERVER_ENCODE: 3_000,
}
CLOCK = 50


def dissected(made, costs=None, *, spans=TIMES, **changes):
    """Make a result of the scenario in which each span takes so many ns a call in every twin."""
    result = made.result(costs or COSTS, floor=12_000, fork_sd=0, common_sd=0, noise=0, **changes)
    arms = tuple(
        replace(arm, twin_of=arm.name.removesuffix(" (spans)") if "(" in arm.name else "")
        for arm in result.trial.arms
    )
    turns, runs = result.turns, []
    for index, run in enumerate(result.runs):
        told = []
        for fork in range(result.forks_done):
            calls = int(turns.calls[(turns.arm == index) & (turns.fork == fork)].sum())
            told.append({name: Span((ns + CLOCK) * calls, calls, CLOCK) for name, ns in spans.items()})
        runs.append(replace(run, spans=tuple(told)) if arms[index].twin_of else run)
    trial = replace(result.trial, arms=arms, scenario="anatomy")
    return replace(result, trial=trial, runs=tuple(runs))


def of(result, name):
    return next(one for one in decide(result).anatomy if one.arm == name)


def parts(one):
    return {part.name: part for part in one.parts}


def total(one):
    return sum(part.share.value for part in one.parts) - (one.overlap.share.value if one.overlap else 0)


def test_the_parts_of_a_call_are_read_back_and_add_up(made):
    result = dissected(made)
    assert [one.arm for one in decide(result).anatomy] == ["grpc", "tcp", "floor"]
    for name, cost in (("grpc", 100_000), ("tcp", 31_000), ("floor", 12_000)):
        one = of(result, name)
        found = parts(one)
        assert list(found) == ["client", "server", "neither"]
        assert one.time == pytest.approx(cost, rel=0.05)
        assert found["client"].time == pytest.approx(0.4 * cost)
        assert found["server"].time == pytest.approx(0.3 * cost)
        assert one.overlap is None
        assert total(one) == pytest.approx(1)
        assert sum(part.time for part in one.parts) == pytest.approx(one.time)
        assert one.cpu_seconds == pytest.approx({"client": 0.4 * cost / 1000, "server": 0.3 * cost / 1000})


def test_what_parts_exceed_the_time_by_is_told(made):
    result = made.turns(dissected(made), arm="tcp", server=lambda old: old * 3)
    one = of(result, "tcp")
    assert one.overlap.name == "overlap"
    assert one.overlap.share.value == pytest.approx(0.3, rel=0.1)
    assert one.overlap.share.low <= one.overlap.share.value <= one.overlap.share.high
    assert parts(one)["neither"].time == 0
    assert total(one) == pytest.approx(1)
    assert of(result, "grpc").overlap is None


def test_hops_are_a_part_where_there_are_any(made):
    result = made.turns(dissected(made), arm="grpc", hop=lambda _old: 40_000, calls=lambda old: old)
    found = parts(of(result, "grpc"))
    assert list(found) == ["client", "hop", "server", "neither"]
    assert total(of(result, "grpc")) == pytest.approx(1)
    assert "hop" in of(result, "grpc").cpu_seconds
    assert "hop" not in of(result, "tcp").cpu_seconds


def test_a_server_that_cannot_be_read_is_not_told_from_neither(made):
    result = made.turns(dissected(made), arm="tcp", server=lambda _old: -1)
    one = of(result, "tcp")
    assert list(parts(one)) == ["client", "rest"]
    assert total(one) == pytest.approx(1)
    assert set(one.cpu_seconds) == {"client"}


def test_without_a_server_the_client_does_its_part(made):
    result = dissected(made)
    for name in ("tcp", "tcp (spans)"):
        result = made.turns(result, arm=name, server=lambda _old: 0)
    one = of(result, "tcp")
    assert list(parts(one)) == ["client", "neither"]
    assert one.unattributed == pytest.approx({"client": parts(one)["client"].time - sum(TIMES.values())})


@pytest.mark.parametrize(
    ("forks", "basis"), [(1, "none"), (2, "spread"), (3, "spread"), (4, "interval"), (9, "interval")]
)
def test_shares_have_an_interval_from_four_forks_on(made, forks, basis):
    result = dissected(made, forks=forks)
    result = made.turns(result, arm="tcp", where=lambda t: t.fork == 0, client=lambda old: old * 11 // 10)
    share = parts(of(result, "tcp"))["client"].share
    assert share.basis == basis
    if basis == "none":
        assert (share.low, share.high) == (None, None)
    else:
        assert share.low < share.value < share.high


def test_an_interval_is_that_of_the_forks_means():
    forks = np.array([0.30, 0.32, 0.31, 0.33, np.nan])
    found = anatomy.estimate(0.31, forks)
    half = 3.182446 * np.std(forks[:4], ddof=1) / 2
    assert (found.low, found.high) == pytest.approx((0.31 - half, 0.31 + half))


def test_spans_are_by_call_and_without_the_clock(made):
    one = of(dissected(made), "grpc")
    assert {name: span.value for name, span in one.spans.items()} == pytest.approx(TIMES)
    assert {span.basis for span in one.spans.values()} == {"interval"}
    assert one.unattributed["client"] == pytest.approx(40_000 - 11_000)
    assert one.unattributed["server"] == pytest.approx(30_000 - 9_000)
    assert one.instrumented.value == pytest.approx(1.1, rel=0.05)


def test_what_is_not_measured_is_none_and_never_0(made):
    one = of(dissected(made, spans={HANDLER: 2_000}), "tcp")
    assert {name for name, span in one.spans.items() if span} == {HANDLER}
    assert set(one.spans) == set(SPANS)
    assert one.unattributed["client"] is None
    assert one.unattributed["server"] == pytest.approx(0.3 * 31_000 - 2_000)
    assert one.traffic is None


def test_a_span_that_one_fork_lacks_is_not_measured(made):
    result = dissected(made)
    run = next(run for run in result.runs if run.arm == "tcp (spans)")
    result = made.run(result, run.arm, spans=({HANDLER: run.spans[0][HANDLER]}, *run.spans[1:]))
    assert {name for name, span in of(result, "tcp").spans.items() if span} == {HANDLER}


def test_a_clock_that_costs_more_than_the_span_leaves_nothing_below_0(made):
    result = dissected(made, spans={HANDLER: -CLOCK})
    assert of(result, "tcp").spans[HANDLER].value == 0


@pytest.mark.parametrize(
    "lost", [{"failure": Failure(1, "gone", "")}, {"differs": "Receipt.net is 1 instead of 2"}]
)
def test_a_twin_that_failed_tells_nothing_and_its_arm_keeps_its_parts(made, lost):
    one = of(made.run(dissected(made), "tcp (spans)", **lost), "tcp")
    assert set(one.spans.values()) == {None}
    assert one.instrumented is None
    assert set(one.unattributed.values()) == {None}
    assert total(one) == pytest.approx(1)


def test_an_arm_that_failed_has_no_anatomy(made):
    result = made.run(dissected(made), "tcp", failure=Failure(1, "gone", ""))
    assert [one.arm for one in decide(result).anatomy] == ["grpc", "floor"]


def test_only_one_user_of_the_scenario_is_followed(made):
    result = dissected(made)
    for changes in ({"scenario": "unary"}, {"users": 2}):
        assert decide(replace(result, trial=replace(result.trial, **changes))).anatomy == ()


def test_bytes_are_those_of_a_million_calls(made):
    tapped = Part(200, 200 * 150, 200 * 130, 200 * 90, 200 * 77, Bytes(), Bytes())
    traffic = of(made.run(dissected(made), "tcp", tapped=tapped), "tcp").traffic
    assert (traffic.payload_out, traffic.overhead_out) == (90e6, 60e6)
    assert (traffic.payload_in, traffic.overhead_in) == (77e6, 53e6)


def test_trials_that_are_joined_show_each_arm_once(made):
    first = decide(dissected(made))
    second = decide(
        dissected(made, {"grpc": 100_000, "rest": 60_000, "grpc (spans)": 1e5, "rest (spans)": 6e4})
    )
    (joined,) = join.join([first, second])
    assert [one.arm for one in joined.anatomy] == ["grpc", "tcp", "rest", "floor"]
    assert joined.anatomy[0] == first.anatomy[0]


numbers = st.integers(0, 10**12)
rows = st.lists(
    st.tuples(numbers, numbers, numbers, st.integers(1, 10**6), st.integers(0, 10**6), numbers), min_size=1
)


@given(rows)
def test_parts_always_add_up(table):
    client, hop, server, calls, done, window = (
        np.array(column, np.int64) for column in zip(*table, strict=True)
    )
    turns = SimpleNamespace(client=client, hop=hop, server=server, calls=calls, done=done, window=window)
    found = anatomy.shares(turns, np.arange(len(table)))
    if not done.sum() or not window.sum():
        assert found == {}
        return
    assert list(found) == ["client", "hop", "server", "neither"]
    largest = max(1.0, *map(abs, found.values()))
    assert math.isclose(sum(found.values()), 1, abs_tol=1e-9 * largest)
    assert all(found[name] >= 0 for name in ("client", "hop", "server"))


@given(st.floats(0.01, 3), st.floats(0.01, 3), st.floats(0.01, 3))
def test_shown_parts_less_the_overlap_are_the_whole_call(made, client, hop, server):
    result = dissected(made, {"grpc": 100_000, "grpc (spans)": 110_000}, forks=4, rounds=3, long_rounds=1)
    changes = {"client": client, "hop": hop, "server": server}
    calls = result.turns.calls.copy()
    result = replace(
        result,
        turns=replace(
            result.turns,
            **{name: (calls * 100_000 * share).astype(np.int64) for name, share in changes.items()},
        ),
    )
    one = of(result, "grpc")
    assert total(one) == pytest.approx(1)
    assert all(part.share.value >= 0 for part in one.parts)
    assert (one.overlap is None) == (sum(part.share.value for part in one.parts) <= 1 + 1e-12)
    sides = {**parts(one)}
    for side, names in (
        ("client", (CLIENT_ENCODE, CLIENT_DECODE)),
        ("server", (SERVER_DECODE, HANDLER, SERVER_ENCODE)),
    ):
        spans = sum(one.spans[name].value for name in names)
        assert spans + one.unattributed[side] == pytest.approx(sides[side].time)
