"""What would not change a decision, on made-up results with known answers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.decide import compare, indifference
from harness.decide.rounds import arrange, effects
from scenarios.arm import name_all, parse
from scenarios.load import Arrivals, Open


@pytest.fixture(scope="module")
def play(made):
    """Give what makes a trial of arms, by SPEC with their costs in µs."""

    def play(costs, *, sd=0.003, forks=5, seed=1, rounds=6, **trial):
        arms = name_all([parse(spec) for spec in costs])
        named = {arm.name: 1000 * cost for arm, cost in zip(arms, costs.values(), strict=True)}
        sizes = {"rounds": rounds, "long_rounds": 0, "forks": forks, "fork_sd": sd, "seed": seed}
        result = made.result(named, floor=9_000, **sizes)
        arms = (*arms, result.trial.arms[-1])
        return replace(result, trial=replace(result.trial, arms=arms, **trial))

    return play


CODEC = {"grpc-protobuf": 100, "grpc-msgpack": 100}


def test_equal_arms_do_not_matter(play):
    (said,) = indifference.find([play(CODEC, users=16)])
    assert re.fullmatch(
        r"The codec, grpc-msgpack or grpc-protobuf, does not matter with 16 users and small messages: "
        r"time and CPU per call differ by at most [1-5] % \(−[1-5] % to \+[1-5] %\)\.",
        said,
    )


@pytest.mark.parametrize(
    ("costs", "options"),
    [
        ({"grpc-protobuf": 100, "grpc-msgpack": 104.5}, {"sd": 0.01}),
        ({"grpc-protobuf": 100, "grpc-msgpack": 80}, {}),
        (CODEC, {"sd": 0.05}),
        (CODEC, {"forks": 3}),
        ({"grpc-protobuf": 100, "grpc-protobuf,channel=shared,tls=on": 100}, {}),
        ({"grpc-protobuf,beside=1MiB": 100, "grpc-protobuf": 100}, {}),
        ({"a=grpc-protobuf": 100, "b=grpc-protobuf": 100}, {}),
        ({"grpc-protobuf,method=Upload": 100, "grpc-protobuf,method=Download": 100}, {}),
    ],
    ids=["near the edge", "apart", "wide", "few forks", "two things", "held up", "the same", "no choice"],
)
def test_nothing_is_said(play, costs, options):
    assert indifference.find([play(costs, **options)]) == ()


def test_no_difference_shown_is_not_enough(play):
    """The intervals hold 1, and so the table says that no difference is shown; but they are wide."""
    result = play(CODEC, sd=0.06, seed=3)
    ratio = compare.decide(result).arms[1].ratios["time"]
    assert not ratio.resolved
    assert indifference.find([result]) == ()


def test_an_open_loop_says_nothing(play):
    load = Open(0.5, 1, Arrivals.POISSON, 20, of_capacity=True)
    assert indifference.find([play(CODEC, open=load)]) == ()


def test_time_alone_is_not_enough(play, made):
    result = made.turns(play(CODEC), arm="grpc-msgpack", client=lambda old: old * 12 // 10)
    assert indifference.find([result]) == ()


def test_cpu_that_is_not_known_leaves_it_open(play, made):
    result = made.turns(play(CODEC), arm="grpc-msgpack", server=lambda old: old * 0 - 1)
    assert indifference.find([result]) == ()


def test_an_arm_without_valid_figures_is_like_nobody(play, made):
    assert indifference.find([made.run(play(CODEC), "grpc-msgpack", differs="x")]) == ()


def sizes(play, costs, **options):
    return [
        play({"grpc-protobuf": 100, "grpc-msgpack": cost}, sample=size, seed=k, **options)
        for k, (size, cost) in enumerate(zip(("100B", "1KiB", "10KiB", "100KiB"), costs, strict=False))
    ]


@pytest.mark.parametrize(
    ("costs", "where"),
    [
        ((100, 100, 80, 50), "at 100 B and 1 KiB with 1 user"),
        ((100, 80, 80, 50), "at 100 B with 1 user"),
        ((80, 100, 100, 50), "at 1 KiB and 10 KiB with 1 user"),
        ((80, 80, 100, 50), "at 10 KiB with 1 user"),
        ((100, 100, 100, 100), "at all 4 sizes from 100 B to 100 KiB with 1 user"),
    ],
)
def test_sizes_behind_each_other_are_joined(play, costs, where):
    (said,) = indifference.find(sizes(play, costs))
    assert f"does not matter {where}: time" in said


def test_a_gap_makes_two_of_it_and_the_longer_one_comes_first(play):
    first, second = indifference.find(sizes(play, (100, 80, 100, 100)))
    assert "does not matter at 10 KiB and 100 KiB" in first
    assert "does not matter at 100 B" in second


def test_users_behind_each_other_are_joined(play):
    results = [
        play({"grpc-protobuf": 100, "grpc-protobuf,channel=shared": cost}, users=users, seed=users)
        for users, cost in ((1, 100), (4, 100), (64, 70))
    ]
    (said,) = indifference.find(results)
    assert said.startswith(
        "grpc-protobuf over a channel shared or per-user does not matter with 1 and 4 users"
    )


def test_who_says_otherwise_of_the_same_place_is_heard(play):
    alike, other = play(CODEC), play({"grpc-protobuf": 100, "grpc-msgpack": 80})
    assert indifference.find([alike])
    assert indifference.find([alike, other]) == ()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("grpc-protobuf@envoy", "grpc-protobuf through envoy or direct does not matter"),
        ("grpc-protobuf,tls=on", "grpc-protobuf with TLS or without does not matter"),
        ("tcp-msgpack", "tcp-msgpack or grpc-protobuf does not matter"),
        ("new=grpc-protobuf,with=grpcio==1.75.0", "new or grpc-protobuf does not matter"),
    ],
)
def test_choices_are_named_by_what_is_chosen(play, spec, said):
    (found,) = indifference.find([play({"grpc-protobuf": 100, spec: 100})])
    assert found.startswith(said)


def test_arms_of_other_transports_are_held_against_the_baseline_alone(play):
    costs = {"grpc-protobuf": 150, "tcp-msgpack": 100, "rest-json": 100}
    assert indifference.find([play(costs)]) == ()


def test_other_methods_are_named(play):
    (said,) = indifference.find([play(CODEC, method="Quotes", messages=16)])
    assert "(Quotes) does not matter" in said
    assert "time and CPU per message differ" in said


def test_at_most_five_are_said_and_the_weightiest_first(play):
    stacks = ("grpc-msgpack", "grpc-json", "grpc-memorypack", "rest-json", "tcp-msgpack")
    one = play({"grpc-protobuf": 100, **dict.fromkeys(stacks, 100)}, sd=0.0005)
    two = play({"grpc-protobuf": 100, "grpc-protobuf,channel=shared": 100}, sd=0.0005, users=4)
    found = indifference.find([two, one])
    assert len(found) == indifference.MOST == 5
    assert not any("channel" in said for said in found)


def test_the_more_is_looked_at_the_more_it_takes(play):
    many = [play({"rest-json": 100, "tcp-msgpack": 50}, users=users) for users in range(2, 12)]
    ones = [play(CODEC, sd=0.014, seed=seed) for seed in range(12)]
    alone = [bool(indifference.find([one])) for one in ones]
    among = [bool(indifference.find([one, *many])) for one in ones]
    assert sum(among) < sum(alone)
    assert all(first >= second for first, second in zip(alone, among, strict=True))


def test_what_is_doubtful_is_said(play, made):
    result = made.turns(play(CODEC), foreign=lambda old: old + 5_000_000)
    (said,) = indifference.find([result])
    assert said.endswith("; doubtful (foreign-cpu).")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.floats(90, 110), st.sampled_from([0.0, 0.003, 0.01, 0.03]), st.integers(0, 99), st.integers(4, 8))
def test_never_said_when_an_interval_leaves_the_band(play, cost, sd, seed, forks):
    """An interval of 90 %, without any correction, is narrower than what is asked for."""
    result = play({"grpc-protobuf": 100, "grpc-msgpack": cost}, sd=sd, seed=seed, forks=forks, rounds=3)
    if not indifference.find([result]):
        return
    for metric in ("time", "cpu"):
        found, _ = effects(arrange(result), metric, 1, 0)
        half = 1.64 * found.std(ddof=1) / np.sqrt(len(found))
        assert -np.log(1.05) < found.mean() - half <= found.mean() + half < np.log(1.05)


def test_arms_that_differ_by_five_percent_are_seldom_called_alike(play):
    said = [
        indifference.find([play({"grpc-protobuf": 100, "grpc-msgpack": 105}, sd=0.02, seed=k, rounds=3)])
        for k in range(60)
    ]
    assert sum(map(bool, said)) <= 8
