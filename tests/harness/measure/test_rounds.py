from collections import Counter
from fractions import Fraction
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.rounds import LongShare, mirrored

arms = st.lists(st.text(max_size=2), min_size=1, max_size=7, unique=True)


@given(arms, st.integers(0, 2**32))
def test_every_item_has_one_turn_a_round_and_the_second_of_a_pair_mirrors_the_first(items, seed):
    rounds = list(islice(mirrored(items, Random(seed)), 10))
    assert all(Counter(each) == Counter(items) for each in rounds)
    assert rounds[1::2] == [each[::-1] for each in rounds[::2]]


@given(arms, st.integers(0, 2**32))
def test_a_seed_always_gives_the_same_order_and_leaves_the_items_alone(items, seed):
    before = list(items)
    assert list(islice(mirrored(items, Random(seed)), 6)) == list(islice(mirrored(items, Random(seed)), 6))
    assert items == before


def test_every_order_comes_equally_often():
    firsts = Counter(map(tuple, islice(mirrored("abc", Random(7)), 0, 1200, 2)))
    assert len(firsts) == 6
    # 600 draws of 6 orders: 100 each with a standard deviation of 9.1; five of those are allowed
    assert all(abs(count - 100) < 46 for count in firsts.values())


@given(arms, st.integers(0, 2**32), st.integers(1, 5), st.fractions(), st.fractions())
def test_a_linear_drift_weighs_on_every_item_alike(items, seed, pairs, start, slope):
    """Each turn costs its item `start + slope · t`, t being its place in the run: exact, so in fractions."""
    cost = dict.fromkeys(items, Fraction(0))
    turns = [item for each in islice(mirrored(items, Random(seed)), 2 * pairs) for item in each]
    for t, item in enumerate(turns):
        cost[item] += start + slope * t
    assert len(set(cost.values())) == 1


def played(share, length, total, *, short, long):
    """Play rounds until `total`; gives the time spent in long rounds, and the number of rounds of each."""
    plan, now, spent, counts = LongShare(share, length), 0.0, 0.0, Counter()
    while now < total:
        due = plan.due(now)
        counts[due] += 1
        now += long if due else short
        if due:
            plan.spend(long)
            spent += long
    return spent, now, counts


@given(
    st.floats(0.05, 0.5),
    st.floats(0.01, 0.5),
    st.floats(1.0, 12.0),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_long_rounds_take_their_share_to_within_one_round(share, short, ratio, guess):
    long = short * ratio
    spent, now, counts = played(share, guess * long, 200 * long, short=short, long=long)
    assert abs(spent - share * now) <= max(long, guess * long)
    assert counts[True] > 0
    assert counts[False] > 0


@pytest.mark.parametrize(("share", "rounds"), [(0.0, {False: 100}), (1.0, {False: 5, True: 10})])
def test_no_share_and_the_whole_one(share, rounds):
    _, _, counts = played(share, 10.0, 100.0, short=1.0, long=10.0)
    assert counts == rounds


def test_a_long_round_that_took_longer_than_thought_is_made_up_for():
    plan = LongShare(0.2, 1.0)
    assert not plan.due(2.0)
    assert plan.due(2.5)
    plan.spend(4.0)
    assert not plan.due(29.9)  # 4 spent and half of 4 to come: due from (4 + 2) / 0.2 on
    assert plan.due(30.0)
