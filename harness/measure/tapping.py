"""Makes calls with taps between client and server, and between hops, and tells what these have counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

import stacks
from harness import tapped
from harness.measure import processes
from harness.measure.contender import ArmError
from harness.measure.processes import Process, StartError
from harness.plan import eligibility
from harness.tapped import Point, Tapped
from scenarios import catalog, channels, samples
from scenarios.arm import Arm, SpecError
from scenarios.batch import Batch, Call
from stacks import service as services
from stacks.base import Address, Kind, Method, Options, Route, Stack
from stacks.errors import CallError
from stacks.hops.tap.counts import Counts
from stacks.hops.tap.hop import TapHop

MOST_CALLS, MOST_USERS = 1_000_000, 1000
MESSAGES = 100
"""Messages of a call with streams."""
_QUIET = 0.05
"""Seconds in which nothing passes after the last that belongs to a call, such as an acknowledgement."""
_PATIENCE = 2.0
_SILENT = {"TLS", "unknown"}
"""What does not tell of calls."""


class Asked(NamedTuple):
    """What is to be called."""

    arm: Arm
    method: str = ""
    """Else the arm's; else ``Quote``, or the first of another service."""
    sample: str = "small"
    users: int = 1
    calls: int = 100
    service: str = services.DEFAULT


class _Tap(NamedTuple):
    before: str
    behind: str
    tap: TapHop


class _Reading(NamedTuple):
    """Counts of one tap: before any call, after first calls, after all calls, and after the end."""

    start: Counts
    first: Counts
    steady: Counts
    end: Counts


def play(asked: Asked) -> Tapped:
    """Start the server, call it, and count.

    Raises `SpecError` for what cannot be, `ArmError` when a process does not start, and the `CallError` of a
    call that fails.
    """
    arm = asked.arm
    stack, method = stacks.find(arm.stack), _method(asked)
    _check(asked, stack, method)
    payload = _payload(stack, method, asked.sample)
    with _chain(asked) as (address, taps):
        readings, failed = _read(asked, stack, method, address, taps)
    return Tapped(
        stack=stack.name,
        hops=arm.hops,
        channel=arm.channel,
        method=method.name,
        sample=asked.sample,
        users=asked.users,
        calls=asked.calls,
        messages=1 if method.kind is Kind.UNARY else MESSAGES,
        points=tuple(_point(*each, asked, payload) for each in zip(taps, readings, strict=True)),
        failed=failed,
    )


def _point(tap: _Tap, reading: _Reading, asked: Asked, payload: tuple[int, int]) -> Point:
    firsts, end = _firsts(asked), reading.end
    later = asked.calls - firsts
    return Point(
        before=tap.before,
        behind=tap.behind,
        protocols=tuple(sorted(end.protocols)),
        connections=end.connections,
        most=end.most,
        streams=end.streams or None,
        refused=end.refused,
        seen=None if {*end.protocols} & _SILENT or not end.protocols else end.calls,
        first=tapped.part(reading.start, reading.first, firsts, payload),
        steady=tapped.part(reading.first, reading.steady, later, payload) if later else None,
        closing=tapped.part(reading.steady, end, 0, payload),
    )


def _method(asked: Asked) -> Method[Any, Any]:
    offered = services.load(asked.service)
    name = asked.method or asked.arm.method
    if name:
        return offered[name]
    return offered["Quote"] if asked.service == services.DEFAULT else offered.methods[0]


def _check(asked: Asked, stack: Stack, method: Method[Any, Any]) -> None:
    if not stack.wire:
        raise SpecError(f"{stack.name} has no wire, so there is nothing to tap; choose another stack")
    if method.kind not in stack.kinds:
        kinds = ", ".join(kind for kind in Kind if kind in stack.kinds)
        raise SpecError(f"{method.name} is a {method.kind} call, and {stack.name} carries: {kinds}")
    if asked.arm.tls:
        raise SpecError("nothing can be told apart under TLS; leave tls off")
    if asked.arm.needs:
        raise SpecError("a tap's calls are made by this process, with its own packages; leave with out")
    if asked.arm.beside:
        raise SpecError("a tap counts calls of one size; leave beside out")
    eligibility.check(msgspec.structs.replace(asked.arm, name=asked.arm.name or stack.name), stack)
    if not 0 < asked.users <= MOST_USERS:
        raise SpecError(f"users={asked.users}: must be from 1 to {MOST_USERS}")
    if not asked.users <= asked.calls <= MOST_CALLS:
        raise SpecError(
            f"calls={asked.calls}: must be from {asked.users}, a call for every user, to {MOST_CALLS}"
        )


def _firsts(asked: Asked) -> int:
    """Tell how many calls are the first on their connection."""
    mode = asked.arm.channel
    if mode == "per-request":
        return asked.calls
    wanted = 1 if mode == "shared" else asked.users if mode == "per-user" else int(mode.partition(":")[2])
    return min(wanted, asked.calls)


def _payload(stack: Stack, method: Method[Any, Any], sample: str) -> tuple[int, int]:
    """Give how long the messages of one call are, encoded, out and in; all users' are of one length."""
    requests, replies = stack.codec(method.request), stack.codec(method.reply)
    request = samples.request(method, sample, 0, MESSAGES)
    sent = request.requests if isinstance(request, Batch) else [request]
    answers = samples.answers(method, request)
    return sum(len(requests.encode(each)) for each in sent), sum(
        len(replies.encode(each)) for each in answers
    )


@contextmanager
def _chain(asked: Asked) -> Iterator[tuple[Address, list[_Tap]]]:
    """Start server and hops with a tap in front of each; gives where to call, and the taps in that order."""
    arm, taps = asked.arm, []
    names = ("client", *arm.hops, "server")
    with ExitStack() as stay:
        upstream = (
            Address.parse(arm.at)
            if arm.at
            else _started(stay, "server", processes.serve(arm, asked.service, ()))
        )
        for before, behind in reversed([*pairwise(names)]):
            if behind != "server":
                upstream = _started(
                    stay, behind, processes.hop(behind, upstream, arm.stack, asked.service, ())
                )
            tap = TapHop()
            taps.append(_Tap(before, behind, tap))
            upstream = stay.enter_context(tap.serve([Route("/", upstream)], Address())).address
        yield upstream, taps[::-1]


def _started(stay: ExitStack, what: str, process: Process) -> Address:
    stay.callback(process.stop)
    try:
        return processes.accepted(process).address
    except StartError as error:
        raise ArmError(f"the {what} {error}{'; it said: ' * bool(error.stderr)}{error.stderr}") from error


def _read(
    asked: Asked, stack: Stack, method: Method[Any, Any], address: Address, taps: Sequence[_Tap]
) -> tuple[list[_Reading], int]:
    """Make all calls, and read the taps when nothing passes any more; also gives how many calls failed."""
    requests = [samples.request(method, asked.sample, user, MESSAGES) for user in range(asked.users)]
    opened = channels.opened(
        asked.arm.channel,
        asked.users,
        partial(stack.connect, address, Options()),
        method,
        multiplexes=stack.multiplexes,
    )
    start, firsts, failed = _counts(taps), _firsts(asked), 0
    with opened as calls:
        if asked.arm.channel == "per-request":
            failed += _together(calls, requests, firsts, limited=bool(asked.arm.streams))
        else:
            # One after the other, so that each gets a connection that has carried none.
            for number in range(firsts):
                user = number % asked.users
                _call(calls[user], requests[user])
        first = _quiet(taps)
        failed += _together(calls, requests, asked.calls - firsts, limited=bool(asked.arm.streams))
        steady = _quiet(taps) if asked.calls > firsts else first
    _closed(taps[0])
    return [_Reading(*each) for each in zip(start, first, steady, _quiet(taps), strict=True)], failed


def _together(calls: Sequence[Call], requests: Sequence[Any], number: int, *, limited: bool) -> int:
    """Make so many calls, all users at once; raises the first error, after which no call begins.

    Where the server limits streams, calls that fail are counted instead.
    """
    tickets, failures, refused = iter(range(number)), list[BaseException](), list[CallError]()

    def use(call: Call, request: Any) -> None:
        try:
            while not failures and next(tickets, None) is not None:
                try:
                    _call(call, request)
                except CallError as error:
                    if not limited:
                        raise
                    refused.append(error)
        except BaseException as error:  # noqa: BLE001 -- raised again where it can be told
            failures.append(error)

    users = [threading.Thread(target=use, args=each) for each in zip(calls, requests, strict=True)]
    _live(users, failures)
    if failures:
        raise failures[0]
    return len(refused)


def _live(users: Sequence[threading.Thread], failures: list[BaseException]) -> None:
    """Run all threads to their end; what interrupts us is added to `failures`, which they look at."""
    try:
        for user in users:
            user.start()
        for user in users:
            user.join()
    except BaseException as error:
        failures.append(error)
        raise
    finally:
        for user in users:
            if user.ident is not None:
                user.join()


def _call(call: Call, request: Any) -> None:
    call(request, catalog.TIMEOUT)
    if isinstance(request, Batch):
        request.clear()


def _counts(taps: Sequence[_Tap]) -> list[Counts]:
    return [each.tap.counts() for each in taps]


def _quiet(taps: Sequence[_Tap]) -> list[Counts]:
    """Read the taps when nothing has passed for a while; some libraries say things beside their calls."""
    end, before = time.monotonic() + _PATIENCE, _counts(taps)
    while True:
        time.sleep(_QUIET)
        now = _counts(taps)
        if now == before or time.monotonic() > end:
            return now
        before = now


def _closed(tap: _Tap) -> None:
    """Wait until the client's sockets are closed, which some libraries leave to a thread."""
    end = time.monotonic() + _PATIENCE
    while tap.tap.counts().open and time.monotonic() < end:
        time.sleep(_QUIET / 10)
