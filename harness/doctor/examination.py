"""The examination of a machine by playing on it: what the harness costs there, what can be resolved."""

from __future__ import annotations

import math

import numpy as np

from harness.decide import rounds
from harness.doctor.bench import Bench, busy_ratio, effects, factor, median_p50, written
from harness.doctor.check import Check, micros, percent
from harness.results import Result
from scenarios.arm import FLOOR, Arm

_FORKS = 6
_FORK_SECONDS = 3.0
_TAX_GOALS = {"grpc-protobuf": 0.97, "tcp-msgpack": 0.90}


def floor(bench: Bench) -> Check:
    """Time a bare ping-pong over loopback."""
    rows = []
    for users in (1, 16):
        result = bench.play([FLOOR], users, 1.5, 1)
        p50 = median_p50(result, 0)
        rows.append(
            (str(users), micros(p50), f"{1e9 / rounds.time_per_call(result.turns, _rows(result)):,.0f}")
        )
    answer = "What response times and × floor refer to: the same bytes, with nothing decoded."
    return Check("floor", "What does loopback cost?", ("users", "p50", "calls/s"), tuple(rows), answer)


def tax(bench: Bench) -> Check:
    """Compare the harness' own loop with a bare loop of the same client, under gevent and with threads."""
    rows, met = [], True
    for stack, goal in _TAX_GOALS.items():
        for users in (1, 16):
            arms = [Arm(name=driver, stack=stack, driver=driver) for driver in ("locust", "bare", "plain")]
            result = bench.play(arms, users, _FORKS * _FORK_SECONDS, _FORKS)
            shares, threads = busy_ratio(result, 1, 0), busy_ratio(result, 1, 2)
            met = met and math.exp(float(np.mean(shares))) >= goal
            rows.append((stack, str(users), written(shares), f"≥ {goal:.2f}", written(threads, 2)))
    columns = ("stack", "users", "throughput / bare loop", "goal", "threads / gevent")
    answer = (
        "Throughput of the harness' loop over that of a bare loop of the same client and users, and of plain "
        "blocking threads over gevent; whole turns, with 95 % intervals over forks."
    )
    return Check("tax", "What does the harness cost?", columns, tuple(rows), answer, met)


def variance(bench: Bench) -> Check:
    """Compare `grpc-protobuf` with itself, and tell how far fresh starts differ from each other."""
    rows, advice = [], []
    arms = [Arm(name=name, stack="grpc-protobuf") for name in ("A", "B")]
    for users in (1, 16):
        result = bench.play(arms, users, _FORKS * _FORK_SECONDS, _FORKS, floor=True)
        for metric in rounds.METRICS:
            between, within = spreads(result, metric)
            forks = {goal: needed(between, within, _FORK_SECONDS, goal) for goal in (0.01, 0.02, 0.05)}
            rows.append(
                (
                    str(users),
                    metric,
                    percent(within / math.sqrt(_FORK_SECONDS), 2),
                    percent(between, 2),
                    *(_duration(count) for count in forks.values()),
                )
            )
            advice.append(best_length(between, within))
    columns = ("users", "metric", "SD within a fork", "SD between forks", "±1 %", "±2 %", "±5 %")
    answer = (
        f"About {np.median(advice):.1f} s of measuring a fork make the most of the time here; "
        f"the columns on the right say how long two arms and the floor take to be told apart that finely."
    )
    return Check("variance", "What can be resolved here, and in which time?", columns, tuple(rows), answer)


START = 2.5
"""Seconds that a fork takes to start and warm up, about."""


def spreads(result: Result, metric: str) -> tuple[float, float]:
    """Give the standard deviation of an effect between forks, and within one in a second of measuring.

    The variance over forks of an effect is the sum of both parts; the part within is estimated from the
    two halves of each fork's rounds, whose difference has twice the variance of a half.
    """
    arranged = rounds.arrange(result)
    halves = [
        rounds.effects(arranged, metric, 1, 0, part=part)[0]
        for part in (rounds.FIRST_HALF, rounds.SECOND_HALF)
    ]
    within = float(np.mean((halves[0] - halves[1]) ** 2)) / 4
    total = float(np.var(effects(result, metric, 1), ddof=1))
    seconds = result.trial.seconds / result.trial.forks
    return math.sqrt(max(0.0, total - within)), math.sqrt(within * seconds)


def needed(between: float, within: float, seconds: float, half_width: float) -> int | None:
    """Give the number of forks, 4 to 64, after which an interval is that narrow; None if more are needed."""
    deviation = math.sqrt(between**2 + within**2 / seconds)
    return next((forks for forks in range(4, 65) if factor(forks) * deviation <= half_width), None)


def best_length(between: float, within: float) -> float:
    """Give the seconds of measuring a fork that give the narrowest interval in a given time.

    The optimum of two-stage sampling (Cochran, Sampling Techniques, 1977, 10.6): √(cost of a fork / cost of
    a second) × SD within / SD between; kept between 1 and 10 s.
    """
    if not between:
        return 10.0
    return min(10.0, max(1.0, math.sqrt(START) * within / between))


def _duration(forks: int | None) -> str:
    return "> 64 forks" if forks is None else f"{forks} forks, {forks * (_FORK_SECONDS + START):.0f} s"


def _rows(result: Result) -> rounds.Rows:
    return np.flatnonzero(result.turns.long == 0)
