"""Claim 7: that both directions of a connection stream at once as fast as each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.decide import rounds as costs
from harness.decide.claims.claim import FAILS, HOLDS, UNCLEAR, Evidence, Judged, either, interval, unmeasured
from harness.decide.claims.played import Pair, Played, Weighed, doubtful, families, few, weigh
from harness.decide.figures import bound_by
from harness.decide.judge import DETECT
from harness.decide.rounds import Rows
from harness.results import Turns
from scenarios.arm import Arm

_BOTH, _ONE_WAY = "Relay", ("Upload", "Download")
WAITING = "waiting"


def judge_duplex(trials: Sequence[Played]) -> Judged:
    """Judge whether messages both ways take no longer than those of the slower way alone."""
    pairs = [
        Pair(played, forms[_BOTH], forms[alone])
        for played in trials
        for forms in families(played.arms, "method")
        if {_BOTH, *_ONE_WAY} <= set(forms)
        for alone in _ONE_WAY
    ]
    if not pairs:
        return unmeasured(f"{_BOTH}, {_ONE_WAY[0]} and {_ONE_WAY[1]} of one stack in a trial")
    weighed = weigh(pairs, ("time",))
    rows, verdicts, bound = [], [], set()
    for up, down in zip(weighed[::2], weighed[1::2], strict=True):
        limit = _limit(up, down)
        verdict = _at_once(up, down, limit)
        if verdict != HOLDS and limit not in ("", WAITING):
            bound.add(limit)
        verdicts.append(verdict)
        for one in (up, down):
            label = f"{one.pair.ours.stack} {_BOTH}, against {one.pair.theirs.method} alone"
            text = f"{one.text}; limited by {limit or 'what is not known'}"
            rows.append(Evidence(label, text, one.costs.get("time"), verdict))
    verdict = either(verdicts)
    says = {
        HOLDS: "Both directions at once take no longer than one alone",
        FAILS: "Both directions at once take longer than each alone on every stack, though no core is full",
        UNCLEAR: "It is not shown either way",
    }
    if verdict == UNCLEAR and bound:
        says[UNCLEAR] = (
            f"The {' or '.join(sorted(bound))} is busy before the connection is, so TCP is not to blame"
        )
    return Judged(verdict, tuple(rows), f"{says[verdict]}{doubtful(weighed)}.{few(weighed)}")


def _limit(up: Weighed, down: Weighed) -> str:
    """Say what bounds both ways at once; a core that has more to do than one way alone takes does, too."""
    played, both = up.pair.played, up.pair.ours
    if up.pair.fault or down.pair.fault:
        return ""
    bound = bound_by(played.rounds, played.trial.arms.index(both), long=False)
    if bound != WAITING:
        return bound
    alone = max(_per_message(played, one.pair.theirs, costs.time_per_call) for one in (up, down))
    for name, cpu in (("client", costs.client_cpu), ("server", costs.server_cpu)):
        if _per_message(played, both, cpu) > (1 + DETECT) * alone:
            return name
    return bound


def _per_message(played: Played, arm: Arm, figure: Callable[[Turns, Rows], float]) -> float:
    rows = played.rounds.rows(played.trial.arms.index(arm))
    return figure(played.rounds.turns, rows) / costs.messages(played.result, arm.name)


def _at_once(up: Weighed, down: Weighed, limit: str) -> str:
    bounds = [interval(one.costs.get("time")) for one in (up, down)]
    if any(each and each[1] < 1 + DETECT for each in bounds):
        return HOLDS
    slower = all(each and each[0] > 1 + DETECT for each in bounds)
    return FAILS if slower and limit == WAITING else UNCLEAR
