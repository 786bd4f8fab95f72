"""The claims under test, each with the rule that gives it a verdict; see docs/claims.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from harness.decide.claims.channels import judge_channel, judge_multiplexing
from harness.decide.claims.claim import UNCLEAR, UNMEASURED, Claim, Judged, interval
from harness.decide.claims.duplex import judge_duplex
from harness.decide.claims.gateways import judge_fan_in, judge_kinds, judge_one_port
from harness.decide.claims.handmade import judge_handmade
from harness.decide.claims.marshallers import judge_swap
from harness.decide.claims.played import Played, usable
from harness.decide.claims.rivals import judge_rivals
from harness.results import Result

SCENARIO = "claims"
"""The scenario that measures what they need."""


class Rule(msgspec.Struct, frozen=True):
    """A claim, and what judges it."""

    text: str
    scenario: str
    """The scenario that asks about it by itself."""
    judge: Callable[[Sequence[Played]], Judged]


RULES = (
    Rule("A channel is expensive: reuse it, do not open one per request.", "channels", judge_channel),
    Rule(
        "HTTP/2 multiplexes many calls over one TCP connection; one to a service is usually enough.",
        "multiplex",
        judge_multiplexing,
    ),
    Rule(
        "100 clients → 100 connections to the gateway → 1 connection to the service.",
        "fanin",
        judge_fan_in,
    ),
    Rule(
        "gRPC's protobuf can be swapped for MessagePack or MemoryPack by a custom marshaller, and that pays.",
        SCENARIO,
        judge_swap,
    ),
    Rule(
        "A gateway with ready channels and a routing table proxies unary and all streaming kinds.",
        SCENARIO,
        judge_kinds,
    ),
    Rule(
        "gRPC and HTTP/1.1 or HTTP/2 REST can be told apart on one port by HTTP version, method and "
        "content-type.",
        SCENARIO,
        judge_one_port,
    ),
    Rule(
        "TCP is full duplex: both directions stream at once at the speed of each alone.",
        "duplex",
        judge_duplex,
    ),
    Rule(
        "Multiplexing by hand (stream ids in a packet header) is possible, but HTTP/2 gives it for less.",
        SCENARIO,
        judge_handmade,
    ),
    Rule(
        "REST/JSON is compatible but slower; GraphQL flexible but complex; Thrift an efficient binary; "
        "MessagePack over TCP light; gRPC + MessagePack fits high performance best.",
        SCENARIO,
        judge_rivals,
    ),
)
"""In the order of their numbers, which begin with 1."""


def find(results: Iterable[Result]) -> tuple[Claim, ...]:
    """Give the claims that trials can speak to, with their verdicts; all of them where that was asked.

    Trials of too few starts for intervals do not speak to what needs them.
    """
    everything = list(results)
    trials = list(usable(everything))
    asked = any(result.trial.within == SCENARIO for result in everything)
    judged = [(number, rule, rule.judge(trials)) for number, rule in enumerate(RULES, 1)]
    return tuple(
        Claim(number, rule.text, found.verdict, found.evidence, found.explanation)
        for number, rule, found in judged
        if asked or _spoken_to(found)
    )


def _spoken_to(found: Judged) -> bool:
    if found.verdict in (UNCLEAR, UNMEASURED):
        estimates = [one.estimate for one in found.evidence if one.estimate]
        return any(map(interval, estimates)) or (found.verdict == UNCLEAR and not estimates)
    return True
