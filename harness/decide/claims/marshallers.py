"""Claim 4: that protobuf can be swapped for another format, and that this pays."""

from __future__ import annotations

from collections.abc import Sequence

from harness.decide.claims.claim import (
    FAILS,
    HOLDS,
    UNCLEAR,
    UNMEASURED,
    Evidence,
    Judged,
    cheaper,
    either,
    unmeasured,
)
from harness.decide.claims.played import Pair, Played, Weighed, doubtful, families, few, weigh

_FORMATS = {"grpc-msgpack": "MessagePack", "grpc-memorypack": "MemoryPack"}
_GIVEN = "grpc-protobuf"


def judge_swap(trials: Sequence[Played]) -> Judged:
    """Judge each format against protobuf at every size, in the trials with the fewest users."""
    pairs = [pair for stack in _FORMATS for pair in _sizes(trials, stack)]
    if not pairs:
        return unmeasured("unary calls on grpc-msgpack or grpc-memorypack beside grpc-protobuf")
    weighed = weigh(pairs)
    rows, found = [], dict.fromkeys(_FORMATS.values(), UNMEASURED)
    for stack, name in _FORMATS.items():
        own = [one for one in weighed if one.pair.ours.stack == stack]
        verdicts = [_pays(one) for one in own]
        rows += [
            Evidence(f"{name}, {_where(one)}", one.text, one.costs.get("time"), verdict)
            for one, verdict in zip(own, verdicts, strict=True)
        ]
        if own:
            found[name] = _joint([FAILS] if any(map(_unlike, own)) else verdicts)
    return Judged(either(found.values()), tuple(rows), f"{_told(found)}{doubtful(weighed)}.{few(weighed)}")


def _sizes(trials: Sequence[Played], stack: str) -> list[Pair]:
    """Give the pairs of a format with the fewest users, of each size that it was measured at."""
    found: dict[str, list[Pair]] = {}
    for played in trials:
        for forms in families(played.plain, "stack"):
            if stack in forms and _GIVEN in forms:
                pair = Pair(played, forms[stack], forms[_GIVEN])
                found.setdefault(played.trial.sample, []).append(pair)
    fewest = {size: min(pair.played.trial.users for pair in pairs) for size, pairs in found.items()}
    return [
        pair for size, pairs in found.items() for pair in pairs if pair.played.trial.users == fewest[size]
    ]


def _where(one: Weighed) -> str:
    return one.pair.played.point + (", TLS" if one.pair.ours.tls else "")


def _unlike(one: Weighed) -> bool:
    """Tell whether the format, and not what it is held against, has no valid figures."""
    return bool(one.pair.played.fault(one.pair.ours)) and not one.pair.played.fault(one.pair.theirs)


def _pays(one: Weighed) -> str:
    return FAILS if _unlike(one) else cheaper(one.costs)


def _joint(verdicts: Sequence[str]) -> str:
    """Give what holds at every point, or at none."""
    found = set(verdicts)
    return next(iter(found)) if len(found) == 1 else UNCLEAR


def _told(found: dict[str, str]) -> str:
    says = {HOLDS: "pays", FAILS: "does not pay", UNCLEAR: "is not settled, or depends on the point"}
    says[UNMEASURED] = "was not measured"
    return "; ".join(f"{name} {says[verdict]}" for name, verdict in found.items())
