"""Gives figures their bounds: intervals over forks, or the spread within too few of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.decide import stats
from harness.decide.comparison import Estimate
from harness.decide.rounds import WHOLE, Rounds, Rows
from harness.decide.stats import Numbers
from harness.histogram import HIGHEST, SIZE, UPPER, Histogram

FORKS_FOR_INTERVAL = 4
"""With three, Student's t has two degrees of freedom and the interval is ten standard errors wide or more."""
BLOCKS = 20
"""Blocks of consecutive rounds that one start's spread is taken over: enough to see their variance, and
long enough (100 rounds or so) that what drifts from turn to turn stays within a block."""
_ROUNDS_FOR_SPREAD = 4


def of_effects(effects: Numbers, half: float | None) -> Estimate:
    """Give exp(mean) of per-fork ln ratios (NaN left out) with its bounds.

    From `FORKS_FOR_INTERVAL` on a t interval; with fewer the forks' range; with one, plus and minus `half`,
    the spread in ln within it. Raises `ValueError` when no fork has an effect.
    """
    known = effects[~np.isnan(effects)]
    if not len(known):
        raise ValueError("no fork has an effect")
    value = float(np.exp(known.mean()))
    if len(known) >= FORKS_FOR_INTERVAL:
        _, low, high = stats.interval(known)
        return Estimate(value, float(np.exp(low)), float(np.exp(high)), "interval")
    if len(known) > 1:
        return Estimate(value, float(np.exp(known.min())), float(np.exp(known.max())), "spread")
    return _around(value, half)


def of_quantile(forks: Sequence[Sequence[Histogram]], q: float) -> Estimate:
    """Give quantile `q` in ns of all blocks of all `forks` together, with its bounds; see `of_quantiles`."""
    return of_quantiles(forks, [q], merge(forks))[0]


def merge(forks: Sequence[Sequence[Histogram]]) -> Histogram:
    """Give all times of all forks, one or more, together."""
    blocks = [block for fork in forks for block in fork]
    return blocks[0].merge(*blocks[1:])


def of_quantiles(
    forks: Sequence[Sequence[Histogram]], qs: Sequence[float], merged: Histogram
) -> list[Estimate]:
    """Give quantiles in ns of all blocks of all `forks`, which are `merged` in one, with their bounds.

    From `FORKS_FOR_INTERVAL` on by bootstrap over forks, then their blocks; with fewer the range of the
    forks' quantiles; with one by bootstrap over its blocks. No fork and no block may be empty.
    """
    units = len(forks) if len(forks) > 1 else len(forks[0])
    values = [float(merged.quantile(q)) for q in qs]
    if 1 < len(forks) < FORKS_FOR_INTERVAL:
        each = [merge([fork]) for fork in forks]
        ends = [sorted(float(fork.quantile(q)) for fork in each) for q in qs]
        found = [Estimate(value, one[0], one[-1], "spread") for value, one in zip(values, ends, strict=True)]
    elif units == 1:
        found = [Estimate(value, None, None, "none") for value in values]
    else:
        basis = "interval" if len(forks) > 1 else "spread"
        running, weights = _running(forks, merged), stats.weights([len(fork) for fork in forks])
        samples = [np.log(UPPER[merged.used][stats.resampled_ranks(running, weights, q)]) for q in qs]
        halves = [stats.widen(one, units) for one in samples]
        found = [_around(value, half, basis) for value, half in zip(values, halves, strict=True)]
    # Calls that failed, or that nobody made, are endless.
    return [one if one.value < HIGHEST else Estimate(float("inf"), None, None, "none") for one in found]


def _running(forks: Sequence[Sequence[Histogram]], merged: Histogram) -> Numbers:
    """Give running counts, shape (used buckets, blocks)."""
    blocks = [block for fork in forks for block in fork]
    column = np.empty(SIZE, np.int64)
    column[merged.used] = np.arange(len(merged.used))
    cells = np.zeros((len(merged.used), len(blocks)))
    for place, block in enumerate(blocks):
        cells[column[block.used], place] = block.held
    return np.cumsum(cells, axis=0, out=cells)


def _around(value: float, half: float | None, basis: str = "spread") -> Estimate:
    if half is None or np.isnan(half):
        return Estimate(value, None, None, "none")
    return Estimate(value, value * float(np.exp(-half)), value * float(np.exp(half)), basis)


def spread(rounds: Rounds, metric: str, arm: int, base: int, *, long: bool) -> float | None:
    """Give half the spread of ln(arm / base) within the one fork, by bootstrap over blocks of its rounds.

    None with more than one fork, and where there are too few rounds to tell.
    """
    pairs = rounds.pairs(arm, base, long=long, part=WHOLE)
    if len(pairs) != 1 or len(pairs[0][0]) < _ROUNDS_FOR_SPREAD:
        return None
    ours, theirs = pairs[0]
    block = np.arange(len(ours)) * min(BLOCKS, len(ours)) // len(ours)
    if metric == "p50":
        samples = _medians(rounds.turns.p50[ours], rounds.turns.p50[theirs], block)
    else:
        samples = _sums(rounds, metric, ours, block) - _sums(rounds, metric, theirs, block)
    return stats.widen(samples, block[-1] + 1) if len(samples) and np.isfinite(samples).all() else None


def _medians(ours: NDArray[np.int64], theirs: NDArray[np.int64], block: NDArray[np.int64]) -> Numbers:
    known = (ours > 0) & (theirs > 0)
    if not known.any():
        return np.empty(0)
    ratios = np.log(ours[known] / theirs[known])
    order = np.argsort(ratios, kind="stable")
    count = int(block[-1]) + 1
    running = np.cumsum(block[known][order][:, None] == np.arange(count), axis=0, dtype=np.float64)
    return ratios[order][stats.resampled_ranks(running, stats.weights([count]), 0.5)]


def _sums(rounds: Rounds, metric: str, rows: Rows, block: NDArray[np.int64]) -> Numbers:
    """Give ln of the cost per call, a resample each; not finite where a resample has no call."""
    turns = rounds.turns
    if metric == "time":
        cost, units = turns.window[rows], turns.done[rows]
    else:
        cost, units = turns.client[rows] + turns.hop[rows] + turns.server[rows], turns.calls[rows]
    weights = stats.weights([int(block[-1]) + 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(weights @ np.bincount(block, cost)) - np.log(weights @ np.bincount(block, units))
