"""Finds ratios that depend on the length of turns, on bursts, or on when they were taken."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.decide import sentence, stats
from harness.decide.comparison import DOUBTFUL, NOTE, Estimate, Finding
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.rounds import FIRST_HALF, SECOND_HALF, Rounds, effects
from harness.decide.stats import Numbers

MATERIAL = 0.02
"""What two estimates of one ratio must differ by, at least, for anyone to decide otherwise."""
CONFIDENCE = 0.99
"""Of the interval of such a difference: with six arms and three metrics, 95 % would often cry wolf."""


def apart(first: Numbers, second: Numbers, margin: float = 0.0) -> float | None:
    """Give mean(second − first) of two estimates of the same per-fork ln ratio, where they differ.

    They do when the interval of the differences, fork by fork, excludes 0, and their mean is at least
    `MATERIAL` + `margin`. None where they don't, and always with fewer than `FORKS_FOR_INTERVAL` forks: one
    start's spread knows nothing of the next start, and a mark that comes and goes is worse than none.
    """
    differences = second - first
    differences = differences[np.isfinite(differences)]
    if len(differences) < FORKS_FOR_INTERVAL:
        return None
    mean, low, high = stats.interval(differences, CONFIDENCE)
    if low <= 0 <= high or abs(np.expm1(mean)) < MATERIAL + margin:
        return None
    return mean


def _ratios(rounds: Rounds, lost: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Give index and name of the arms that have ratios."""
    for arm, name, reference in _references(rounds, lost):
        if reference == rounds.baseline:
            yield arm, name


def find_turn_sensitive(rounds: Rounds, lost: frozenset[str]) -> Iterator[Finding]:
    """Hold each ratio in long turns against the one in short turns."""
    for arm, name in _ratios(rounds, lost):
        for metric in rounds.metrics:
            short, _ = effects(rounds, metric, arm, rounds.baseline)
            long, _ = effects(rounds, metric, arm, rounds.baseline, long=True)
            if apart(short, long) is not None:
                seen = (float(np.exp(values[np.isfinite(values)].mean())) for values in (short, long))
                means = [sentence.show(Estimate(value, None, None, "none")) for value in seen]
                text = f"its ratio is {means[0]} in short turns and {means[1]} in long ones, which are shown"
                yield Finding("turn-sensitive", name, _figures(metric), DOUBTFUL, text)


def _figures(metric: str) -> tuple[str, ...]:
    """Name the figures that share the response times of `metric`."""
    return ("p50", "p99") if metric == "p50" else (metric,)


def find_bursty(rounds: Rounds, lost: frozenset[str]) -> Iterator[Finding]:
    """Compare the sum over turns with the typical turn, both of time per call.

    The median over rounds of p50 is no measure for that: it is another quantity. Few calls a turn make the
    typical turn coarse: half a call at either arm is put up with.
    """
    for arm, name in [] if rounds.result.trial.open else _ratios(rounds, lost):
        margin = sum(_half_a_call(rounds, index) for index in (arm, rounds.baseline))
        typical, _ = effects(rounds, "typical time", arm, rounds.baseline)
        total, _ = effects(rounds, "time", arm, rounds.baseline)
        difference = apart(typical, total, margin)
        if difference is not None:
            whose = name if difference > 0 else rounds.result.trial.baseline
            text = (
                f"over all turns its time per call is {np.exp(difference):.2f}× what its typical turn says, "
                f"against {rounds.result.trial.baseline}: {whose} has bursts; the figure includes them"
            )
            yield Finding("bursty", name, ("time",), NOTE, text)


def _half_a_call(rounds: Rounds, arm: int) -> float:
    done = rounds.turns.done[rounds.rows(arm)]
    return 0.5 / max(float(np.median(done)), 1.0) if len(done) else 0.0


def find_drift(rounds: Rounds, lost: frozenset[str]) -> Iterator[Finding]:
    """Hold the second half of each fork's rounds against the first."""
    for arm, name, reference in _references(rounds, lost):
        for metric in ("p50", "time") if "time" in rounds.metrics else ("p50",):
            first, _ = effects(rounds, metric, arm, reference, part=FIRST_HALF)
            second, _ = effects(rounds, metric, arm, reference, part=SECOND_HALF)
            drift = apart(first, second)
            if drift is not None:
                against = rounds.name(reference)
                text = (
                    f"its ratio to {against} moved by {np.expm1(drift):+.1%} "
                    "from the first to the second half of the rounds"
                )
                yield Finding("drift", name, _figures(metric), DOUBTFUL, text)


def _references(rounds: Rounds, lost: frozenset[str]) -> Iterator[tuple[int, str, int]]:
    """Give each arm with the one that it is held against: the baseline, or for want of it the floor."""
    held = [
        one for one in (rounds.baseline, rounds.floor) if one is not None and rounds.name(one) not in lost
    ]
    for arm in range(len(rounds.result.trial.arms)):
        others = [one for one in held if one != arm]
        if others and arm != rounds.floor and rounds.name(arm) not in lost:
            yield arm, rounds.name(arm), others[0]
