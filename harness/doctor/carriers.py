"""What our own code costs in stacks and codecs, held against the libraries alone."""

from __future__ import annotations

import math

import numpy as np

from harness.decide import rounds, stats
from harness.doctor.bench import Bench, Numbers, effects, median_p50, written
from harness.doctor.check import Check, micros
from harness.results import Result
from scenarios.arm import Arm
from scenarios.catalog import DECODE, ENCODE

_FORKS = 8
_FORK_SECONDS = 3.0
_TRANSPORT = 1.6
_ADAPTER = 1.05
_MEMORYPACK = 3.0


def transport(bench: Bench) -> Check:
    """Hold a call of `tcp-msgpack`, less its codec, against a ping-pong of the same bytes."""
    stacks = ("tcp-msgpack", "harness.doctor.bare:tcp_msgpack", "memory-msgpack", "memory")
    arms = [Arm(name=stack, stack=stack) for stack in stacks]
    bench.plan(1)
    result = bench.play(arms, 1, _FORKS * _FORK_SECONDS, _FORKS)
    whole, bare, coded, plain = (_p50s(result, k) for k in range(len(arms)))
    codec = coded - plain
    ratio = np.log((whole - codec) / bare)
    row = (
        micros(median_p50(result, 0)),
        micros(float(np.mean(codec))),
        micros(median_p50(result, 1)),
        written(ratio, 2),
        f"≤ {_TRANSPORT}",
    )
    columns = ("tcp-msgpack", "of it codec", "bare ping-pong", "(call − codec) / bare", "goal")
    met = _highest(ratio) <= _TRANSPORT
    question = "What does MessagePack-RPC cost over its bare bytes? (p50, one user)"
    answer = (
        "The codec is memory-msgpack less memory: object → bytes → object, both ways. The ping-pong is a "
        "gevent socket and a protocol on uvloop, as tcp-msgpack uses them."
    )
    return Check("transport", question, columns, (row,), answer, met)


def _p50s(result: Result, arm: int) -> Numbers:
    """Give the median over a fork's short turns of the median response time in ns, fork by fork."""
    turns = result.turns
    rows = (turns.arm == arm) & (turns.long == 0) & (turns.p50 >= 0)
    return np.array([np.median(turns.p50[rows & (turns.fork == k)]) for k in range(result.forks_done)])


def adapter(bench: Bench) -> Check:
    """Hold the CPU of a call of `grpc-msgpack` against grpcio with the same codec and nothing of ours."""
    arms = [
        Arm(name="bare grpcio", stack="harness.doctor.bare:grpc_msgpack"),
        Arm(name="grpc-msgpack", stack="grpc-msgpack"),
    ]
    bench.plan(2)
    rows, met = [], True
    for users in (1, 16):
        result = bench.play(arms, users, _FORKS * _FORK_SECONDS, _FORKS)
        found = {metric: effects(result, metric, 1) for metric in ("cpu", "time")}
        met = met and _highest(found["cpu"]) <= _ADAPTER
        rows.append((str(users), written(found["cpu"]), f"≤ {_ADAPTER}", written(found["time"])))
    columns = ("users", "CPU a call / bare", "goal", "time a call / bare")
    question = "What does our adapter add to grpcio?"
    answer = "The same codec, given to grpcio as (de)serializers, and a server of ten lines."
    return Check("adapter", question, columns, tuple(rows), answer, met)


def memorypack(bench: Bench) -> Check:
    """Hold the MemoryPack codec against the `msgpack` package's, writing and reading apart and together."""
    arms = [Arm(name=stack, stack=stack) for stack in ("memory-msgpack", "memory-memorypack")]
    bench.plan(2)
    costs = {}
    for part in (ENCODE, DECODE):
        result = bench.play(arms, 1, _FORKS * _FORK_SECONDS / 2, _FORKS, part=part)
        costs[part] = [_costs(result, arm) for arm in range(len(arms))]
    costs["both"] = [costs[ENCODE][arm] + costs[DECODE][arm] for arm in range(len(arms))]
    rows = []
    for part, (ours, theirs) in costs.items():
        ratio = np.log(theirs / ours)
        times = (micros(float(np.mean(one)), 2) for one in (ours, theirs))
        rows.append((part, *times, written(ratio, 2), f"≤ {_MEMORYPACK:g}" if part == "both" else ""))
    met = _highest(np.log(costs["both"][1] / costs["both"][0])) <= _MEMORYPACK
    columns = ("part", "msgpack", "memorypack", "ratio", "goal")
    question = "What does MemoryPack cost against MessagePack? (an order, small)"
    return Check("memorypack", question, columns, tuple(rows), "", met)


def _highest(values: Numbers) -> float:
    """Give the upper end of the interval of a ratio from its logarithms: a goal is met by all of it."""
    return math.exp(stats.interval(values)[2])


def _costs(result: Result, arm: int) -> Numbers:
    """Give the time of a message in ns, fork by fork."""
    turns = result.turns
    return (
        np.array(
            [
                rounds.time_per_call(turns, np.flatnonzero((turns.arm == arm) & (turns.fork == fork)))
                for fork in range(result.forks_done)
            ]
        )
        / result.trial.messages
    )
