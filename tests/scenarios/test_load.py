"""Schedules of open loops: exact counts, gaps by the right law, and rates as they are written."""

from __future__ import annotations

from itertools import islice, pairwise, takewhile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scenarios.arm import SpecError
from scenarios.load import Arrivals, Open, parse_rate, schedule

SECOND = 1_000_000_000
rates = st.floats(0.1, 1_000_000, allow_nan=False)
kinds = st.sampled_from(list(Arrivals))


def until(load, end, seed=7):
    return list(takewhile(end.__gt__, schedule(load, seed)))


def test_a_thousand_a_second_are_ten_thousand_in_ten():
    dues = until(Open(1000.0), 10 * SECOND)
    assert len(dues) == 10_000
    assert dues[:3] == [0, 1_000_000, 2_000_000]


@given(rate=st.integers(1, 100_000), seconds=st.integers(1, 3))
def test_a_whole_rate_has_so_many_calls_in_every_second(rate, seconds):
    end = seconds * SECOND
    dues = islice(schedule(Open(float(rate)), 0), rate * seconds + 1)
    assert sum(due < end for due in dues) == rate * seconds


@given(rate=rates, kind=kinds, seed=st.integers(0, 2**40))
def test_due_times_never_go_back_and_keep_their_rate(rate, kind, seed):
    dues = list(islice(schedule(Open(rate, arrivals=kind), seed), 500))
    assert all(0 <= a <= b for a, b in pairwise(dues))
    assert dues == list(islice(schedule(Open(rate, arrivals=kind), seed), 500))
    if kind is Arrivals.UNIFORM:
        assert dues[-1] == pytest.approx(499 * SECOND / rate, abs=2)
    else:  # 500 exponential gaps: their sum has a standard deviation of 4.5 %
        assert dues[-1] == pytest.approx(500 * SECOND / rate, rel=0.35)


def test_gaps_of_poisson_arrivals_are_exponential_and_independent():
    gaps = np.diff(list(islice(schedule(Open(1000.0, arrivals=Arrivals.POISSON), 20261), 20_001))) / SECOND
    assert stats.kstest(gaps, "expon", args=(0, 1 / 1000.0)).pvalue > 0.05
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.02


def test_other_seeds_are_other_arrivals():
    load = Open(1000.0, arrivals=Arrivals.POISSON)
    assert list(islice(schedule(load, 1), 5)) != list(islice(schedule(load, 2), 5))


@pytest.mark.parametrize("load", [Open(0.0), Open(-1.0), Open(0.5, of_capacity=True)])
def test_a_schedule_needs_calls_a_second(load):
    with pytest.raises(ValueError, match="a schedule needs calls a second"):
        next(schedule(load, 0))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("500", (500.0, False)), (" 0.5 ", (0.5, False)), ("50%", (0.5, True)), ("120%", (1.2, True))],
)
def test_rates_are_read(text, wanted):
    assert parse_rate(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "0", "0%", "-1", "many", "1e3", "1001%", "2000000", "50 %%", "½", "nan"]
)
def test_a_bad_rate_is_refused_with_the_form(text):
    with pytest.raises(SpecError, match="write calls a second, such as 500, or a share") as caught:
        parse_rate(text)
    assert repr(text) in str(caught.value)


def test_loads_say_what_they_are():
    assert str(Open(500.0)) == "500/s"
    assert str(Open(0.5, of_capacity=True)) == "50 %"
