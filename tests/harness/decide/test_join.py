import pytest
from msgspec.structs import replace

from harness.decide.compare import answer, decide
from harness.decide.join import join

BASE = "grpc-protobuf"


def groups(made, costs, size=2, **options):
    """Deal the arms to trials of at most `size` in turn, each with the baseline and the floor."""
    rest = [name for name in costs if name != BASE]
    count = -(-len(rest) // size)
    return [
        made.result(
            {BASE: costs[BASE], **{name: costs[name] for name in rest[k::count]}},
            floor=10_000,
            seed=k,
            **options,
        )
        for k in range(count)
    ]


def arm(comparison, name):
    return next(arm for arm in comparison.arms if arm.name == name)


COSTS = {BASE: 100_000, "a": 50_000, "b": 200_000, "c": 50_100, "d": 150_000}


def test_trials_of_one_point_become_one_with_every_arm_once(made):
    parts = [decide(result) for result in groups(made, COSTS)]
    (joined,) = join(parts)
    assert [arm.name for arm in joined.arms] == [BASE, "a", "b", "c", "d", "floor"]
    assert joined.trials == 2
    assert joined.seconds == sum(part.seconds for part in parts)


def test_ratios_stay_those_of_their_own_trial(made):
    parts = [decide(result) for result in groups(made, COSTS)]
    (joined,) = join(parts)
    measured = {arm.name: arm.ratios for part in parts for arm in part.arms if arm.ratios}
    assert {arm.name: arm.ratios for arm in joined.arms if arm.ratios} == measured


def test_the_sentence_names_the_fastest_and_who_is_too_close(made):
    (joined,) = answer(groups(made, COSTS, fork_sd=0.03)).comparisons
    first, second = sorted("ac", key=lambda name: arm(joined, name).ratios["time"].estimate.value)
    assert joined.sentence.startswith(
        f"{first} is the fastest of 5 arms in 2 trials that share grpc-protobuf: 0."
    )
    assert joined.sentence.endswith(f"too close to tell apart: {second}.")
    assert joined.lowest == (first, second)


def test_where_none_is_faster_than_the_baseline_nothing_is_claimed(made):
    slower = {name: 150_000 if name != BASE else 100_000 for name in COSTS}
    (joined,) = answer(groups(made, slower)).comparisons
    assert joined.sentence == (
        "None of 5 arms in 2 trials that share grpc-protobuf is shown to take less time per call than it."
    )
    assert joined.lowest == (BASE,)


def test_few_forks_give_no_verdict(made):
    (joined,) = answer(groups(made, COSTS, forks=2)).comparisons
    assert "says nothing of the next start" in joined.sentence
    assert "fastest" not in joined.sentence
    assert len(joined.lowest) == 1


@pytest.mark.parametrize(
    "change", [{"users": 2}, {"sample": "large"}, {"method": "Echo"}, {"part": "encode"}, {"scenario": "x"}]
)
def test_other_points_stay_apart(made, change):
    one, two = groups(made, COSTS)
    two = replace(two, trial=replace(two.trial, **change))
    assert [found.trials for found in answer([one, two]).comparisons] == [1, 1]


def test_a_trial_by_itself_is_left_as_it_is(made):
    one = decide(made.result())
    assert join([one]) == [one]


def test_equal_arms_are_seldom_called_the_fastest(made):
    equal = {BASE: 100_000, **{f"a{k}": 100_000 for k in range(10)}}
    claims = 0
    for run in range(20):
        results = [
            made.result(
                {BASE: 100_000, **{n: equal[n] for n in names}}, rounds=6, long_rounds=0, seed=10 * run + k
            )
            for k, names in enumerate((list(equal)[1:6], list(equal)[6:]))
        ]
        claims += "is the fastest" in answer(results).comparisons[0].sentence
    assert claims <= 2


def test_one_that_is_shown_to_be_faster_is_named_though_another_looks_it_and_is_not_shown(made):
    noisy = made.result({BASE: 100_000, "noisy": 70_000}, fork_sd=0.5, seed=3)
    clear = made.result({BASE: 100_000, "clear": 85_000}, fork_sd=0.001, seed=4)
    (joined,) = answer([noisy, clear]).comparisons
    assert joined.sentence.startswith("clear is the fastest of 3 arms")
    assert "too close to tell apart: noisy" in joined.sentence
    assert joined.lowest == ("clear", "noisy")
