"""The proofs of open loops: a stall that must be seen, and a generator that must be on time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from harness import histogram
from harness import machine as machines
from harness.decide.arrivals import merged
from harness.decide.rounds import arrange
from harness.doctor.bench import Bench, opened
from harness.doctor.check import Check, micros
from harness.histogram import Histogram
from harness.measure.contender import Contender
from harness.measure.wire import Finished, Turn
from harness.results import Trial
from scenarios.arm import Arm
from scenarios.load import Open

_SECOND = 1_000_000_000
_TOTAL, _STALL = 10.0, 1.0
_RATE = 100.0
"""Calls a second of the stall: a few percent of what any stack here can do."""
_USERS = 8
"""Under 1 % of the calls: no more are in flight when the server stops, so service times hardly see it."""
_NEAR = 0.05
_LAG = 200_000
_HALF = 0.5
_FORKS = 4
_FORK_SECONDS = 6.0


def stall(bench: Bench) -> Check:
    """Let a server stand still for D of T; quantile q of response times is D (1 − (1 − q) T / D)."""
    bench.plan(2)
    rows, met = [], True
    for stack in ("grpc-protobuf", "tcp-msgpack"):
        response, service = _stalled(bench, stack)
        for q in (0.95, 0.99):
            wanted = _STALL * (1 - (1 - q) * _TOTAL / _STALL)
            found = response.quantile(q) / _SECOND
            near = abs(found / wanted - 1) <= _NEAR
            met = met and near
            row = (
                f"p{100 * q:.0f}",
                f"{wanted:.3f} s",
                f"{found:.3f} s",
                f"{100 * (found / wanted - 1):+.1f} %",
            )
            rows.append((stack, *row, f"{service.quantile(q) / _SECOND:.4f} s"))
    columns = ("stack", "quantile", "wanted", "response time", "apart", "service time alone")
    question = (
        f"A server that stands still for {_STALL:.0f} s of {_TOTAL:.0f}, {_RATE:.0f} calls/s: is it seen?"
    )
    return Check("stall", question, columns, tuple(rows), "Wanted: within 5 %, nothing dropped.", met)


def _stalled(bench: Bench, stack: str) -> tuple[Histogram, Histogram]:
    load = Open(_RATE, users=_USERS, waiting=1000)
    trial = opened([Arm(name=stack, stack=stack)], load, turn=int(_TOTAL * _SECOND), seconds=_TOTAL, forks=1)
    bench.phase(f"stopping {stack} for a second")
    with started(trial, bench) as contender:
        server = contender.pids[-1]
        timers = [
            Timer(0.4 * _TOTAL, os.kill, (server, signal.SIGSTOP)),
            Timer(0.4 * _TOTAL + _STALL, os.kill, (server, signal.SIGCONT)),
        ]
        for timer in timers:
            timer.start()
        try:
            contender.play(Turn(trial.turn, 0, long=False, block=0, rate=_RATE, number=1))
        finally:
            for timer in timers:
                timer.join()
        finished = contender.finish()
        return times(finished, "response"), times(finished, "service")


@contextmanager
def started(trial: Trial, bench: Bench) -> Iterator[Contender]:
    """Have a load process and its server, warm."""
    contender = Contender(trial.arms[0], trial, bench.machine, 0, wire=True)
    with machines.kept_awake(bench.machine):
        try:
            contender.launch()
            contender.link()
            contender.ready()
            contender.play(Turn(_SECOND // 5, 0, long=False, block=-1))
            yield contender
        finally:
            contender.stop()


def lag(bench: Bench) -> Check:
    """Tell how late calls are sent though a user is free, at shares of what each stack can do here."""
    shares = (0.25, 0.5, 0.75)
    bench.plan(len(shares))
    rows, met = [], True
    arms = [Arm(name=stack, stack=stack) for stack in ("grpc-protobuf", "rest-json", "tcp-msgpack")]
    for share in shares:
        result = bench.offer(arms, Open(share, of_capacity=True), _FORKS * _FORK_SECONDS, _FORKS)
        played = arrange(result)
        for k, run in enumerate(result.runs):
            late = merged(played, k, "lag")
            response = merged(played, k, "response")
            if late is None or response is None:
                continue
            p99 = late.quantile(0.99)
            good = share > _HALF or p99 <= _LAG
            met = met and good
            goal = "≤ 200 µs" if share == _HALF else ""
            figures = (micros(response.quantile(0.5)), micros(late.quantile(0.5)), micros(p99))
            rows.append((run.arm, f"{100 * share:.0f} %", f"{run.rate:,.0f}", *figures, goal))
    columns = ("stack", "of capacity", "calls/s", "response p50", "late p50", "late p99", "goal")
    question = "How late does the generator send calls, though a user is free?"
    return Check("lag", question, columns, tuple(rows), "", met)


def times(finished: Finished, figure: str) -> Histogram:
    """Give what was recorded of `figure` in the one block that there is."""
    (text,) = next(blocks for _, name, blocks in finished.histograms if name == figure)
    return histogram.decode(text)
