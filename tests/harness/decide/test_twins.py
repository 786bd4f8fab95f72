"""Twins take turns and are left out of every comparison."""

import numpy as np
import pytest
from msgspec.structs import replace

from harness import twins
from harness.cli.intention import intention
from harness.decide.compare import decide
from harness.plan.trials import expand
from harness.plan.wish import Wish
from harness.results import Failure
from harness.show import csv
from scenarios.arm import FLOOR, KEYS, Arm, SpecError
from scenarios.catalog import MOST_ARMS

ARMS = (Arm("a", "grpc-protobuf"), Arm("b", "tcp-msgpack"), Arm("c", "rest-json"), Arm("d", "tcp-json"))


def names(trial):
    return [arm.name for arm in trial.arms]


def test_every_arm_has_a_twin_that_is_like_it():
    arm = Arm("a", "tcp-msgpack", hops=("tap",), work="spin:9us")
    (twin,) = twins.made([arm])
    assert twin == replace(arm, name="a (spans)", twin_of="a")
    assert "twin_of" not in KEYS


def test_a_name_that_is_taken_is_not_given_again():
    made = twins.made([Arm("a", "memory"), Arm("a (spans)", "memory")])
    assert len({"a", "a (spans)", *(arm.name for arm in made)}) == 4
    assert [arm.twin_of for arm in made] == ["a", "a (spans)"]


def test_a_server_that_runs_already_is_not_called_by_two():
    assert twins.made([Arm("a", "tcp-msgpack", at="127.0.0.1:1")]) == ()


@pytest.mark.parametrize(
    ("count", "groups"),
    [(1, ["a"]), (2, ["ab"]), (3, ["abc"]), (4, ["abd", "ac"])],
)
def test_twins_count_among_the_arms_of_a_trial(count, groups):
    found = expand(Wish(scenario="anatomy", arms=ARMS[:count]))
    assert [names(trial) for trial in found] == [
        [*group, *(f"{name} (spans)" for name in group), "floor"] for group in groups
    ]
    for trial in found:
        assert len(trial.arms) - 1 <= MOST_ARMS
        assert (trial.users, trial.baseline, trial.arms[-1]) == (1, "a", FLOOR)
    assert sum(trial.seconds for trial in found) == pytest.approx(90)


def test_the_plan_says_that_there_are_twins():
    assert intention(expand(Wish(scenario="anatomy", arms=ARMS))).startswith(
        "4 arms, twins and the floor × 1 "
    )
    assert intention(expand(Wish(arms=ARMS))).startswith("4 arms and the floor × 2 ")


def test_many_users_are_refused():
    with pytest.raises(SpecError, match="users=16: anatomy follows the calls of one user; leave users out"):
        expand(Wish(scenario="anatomy", arms=ARMS, users=(1, 16)))
    assert expand(Wish(scenario="anatomy", arms=ARMS, users=(1,)))


COSTS = {"grpc": 100_000, "tcp": 31_000, "grpc (spans)": 110_000, "tcp (spans)": 34_000}


@pytest.fixture
def twinned(made):
    result = made.result(COSTS, floor=12_000)
    arms = tuple(
        replace(arm, twin_of=arm.name.removesuffix(" (spans)") if "(" in arm.name else "")
        for arm in result.trial.arms
    )
    return replace(result, trial=replace(result.trial, arms=arms))


def test_twins_are_no_contenders(made, twinned):
    comparison = decide(twinned)
    assert [arm.name for arm in comparison.arms] == ["grpc", "tcp", "floor"]
    assert comparison.arms[-1].floor
    assert "spans" not in comparison.sentence
    assert set(comparison.arms[1].ratios) == {"p50", "time", "cpu"}
    assert comparison.arms[1].ratios["time"].estimate.value == pytest.approx(0.31, rel=0.03)


def test_without_twins_all_else_is_as_it_was(twinned):
    left = twins.without(twinned)
    assert [arm.name for arm in left.trial.arms] == ["grpc", "tcp", "floor"]
    assert [run.arm for run in left.runs] == ["grpc", "tcp", "floor"]
    for now, before in ((0, 0), (1, 1), (2, 4)):
        for column in left.turns.__struct_fields__:
            if column != "arm":
                mine = getattr(left.turns, column)[left.turns.arm == now]
                assert np.array_equal(mine, getattr(twinned.turns, column)[twinned.turns.arm == before])
        blocks = [one.blocks for one in left.histograms if one.arm == now]
        assert blocks == [one.blocks for one in twinned.histograms if one.arm == before]
    assert twins.without(left) is left


def test_a_twin_that_failed_leaves_its_arm_as_it_is(made, twinned):
    lost = made.run(twinned, "tcp (spans)", failure=Failure(2, "its server ended with exit code 3", ""))
    found = [one for one in decide(lost).findings if one.kind == "spans"]
    assert [(one.arm, one.validity) for one in found] == [("tcp", "note")]
    assert "exit code 3" in found[0].text
    assert decide(lost).arms == decide(twinned).arms


def test_csv_has_the_turns_of_twins_too(twinned):
    assert "tcp (spans)" in csv.render([twinned])
