"""The proofs of the method: known answers that it must read back."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from harness.decide import rounds, stats
from harness.doctor.bench import Bench, Numbers, effects, median_p50, written
from harness.doctor.check import Check, micros, percent
from harness.results import Result
from scenarios.arm import Arm

_RUNS = 20
_AA_FORKS = 8
_AA_SECONDS = {1: 2.0, 16: 3.0}
"""A fork, by users."""
_AA_HALF = 0.02
_AA_NARROW = 16
_AA_INSIDE = 17
_BLOCK = 2_000_000_000
_BLOCK_FORKS = 5
_BLOCKS = 6
"""Of each arm in a fork."""
_FEW_BLOCKS = 3
"""Where as many forks are played as there are alternations."""
_TRUE = 0.05
_CROWDED = 0.03
_ALTERNATIONS = 12
_READ = 0.015


def same_against_same(bench: Bench, runs: int = _RUNS) -> Check:
    """Compare `grpc-protobuf` with itself, again and again, and count how often the interval holds 1."""
    arms = [Arm(name=name, stack="grpc-protobuf") for name in ("A", "B")]
    bench.plan(2 * runs)
    rows, met = [], True
    for users, seconds in _AA_SECONDS.items():
        results = [bench.play(arms, users, _AA_FORKS * seconds, _AA_FORKS) for _ in range(runs)]
        for metric in rounds.METRICS:
            found = [stats.interval(effects(result, metric, 1)) for result in results]
            halves = [(high - low) / 2 for _, low, high in found]
            narrow = sum(half <= _AA_HALF for half in halves)
            inside = sum(low <= 0 <= high for _, low, high in found)
            spread = np.std([effects(result, metric, 1) for result in results], axis=1, ddof=1)
            met = met and narrow * _RUNS >= _AA_NARROW * runs and inside * _RUNS >= _AA_INSIDE * runs
            rows.append(
                (
                    str(users),
                    metric,
                    f"{narrow} of {runs}",
                    f"{inside} of {runs}",
                    percent(float(np.median(halves)), 2),
                    percent(max(halves), 2),
                    percent(float(np.sqrt(np.mean(spread**2))), 2),
                    percent(float(np.mean([middle for middle, _, _ in found])), 2),
                )
            )
    widths = ("half-width ≤ 2 %", "1 inside", "median half-width", "widest")
    columns = ("users", "metric", *widths, "SD between forks", "mean")
    question = f"{runs} A/A runs of {_AA_FORKS} forks of 2 to 3 s: narrow enough, and right?"
    answer = f"Wanted: narrow in {_AA_NARROW} of {_RUNS}, 1 inside in {_AA_INSIDE} of {_RUNS}."
    return Check("aa", question, columns, tuple(rows), answer, met)


def turns_against_blocks(bench: Bench) -> Check:
    """Read the ratio of two unlike stacks in turns, and in blocks of 2 s, fork by fork in alternation."""
    arms = [Arm(name=name, stack=name) for name in ("grpc-protobuf", "tcp-msgpack")]

    def blocks(users: int) -> Result:
        return bench.play(arms, users, _FEW_BLOCKS * 2 * _BLOCK / 1e9, 1, turn=_BLOCK)

    rows, met = _alternate(bench, lambda users: bench.play(arms, users, 4.0, 1), blocks, _TRUE)
    columns = ("users", "metric", "in turns", "in blocks of 2 s", "apart")
    question = "tcp-msgpack against grpc-protobuf: do turns say the same as long blocks?"
    return Check("unlike", question, columns, rows, "Wanted: at most 5 % apart.", met)


def alone_and_in_company(bench: Bench) -> Check:
    """Read the same ratio with no other arm in the trial, and with four, fork by fork in alternation."""
    pair = [Arm(name=name, stack=name) for name in ("grpc-protobuf", "tcp-msgpack")]
    others = [
        Arm(name=f"other {k}", stack=stack)
        for k, stack in enumerate(("grpc-msgpack", "tcp-msgpack", "grpc-msgpack", "grpc-protobuf"))
    ]

    def crowd(users: int) -> Result:
        return bench.play([*pair, *others], users, 12.0, 1)

    rows, met = _alternate(bench, crowd, lambda users: bench.play(pair, users, 4.0, 1), _CROWDED)
    columns = ("users", "metric", "with four others", "alone", "apart")
    question = "tcp-msgpack against grpc-protobuf: does company change the ratio?"
    return Check("company", question, columns, rows, "Wanted: at most 3 % apart.", met)


def _alternate(
    bench: Bench, one: Callable[[int], Result], other: Callable[[int], Result], most: float
) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """Read the ratio of two arms in either way, in alternation: neighbours move it, too, within minutes."""
    bench.plan(2 * 2 * _ALTERNATIONS)
    rows, met = [], True
    for users in (1, 16):
        pairs = [(one(users), other(users)) for _ in range(_ALTERNATIONS)]
        for metric in rounds.METRICS:
            ours, theirs = (
                np.array([effects(result, metric, 1)[0] for result in way])
                for way in zip(*pairs, strict=True)
            )
            apart = [math.exp(value) - 1 for value in stats.interval(ours - theirs)]
            met = met and abs(apart[0]) <= most
            difference = "{:+.1f} % ({:+.1f} to {:+.1f})".format(*(100 * value for value in apart))
            rows.append((str(users), metric, written(ours), written(theirs), difference))
    return tuple(rows), met


def injected(bench: Bench) -> Check:
    """Slow the handler down by a known time, and read it back."""
    bench.plan(3)
    base = Arm(name="base", stack="grpc-protobuf")
    pilot = bench.play([base], 1, 4.0, 2)
    call = median_p50(pilot, 0)
    arms, wanted = [base], []
    for share in (0.03, 0.10):
        for kind in ("spin", "touch"):
            slow = round(share * call / 1000, 2)
            arms.append(
                Arm(name=f"{kind} {percent(share, 0)}", stack="grpc-protobuf", work=f"{kind}:{slow}us")
            )
            wanted.append(slow * 1000)
    result = bench.play(arms, 1, 8 * 8.0, 8)
    # What a slower handler costs does not end with it: caches are cold afterwards, and whoever waits longer
    # wakes up more slowly. How much that is no clock in the handler says, so the large ones are read in long
    # blocks, too.
    slowest = [base, *arms[-2:]]
    blocks = bench.play(
        slowest, 1, _BLOCK_FORKS * _BLOCKS * len(slowest) * _BLOCK / 1e9, _BLOCK_FORKS, turn=_BLOCK
    )
    rows, met = [], True
    for k, time in enumerate(wanted, start=1):
        for metric, cost in (("p50", median_p50(result, 0)), ("time", _time(result))):
            true = time / cost
            row, near = _reading(arms[k].name, micros(time), metric, true, effects(result, metric, k))
            rows.append(row)
            met = met and near
    for block, k in ((1, len(wanted) - 1), (2, len(wanted))):
        for metric in ("p50", "time"):
            true = math.exp(float(np.mean(effects(blocks, metric, block)))) - 1
            row, _ = _reading(f"{arms[k].name}, true in blocks", "", metric, true, effects(result, metric, k))
            rows.append(row)
    columns = ("injected", "time", "metric", "true", "read", "points apart")
    question = "A handler slower by a known time, one user: is it read back?"
    return Check("injected", question, columns, tuple(rows), "Wanted: within 1.5 points.", met)


def _reading(name: str, time: str, metric: str, true: float, found: Numbers) -> tuple[tuple[str, ...], bool]:
    """Hold what was read against what is true; also tells whether it is near enough."""
    apart = math.exp(float(np.mean(found))) - 1 - true
    row = (name, time, metric, f"{100 * true:+.1f} %", written(found), f"{100 * apart:+.1f}")
    return row, abs(apart) <= _READ


def _time(result: Result) -> float:
    return rounds.time_per_call(
        result.turns, np.flatnonzero((result.turns.arm == 0) & (result.turns.long == 0))
    )


PROOFS: dict[str, Callable[[Bench], Check]] = {
    "injected": injected,
    "unlike": turns_against_blocks,
    "company": alone_and_in_company,
    "aa": same_against_same,
}
