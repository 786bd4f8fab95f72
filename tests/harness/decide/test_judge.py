import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.decide.judge import ALPHA, DETECT, TOLERANCE, Outcome, judge

FORKS = 8


def effects_around(mean, sd=0.001, forks=FORKS, seed=1):
    values = np.random.default_rng(seed).normal(0, 1, forks)
    values -= values.mean()
    return mean + sd * values / values.std(ddof=1)


@pytest.mark.parametrize(
    ("time", "cpu", "outcome"),
    [
        (0.0, 0.0, Outcome.SAME),
        (0.1, 0.0, Outcome.WORSE),
        (0.0, 0.1, Outcome.WORSE),
        (-0.2, 0.1, Outcome.WORSE),
        (-0.1, 0.0, Outcome.BETTER),
        (-0.1, -0.1, Outcome.BETTER),
        (0.03, 0.0, Outcome.WORSE),
        (0.015, 0.0, Outcome.SAME),
        (-0.015, 0.0, Outcome.SAME),
    ],
)
def test_known_changes_are_judged(time, cpu, outcome):
    judgement = judge({"time": effects_around(time), "cpu": effects_around(cpu)})
    assert judgement.outcome is outcome
    assert judgement.forks == FORKS
    assert judgement.reason == ""
    assert [verdict.metric for verdict in judgement.verdicts] == ["time", "cpu"]
    assert judgement.verdicts[0].change == pytest.approx(np.expm1(time))


def test_noise_leaves_it_unclear():
    noisy = judge({"time": effects_around(0.03, sd=0.2), "cpu": effects_around(0)})
    assert noisy.outcome is Outcome.UNCLEAR
    assert [verdict.outcome for verdict in noisy.verdicts] == [Outcome.UNCLEAR, Outcome.SAME]
    assert noisy.reason == ""


def test_one_metric_is_not_bought_with_another():
    judgement = judge({"time": effects_around(-0.2), "cpu": effects_around(0.03, sd=0.2)})
    assert [verdict.outcome for verdict in judgement.verdicts] == [Outcome.BETTER, Outcome.UNCLEAR]
    assert judgement.outcome is Outcome.UNCLEAR


@given(
    st.floats(-0.1, 0.1),
    st.floats(0.001, 0.05),
    st.integers(4, 32),
    st.sampled_from([0.01, 0.003, 0.05]),
    st.integers(0, 99),
)
def test_outcomes_are_scipys_one_sided_tests(mean, sd, forks, alpha, seed):
    values = effects_around(mean, sd, forks, seed)

    def p(limit, side):
        return scipy.stats.ttest_1samp(values, np.log1p(limit), alternative=side).pvalue

    if p(TOLERANCE, "greater") < alpha:
        known = Outcome.WORSE
    elif p(-TOLERANCE, "less") < alpha:
        known = Outcome.BETTER
    elif p(DETECT, "less") < alpha:
        known = Outcome.SAME
    else:
        known = Outcome.UNCLEAR
    assert judge({"time": values}, alpha=alpha).outcome is known


def test_the_error_is_split_over_the_metrics():
    values = effects_around(0.05, sd=0.02)
    alone = judge({"time": values}, alpha=ALPHA / 2).verdicts[0]
    both = judge({"time": values, "cpu": values}, alpha=ALPHA).verdicts[0]
    assert both == alone
    assert both.low < judge({"time": values}, alpha=ALPHA).verdicts[0].low


def test_an_unchanged_candidate_is_seldom_called_worse():
    """Exactly at the tolerance the rate is the error that a look may spend, never above."""
    generator = np.random.default_rng(4)
    looks, forks = 4000, 8
    worse = 0
    for time, cpu in generator.normal(np.log1p(TOLERANCE), 0.015, (looks, 2, forks)):
        worse += judge({"time": time, "cpu": cpu}, alpha=0.05).outcome is Outcome.WORSE
    assert 0.03 <= worse / looks <= 0.06


costs = arrays.arrays(np.float64, st.integers(1, 12), elements=st.floats(1, 1e9))


@given(costs)
def test_what_is_judged_against_itself_is_never_worse(figures):
    effects = np.log(figures / figures)
    judgement = judge({"time": effects, "cpu": effects})
    assert judgement.outcome is (Outcome.SAME if len(figures) >= 4 else Outcome.UNCLEAR)


@given(arrays.arrays(np.float64, st.integers(4, 12), elements=st.floats(-1, 1)))
def test_two_sides_are_never_both_worse(effects):
    outcomes = [judge({"time": sign * effects}).outcome for sign in (1, -1)]
    assert outcomes.count(Outcome.WORSE) <= 1
    if outcomes[0] is Outcome.WORSE:
        assert outcomes[1] is not Outcome.WORSE


@given(arrays.arrays(np.float64, st.integers(0, 3), elements=st.floats(-3, 3)))
def test_below_four_forks_there_is_no_verdict(effects):
    judgement = judge({"time": effects, "cpu": effects})
    assert judgement.outcome is Outcome.UNCLEAR
    assert {verdict.outcome for verdict in judgement.verdicts} == {Outcome.UNCLEAR}
    assert {(verdict.low, verdict.high) for verdict in judgement.verdicts} == {(None, None)}
    assert judgement.reason == f"{len(effects)} of the 4 forks that a verdict needs"


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_a_metric_that_a_fork_does_not_know_gives_no_verdict(hole):
    cpu = effects_around(0)
    cpu[3] = hole
    judgement = judge({"time": effects_around(0.5), "cpu": cpu})
    assert judgement.outcome is Outcome.UNCLEAR
    assert judgement.reason == "cpu is not known of every fork"
    assert judgement.forks == FORKS - 1


def test_senseless_questions_are_refused():
    with pytest.raises(ValueError, match="one or more metrics"):
        judge({})
    with pytest.raises(ValueError, match="'cpu': 4"):
        judge({"time": effects_around(0), "cpu": effects_around(0, forks=4)})
    with pytest.raises(ValueError, match=r"tolerance 0\.1 must be 0 to detect"):
        judge({"time": effects_around(0)}, tolerance=0.1)
