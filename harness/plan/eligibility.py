"""Who can take part in a trial, and why others cannot."""

from __future__ import annotations

import shutil
from threading import Thread
from typing import Any

import msgspec

from harness.plan import secured
from scenarios import channels, samples
from scenarios.arm import Arm, SpecError
from stacks import hops
from stacks.base import MAX_MESSAGE, STREAM_LIMIT, Kind, Method, Stack
from stacks.errors import ProtocolError, SchemaError

_PATIENCE = 10.0
"""Seconds that a handler has to answer two examples."""


class Point(msgspec.Struct, frozen=True):
    """Where a question is asked: one value of everything that varies from trial to trial."""

    sample: str
    users: int
    method: str
    part: str
    rate: str = ""
    """Of an open loop; empty for a closed one."""


def check(arm: Arm, stack: Stack) -> None:
    """Raise `SpecError` or `StackError` for an arm that cannot be, whatever it is asked."""
    for program in (arm.python, *arm.server[:1]):
        if program and shutil.which(program) is None:
            raise SpecError(f"arm {arm.name!r}: there is no program {program!r} that could be started")
    if not stack.wire and (arm.at or arm.server):
        raise SpecError(f"arm {arm.name!r}: {arm.stack} has no wire, so it takes no at and no server")
    channels.check(arm.channel, multiplexes=stack.multiplexes, stack=arm.stack)
    secured.check(arm, stack)
    if arm.streams and STREAM_LIMIT not in stack.facts.abilities:
        raise SpecError(f"arm {arm.name!r}: {arm.stack} has no {STREAM_LIMIT}; leave streams out")
    if arm.beside and not stack.wire:
        raise SpecError(f"arm {arm.name!r}: {arm.stack} has no wire, so nobody can call beside its users")
    transport = arm.stack.partition("-")[0]
    for name in arm.hops:
        carries = hops.find(name).carries
        if not stack.wire or (carries and transport not in carries):
            known = ", ".join(sorted(carries)) or "every transport that has a wire"
            raise SpecError(
                f"arm {arm.name!r}: {arm.stack} does not pass through {name}, which carries {known}"
            )


def unfit(stack: Stack, arm: Arm, method: Method[Any, Any], point: Point, messages: int) -> str:
    """Say why `stack` cannot carry `method`; empty if it can.

    Raises `SchemaError` or `ProtocolError` for a message that its format cannot hold.
    """
    if point.rate and (method.kind is not Kind.UNARY or arm.beside):
        unlike = "nobody calls beside its users" if arm.beside else f"calls are unary, not {method.kind}"
        return f"in an open loop {unlike}"
    if point.users > 1 and (point.part or not stack.wire):
        return "what has no wire never waits, so one user's calls would all come before the next one's"
    if not point.part and method.kind not in stack.kinds:
        kinds = ", ".join(kind for kind in Kind if kind in stack.kinds)
        return f"{method.name} is a {method.kind} call, and {stack.name} carries: {kinds}"
    if not stack.wire and stack.name == "memory":
        return "memory has no bytes" if point.part else ""
    requests, replies = stack.codec(method.request), stack.codec(method.reply)
    try:
        sizes = []
        for sample in filter(None, (point.sample, arm.beside)):
            sizes.append(len(requests.encode(samples.sample(method, sample, 0))))
            sizes += [len(replies.encode(reply)) for reply in _answers(method, sample, messages)[:1]]
    except ProtocolError as error:
        raise SchemaError(f"{stack.name} cannot carry {method.name}: {error}") from error
    large = f"as {stack.name} writes it, a message has {max(sizes)} bytes, and {MAX_MESSAGE} are the most"
    return large if max(sizes) > MAX_MESSAGE else ""


def _answers(method: Method[Any, Any], sample: str, messages: int) -> list[Any]:
    """Call a handler of the user's own as its server will, twice, within limits.

    Raises `SchemaError` for a handler that fails, that does not return, or whose replies differ from call to
    call: every arm's replies are compared with the handler's own.
    """
    request = samples.request(method, sample, 0, messages)
    found: list[Any] = []

    def ask() -> None:
        try:
            found.extend(samples.answers(method, request) for _ in range(2))
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises, the user must hear of it
            found.append(error)

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_PATIENCE)
    where = f"the handler of {method.service}/{method.name}, asked with an example of size {sample}"
    if len(found) < 2 and not any(isinstance(one, Exception) for one in found):  # noqa: PLR2004 -- two calls
        raise SchemaError(f"{where}, did not return within {_PATIENCE:g} s")
    for one in found:
        if isinstance(one, Exception):
            raise SchemaError(f"{where}, raised {type(one).__name__}: {one}") from one
    if found[0] != found[1]:
        raise SchemaError(
            f"{where}, answers differently from call to call; replies are compared, so the same request must "
            f"have the same reply (no random numbers, no time of day)"
        )
    answers: list[Any] = found[0]
    return answers
