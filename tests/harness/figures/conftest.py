"""Made-up runs of the scenarios that figures are of."""

from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from harness import histogram
from harness.results import Histograms
from harness.tapped import Part
from scenarios.load import Open
from stacks.hops.tap.counts import Bytes

GRPC, TCP, REST, THRIFT = "grpc-protobuf", "tcp-msgpack", "rest-json", "thrift-binary"
COSTS = {GRPC: 100_000, "grpc-msgpack": 99_000, REST: 150_000, THRIFT: 60_000, TCP: 31_000}
SAMPLES = ("100B", "1KiB", "10KiB", "100KiB")
FORMS = {"": 1.0, "@python": 4.0, "@envoy": 2.2, "@nginx": 1.9, "@caddy": 2.8}


def at(result, **changes):
    """Change the trial; `open` and the like are set as they are."""
    return replace(result, trial=replace(result.trial, **changes))


def formed(result, *, hops=False):
    """Let arms named ``stack@hop,channel=mode`` be what their names say."""
    arms = []
    for arm in result.trial.arms:
        head, _, mode = arm.name.partition(",channel=")
        stack, *passed = head.split("@")
        arms.append(replace(arm, stack=stack, hops=tuple(passed), channel=mode or "per-user"))
    result = at(result, arms=tuple(arms))
    if not hops:
        return result
    through = np.array([bool(arm.hops) for arm in arms])[result.turns.arm]
    hop = np.where(through, result.turns.server, 0)
    return replace(result, turns=replace(result.turns, hop=hop))


def unary(made, users=(1, 16), **options):
    shares = {user: {name: cost / (1 + user / 20) for name, cost in COSTS.items()} for user in users}
    return [
        at(made.result(costs, floor=9_000, seed=user, **options), users=user, scenario="unary")
        for user, costs in shares.items()
    ]


def payload(made):
    slopes = {GRPC: (100, 100, 110, 300), REST: (150, 160, 250, 1200), TCP: (31, 40, 140, 1500)}
    return [
        at(
            made.result({name: 1000 * cost[k] for name, cost in slopes.items()}, floor=9_000, seed=k),
            scenario="payload",
            sample=sample,
        )
        for k, sample in enumerate(SAMPLES)
    ]


def codec(made):
    """Time large messages one by one, as the scenario does."""
    found = []
    for sample, times in {"small": 100, "medium": 100, "large": 1}.items():
        result = made.result({"memory-protobuf": 9_000 * times, "memory-json": 20_000 * times}, floor=9_000)
        for name in ("memory-protobuf", "memory-json"):
            result = made.run(result, name, messages=times)
        found += [
            at(result, scenario="codec", sample=sample, part=part, messages=times)
            for part in ("encode", "decode")
        ]
    return found


def fanin(made, users=(1, 10, 100)):
    found = []
    for user in users:
        costs = {GRPC + form: factor * (60_000 + 40_000 / user) for form, factor in FORMS.items()}
        result = formed(made.result(costs, floor=9_000, seed=user), hops=True)
        for arm in result.trial.arms:
            upstream = user if arm.hops == ("nginx",) else 1
            links = (user, upstream) if arm.hops else (user,)
            result = made.run(result, arm.name, connections=links)
        found.append(at(result, users=user, scenario="fanin"))
    return found


def channels(made):
    forms = {"": 1.0, ",channel=shared": 1.001, ",channel=pool:4": 1.05, ",channel=per-request": 9.0}
    costs = {GRPC + form: factor * 100_000 for form, factor in forms.items()}
    return [at(formed(made.result(costs, floor=9_000, fork_sd=0.02)), scenario="channels", users=16)]


def anatomy(made):
    result = at(
        formed(made.result({GRPC: 100_000, GRPC + "@envoy": 210_000, TCP: 31_000}), hops=True),
        scenario="anatomy",
    )
    for arm, (out, back) in {GRPC: (121, 98), GRPC + "@envoy": (121, 98), TCP: (11, 9)}.items():
        kinds = Bytes()
        part = Part(50, 50 * (104 + out), 50 * (77 + back), 50 * 104, 50 * 77, kinds, kinds)
        result = made.run(result, arm, tapped=part, payload=(104, 77))
    return [result]


def rated(made, rates=(0.2, 0.6, 0.9)):
    """Make open loops whose response times grow with the rate; the last is endless for one arm."""
    found = []
    for rate in rates:
        costs = {name: cost / (1.05 - rate) for name, cost in COSTS.items() if name in (GRPC, TCP)}
        result = made.result(costs, fork_sd=0.003, long_rounds=0, seed=int(10 * rate))
        due = np.full_like(result.turns.calls, 1000)
        turns = replace(result.turns, due=due, scheduled=due, calls=due, done=due, window=10**9 + 0 * due)
        runs = tuple(replace(run, rate=rate * 1e9 / COSTS[run.arm]) for run in result.runs)
        result = replace(result, turns=turns, runs=runs)
        if rate == rates[-1]:
            result = lost(result, 1)
        open_ = Open(rate, 64, of_capacity=True)
        found.append(at(result, scenario="slo", open=open_, users=64, turn=10**9, slo="p99<1ms"))
    return found


def lost(result, arm):
    """Let three of four calls of an arm fail."""
    counts = histogram.empty()
    histogram.record(counts, np.repeat([100_000, histogram.HIGHEST], [500, 1500]))
    text = histogram.Histogram.of(counts).encode()
    kept = [one for one in result.histograms if one.arm != arm]
    kept += [Histograms(arm, fork, long=False, figure="response", blocks=(text,) * 3) for fork in range(5)]
    return replace(result, histograms=tuple(kept))


def gate(made, costs=None, looks=(8, 8)):
    costs = costs or {"today": 100_000, "swap": 103_500}
    return [
        replace(
            at(
                made.result(costs, forks=forks, seed=seed, rounds=12, fork_sd=0.012),
                users=16,
                scenario="unary",
            ),
            command="rpcduel gate --base today --candidate swap",
        )
        for seed, forks in enumerate(looks)
    ]


@pytest.fixture(scope="session")
def sets(made):
    """Give results by scenario, and what makes others."""
    return SimpleNamespace(
        unary=unary(made),
        payload=payload(made),
        fanin=fanin(made),
        channels=channels(made),
        anatomy=anatomy(made),
        rated=rated(made),
        gate=gate(made),
        codec=codec(made),
        costs=COSTS,
        forms=FORMS,
        make=SimpleNamespace(unary=unary, gate=gate, channels=channels, fanin=fanin, at=at, formed=formed),
    )


@pytest.fixture(scope="session")
def everything(sets):
    """Give one run of all scenarios but gates."""
    return [*sets.unary, *sets.payload, *sets.fanin, *sets.channels, *sets.anatomy, *sets.rated]
