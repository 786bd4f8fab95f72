"""Claim 8: that multiplexing by hand is possible, and HTTP/2 gives it for less."""

from __future__ import annotations

from collections.abc import Sequence

from harness.decide.claims.claim import FAILS, HOLDS, UNCLEAR, Evidence, Judged, cheaper, unmeasured, whole
from harness.decide.claims.played import Pair, Played, Weighed, doubtful, families, few, weigh

_BY_HAND, _BY_HTTP = "yamux-msgpack", "grpc-msgpack"


def judge_handmade(trials: Sequence[Played]) -> Judged:
    """Judge streams of yamux against those of HTTP/2, over one shared connection each."""
    pairs = [
        Pair(played, forms[_BY_HTTP], forms[_BY_HAND])
        for played in trials
        if played.trial.users > 1
        for forms in families((arm for arm in played.arms if arm.channel == "shared"), "stack")
        if _BY_HTTP in forms and _BY_HAND in forms
    ]
    if not pairs:
        return unmeasured(f"{_BY_HAND} and {_BY_HTTP} over one shared connection with 2 users or more")
    weighed = weigh(pairs)
    possible = [_possible(one) for one in weighed]
    rows = [
        Evidence(
            f"{_BY_HTTP} over {_BY_HAND}, {one.pair.played.point}", one.text, one.costs.get("time"), less
        )
        for one, less in zip(weighed, map(_less, weighed), strict=True)
    ]
    first, second = whole(row.verdict for row in possible), whole(row.verdict for row in rows)
    says = {
        HOLDS: "HTTP/2 costs less a call",
        FAILS: "HTTP/2 does not cost less a call",
        UNCLEAR: "who costs less a call is not settled",
    }
    able = {HOLDS: "It is possible", FAILS: "It did not work", UNCLEAR: "Whether it works is not known"}
    told = f"{able[first]}; {says[second]}; what it takes to write it is not measured"
    return Judged(whole([first, second]), (*possible, *rows), f"{told}{doubtful(weighed)}.{few(weighed)}")


def _less(one: Weighed) -> str:
    return cheaper(one.costs)


def _possible(one: Weighed) -> Evidence:
    played, arm = one.pair.played, one.pair.theirs
    label, fault = f"{_BY_HAND}, {played.point}", played.fault(arm)
    if fault:
        return Evidence(label, fault, verdict=FAILS)
    links = played.connections(arm)
    if not links:
        return Evidence(label, "connections were not counted", verdict=UNCLEAR)
    calls = f"{played.calls(arm)[0]:,} calls over {links[0]} connection{'' if links[0] == 1 else 's'}"
    return Evidence(label, calls, verdict=HOLDS if links[0] == 1 else FAILS)
