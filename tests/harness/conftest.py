"""Builds made-up results with known answers, and holds what is shown against golden files."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from harness import histogram
from harness.results import FORMAT, Histograms, Machine, Pressure, Result, Run, Trial, Turns
from scenarios.arm import Arm
from stacks.base import Facts

BLOCKS = 6
TURN = 6_000_000
SETTLE = 1_000_000

MACHINE = Machine(
    cpu="Made-up 9000",
    cores=2,
    client_cores=(0,),
    server_cores=(1,),
    memory=8 * 2**30,
    kernel="6.1.0",
    python="3.11.7",
    versions={"grpcio": "1.66.0"},
    fingerprint="made-up",
)
FACTS = Facts(
    concurrency="one thread",
    threads="1",
    nagle="off",
    compression="off",
    tls="off",
    deadline="client",
    max_message=2**23,
    abilities=("deadlines",),
    versions={"grpcio": "1.66.0"},
)


def arm_of_fork(cost, calls, rounds, generator, noise):
    """Play one arm's turns of one fork: calls after each other, each about `cost` ns (one per round)."""
    times = cost[:, None] * generator.lognormal(0, noise, (rounds, calls)) if noise else None
    times = np.broadcast_to(cost[:, None], (rounds, calls)) if times is None else times
    times = np.maximum(times.astype(np.int64), 1)
    ends = np.cumsum(times, axis=1)
    return times, ends


def make_result(
    costs=None,
    *,
    baseline=None,
    floor=None,
    forks=5,
    forks_done=None,
    rounds=30,
    long_rounds=6,
    noise=0.05,
    fork_sd=0.01,
    common_sd=0.1,
    seed=1,
    long_costs=None,
    turn=TURN,
):
    """Make a result whose arms take `costs` ns a call on average; `long_costs` in long turns.

    Rounds share noise of `common_sd`, each start of an arm is off by `fork_sd`. CPU per call is 0.4 (client)
    and 0.3 (server) of the cost. Every arm's window is equal.
    """
    costs = {"grpc-protobuf": 100_000, "tcp-msgpack": 31_000} if costs is None else dict(costs)
    baseline = baseline or next(iter(costs))
    if floor:
        costs["floor"] = floor
    generator = np.random.default_rng(seed)
    columns = {name: [] for name in Turns.__struct_fields__}
    histograms = []
    names = list(costs)
    for fork in range(forks if forks_done is None else forks_done):
        luck = generator.normal(0, fork_sd, len(names))
        for long, count in ((False, rounds), (True, long_rounds)):
            if not count:
                continue
            shared = generator.normal(0, common_sd, count)
            window = (turn - SETTLE) * (10 if long else 1)
            for index, name in enumerate(names):
                base = ((long_costs or {}).get(name) or costs[name]) if long else costs[name]
                cost = base * np.exp(luck[index] + shared)
                calls = int(window / cost.min() * 1.5) + 2
                times, ends = arm_of_fork(cost, calls, count, generator, noise)
                sent = ends - times < window
                started = sent.sum(axis=1)
                row = {
                    "arm": index,
                    "fork": fork,
                    "round": np.arange(count),
                    "long": int(long),
                    "calls": started,
                    "failed": 0,
                    "done": (ends < window).sum(axis=1),
                    "window": window,
                    "busy": window + SETTLE,
                    "p50": [np.median(t[s]) for t, s in zip(times, sent, strict=True)],
                    "max": [t[s].max() for t, s in zip(times, sent, strict=True)],
                    "client": started * int(0.4 * base),
                    "server": started * int(0.3 * base),
                    "foreign": 0,
                    "steal": 0,
                    "hop": 0,
                    "scheduled": 0,
                    "dropped": 0,
                    "due": 0,
                    "memory": 0,
                    "descriptors": 0,
                    "idle": 0,
                }
                for column, value in row.items():
                    columns[column].append(np.broadcast_to(np.asarray(value), (count,)).astype(np.int64))
                blocks = []
                for part in np.array_split(np.arange(count), min(BLOCKS, count)):
                    counts = histogram.empty()
                    assert histogram.record(counts, times[part][sent[part]]) == 0
                    blocks.append(histogram.Histogram.of(counts).encode())
                histograms.append(Histograms(index, fork, long, "response", tuple(blocks)))
    joined = {
        name: np.concatenate(parts) if parts else np.empty(0, np.int64) for name, parts in columns.items()
    }
    order = np.lexsort([joined["arm"], joined["round"], joined["long"], joined["fork"]])
    return Result(
        format=FORMAT,
        rpcduel="0.1.0",
        started="2026-11-02T10:00:00+00:00",
        command="rpcduel run made-up",
        seed=seed,
        trial=Trial(
            scenario="made-up",
            arms=tuple(Arm(name=name, stack=name) for name in names),
            baseline=baseline,
            users=1,
            sample="small",
            method="Quote",
            turn=turn,
            settle=SETTLE,
            seconds=10.0,
            forks=forks,
            service="stacks.shop:Shop",
            timeout=5.0,
        ),
        machine=MACHINE,
        runs=tuple(Run(name, FACTS, ((1, 2),) * forks, {}, "", 0) for name in names),
        turns=Turns(**{name: column[order] for name, column in joined.items()}),
        histograms=tuple(histograms),
        pressure=Pressure(stall=0.01, throttled=0.0),
        forks_done=forks if forks_done is None else forks_done,
    )


def change_turns(result, arm=None, where=None, **columns):
    """Replace columns in turns of `arm`, or where the mask function of the turns says so.

    A column is a function of the old values.
    """
    turns = result.turns
    chosen = np.ones(len(turns.arm), bool)
    if arm is not None:
        chosen &= turns.arm == [one.name for one in result.trial.arms].index(arm)
    if where is not None:
        chosen &= where(turns)
    assert chosen.any()
    changed = {}
    for name, function in columns.items():
        changed[name] = getattr(turns, name).copy()
        changed[name][chosen] = function(changed[name][chosen])
    return replace(result, turns=replace(turns, **changed))


def change_run(result, arm, **fields):
    """Replace fields of what is stored of `arm`."""
    runs = tuple(replace(run, **fields) if run.arm == arm else run for run in result.runs)
    assert any(run.arm == arm for run in runs)
    return replace(result, runs=runs)


@pytest.fixture(scope="session")
def made():
    """Give the builder of made-up results and what changes them."""
    return SimpleNamespace(
        result=make_result, turns=change_turns, run=change_run, facts=FACTS, machine=MACHINE
    )


@pytest.fixture
def golden():
    """Give a function that compares a text with a golden file; with UPDATE_GOLDEN=1 it writes it anew."""

    def hold(name: str, text: str) -> None:
        file = Path(__file__).parent / "golden" / name
        if os.environ.get("UPDATE_GOLDEN") == "1":
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8")

    return hold
