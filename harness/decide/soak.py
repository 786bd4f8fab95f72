"""Finds what drifts or grows in a long run, start by start."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import stdtr

from harness.decide.comparison import DOUBTFUL, NOTE, Finding
from harness.decide.rounds import Rounds
from harness.decide.stats import Numbers
from harness.histogram import HIGHEST
from harness.results import Column

FEWEST = 10
"""Turns of an arm in a start, below which nothing is said of it."""
_WARM = 0.2
"""Share of the turns that may fill caches and pools."""
_DRIFT = 0.05
_SURE = 0.001
"""Of being wrong in saying that response times moved: every arm of a run is looked at, and turns are not
quite independent."""
_GROWTH, _BYTES = 0.02, 2**20
_DESCRIPTORS = 2


def find_soak(rounds: Rounds, arm: int) -> Iterator[Finding]:
    """Hold the end of each start of an open loop against its beginning."""
    if not rounds.result.trial.open:
        return
    for fork, table in enumerate(rounds.short):
        played = table[:, int(_WARM * table.shape[1]) :]
        rows = played[arm][played[arm] >= 0]
        if len(rows) < FEWEST:
            if rounds.result.trial.scenario == "soak":
                text = f"start {fork + 1} had {len(rows)} turns after warming up, and {FEWEST} are wanted: "
                text += "nothing is known of drift and growth; it needs more --seconds, or fewer arms"
                yield Finding("unexamined", rounds.name(arm), (), NOTE, text)
            continue
        yield from _moved(rounds, arm, fork, _response(rounds, played, arm))
        yield from _grown(rounds, arm, fork, rows)


def _response(rounds: Rounds, played: Column, arm: int) -> Numbers:
    """Give ln p50 by turn, against the floor's where there is one: what both share is the machine's."""
    ours, floor = played[arm], rounds.floor
    base = played[floor] if floor is not None and floor != arm else None
    known = (ours >= 0) & ((base >= 0) if base is not None else True)
    values = _logs(rounds, ours[known]) - (0.0 if base is None else _logs(rounds, base[known]))
    finite: Numbers = values[np.isfinite(values)]
    return finite


def _logs(rounds: Rounds, rows: Column) -> Numbers:
    """Give ln p50; not finite for a turn without one, and where half of the calls or more failed."""
    times = rounds.turns.p50[rows]
    return np.log(np.where((times > 0) & (times < HIGHEST), times, np.nan).astype(np.float64))


def _moved(rounds: Rounds, arm: int, fork: int, values: Numbers) -> Iterator[Finding]:
    first, second = np.array_split(values, 2)
    if len(first) < FEWEST // 2 or len(second) < FEWEST // 2 or not np.ptp(values):
        return
    change = float(np.expm1(second.mean() - first.mean()))
    if abs(change) >= _DRIFT and _chance(first, second) < _SURE:
        text = (
            f"in start {fork + 1} its median response time moved by {change:+.1%} from the first half of "
            f"the turns to the second"
        )
        yield Finding("drift", rounds.name(arm), ("p50", "p99"), DOUBTFUL, text)


def _grown(rounds: Rounds, arm: int, fork: int, rows: Column) -> Iterator[Finding]:
    turns, third = rounds.turns, max(1, len(rows) // 3)
    for what, column, least in (
        ("memory", turns.memory, _BYTES),
        ("descriptors", turns.descriptors, _DESCRIPTORS),
    ):
        values = column[rows]
        if (values <= 0).any():
            continue
        before, after = float(np.median(values[:third])), float(np.median(values[-third:]))
        if after - before >= max(least, _GROWTH * before):
            shown = (
                f"{value / 2**20:.1f} MiB" if what == "memory" else f"{value:.0f}"
                for value in (before, after)
            )
            text = f"in start {fork + 1} its servers' {what} grew from {{}} to {{}}".format(*shown)
            yield Finding("growth", rounds.name(arm), (), NOTE, text)


def _chance(first: Numbers, second: Numbers) -> float:
    """Give the two-sided p value of Welch's t test that both have the same mean.

    Written out, since importing `scipy.stats` takes longer than reading a run. Two values or more on each
    side, which differ on one at least. Welch, The generalization of "Student's" problem when several
    different population variances are involved, Biometrika 34 (1947).
    """
    parts = [values.var(ddof=1) / len(values) for values in (first, second)]
    total = sum(parts)
    if not total:
        return 0.0
    # As shares of their sum, since squares of small variances would be lost (0/0).
    freedom = 1 / sum(
        (part / total) ** 2 / (len(values) - 1) for part, values in zip(parts, (first, second), strict=True)
    )
    return float(2 * stdtr(freedom, -abs(second.mean() - first.mean()) / np.sqrt(total)))
