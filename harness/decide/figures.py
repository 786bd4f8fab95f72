"""Works out the figures of one arm: its own, and its ratios to the baseline."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from harness import histogram
from harness.decide import rounds as costs
from harness.decide import stats
from harness.decide.comparison import DOUBTFUL, INVALID, SHARED, VALID, ArmFigures, Estimate, Finding, Ratio
from harness.decide.estimates import merge, of_effects, of_quantile, of_quantiles, spread
from harness.decide.rounds import Rounds, effects
from harness.histogram import Histogram
from harness.results import ResultError
from scenarios.arm import FLOOR

LAG, SERVICE = "lag", "service"
"""Histograms of open loops."""
BUSY = 0.9
"""Share of a core from which on it bounds an arm: the rest goes to waking up and to reading clocks."""


def work_out(rounds: Rounds, arm: int, lost: frozenset[str], sensitive: frozenset[str]) -> ArmFigures:
    """Give the figures of `arm`, an index; raises `ResultError` for a damaged histogram.

    `lost` are names of arms without valid figures, which get no ratios. Figures of the metrics in
    `sensitive` come from the long turns, all others from the short ones. Validity is left at ``valid``.
    """
    trial, turns = rounds.result.trial, rounds.turns
    own = trial.arms[arm]
    everything = rounds.rows(arm, long=None)
    rows = {metric: rounds.rows(arm, long=metric in sensitive) for metric in costs.METRICS}
    p50, p99 = _percentiles(rounds, arm, long="p50" in sensitive)
    per_call = costs.time_per_call(turns, rows["time"])
    run = next((run for run in rounds.result.runs if run.arm == own.name), None)
    mixed = bool(own.beside)  # then CPU is for calls of two sizes
    return ArmFigures(
        name=own.name,
        stack=own.stack,
        floor=arm == rounds.floor,
        hops=own.hops,
        calls=int(turns.calls[everything].sum()),
        failed=int(turns.failed[everything].sum()),
        p50=p50,
        p99=p99,
        calls_per_second=1e9 / per_call if per_call > 0 else None,
        client_cpu=None if mixed else _known(costs.client_cpu(turns, rows["cpu"])),
        hop_cpu=_known(costs.hop_cpu(turns, rows["cpu"])) if own.hops and not mixed else None,
        server_cpu=None if mixed else _known(costs.server_cpu(turns, rows["cpu"])),
        bound_by=bound_by(rounds, arm, long="time" in sensitive),
        times_floor=_times_floor(rounds, arm, lost, long="p50" in sensitive),
        messages=run.messages if run else 1,
        payload=run.payload if run else None,
        connections=run.connections if run else (),
        first=_median(rounds, arm, "first", long="p50" in sensitive),
        gap=_median(rounds, arm, "gap", long="p50" in sensitive),
        service=_median(rounds, arm, SERVICE, long=False) if trial.open else None,
        lag=_lag(rounds, arm) if trial.open else None,
        offered=run.rate if run and trial.open else None,
        dropped=int(turns.dropped[everything].sum()),
        ratios=_ratios(rounds, arm, lost, sensitive),
        validity=VALID,
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _percentiles(rounds: Rounds, arm: int, *, long: bool) -> tuple[Estimate | None, Estimate | None]:
    forks = histograms(rounds, arm, "response", long=long)
    if not forks:
        return None, None
    merged = merge(forks)
    p50, p99 = of_quantiles(forks, (0.5, 0.99), merged)
    longest = rounds.turns.max[rounds.rows(arm, long=long)]
    shown = np.isinf(p99.value) or stats.supported(merged, longest, int(p99.value))
    return p50, p99 if shown else None


def _lag(rounds: Rounds, arm: int) -> Estimate | None:
    forks = histograms(rounds, arm, LAG, long=False)
    return of_quantile(forks, 0.99) if forks else None


def _median(rounds: Rounds, arm: int, figure: str, *, long: bool) -> Estimate | None:
    forks = histograms(rounds, arm, figure, long=long)
    return of_quantile(forks, 0.5) if forks else None


def histograms(rounds: Rounds, arm: int, figure: str, *, long: bool) -> list[list[Histogram]]:
    """Read the blocks of each finished fork's times; empty blocks and forks are left out.

    Raises `ResultError` for a damaged one.
    """
    found = []
    for stored in rounds.result.histograms:
        if (stored.arm, stored.long, stored.figure) != (arm, long, figure) or stored.fork >= rounds.forks:
            continue
        try:
            blocks = histogram.decode_all(stored.blocks)
        except ValueError as error:
            name = rounds.name(arm)
            raise ResultError(f"{figure} times of arm {name}, start {stored.fork + 1}: {error}") from error
        found.append([block for block in blocks if block.count])
    return [blocks for blocks in found if blocks]


def bound_by(rounds: Rounds, arm: int, *, long: bool) -> str:
    """Tell what bounds an arm's calls per second: who is the busiest in its turns, if by `BUSY` or more.

    Our clients and servers are each taken as one core's worth of work: one process whose Python runs on one
    thread at a time. A server that is not ours may use every core that servers have. Where clients and
    servers share cores, or none are pinned, those cores together may be full before either is; hops share
    those of servers.
    """
    turns, machine = rounds.turns, rounds.result.machine
    rows = rounds.rows(arm, long=long)
    client = stats.ratio(turns.client[rows].sum(), turns.busy[rows].sum())
    server = stats.ratio(turns.server[rows].sum(), turns.busy[rows].sum())
    hop = stats.ratio(turns.hop[rows].sum(), turns.busy[rows].sum())
    known = not np.isnan(costs.server_cpu(turns, rows))
    shared = len(set(machine.client_cores) & set(machine.server_cores))
    if not machine.client_cores or not machine.server_cores:
        shared = machine.cores
    if known and shared and client + hop + server >= BUSY * shared:
        return SHARED
    if not known:
        return "client" if client >= BUSY else ""
    if hop and hop + server >= BUSY * max(1, len(machine.server_cores)):
        return SHARED
    ours = not rounds.result.trial.arms[arm].server and not rounds.result.trial.arms[arm].at
    serving = server if ours else server / max(1, len(machine.server_cores))
    used = {"client": client, "hop": hop, "server": serving}
    fullest = max(used, key=lambda who: used[who])
    return fullest if used[fullest] >= BUSY else "waiting"


def _times_floor(rounds: Rounds, arm: int, lost: Iterable[str], *, long: bool) -> float | None:
    """Give p50 as a multiple of the floor's, paired round by round; 1 for the floor itself."""
    if rounds.floor is None or not {FLOOR.name, rounds.name(arm)}.isdisjoint(lost):
        return None
    found, _ = effects(rounds, "p50", arm, rounds.floor, long=long)
    return None if np.isnan(found).all() else of_effects(found, None).value


def _ratios(rounds: Rounds, arm: int, lost: frozenset[str], sensitive: frozenset[str]) -> dict[str, Ratio]:
    trial = rounds.result.trial
    if arm in (rounds.baseline, rounds.floor) or not {trial.baseline, rounds.name(arm)}.isdisjoint(lost):
        return {}
    found = {
        metric: ratio(rounds, metric, arm, rounds.baseline, long=metric in sensitive)
        for metric in rounds.metrics
    }
    return {metric: one for metric, one in found.items() if one}


def ratio(rounds: Rounds, metric: str, arm: int, base: int, *, long: bool) -> Ratio | None:
    """Give a cost of `arm` as a multiple of that of `base`; None where no fork knows both."""
    found, differences = effects(rounds, metric, arm, base, long=long)
    known = np.isfinite(found)
    if not known.any() or np.isinf(found).any():
        return None
    half = spread(rounds, metric, arm, base, long=long)
    estimate = of_effects(found, half)
    return Ratio(
        metric=metric,
        estimate=estimate,
        difference=float(differences[known].mean()),
        resolved=resolved(estimate),
        long_turns=long,
    )


def resolved(estimate: Estimate) -> bool:
    """Tell whether 1 lies outside the interval; a spread resolves nothing."""
    if estimate.basis != "interval" or estimate.low is None or estimate.high is None:
        return False
    return not estimate.low <= 1 <= estimate.high


def validity(name: str, findings: Iterable[Finding]) -> str:
    """Give the worst that findings say of the arm `name`."""
    found = {finding.validity for finding in findings if finding.arm in ("", name)}
    return next((worst for worst in (INVALID, DOUBTFUL) if worst in found), VALID)
