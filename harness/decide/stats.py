"""Means, medians and quantiles with their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from harness import histogram
from harness.histogram import Histogram

Numbers = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 500
"""Of a bootstrap: its standard error is then known to about 3 %."""
EXCEEDING_CALLS = 10
EXCEEDING_TURNS = 10
_SEED = 20_261_101
"""Fixed, so that the same result always reads the same."""


def interval(values: Numbers, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Give mean, low and high of Student's t interval over `values`, two or more."""
    low, high = bounds(values, (1 - confidence) / 2)
    return float(np.mean(values)), low, high


def bounds(values: Numbers, alpha: float) -> tuple[float, float]:
    """Give the lower and the upper bound of the mean of `values`, each wrong with probability `alpha`.

    Student's t; raises `ValueError` for fewer than two values or an `alpha` outside (0, 0.5].
    """
    if len(values) <= 1:
        raise ValueError(f"{len(values)} value has no bounds; two or more are wanted")
    if not 0 < alpha <= 1 / 2:
        raise ValueError(f"alpha {alpha} is outside 0 to 0.5")
    mean = float(np.mean(values))
    half = float(-stdtrit(len(values) - 1, alpha) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean - half, mean + half


def median(values: Numbers) -> float:
    """Give the median of one or more values as `numpy.median` does, which takes five times as long for few.

    NaN where one of them is, and between −∞ and ∞.
    """
    half = len(values) // 2
    ordered = np.partition(values, (half - 1, half, -1))  # NaN would be last
    if np.isnan(ordered[-1]):
        return float("nan")
    high = float(ordered[half])
    return high if len(values) % 2 else (float(ordered[half - 1]) + high) / 2


def median_ln_ratio(ours: Numbers, theirs: Numbers) -> float:
    """Give the median of ln(ours / theirs) over pairs; NaN where there is no pair.

    A cost may be infinite, where a turn saw no call end; the pair then counts as beyond all others.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log(np.asarray(ours, float)) - np.log(np.asarray(theirs, float))
    ratios = ratios[~np.isnan(ratios)]
    return median(ratios) if len(ratios) else float("nan")


def ratio(cost: float, units: float) -> float:
    """Give cost / units; NaN where there is no unit."""
    return float(cost / units) if units > 0 else float("nan")


def ln_ratio(ours: float, theirs: float) -> float:
    """Give ln(ours / theirs) of two costs; NaN where one of them is not above zero."""
    return float(np.log(ours / theirs)) if ours > 0 and theirs > 0 else float("nan")


def supported(merged: Histogram, longest: NDArray[np.int64], value: int) -> bool:
    """Tell whether enough calls from enough turns exceed `value` for it to be printed.

    `longest` holds each turn's longest response time. Ten calls of one turn may be one hiccup: they count
    as ten only when as many turns had one.
    """
    bucket_end = histogram.UPPER[histogram.indices(np.array([value]))[0]]
    turns = int(np.count_nonzero(longest > bucket_end))
    return turns >= EXCEEDING_TURNS and merged.count_above(value) >= EXCEEDING_CALLS


def weights(sizes: Sequence[int], count: int = RESAMPLES) -> Numbers:
    """Give how often each block enters each of `count` bootstrap resamples, shape (count, sum(sizes)).

    `sizes` are blocks per fork. Forks are drawn first, then as many of each drawn fork's blocks as it has;
    with one fork only blocks are drawn. The same sizes always give the same weights.
    """
    return _weights(tuple(sizes), count)


@lru_cache(maxsize=64)
def _weights(sizes: tuple[int, ...], count: int) -> Numbers:
    generator = np.random.default_rng(_SEED)
    forks = len(sizes)
    drawn = generator.multinomial(forks, [1 / forks] * forks, count)
    parts = [
        generator.multinomial(drawn[:, fork] * size, [1 / size] * size) for fork, size in enumerate(sizes)
    ]
    weights = np.concatenate(parts, axis=1).astype(np.float64)
    weights.flags.writeable = False
    return weights


def resampled_ranks(running: Numbers, weights: Numbers, q: float) -> NDArray[np.int64]:
    """Find the column at which each resample's running count reaches a share `q` of its total.

    `running` are running counts, shape (columns, blocks); `weights` as from `weights`. Gives one column a
    resample. Bisects, since summing every resample's histogram would cost a hundred times as much.
    """
    wanted = np.maximum(np.floor(q * (weights @ running[-1]) + 0.5), 1)
    low = np.zeros(len(weights), np.int64)
    high = np.full(len(weights), len(running) - 1)
    while (low < high).any():
        middle = (low + high) // 2
        reached = np.einsum("rb,rb->r", running[middle], weights) >= wanted
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1, high))
    return low


def widen(samples: Numbers, units: int) -> float:
    """Give the half width of the 95 % interval from the bootstrap's `samples` of a statistic of `units`.

    The bootstrap's standard error with Student's t and n/(n − 1) for the few units (Efron and Tibshirani,
    An Introduction to the Bootstrap, 1993, ch. 12): percentiles of the samples themselves would be far too
    narrow for five forks.
    """
    error = np.std(samples) * np.sqrt(units / (units - 1))
    return float(-stdtrit(units - 1, (1 - CONFIDENCE) / 2) * error)
