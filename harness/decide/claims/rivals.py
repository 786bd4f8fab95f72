"""Claim 9: how REST, GraphQL, Thrift, MessagePack over TCP and gRPC with MessagePack stand to each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.decide.claims.claim import (
    FAILS,
    HOLDS,
    UNCLEAR,
    UNMEASURED,
    Evidence,
    Judged,
    cheaper,
    more,
    unmeasured,
    whole,
)
from harness.decide.claims.played import Pair, Played, Weighed, doubtful, families, few, weigh

_REST, _GRAPHQL, _THRIFT, _TCP = "rest-json", "graphql-json", "thrift-binary", "tcp-msgpack"
_BEST = "grpc-msgpack"
_RIVALS = ("grpc-protobuf", _REST, _GRAPHQL, _THRIFT, _TCP)
_NOT_GRPC = frozenset({_REST, _GRAPHQL, _THRIFT, _TCP})
"""One of them must be in a trial for it to be about the claim."""
_SLOWER, _COMPLEX, _EFFICIENT, _LIGHT, _FITS = (
    "REST/JSON is slower",
    "GraphQL is flexible but complex",
    "Thrift is efficient",
    "MessagePack over TCP is light",
    "gRPC + MessagePack is best",
)
_PARTS = {
    _SLOWER: ((_REST, _BEST),),
    _COMPLEX: ((_GRAPHQL, _REST),),
    _EFFICIENT: ((_THRIFT, _REST),),
    _LIGHT: ((_TCP, _REST),),
    _FITS: tuple((_BEST, rival) for rival in _RIVALS),
}
"""Part of the claim → stacks that are held against each other for it."""


def judge_rivals(trials: Sequence[Played]) -> Judged:
    """Judge each part of the claim in all trials that have the stacks, with unary calls."""
    asked = [(part, ours, theirs) for part, pairs in _PARTS.items() for ours, theirs in pairs]
    found = [(part, pair) for part, ours, theirs in asked for pair in _pairs(trials, ours, theirs)]
    if {part for part, _ in found} <= {_COMPLEX, _FITS}:
        return unmeasured(f"unary calls on {_REST}, {_THRIFT}, {_TCP} and {_BEST} in one trial")
    beside = [(part, pair) for part, pair in found if part == _COMPLEX]
    found = [(part, pair) for part, pair in found if part != _COMPLEX]
    weighed = weigh([pair for _, pair in found])
    shown = weigh([pair for _, pair in beside])  # gets no verdict, so it counts as no look
    rows: dict[str, list[Evidence]] = {part: [] for part in _PARTS}
    for (part, _), one in zip([*found, *beside], [*weighed, *shown], strict=True):
        rows[part].append(_row(part, one))
    parts = {part: whole(row.verdict for row in rows[part]) for part in _PARTS if part != _COMPLEX}
    if parts[_FITS] == HOLDS and not _all_rivals(found):
        parts[_FITS] = UNCLEAR
    return Judged(
        whole(parts.values()),
        tuple(row for part in _PARTS for row in rows[part]),
        f"{_told(parts)}{doubtful(weighed)}.{few(weighed)}",
    )


def _pairs(trials: Sequence[Played], ours: str, theirs: str) -> Iterator[Pair]:
    for played in trials:
        for forms in families(played.plain, "stack"):
            if ours in forms and theirs in forms and not _NOT_GRPC.isdisjoint(forms):
                yield Pair(played, forms[ours], forms[theirs])


def _all_rivals(found: Sequence[tuple[str, Pair]]) -> bool:
    seen = {pair.theirs.stack for part, pair in found if part == _FITS}
    return seen == set(_RIVALS)


def _row(part: str, one: Weighed) -> Evidence:
    label = f"{part}: {one.pair.ours.stack} over {one.pair.theirs.stack}, {one.pair.played.point}"
    verdict = {_SLOWER: more(one.costs.get("time")), _COMPLEX: ""}.get(part, cheaper(one.costs))
    if part == _FITS and verdict == FAILS and not _beaten(one):
        verdict = UNCLEAR
    return Evidence(label, one.text, one.costs.get("time"), verdict)


def _beaten(one: Weighed) -> bool:
    """Tell whether the rival is cheaper, with the ratios turned round."""
    turned = {
        metric: type(cost)(
            1 / cost.value,
            1 / cost.high if cost.high else None,
            1 / cost.low if cost.low else None,
            cost.basis,
        )
        for metric, cost in one.costs.items()
    }
    return cheaper(turned) == HOLDS


def _told(parts: dict[str, str]) -> str:
    says = {HOLDS: "shown", FAILS: "refuted", UNCLEAR: "not settled", UNMEASURED: "not measured"}
    found = {verdict: [part for part, each in parts.items() if each == verdict] for verdict in says}
    told = "; ".join(f"{says[verdict]}: {', '.join(names)}" for verdict, names in found.items() if names)
    return f"{told[0].upper()}{told[1:]}; {_COMPLEX} cannot be measured"
