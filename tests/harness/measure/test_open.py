"""Open loops: what is made of stored ones, and real runs."""

from __future__ import annotations

import math
import os
import re
import signal
import threading

import numpy as np
import pytest
from msgspec.structs import replace

from harness import histogram, machine
from harness.decide.compare import answer, decide
from harness.measure import conduct
from harness.plan.trials import expand
from harness.plan.wish import Wish
from harness.results import Histograms, Trial
from harness.show import words
from scenarios.arm import Arm, SpecError
from scenarios.load import Arrivals, Open
from stacks import service

GRPC, TCP = "grpc-protobuf", "tcp-msgpack"
MILLISECOND = 1_000_000


def histograms_of(arm, figure, times, forks):
    counts = histogram.empty()
    histogram.record(counts, np.asarray(times, np.int64))
    text = histogram.Histogram.of(counts).encode()
    return [Histograms(arm, fork, long=False, figure=figure, blocks=(text,) * 3) for fork in range(forks)]


@pytest.fixture
def opened(made):
    """Make a trial of an open loop: 1,000 calls a second for each of two arms, five forks."""

    def opened(*, rate=1000.0, lag=20_000, wait=0, slo="", forks=5, lost=0.0, **columns):
        result = made.result({GRPC: 100_000, TCP: 31_000}, forks=forks, fork_sd=0.002, long_rounds=0)
        turns = result.turns
        due = np.full_like(turns.calls, 1000)
        columns = {
            "due": due,
            "scheduled": due,
            "calls": due,
            "done": due,
            "window": 10**9 + 0 * due,
        } | columns
        result = replace(result, turns=replace(turns, **columns))
        found = [one for one in result.histograms if one.figure == "response"]
        if lost:
            found = []
            for k, middle in enumerate((100_000, 31_000)):
                times = np.full(10_000, middle)
                times[: int(lost * len(times))] = histogram.HIGHEST
                found += histograms_of(k, "response", times, forks)
        for arm in range(2):
            for figure, value in (("lag", lag), ("wait", wait), ("service", 30_000)):
                found += histograms_of(arm, figure, [value] * 2000, forks)
        trial = replace(result.trial, open=Open(rate, 64), users=64, slo=slo, turn=10**9)
        runs = tuple(replace(run, rate=rate) for run in result.runs)
        return replace(result, trial=trial, runs=runs, histograms=tuple(found))

    return opened


def kinds(result):
    return {(one.kind, one.arm, one.validity) for one in decide(result).findings}


def test_ratios_are_of_response_times_and_cpu(opened):
    comparison = decide(opened())
    assert (comparison.open, comparison.arrivals, comparison.headline) == ("1000/s", "uniform", "p50")
    grpc, tcp = comparison.arms
    assert sorted(tcp.ratios) == ["cpu", "p50"]
    assert tcp.ratios["p50"].estimate.value == pytest.approx(0.31, rel=0.02)
    assert (grpc.offered, grpc.calls_per_second, grpc.dropped) == (1000.0, 1000.0, 0)
    assert grpc.lag.value == pytest.approx(20_000, rel=0.01)
    assert grpc.service.value == pytest.approx(30_000, rel=0.01)
    assert re.match(
        r"tcp-msgpack is the fastest: 0\.3\d+× the median response time of grpc", comparison.sentence
    )
    assert kinds(opened()) == set()


@pytest.mark.parametrize(
    ("lag", "invalid"),
    [(190_000, False), (220_000, True)],
)
def test_a_generator_that_is_late_makes_figures_invalid(opened, lag, invalid):
    found = kinds(opened(lag=lag))
    assert (("generator-lag", TCP, "invalid") in found) is invalid
    assert not decide(opened(lag=220_000)).arms[1].ratios


def test_a_tenth_of_a_long_response_time_may_be_lag(made, opened):
    slow = opened(lag=400_000)
    slow = replace(
        slow,
        histograms=tuple(
            each
            for arm in range(2)
            for figure, value in (
                ("response", 5 * MILLISECOND),
                ("lag", 400_000),
                ("wait", 0),
                ("service", 1),
            )
            for each in histograms_of(arm, figure, [value] * 2000, 5)
        ),
    )
    assert not [kind for kind, *_ in kinds(slow) if kind == "generator-lag"]


def test_a_rate_that_is_not_reached_though_users_are_free_is_doubtful(opened):
    short = opened(done=np.full(300, 980))
    assert kinds(short) == {("under-rate", name, "doubtful") for name in (GRPC, TCP)}


def test_a_saturated_arm_is_not_doubtful(opened):
    waiting = opened(done=np.full(300, 900), wait=50 * MILLISECOND)
    assert kinds(waiting) == {("saturated", name, "note") for name in (GRPC, TCP)}
    assert {arm.validity for arm in decide(waiting).arms} == {"valid"}


def test_failed_and_dropped_calls_are_noted_and_make_percentiles_endless(opened):
    lossy = opened(
        lost=0.02,
        dropped=np.full(300, 20),
        calls=np.full(300, 980),
        done=np.full(300, 980),
        failed=np.full(300, 5),
    )
    found = kinds(lossy)
    assert {kind for kind, _, _ in found} == {"dropped", "saturated", "errors"}
    assert {validity for *_, validity in found} == {"note"}
    comparison = decide(lossy)
    assert math.isinf(comparison.arms[0].p99.value)
    assert comparison.arms[0].p50.value == pytest.approx(100_000, rel=0.01)
    assert "∞ So many calls failed or were dropped." in words.notes(comparison)


def test_arms_that_are_endless_at_the_median_get_no_ratio(opened):
    endless = opened(p50=np.full(300, histogram.HIGHEST))
    assert "p50" not in decide(endless).arms[1].ratios


def test_levels_are_between_the_last_rate_that_is_kept_and_the_first_that_is_not(opened):
    def at(rate, value):
        result = opened(rate=rate, slo="p99<1ms", max=np.full(300, 10**9))
        found = [
            each
            for arm in range(2)
            for figure, time in (("response", value * (1 + arm)), ("lag", 1), ("wait", 0), ("service", 1))
            for each in histograms_of(arm, figure, [time] * 1985 + [2 * time] * 15, 5)
        ]
        return replace(result, histograms=tuple(found))

    grid = [(100.0, 200_000), (200.0, 400_000), (300.0, 700_000), (400.0, 1_500_000)]
    first, second = answer([at(*each) for each in reversed(grid)]).levels
    assert (first.arm, first.kept, first.broken) == (GRPC, 300.0, 400.0)
    assert (second.arm, second.kept, second.broken) == (TCP, 200.0, 300.0)
    assert [rung.outcome for rung in first.rungs] == ["kept", "kept", "kept", "broken"]
    assert words.level(first).startswith("grpc-protobuf keeps p99<1ms at 300 calls/s (p99 7")
    assert "and breaks it at 400 calls/s (p99 1.5" in words.level(first)
    only_high = answer([at(400.0, 1_500_000)]).levels[0]
    assert (only_high.kept, only_high.broken) == (None, 400.0)
    only_low = answer([at(100.0, 200_000)]).levels[0]
    assert (only_low.kept, only_low.broken) == (100.0, None)


def test_a_saturated_arm_keeps_nothing_and_a_percentile_of_few_calls_says_nothing(opened):
    growing = opened(slo="p99<1s", wait=50 * MILLISECOND, done=np.full(300, 700))
    assert {each.rungs[0].outcome for each in answer([growing]).levels} == {"unclear"}
    rare = opened(slo="p99.99<1s", max=np.full(300, 10))
    assert {each.rungs[0].outcome for each in answer([rare]).levels} == {"unclear"}


def test_what_is_unclear_below_a_rate_that_is_kept_does_not_hide_it(opened):
    def at(rate, lag):
        return opened(rate=rate, slo="p99<1s", lag=lag, max=np.full(300, 10**9))

    first, _ = answer([at(100.0, 10 * MILLISECOND), at(200.0, 1), at(200.0, 1)]).levels
    assert (first.kept, first.broken, [rung.rate for rung in first.rungs]) == (200.0, None, [100.0, 200.0])


def test_few_forks_decide_no_level(opened):
    found = answer([opened(slo="p99<1s", forks=3)]).levels
    assert {(each.kept, each.broken, each.rungs[0].outcome) for each in found} == {(None, None, "unclear")}
    assert "no rate was shown to keep" in words.level(found[0])


def test_a_rate_that_the_generator_cannot_make_decides_no_level(opened):
    found = answer([opened(slo="p99<1s", lag=10 * MILLISECOND)]).levels
    assert {each.rungs[0].outcome for each in found} == {"unclear"}


def test_open_scenarios_are_planned_rate_by_rate():
    arms = (Arm("g", GRPC), Arm("t", TCP))
    found = expand(Wish(scenario="open", arms=arms, rates=("50%", "200"), users=(8,)))
    assert [str(trial.open) for trial in found] == ["50 %", "200/s"]
    assert [(trial.open.users, trial.users, trial.turn) for trial in found] == [(8, 8, 10**9)] * 2
    slo = expand(Wish(scenario="slo", arms=arms, slo="p95 < 2ms", arrivals="poisson", waiting=7))
    assert {(trial.slo, trial.open.arrivals, trial.open.waiting) for trial in slo} == {
        ("p95<2ms", Arrivals.POISSON, 7)
    }


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"scenario": "unary", "rates": ("500",)}, "unary is a closed loop, which has no rate"),
        ({"scenario": "open", "rates": ("much",)}, "rate 'much': write calls a second"),
        ({"scenario": "open", "rates": ("2",)}, "too few calls are due in a turn of 1 s; give 10"),
        ({"scenario": "open", "slo": "p99<1ms"}, "open asks for no slo"),
        ({"scenario": "slo", "slo": "fast"}, "slo 'fast': write a percentile"),
        ({"scenario": "open", "arrivals": "weekly"}, "arrivals 'weekly': must be one of uniform, poisson"),
        ({"scenario": "open", "waiting": -1}, "waiting=-1: must be from 0"),
        ({"scenario": "open", "arms": (Arm("t", TCP, beside="1KiB"),)}, "nobody calls beside its users"),
        ({"scenario": "open", "method": "Haggle"}, "in an open loop calls are unary, not bidi"),
    ],
)
def test_what_cannot_be_asked_is_named(wish, text):
    with pytest.raises(SpecError, match=re.escape(text)):
        expand(Wish(**wish))


class Quiet:
    """An observer that sees nothing."""

    def __getattr__(self, _name):
        return lambda *_: None


def play(load, *arms, seconds=4.0, forks=1, observer=None, **changes):
    made = Trial(
        scenario="open",
        arms=arms,
        baseline=arms[0].name,
        users=load.users,
        sample="small",
        method="Quote",
        turn=500 * MILLISECOND,
        settle=100 * MILLISECOND,
        seconds=seconds,
        forks=forks,
        service=service.DEFAULT,
        timeout=5.0,
        open=load,
    )
    return conduct.conduct(replace(made, **changes), machine.look(), 7, "rpcduel test", observer or Quiet())


@pytest.mark.parametrize("arrivals", list(Arrivals))
def test_calls_come_as_they_are_due_and_books_balance(arrivals):
    load = Open(200.0, 16, arrivals)
    result = play(load, Arm("g", GRPC), Arm("t", TCP))
    turns = result.turns
    assert [run.failure for run in result.runs] == [None, None]
    assert [run.rate for run in result.runs] == [200.0, 200.0]
    assert (turns.scheduled == turns.calls + turns.dropped).all()
    assert (turns.dropped == 0).all()
    if arrivals is Arrivals.UNIFORM:
        assert set(turns.scheduled.tolist()) == {100}
        assert set(turns.due.tolist()) == {80}
    # Both arms have the same arrivals in a round, and no two rounds have the same.
    for number in range(turns.round.max() + 1):
        (calls,) = {*turns.scheduled[turns.round == number].tolist()}
        assert calls > 50
    assert arrivals is Arrivals.UNIFORM or len(set(turns.scheduled.tolist())) > 1
    figures = {(one.arm, one.figure) for one in result.histograms}
    assert figures == {(arm, figure) for arm in (0, 1) for figure in ("response", "wait", "lag", "service")}


def test_a_share_of_capacity_is_each_arms_own():
    load = Open(0.3, 4, of_capacity=True)
    result = play(load, Arm("g", GRPC), Arm("t", TCP))
    grpc, tcp = result.runs
    assert 0 < grpc.capacity < tcp.capacity
    for run in (grpc, tcp):
        assert run.rate == pytest.approx(0.3 * run.capacity)
    rows = result.turns.arm == 1
    assert result.turns.scheduled[rows].mean() == pytest.approx(tcp.rate / 2, rel=0.01)


def test_beyond_capacity_calls_are_dropped_and_the_run_goes_on():
    slow = Arm("slow", TCP, work="spin:5ms")
    result = play(Open(1000.0, 2, waiting=10), slow, timeout=2.0)
    assert result.runs[0].failure is None
    turns = result.turns
    assert (turns.scheduled == turns.calls + turns.dropped).all()
    assert (turns.dropped > 0).all()
    (arm,) = decide(result).arms
    assert math.isinf(arm.p99.value)
    assert arm.dropped == turns.dropped.sum()


class Interrupting(Quiet):
    """An observer that sends Ctrl-C when a part of a fork is done."""

    def __init__(self, after):
        self.after = after

    def advance(self, _arm, _fork, _forks, fraction, _left):
        if fraction >= self.after:
            self.after = 2.0
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()  # in the midst of a turn


def test_ctrl_c_keeps_the_rounds_of_a_long_start():
    with pytest.raises(conduct.Interrupted) as stop:
        play(Open(200.0, 4), Arm("t", TCP), Arm("j", "tcp-json"), seconds=20.0, observer=Interrupting(0.25))
    result = stop.value.result
    assert (result.forks_done, result.broken_off) == (1, True)
    assert result.turns.round.max() >= 1
    assert {(one.arm, one.figure) for one in result.histograms} >= {(0, "response"), (1, "response")}
    assert [run.failure for run in result.runs] == [None, None]
    found = [one.text for one in decide(result).findings if one.kind == "interrupted"]
    assert found == ["the last start was broken off, and counts with what was played until then"]


def test_ctrl_c_before_a_round_is_over_keeps_nothing():
    with pytest.raises(conduct.Interrupted) as stop:
        play(Open(200.0, 4), Arm("t", TCP), Arm("j", "tcp-json"), seconds=60.0, observer=Interrupting(0.0))
    assert stop.value.result is None
