import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from harness import histogram
from harness.decide import estimates, stats
from harness.decide.steadiness import MATERIAL, apart
from harness.histogram import Histogram

numbers = st.floats(-5, 5)
samples = st.lists(numbers, min_size=2, max_size=40).map(np.array)


@given(samples, st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_is_scipys(values, confidence):
    mean, low, high = stats.interval(values, confidence)
    error = scipy.stats.sem(values)
    if error > 1e-12:
        known = scipy.stats.t.interval(confidence, len(values) - 1, loc=values.mean(), scale=error)
        assert (low, high) == pytest.approx(known, rel=1e-9, abs=1e-9)
    assert mean == pytest.approx(values.mean())
    assert low <= mean <= high


@pytest.mark.parametrize("alpha", [0.01, 0.005, 0.05])
def test_one_sided_bounds_are_scipys_test(alpha):
    values = np.random.default_rng(5).normal(0.03, 0.02, 8)
    low, high = stats.bounds(values, alpha)
    greater = scipy.stats.ttest_1samp(values, low, alternative="greater")
    less = scipy.stats.ttest_1samp(values, high, alternative="less")
    assert greater.pvalue == pytest.approx(alpha)
    assert less.pvalue == pytest.approx(alpha)


def test_equal_values_have_bounds_without_width():
    assert stats.interval(np.full(5, 0.25)) == (0.25, 0.25, 0.25)


def test_one_value_has_no_bounds():
    with pytest.raises(ValueError, match="1 value has no bounds"):
        stats.bounds(np.array([1.0]), 0.05)


@pytest.mark.parametrize("alpha", [0, -0.1, 0.6, float("nan")])
def test_an_impossible_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha"):
        stats.bounds(np.array([1.0, 2.0]), alpha)


def test_the_interval_covers_the_true_ratio_as_often_as_it_says():
    """2,000 trials of 5 forks of 30 rounds with skewed noise that both arms share; the truth is 1.3."""
    generator = np.random.default_rng(20)
    experiments, forks, rounds = 2000, 5, 30
    shape = (experiments, forks, rounds)
    shared = generator.exponential(0.2, shape)
    luck = generator.normal(0, 0.015, (experiments, forks, 1))
    ours = 130 * np.exp(shared + luck + generator.normal(0, 0.03, shape))
    theirs = 100 * np.exp(shared + generator.normal(0, 0.03, shape))
    covered = 0
    for a, b in zip(ours, theirs, strict=True):
        effects = np.array([stats.median_ln_ratio(x, y) for x, y in zip(a, b, strict=True)])
        _, low, high = stats.interval(effects)
        covered += low <= np.log(1.3) <= high
    assert 0.93 <= covered / experiments <= 0.97


@given(st.lists(st.floats(width=32), min_size=1, max_size=9).map(np.array))
def test_the_median_is_numpys(values):
    with np.errstate(invalid="ignore"):
        known = float(np.median(values))
    assert stats.median(values) == known or np.isnan([stats.median(values), known]).all()


def test_the_median_ratio_takes_turns_without_a_call_as_beyond_all_others():
    infinite = float("inf")
    assert stats.median_ln_ratio(np.array([2, 2, infinite]), np.array([1, 1, 1.0])) == pytest.approx(
        np.log(2)
    )
    assert stats.median_ln_ratio(np.array([infinite] * 3), np.array([1.0] * 3)) == infinite
    assert np.isnan(stats.median_ln_ratio(np.array([infinite]), np.array([infinite])))
    assert np.isnan(stats.median_ln_ratio(np.array([]), np.array([])))


def test_ratios_of_nothing_are_not_numbers():
    assert np.isnan(stats.ratio(5, 0))
    assert np.isnan(stats.ln_ratio(0.0, 1.0))
    assert np.isnan(stats.ln_ratio(1.0, float("nan")))
    assert stats.ln_ratio(2.0, 1.0) == pytest.approx(np.log(2))


def recorded(values):
    counts = histogram.empty()
    histogram.record(counts, np.asarray(values, np.int64))
    return Histogram.of(counts)


def test_a_percentile_needs_ten_calls_from_ten_turns():
    quick = [1000] * 990
    slow = list(range(50_000, 60_000, 1000))
    merged = recorded(quick + slow)
    assert len(slow) == 10
    assert stats.supported(merged, np.array([1000] * 5 + slow), 1000)
    assert not stats.supported(merged, np.array([1000] * 5 + slow[:9]), 1000), "nine turns"
    assert not stats.supported(recorded(quick + slow[:9]), np.array(slow), 1000), "nine calls"
    assert not stats.supported(merged, np.array([59_000] + [1000] * 20), 1000), "one turn had all"


def test_calls_in_the_percentiles_own_bucket_do_not_exceed_it():
    value = int(recorded([1_000_000]).quantile(0.99))
    assert not stats.supported(recorded([1_000_000] * 100), np.full(100, 1_000_000), value)
    assert stats.supported(recorded([value + 1] * 10), np.full(10, value + 1), value)


def test_weights_draw_as_many_blocks_as_there_are():
    weights = stats.weights([3, 3, 3])
    assert weights.shape == (stats.RESAMPLES, 9)
    assert (weights.sum(axis=1) == 9).all()
    assert (weights[:, :3].sum(axis=1) % 3 == 0).all(), "a fork comes whole times"
    assert (stats.weights([3, 3, 3]) == weights).all()
    assert stats.weights([4]).sum() == 4 * stats.RESAMPLES


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=2, max_size=5).filter(
        lambda cells: all(map(sum, cells))
    ),
    st.sampled_from([0.1, 0.5, 0.9, 0.99, 1.0]),
)
def test_bisecting_finds_the_rank_that_a_merged_histogram_has(cells, q):
    cells = np.array(cells)
    weights = stats.weights([len(cells)], 20)
    running = np.cumsum(cells, axis=1).T.astype(float)
    for row, rank in zip(weights, stats.resampled_ranks(running, weights, q), strict=True):
        merged = recorded(np.repeat(np.arange(4), (row @ cells).astype(int)))
        assert rank == merged.quantile(q)


def test_the_bootstrap_of_a_mean_gives_the_t_interval():
    values = np.random.default_rng(2).normal(0, 1, 12)
    weights = stats.weights([12], 20_000)
    half = stats.widen(weights @ values / 12, 12)
    _, low, high = stats.interval(values)
    assert half == pytest.approx((high - low) / 2, rel=0.03)


def forks_of(generator, forks, blocks=6, calls=200, luck=0.02):
    made = []
    for _ in range(forks):
        off = generator.normal(0, luck)
        drawn = 100_000 * np.exp(off + generator.normal(0, 0.3, (blocks, calls)))
        made.append([recorded(values) for values in drawn])
    return made


@pytest.mark.parametrize("q", [0.5, 0.99])
def test_the_quantiles_interval_covers_the_truth(q):
    """Drawn forks, then blocks, the interval is a little wide: it may cover more than 95 %, hardly less."""
    generator = np.random.default_rng(9)
    truth = 100_000 * np.exp(np.hypot(0.3, 0.02) * scipy.stats.norm.ppf(q))
    covered = 0
    for _ in range(150):
        estimate = estimates.of_quantile(forks_of(generator, 5), q)
        assert estimate.basis == "interval"
        covered += estimate.low <= truth <= estimate.high
    assert covered / 150 >= 0.92


def test_too_few_forks_give_a_spread_and_never_an_interval():
    generator = np.random.default_rng(9)
    many = forks_of(generator, 3)
    each = [fork[0].merge(*fork[1:]).quantile(0.5) for fork in many]
    estimate = estimates.of_quantile(many, 0.5)
    assert (estimate.basis, estimate.low, estimate.high) == ("spread", min(each), max(each))
    one = estimates.of_quantile(many[:1], 0.5)
    assert one.basis == "spread"
    assert one.low < one.value < one.high
    assert estimates.of_quantile([many[0][:1]], 0.5).basis == "none"


@pytest.mark.parametrize(
    ("effects", "half", "basis", "bounds"),
    [
        ([0.1, 0.2, 0.1, 0.2], None, "interval", stats.interval(np.array([0.1, 0.2, 0.1, 0.2]))[1:]),
        ([0.1, 0.2, 0.6], 9.0, "spread", (0.1, 0.6)),
        ([0.1, 0.2, np.nan, np.nan], 9.0, "spread", (0.1, 0.2)),
        ([0.1], 0.05, "spread", (0.05, 0.15)),
        ([0.1], None, "none", None),
    ],
)
def test_bounds_of_a_ratio_say_what_they_rest_on(effects, half, basis, bounds):
    estimate = estimates.of_effects(np.array(effects), half)
    assert estimate.basis == basis
    assert estimate.value == pytest.approx(np.exp(np.nanmean(effects)))
    if bounds is None:
        assert (estimate.low, estimate.high) == (None, None)
    else:
        assert (estimate.low, estimate.high) == pytest.approx(tuple(np.exp(bounds)))


def test_a_ratio_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no fork"):
        estimates.of_effects(np.array([np.nan]), None)


def test_apart_wants_a_material_difference_beyond_its_interval():
    quiet = np.array([0.0, 0.001, -0.001, 0.0, 0.001])
    assert apart(quiet, quiet + 0.05) == pytest.approx(0.05)
    assert apart(quiet, quiet - 0.05) == pytest.approx(-0.05)
    assert apart(quiet, quiet + MATERIAL / 2) is None, "immaterial"
    assert apart(quiet, quiet + 0.05, margin=0.05) is None, "within the margin"
    assert apart(quiet, quiet + np.array([0.3, -0.1, 0.2, 0.0, -0.1])) is None, "within its interval"
    assert apart(quiet[:3], quiet[:3] + 0.5) is None, "three forks"
    assert apart(quiet, quiet + np.array([0.5, 0.5, 0.5, np.nan, np.inf])) is None, "three forks know it"
