"""Claims 1 and 2: that a channel is expensive, and that one connection to a service is usually enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.decide.claims.claim import (
    COSTS,
    FAILS,
    HOLDS,
    UNCLEAR,
    UNMEASURED,
    Evidence,
    Judged,
    as_much,
    interval,
    unmeasured,
    whole,
)
from harness.decide.claims.played import Pair, Played, Weighed, doubtful, families, few, weigh
from scenarios.arm import Arm

EXPENSIVE = 2.0
"""What opens a channel costs more than the call from here on: a call with it, over a call without."""
_KEPT = ("per-user", "shared")
_PLAIN, _TLS = "in plaintext", "over TLS"


def judge_channel(trials: Sequence[Played]) -> Judged:
    """Judge whether a new channel for every call is expensive, in plaintext and over TLS."""
    weighed = weigh(list(_reopened(trials)))
    if not weighed:
        return unmeasured("a gRPC stack with a channel for every call beside one that is kept")
    rows, parts = [], {_PLAIN: UNMEASURED, _TLS: UNMEASURED}
    for one in weighed:
        security = _TLS if one.pair.ours.tls else _PLAIN
        verdict = _expensive(one)
        label = f"{one.pair.ours.stack} {security}, {one.pair.played.point}"
        rows.append(Evidence(label, one.text, one.costs.get("time"), verdict))
        known = [] if parts[security] == UNMEASURED else [parts[security]]
        parts[security] = whole([*known, verdict])
    return Judged(whole(parts.values()), tuple(rows), _told(parts) + doubtful(weighed) + "." + few(weighed))


def _reopened(trials: Sequence[Played]) -> Iterator[Pair]:
    for played in trials:
        for forms in families(_grpc(played), "channel"):
            kept = next((forms[mode] for mode in _KEPT if mode in forms), None)
            if kept and "per-request" in forms:
                yield Pair(played, forms["per-request"], kept)


def _expensive(one: Weighed) -> str:
    known = [bounds for metric in COSTS if (bounds := interval(one.costs.get(metric)))]
    if any(high < EXPENSIVE for _, high in known):
        return FAILS
    shown = len(known) == len(COSTS) and all(low > EXPENSIVE for low, _ in known)
    return HOLDS if shown else UNCLEAR


def _told(parts: dict[str, str]) -> str:
    says = {
        HOLDS: f"a call with a new channel costs more than {EXPENSIVE:g}× one over a channel that is kept",
        FAILS: f"a call with a new channel costs less than {EXPENSIVE:g}× one over a channel that is kept",
        UNCLEAR: f"it is not settled on which side of {EXPENSIVE:g}× the cost of a new channel is",
        UNMEASURED: "nothing was measured",
    }
    found = {verdict: [part for part, each in parts.items() if each == verdict] for verdict in says}
    told = "; ".join(f"{' and '.join(names)} {says[verdict]}" for verdict, names in found.items() if names)
    return told[0].upper() + told[1:]


def judge_multiplexing(trials: Sequence[Played]) -> Judged:
    """Judge whether calls over one shared connection are as quick as over one a user."""
    weighed = weigh(list(_shared(trials)), ("time",))
    if not weighed:
        return unmeasured("a gRPC stack with 2 users or more, over one connection and over one a user")
    rows = [_sharing(one) for one in weighed]
    verdicts = [row.verdict for row in rows]
    against = verdicts.count(FAILS)
    verdict = FAILS if 2 * against >= len(rows) else HOLDS if set(verdicts) == {HOLDS} else UNCLEAR
    says = {
        HOLDS: "One connection is no slower than one a user, wherever that was measured",
        FAILS: f"At {against} of {len(rows)} points one connection is slower than one a user, or not one",
        UNCLEAR: f"One connection is shown to be enough at {verdicts.count(HOLDS)} of {len(rows)} points, "
        f"and not to be at {against}",
    }
    return Judged(verdict, tuple(rows), f"{says[verdict]}{doubtful(weighed)}.{few(weighed)}")


def _shared(trials: Sequence[Played]) -> Iterator[Pair]:
    for played in trials:
        for forms in families(_grpc(played), "channel") if played.trial.users > 1 else []:
            if "shared" in forms and "per-user" in forms:
                yield Pair(played, forms["shared"], forms["per-user"])


def _sharing(one: Weighed) -> Evidence:
    played, cost = one.pair.played, one.costs.get("time")
    shared, own = (played.connections(arm)[:1] for arm in (one.pair.ours, one.pair.theirs))
    verdict = as_much(cost)
    if shared and shared[0] != 1:
        verdict = FAILS
    elif not shared and verdict == HOLDS:
        verdict = UNCLEAR
    counted = f"; {shared[0]} connection{'' if shared[0] == 1 else 's'}" if shared else "; not counted"
    counted += f" against {own[0]}" if shared and own else ""
    return Evidence(f"{one.pair.ours.stack}, {played.point}", one.text + counted, cost, verdict)


def _grpc(played: Played) -> list[Arm]:
    return [arm for arm in played.arms if arm.stack.startswith("grpc-") and not arm.hops]
