"""The scenarios that there are, as data, and how long their turns are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

import stacks
from scenarios.load import USERS

MILLISECOND = 1_000_000
LONG = 10
"""How many times longer the turns are that find out turn-sensitivity."""
LONG_SHARE = 0.2
"""Share of the measuring time spent in them."""
MOST_ARMS = 6
"""Arms of a trial beside the floor; more would stretch a round beyond what noise sits still for."""
TIMEOUT = 5.0
"""Deadline of every timed call, in seconds."""
ARMS = (*stacks.DEFAULTS, f"{stacks.DEFAULTS[0]}@python")
"""What is compared unless told otherwise, as SPECs."""
ENCODE, DECODE = "encode", "decode"
"""Parts of a call that a trial may time alone."""

_OPEN_TURN = 1_000 * MILLISECOND
"""Of an open loop: a queue needs longer to build up, and a tail to be seen."""
_CROWD = 16
_TURN = 20 * MILLISECOND
_SETTLE = 5
_LARGE = 8 * 1024
_STRETCH = 8


class Scenario(msgspec.Struct, frozen=True):
    """A question, and the points at which it is asked unless told otherwise."""

    question: str
    methods: tuple[str, ...] = ("Quote",)
    """Of the default service; each is a point, or an arm where methods are what is varied."""
    users: tuple[int, ...] = (1, 16)
    samples: tuple[str, ...] = ("small",)
    messages: int = 1
    """Requests of a call with streams, or how often a part is repeated within a call."""
    channel: str = ""
    """Channel mode of arms that choose none."""
    forms: tuple[Mapping[str, Any], ...] = ()
    """Fields of `Arm` by which each arm comes in several forms."""
    by_method: bool = False
    """Whether `methods` are the forms of each arm."""
    parts: tuple[str, ...] = ("",)
    """`ENCODE` and `DECODE`: no call at all, but the codec alone; each is a point."""
    apart: bool = False
    """Whether what is made of one arm has a trial of its own."""
    stacks: tuple[str, ...] = ()
    """What is compared unless told otherwise; empty for `ARMS`."""
    forks: int = 5
    """Fresh starts unless told otherwise."""
    seconds: float = 60.0
    """Measuring time unless told otherwise: more where there are more points."""
    rates: tuple[str, ...] = ()
    """At which calls are due, of an open loop: see `scenarios.load.parse_rate`. Each is a point."""
    slo: str = ""
    """What response times must keep, unless told otherwise; see `scenarios.slo`."""
    turn: int = 0
    """Length of a turn in ns, where it does not follow from users and sample."""
    crossover: bool = False
    """Whether to look for samples at which one arm overtakes another."""
    also: tuple[str, ...] = ()
    """Scenarios that belong to the question and are asked with it."""
    anatomy: bool = False
    """Whether it shows where a call's time goes: of one user, and with an instrumented twin of each arm."""
    routed: bool = False
    """Whether gateways are asked, before anything is timed, which calls they take for gRPC and for REST."""
    made_of: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Scenarios that it asks instead of one of its own, each with the fields by which it is narrowed; their
    `seconds` tell how the time is shared."""


SCENARIOS = {
    "unary": Scenario(
        question="What does one call cost on each stack, alone and under concurrency?", seconds=36.0
    ),
    "streaming": Scenario(
        question="How many messages a second does a stream carry, and how soon does the first one come?",
        methods=("Quotes", "Basket", "Haggle"),
        users=(1,),
        messages=100,
        stacks=("grpc-protobuf", "grpc-msgpack", "yamux-msgpack", "rest-json"),
        seconds=120.0,
    ),
    "duplex": Scenario(
        question="Do both directions at once run as fast as each alone?",
        methods=("Relay", "Upload", "Download"),
        users=(1,),
        samples=("large",),
        messages=16,
        by_method=True,
        apart=True,
        stacks=("grpc-protobuf", "grpc-msgpack", "yamux-msgpack"),
        seconds=90.0,
    ),
    "payload": Scenario(
        question="How does the size of the message matter, and where does one stack overtake another?",
        users=(1,),
        samples=("100B", "1KiB", "10KiB", "100KiB", "1MiB"),
        seconds=180.0,
        crossover=True,
    ),
    "codec": Scenario(
        question="What does it cost to write and to read a message in each format, and how long is it?",
        users=(1,),
        samples=("small", "medium", "large"),
        messages=100,
        parts=(ENCODE, DECODE),
        stacks=(
            "memory-protobuf",
            "memory-msgpack",
            "memory-memorypack",
            "memory-json",
            "memory-msgpack-msgspec",
            "memory-json-msgspec",
        ),
        seconds=120.0,
    ),
    "coldstart": Scenario(
        question="How long from a new channel to its first reply?", users=(1,), channel="per-request"
    ),
    "channels": Scenario(
        question="What does a channel cost: one a user, one for all, a few, or a new one for every call?",
        forms=tuple({"channel": mode} for mode in ("per-user", "shared", "pool:4", "per-request")),
        apart=True,
        stacks=("grpc-protobuf", "rest-json", "tcp-msgpack"),
        seconds=120.0,
    ),
    "multiplex": Scenario(
        question="Do many calls over one connection run as well as over as many connections?",
        users=(1, 4, 16, 64),
        forms=({"channel": "per-user"}, {"channel": "shared"}),
        stacks=("grpc-protobuf", "yamux-msgpack", "tcp-msgpack"),
        seconds=180.0,
        also=("stream-limit", "head-of-line"),
    ),
    "stream-limit": Scenario(
        question="What if more calls are in flight than the server lets a connection have streams?",
        users=(16, 64),
        forms=(
            {"channel": "shared"},
            {"channel": "shared", "streams": 8},
            {"channel": "pool:8", "streams": 8},
        ),
        apart=True,
        stacks=("grpc-protobuf",),
    ),
    "head-of-line": Scenario(
        question="Does a large message hold up small ones that share its connection?",
        users=(8,),
        forms=(
            {"channel": "per-user", "beside": "1MiB"},
            {"channel": "shared", "beside": "1MiB"},
            {"channel": "per-user"},
            {"channel": "shared"},
        ),
        apart=True,
        stacks=("grpc-protobuf", "yamux-msgpack", "tcp-msgpack"),
        seconds=90.0,
    ),
    "open": Scenario(
        question="How do response times grow with the rate at which calls are due?",
        users=(USERS,),
        rates=("10%", "25%", "50%", "75%"),
        turn=_OPEN_TURN,
        seconds=300.0,
    ),
    "slo": Scenario(
        question="Up to which rate does each stack keep its response times?",
        users=(USERS,),
        rates=("20%", "40%", "60%", "80%", "90%", "100%"),
        slo="p99<10ms",
        turn=_OPEN_TURN,
        seconds=420.0,
    ),
    "soak": Scenario(
        question="Does anything drift or grow in a long run at a steady rate?",
        users=(USERS,),
        rates=("50%",),
        turn=10 * _OPEN_TURN,
        forks=1,
        seconds=1200.0,
    ),
    "fanin": Scenario(
        question="What does it cost to bring many clients' connections together in a gateway?",
        users=(1, 10, 100, 300),
        forms=tuple({"hops": hops} for hops in ((), ("python",), ("envoy",), ("nginx",), ("caddy",))),
        apart=True,
        stacks=("grpc-protobuf",),
        seconds=240.0,
    ),
    "anatomy": Scenario(question="Where does the time of a call go?", users=(1,), seconds=90.0, anatomy=True),
    "claims": Scenario(
        question="Which of nine claims about gRPC, HTTP/2, gateways and their rivals hold here?",
        seconds=200.0,
        made_of=(
            (
                "channels",
                {
                    "users": (1,),
                    "stacks": ("grpc-protobuf",),
                    "forms": tuple(
                        {"tls": tls, "channel": mode}
                        for tls in (False, True)
                        for mode in ("per-user", "per-request")
                    ),
                    "seconds": 30.0,
                },
            ),
            (
                "multiplex",
                {
                    "users": (16,),
                    "stacks": ("grpc-protobuf", "grpc-msgpack", "yamux-msgpack"),
                    "seconds": 35.0,
                },
            ),
            ("multiplex", {"users": (64,), "stacks": ("grpc-protobuf",), "seconds": 25.0}),
            ("fanin", {"users": (100,), "forks": 2, "routed": True, "seconds": 12.0}),
            *(
                ("fanin", {"methods": (name,), "users": (1,), "messages": 16, "forks": 2, "seconds": 6.0})
                for name in ("Quotes", "Basket", "Haggle")
            ),
            ("duplex", {"stacks": ("grpc-protobuf", "yamux-msgpack"), "seconds": 40.0}),
            (
                "unary",
                {
                    "users": (16,),
                    "stacks": (
                        "grpc-protobuf",
                        "grpc-msgpack",
                        "rest-json",
                        "graphql-json",
                        "thrift-binary",
                        "tcp-msgpack",
                    ),
                    "seconds": 30.0,
                },
            ),
            (
                "payload",
                {
                    "samples": ("small", "large"),
                    "stacks": ("grpc-protobuf", "grpc-msgpack", "grpc-memorypack"),
                    "seconds": 40.0,
                },
            ),
        ),
    ),
}


def dissected(name: str) -> bool:
    """Tell whether it is shown where a call's time goes in trials of the scenario `name`, if there is one."""
    scenario = SCENARIOS.get(name)
    return scenario is not None and scenario.anatomy


def turn(users: int, size: int) -> int:
    """Length of a turn in ns: some calls of each user, so that queues build up as in a long run.

    Where that takes longer, the conductor lengthens it.

    `size` is about how long the request is, in bytes.
    """
    return _TURN * max(users, _CROWD) // _CROWD * max(1, min(size // _LARGE, _STRETCH))


def settle(length: int) -> int:
    """Time in ns at the start of a turn that enters no figure: a fifth of it."""
    return length // _SETTLE
