"""What a long run shows: drift of response times, growth of memory and descriptors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy import stats as distributions

from harness.decide import soak
from harness.decide.compare import decide
from harness.measure import holdings
from scenarios.load import Open

ROUNDS = 60
TINY = 1e-150  # the square of a variance below it is lost, with scipy too
MIB = 2**20


@pytest.fixture
def long(made):
    """Make one start of an open loop with many turns; `arm` grows by the functions of 0 to 1 given."""

    def long(*, drift=0.0, shared=0.0, memory=lambda _: 50 * MIB, descriptors=lambda _: 20, seed=1):
        result = made.result(
            {"a": 100_000}, floor=10_000, forks=1, rounds=ROUNDS, long_rounds=0, common_sd=0.05, seed=seed
        )
        turns = result.turns
        part = turns.round / (ROUNDS - 1)
        mine = turns.arm == 0
        p50 = turns.p50 * np.exp(shared * part + np.where(mine, drift * part, 0))
        changed = replace(
            turns,
            p50=p50.astype(np.int64),
            due=turns.done,
            scheduled=turns.calls,
            memory=np.array([memory(x) for x in part], np.int64),
            descriptors=np.array([descriptors(x) for x in part], np.int64),
        )
        return replace(result, turns=changed, trial=replace(result.trial, open=Open(100.0)))

    return long


def found(result):
    return [(one.kind, one.arm) for one in decide(result).findings if one.kind in ("drift", "growth")]


def test_a_steady_run_has_nothing_to_tell(long):
    assert [found(long(seed=seed)) for seed in range(30)] == [[]] * 30


def test_response_times_that_rise_are_found_and_said_how_much(long):
    (finding,) = [one for one in decide(long(drift=0.4)).findings if one.kind == "drift"]
    assert (finding.arm, finding.validity, finding.figures) == ("a", "doubtful", ("p50", "p99"))
    assert "moved by +1" in finding.text


def test_what_the_floor_shares_is_no_drift_of_an_arm(long):
    assert ("drift", "a") not in found(long(shared=0.4))


@pytest.mark.parametrize(
    ("held", "grown"),
    [
        ({"memory": lambda x: (50 + 20 * x) * MIB}, "memory grew from 5"),
        ({"memory": lambda x: (50 + 20 * min(x, 0.1)) * MIB}, ""),
        ({"memory": lambda x: (50 + 0.5 * x) * MIB}, ""),
        ({"descriptors": lambda x: 20 + 50 * x}, "descriptors grew from 3"),
        ({"descriptors": lambda x: 20 + x}, ""),
        ({"memory": lambda _: -1, "descriptors": lambda _: -1}, ""),
    ],
)
def test_what_servers_hold_more_and_more_is_found(long, held, grown):
    texts = [one.text for one in decide(long(**held)).findings if one.kind == "growth" and one.arm == "a"]
    assert len(texts) == bool(grown)
    assert all(grown in text for text in texts)


def test_holdings_of_a_process_are_read():
    memory, descriptors = holdings.read([os.getpid()])
    assert memory > MIB
    with Path(os.devnull).open() as _:
        assert holdings.read([os.getpid()])[1] == descriptors + 1
    assert holdings.read([os.getpid(), 2**22 + 1]) == (-1, -1)


@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=30), st.lists(st.floats(-5, 5), min_size=2, max_size=30)
)
def test_the_chance_of_a_step_is_that_of_welchs_test(first, second):
    before, after = np.array(first, float), np.array(second, float)
    assume(np.ptp(before) and np.ptp(after))
    assume(min(before.var(), after.var()) > TINY)
    wanted = distributions.ttest_ind(after, before, equal_var=False).pvalue
    assert soak._chance(before, after) == pytest.approx(wanted, rel=1e-6, abs=1e-12)


def test_the_chance_of_a_step_is_known_for_steps_that_are_tiny():
    before, after = np.array([0.0, 1.0, 2.0, 1.0]), np.array([3.0, 5.0, 4.0, 4.0])
    assert soak._chance(before * 1e-120, after * 1e-120) == pytest.approx(soak._chance(before, after))
    assert soak._chance(np.array([0.0, 5e-324]), np.array([0.0, 5e-324])) == 0.0
