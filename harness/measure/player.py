"""What a load process does: connects its users, checks their replies, plays a turn when the baton comes."""

from __future__ import annotations

import functools
import gc
import logging
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import stacks
from harness.measure import drivers
from harness.measure.bare import BareSeat
from harness.measure.recorder import Figures, Recorder
from harness.measure.wire import Baton, Failed, Finished, Played, Ready, Setup, Turn
from scenarios import channels
from scenarios.channels import Call
from scenarios.samples import probes, sample
from scenarios.turns import Turnstile
from stacks import service, work
from stacks.base import Method, Options, Stack

_log = logging.getLogger(__name__)


def run(descriptor: int) -> None:
    """Serve the conductor at the other end of the socket `descriptor` until it is done or gone."""
    baton = Baton(socket.socket(fileno=descriptor))
    try:
        setup = baton.receive()
        assert isinstance(setup, Setup)
        with _player(setup) as player:
            player.serve(baton)
    except EOFError:
        sys.exit(1)  # there is nobody left to tell
    except Exception as error:  # noqa: BLE001 -- whatever it is, the conductor must hear of it
        _log.exception("the load process failed")
        baton.send(Failed(f"{type(error).__name__}: {error}"))
    finally:
        baton.close()


class Player:
    """The users of an arm and their turns."""

    def __init__(
        self, setup: Setup, stack: Stack, method: Method[Any, Any], calls: list[Call], turnstile: Turnstile
    ) -> None:
        """Take over users who sit at `turnstile`."""
        self._facts = stack.facts
        self._setup = setup
        self._method = method
        self._calls = calls
        self._turnstile = turnstile
        self._recorder = Recorder()
        self._expected = [method.handler(seat.request) for seat in turnstile.seats]

    def serve(self, baton: Baton) -> None:
        """Answer the conductor until it says that there are no more turns."""
        baton.send(Ready(self.check(), self._facts))
        gc.collect()
        gc.freeze()
        gc.disable()
        while isinstance(turn := baton.receive(), Turn):
            baton.send(self.play(turn))
        baton.send(Finished(self._recorder.histograms(), self._recorder.out_of_range))

    def check(self) -> str:
        """Call with the probes and as every user; gives what differs from the handler's own answer."""
        timeout = self._setup.timeout
        for request in probes(self._method, self._setup.sample):
            if text := _difference(self._calls[0](request, timeout), self._method.handler(request)):
                return text
        for seat, wanted in zip(self._turnstile.seats, self._expected, strict=True):
            if text := _difference(seat.call(seat.request, timeout), wanted):
                return text
        return ""

    def play(self, turn: Turn) -> Played:
        """Play one turn and record it; the CPU given for it does not contain the recording."""
        before = time.process_time_ns()
        start, drained = self._turnstile.play(turn.length)
        gc.collect()
        played = time.process_time_ns()
        figures = self._figures(turn, start, drained)
        seats = self._turnstile.seats
        broken = next((seat.broken for seat in seats if seat.broken), None)
        if broken:
            _log.error("a user broke", exc_info=broken)
        differs = (_difference(s.reply, w) for s, w in zip(seats, self._expected, strict=True) if s.reply)
        return Played(
            **figures._asdict(),
            busy=drained - start,
            client=played - before,
            recording=time.process_time_ns() - played,
            differs=next(filter(None, differs), ""),
            broken=f"{type(broken).__name__}: {broken}" if broken else _swallowed(),
        )

    def _figures(self, turn: Turn, start: int, drained: int) -> Figures:
        seats = self._turnstile.seats
        if isinstance(seats[0], BareSeat):
            count = sum(seat.count for seat in seats if isinstance(seat, BareSeat))
            return Figures(count, 0, count, drained - start, -1, -1, {})
        opens, closes = start + turn.settle, start + turn.length
        return self._recorder.take(seats, opens, closes, long=turn.long, block=turn.block)


@contextmanager
def _player(setup: Setup) -> Iterator[Player]:
    """Connect the users and seat them; closes their connections at the end."""
    stack = stacks.find(setup.arm.stack)
    if "gevent" in sys.modules and "grpc" in sys.modules:
        _patch_grpc()
    offered = service.load(setup.service)
    method = offered[setup.method]
    with ExitStack() as stay:
        address = setup.address
        if not stack.wire:
            worked = work.add(offered, setup.arm.work)
            address = stay.enter_context(stack.serve(worked, address, Options())).address
        connect = functools.partial(stack.connect, address, Options())
        opened = channels.opened(
            setup.arm.channel, setup.users, connect, method, multiplexes=stack.multiplexes
        )
        calls = stay.enter_context(opened)
        requests = [sample(method, setup.sample, user) for user in range(setup.users)]
        drive = drivers.DRIVERS[setup.arm.driver]
        turnstile = stay.enter_context(drive(calls, requests, setup.timeout))
        yield Player(setup, stack, method, calls, turnstile)


def _patch_grpc() -> None:
    from grpc.experimental.gevent import init_gevent  # noqa: PLC0415 -- not every arm has gRPC

    init_gevent()


def _difference(found: Any, wanted: Any) -> str:
    """Name the first field that differs, with both values shortened; empty if the replies are equal."""
    if found == wanted:
        return ""
    for field in getattr(wanted, "__struct_fields__", ()):
        ours, theirs = getattr(wanted, field), getattr(found, field, None)
        if ours != theirs:
            return f"{type(wanted).__name__}.{field} is {_short(theirs)} instead of {_short(ours)}"
    return f"the reply is {_short(found)} instead of {_short(wanted)}"


def _short(value: object, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _swallowed() -> str:
    """Say so when Locust swallowed an exception of a listener or greenlet."""
    log = sys.modules.get("locust.log")
    return (
        "Locust swallowed an exception; see standard error"
        if getattr(log, "unhandled_greenlet_exception", 0)
        else ""
    )
