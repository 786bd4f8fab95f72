"""Tells where the time of one user's calls goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.decide import figures, stats
from harness.decide import rounds as costs
from harness.decide.comparison import NOTE, Anatomy, Estimate, Finding, Piece, Traffic
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.rounds import Rounds, Rows
from harness.decide.stats import Numbers
from harness.results import Result, Run, Turns
from harness.tapped import Part
from scenarios.catalog import dissected
from stacks import spans

CLIENT, HOP, SERVER = "client", "hop", "server"
NEITHER = "neither"
"""What is left of the time when nobody's process is on a CPU, or what the kernel charges to none."""
REST = "rest"
"""The same together with the server's, where this is not known."""
_MILLION = 1_000_000
_SIDES = {
    CLIENT: (spans.CLIENT_ENCODE, spans.CLIENT_DECODE),
    SERVER: (spans.SERVER_DECODE, spans.HANDLER, spans.SERVER_ENCODE),
}


def dissect(
    result: Result, sensitive: Mapping[str, frozenset[str]], lost: frozenset[str]
) -> tuple[Anatomy, ...]:
    """Give the anatomy of each arm with valid figures; the spans of twins are used for their arms.

    `sensitive` has the metrics of each arm that come from long turns. Empty unless the scenario asks for it.
    """
    trial = result.trial
    if not dissected(trial.scenario) or trial.users != 1:
        return ()
    rounds = costs.arrange(result)
    return tuple(
        found
        for arm, own in enumerate(trial.arms)
        if not own.twin_of
        and not own.beside
        and own.name not in lost
        and (found := _of(rounds, arm, long=not {"time", "cpu"}.isdisjoint(sensitive[own.name])))
    )


def find_lost(result: Result) -> tuple[Finding, ...]:
    """Say of which arms the spans are not known, and why."""
    return tuple(_lost(result))


def _lost(result: Result) -> Iterator[Finding]:
    for arm in result.trial.arms:
        run = _run(result, arm.name)
        if arm.twin_of and run and (run.failure or run.differs):
            why = run.failure.reason if run.failure else run.differs
            text = f"its spans are not known, for its instrumented twin failed: {why}"
            yield Finding("spans", arm.twin_of, (), NOTE, text)


def shares(turns: Turns, rows: Rows) -> dict[str, float]:
    """Give parts of the time per call, which add up to 1, over `rows` together; empty where there is no call.

    Where processes work at the same time, what is left for `NEITHER` may be below 0. Where the server's CPU
    is not known, `REST` stands for it and `NEITHER`.
    """
    time = costs.time_per_call(turns, rows)
    if not time > 0:
        return {}
    cpu = {
        CLIENT: costs.client_cpu(turns, rows),
        HOP: costs.hop_cpu(turns, rows),
        SERVER: costs.server_cpu(turns, rows),
    }
    parts = {name: value / time for name, value in cpu.items() if not np.isnan(value)}
    parts[NEITHER if SERVER in parts else REST] = 1 - sum(parts.values())
    return parts


def _of(rounds: Rounds, arm: int, *, long: bool) -> Anatomy | None:
    turns, rows = rounds.turns, rounds.rows(arm, long=long)
    whole, time = shares(turns, rows), costs.time_per_call(turns, rows)
    if not whole:
        return None
    tables = rounds.long if long else rounds.short
    forks = [shares(turns, table[arm][table[arm] >= 0]) for table in tables]
    pieces = [_piece(name, whole, forks, time) for name in whole]
    pieces = [piece for piece in pieces if piece.name in (CLIENT, NEITHER, REST) or piece.time]
    last = pieces[-1]
    own, twin = rounds.result.trial.arms[arm], _twin(rounds.result, arm)
    found = dict.fromkeys(spans.SPANS, None) if twin is None else _spans(rounds, twin)
    return Anatomy(
        arm=own.name,
        time=time,
        parts=tuple([*pieces[:-1], _nothing(last)] if last.time < 0 else pieces),
        overlap=_negative(last) if last.time < 0 else None,
        spans=found,
        unattributed=_unattributed({piece.name: piece.time for piece in pieces}, found),
        instrumented=None if twin is None else _instrumented(rounds, arm, twin, long=long),
        cpu_seconds={
            piece.name: piece.time / 1e9 * _MILLION for piece in pieces if piece.name in (CLIENT, HOP, SERVER)
        },
        traffic=_traffic(_run(rounds.result, own.name)),
    )


def _piece(name: str, whole: Mapping[str, float], forks: Sequence[Mapping[str, float]], time: float) -> Piece:
    share = estimate(whole[name], np.array([fork.get(name, np.nan) for fork in forks]))
    return Piece(name, share.value * time, share)


def _nothing(piece: Piece) -> Piece:
    return Piece(piece.name, 0.0, Estimate(0.0, None, None, "none"))


def _negative(piece: Piece) -> Piece:
    share = piece.share
    low, high = (None if bound is None else -bound for bound in (share.high, share.low))
    return Piece("overlap", -piece.time, Estimate(-share.value, low, high, share.basis))


def estimate(value: float, forks: Numbers) -> Estimate:
    """Give `value`, of all calls together, with bounds from the forks' own values (NaN where there is none).

    From `FORKS_FOR_INTERVAL` on as wide as the t interval of their mean; with fewer their range; with one
    none.
    """
    known = forks[np.isfinite(forks)]
    if len(known) >= FORKS_FOR_INTERVAL:
        _, low, high = stats.interval(known)
        half = (high - low) / 2
        return Estimate(value, value - half, value + half, "interval")
    if len(known) > 1:
        return Estimate(value, float(min(value, *known)), float(max(value, *known)), "spread")
    return Estimate(value, None, None, "none")


def _run(result: Result, name: str) -> Run | None:
    return next((run for run in result.runs if run.arm == name), None)


def _twin(result: Result, arm: int) -> int | None:
    """Find the twin of `arm`, if it has one that was measured to the end and gave the right replies."""
    arms = result.trial.arms
    twin = next((k for k, other in enumerate(arms) if other.twin_of == arms[arm].name), None)
    run = None if twin is None else _run(result, arms[twin].name)
    return None if run is None or run.failure or run.differs else twin


def _spans(rounds: Rounds, twin: int) -> dict[str, Estimate | None]:
    """Give each span's time per call in ns, less what reading the clock added; None where not timed."""
    run = _run(rounds.result, rounds.name(twin))
    told = run.spans[: rounds.forks] if run else ()
    turns = rounds.turns
    calls = np.array(
        [turns.calls[(turns.arm == twin) & (turns.fork == fork)].sum() for fork in range(len(told))], float
    )
    found: dict[str, Estimate | None] = {}
    for name in spans.SPANS:
        own = [one[name] for one in told if name in one]
        found[name] = None
        if len(own) == len(told) and calls.all() and own:
            times = np.array([max(0, span.ns - span.count * span.clock) for span in own], float)
            found[name] = estimate(float(times.sum() / calls.sum()), times / calls)
    return found


def _unattributed(
    times: Mapping[str, float], found: Mapping[str, Estimate | None]
) -> dict[str, float | None]:
    """Give what is left of the CPU of either side when its spans are taken away; None where it has none.

    Without a server process the client does the server's part, too.
    """
    sides = _SIDES if SERVER in times else {CLIENT: spans.SPANS}
    left: dict[str, float | None] = {}
    for side, names in sides.items():
        known = [span.value for name in names if (span := found[name])]
        left[side] = times[side] - sum(known) if known else None
    return left


def _instrumented(rounds: Rounds, arm: int, twin: int, *, long: bool) -> Estimate | None:
    ratio = figures.ratio(rounds, "time", twin, arm, long=long)
    return ratio.estimate if ratio else None


def _traffic(run: Run | None) -> Traffic | None:
    """Give the bytes of a million calls, from those of calls that were counted."""
    part: Part | None = run.tapped if run else None
    if part is None or not part.calls:
        return None
    scale = _MILLION / part.calls
    return Traffic(
        payload_out=part.payload_out * scale,
        overhead_out=part.overhead_out * _MILLION,
        payload_in=part.payload_in * scale,
        overhead_in=part.overhead_in * _MILLION,
    )
