import numpy as np
import pytest
from msgspec.structs import replace

from harness.decide import crossover
from harness.decide.crossover import Crossover

SIZES = ("100B", "1KiB", "10KiB", "100KiB")


def series(made, costs, *, scenario="payload", **options):
    """Make one result a size; `costs` maps arms to their cost at each."""
    return [
        replace(result, trial=replace(result.trial, scenario=scenario, sample=size))
        for k, size in enumerate(SIZES)
        for result in [
            made.result({name: cost[k] for name, cost in costs.items()}, floor=9_000, seed=k, **options)
        ]
    ]


def test_where_two_lines_meet_is_read_back(made):
    # ln ratio over ln size goes from -0.69 to +0.69, straight, so they meet half way between 1 and 10 KiB.
    costs = {"a": (50_000, 50_000, 200_000, 200_000), "b": (100_000,) * 4}
    (found,) = crossover.find(series(made, costs, fork_sd=0.001))
    assert (found.small, found.large, found.low, found.high) == ("a", "b", "1KiB", "10KiB")
    assert found.size == pytest.approx(1024 * np.sqrt(10), rel=0.05)


def test_every_pair_of_arms_is_looked_at_but_the_floor(made):
    costs = {"a": (100_000,) * 4, "b": (50_000, 50_000, 90_000, 200_000), "c": (80_000,) * 4}
    found = crossover.find(series(made, costs))
    assert {(one.small, one.large, one.low, one.high) for one in found} == {
        ("b", "a", "10KiB", "100KiB"),
        ("b", "c", "1KiB", "10KiB"),
    }


def test_sizes_at_which_nothing_is_shown_lie_between(made):
    costs = {"a": (50_000, 100_000, 100_000, 200_000), "b": (100_000,) * 4}
    (found,) = crossover.find(series(made, costs, fork_sd=0.05))
    assert (found.low, found.high, found.size) == ("100B", "100KiB", None)


@pytest.mark.parametrize(
    ("costs", "options"),
    [
        ((50_000, 60_000, 70_000, 80_000), {}),
        ((50_000, 50_000, 200_000, 200_000), {"forks": 3}),
        ((50_000, 50_000, 200_000, 200_000), {"scenario": "unary"}),
    ],
    ids=["none", "few forks", "not asked"],
)
def test_none_is_found_where_there_is_none_to_be_shown(made, costs, options):
    assert crossover.find(series(made, {"a": costs, "b": (100_000,) * 4}, **options)) == []


def test_trials_that_differ_in_more_than_the_sample_are_not_mixed(made):
    one, two, three, four = series(made, {"a": (50_000, 50_000, 200_000, 200_000), "b": (100_000,) * 4})
    other = [replace(result, trial=replace(result.trial, users=16)) for result in (three, four)]
    assert crossover.find([one, two, *other]) == []


def test_order_of_results_does_not_matter(made):
    results = series(made, {"a": (50_000, 50_000, 200_000, 200_000), "b": (100_000,) * 4})
    assert crossover.find(results) == crossover.find(results[::-1])
    assert isinstance(crossover.find(results)[0], Crossover)


def test_an_arm_without_valid_figures_overtakes_nobody(made):
    results = series(made, {"a": (50_000, 50_000, 200_000, 200_000), "b": (100_000,) * 4})
    assert crossover.find(results)
    lost = [made.turns(result, arm="a", failed=lambda old: old + 1) for result in results]
    assert crossover.find(lost) == []


def test_a_turn_sensitive_arm_is_judged_by_its_long_turns_as_in_the_table(made):
    long = {"a": 50_000, "b": 100_000}
    costs = (50_000, 50_000, 200_000, 200_000)
    results = series(made, {"a": costs, "b": (100_000,) * 4}, fork_sd=0.003, long_costs=long)
    assert crossover.find(results) == []


def test_equal_arms_seldom_overtake_each_other(made):
    equal = dict.fromkeys("abcde", (100000,) * 4)
    runs = [
        [
            replace(result, trial=replace(result.trial, scenario="payload", sample=size))
            for k, size in enumerate(SIZES)
            for result in [
                made.result({n: c[k] for n, c in equal.items()}, rounds=6, long_rounds=0, seed=k + 4 * run)
            ]
        ]
        for run in range(20)
    ]
    assert sum(bool(crossover.find(run)) for run in runs) <= 2
