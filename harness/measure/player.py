"""What a load process does: connects its users, checks their replies, plays a turn when the baton comes."""

from __future__ import annotations

import functools
import gc
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

import stacks
from harness.measure import drivers
from harness.measure.bare import BareSeat
from harness.measure.books import stated
from harness.measure.recorder import Figures, Recorder, Schedule, Times
from harness.measure.wire import Baton, Failed, Finished, Played, Ready, Setup, Turn
from scenarios import channels, samples
from scenarios.batch import Batch
from scenarios.load import schedule
from scenarios.parts import part
from scenarios.queue import Queue
from scenarios.turns import Turnstile
from stacks import service, spans, work
from stacks.base import Method, Options, Stack
from stacks.errors import ConnectionLost, ProtocolError, SchemaError
from stacks.spans import Watch

if TYPE_CHECKING:
    from scenarios.desk import Desk

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
        self, setup: Setup, stack: Stack, method: Method[Any, Any], turnstile: Turnstile, expected: list[Any]
    ) -> None:
        """Take over users who sit at `turnstile`, and the last reply that each should get."""
        self.watch: Watch | None = None
        """Times parts of the calls, in a twin."""
        self._stack = stack
        self._setup = setup
        self._method = method
        self._turnstile = turnstile
        self._recorder = Recorder()
        self._expected = expected

    def serve(self, baton: Baton) -> None:
        """Answer the conductor until it says that there are no more turns."""
        baton.send(
            Ready(self.check(), stated(self._setup.arm, self._stack), self._payload(), self._messages())
        )
        gc.collect()
        gc.freeze()  # collections in turns then look at what calls make, not at libraries
        while isinstance(turn := baton.receive(), Turn):
            baton.send(self.play(turn))
        told = self.watch.told() if self.watch else {}
        baton.send(Finished(self._recorder.histograms(), self._recorder.out_of_range, told))

    def check(self) -> str:
        """Call with the probes and as every user; gives what differs from the handler's own answer."""
        setup, method, timeout = self._setup, self._method, self._setup.timeout
        probes = [] if setup.part else samples.probes(method, setup.sample, setup.messages)
        for number, request in enumerate(probes):
            wanted = samples.answers(method, request)
            if text := _first_difference(self._asked(request) if number else self._greeted(request), wanted):
                return text
        for seat, wanted in zip(self._turnstile.seats, self._expected, strict=True):
            if text := _difference(seat.call(seat.request, timeout), wanted):
                return text
        return ""

    def _greeted(self, request: Any) -> list[Any]:
        """Ask for the first time; a server that is not ours and hangs up may well speak something else."""
        try:
            return self._asked(request)
        except (ConnectionLost, ProtocolError) as error:
            if not (self._setup.arm.server or self._setup.arm.at):
                raise
            raise type(error)(f"{error}; does its server speak {self._stack.name}?") from error

    def _asked(self, request: Any) -> list[Any]:
        call, timeout = self._turnstile.seats[0].call, self._setup.timeout
        if not isinstance(request, Batch):
            return [call(request, timeout)]
        request.kept = []
        call(request, timeout)
        return request.kept

    def _payload(self) -> tuple[int, int] | None:
        """Give how long a request and a reply are as bytes."""
        setup, method = self._setup, self._method
        try:
            requests, replies = self._stack.codec(method.request), self._stack.codec(method.reply)
        except SchemaError:
            return None
        request = samples.request(method, setup.sample, 0, setup.messages)
        first = request.requests[0] if isinstance(request, Batch) else request
        answers = samples.answers(method, request)
        return len(requests.encode(first)), len(replies.encode(answers[0])) if answers else 0

    def _messages(self) -> int:
        if self._setup.part:
            return self._setup.messages
        request = self._turnstile.seats[0].request
        answers = len(samples.answers(self._method, request))
        return max(1, answers, len(request.requests) if isinstance(request, Batch) else 1)

    def play(self, turn: Turn) -> Played:
        """Play one turn and record it; the CPU given for it does not contain the recording."""
        offsets = self._offsets(turn)
        before = time.process_time_ns()
        start, drained, queue = self._run(turn, offsets)
        gc.collect()
        played = time.process_time_ns()
        if self.watch and turn.block < 0:
            self.watch.clear()  # it was warm-up
        figures = (
            self._recorder.take_open(
                self._turnstile.seats,
                Schedule(start, offsets + start, queue.dropped, queue.untold),
                start + turn.settle,
                start + turn.length,
                long=turn.long,
                block=turn.block,
            )
            if turn.rate
            else self._figures(turn, start, drained)
        )
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

    def _offsets(self, turn: Turn) -> Times:
        """Work out when calls of an open loop are due, in ns from the turn's start; none in a closed one."""
        if not turn.rate or self._setup.open is None:
            return np.empty(0, np.int64)
        load = msgspec.structs.replace(self._setup.open, rate=turn.rate, of_capacity=False)
        due = schedule(load, f"{self._setup.seed}/{turn.number}")
        return np.fromiter(takewhile(turn.length.__gt__, due), np.int64)

    def _run(self, turn: Turn, offsets: Times) -> tuple[int, int, Queue[Any]]:
        """Let users call; gives when the turn began and had drained, and an open loop's books."""
        queue: Queue[Any] = Queue((), 0)
        if not turn.rate or self._setup.open is None:
            return *self._turnstile.play(turn.length), queue
        waiting, patience = self._setup.open.waiting, self._setup.timeout * 1e9

        def opened(start: int) -> Callable[[], int]:
            nonlocal queue
            queue = self._desk.open((offsets + start).tolist(), waiting, patience, len(self._turnstile.seats))
            return self._desk.ask

        start, drained = self._turnstile.play(turn.length, opened)
        return start, drained, queue

    @cached_property
    def _desk(self) -> Desk:
        from scenarios.desk import Desk  # noqa: PLC0415 -- gevent's, which plain drivers do not have

        return Desk()

    def _figures(self, turn: Turn, start: int, drained: int) -> Figures:
        seats = self._turnstile.seats
        if isinstance(seats[0], BareSeat):
            count = sum(seat.count for seat in seats if isinstance(seat, BareSeat))
            return Figures(count, 0, count, drained - start, -1, -1, {})
        opens, closes = start + turn.settle, start + turn.length
        users = self._setup.users
        return self._recorder.take(
            seats[:users], opens, closes, long=turn.long, block=turn.block, beside=seats[users:]
        )


@contextmanager
def _player(setup: Setup) -> Iterator[Player]:
    """Connect the users and seat them; closes their connections at the end."""
    stack, watch = stacks.find(setup.arm.stack), None
    if "gevent" in sys.modules and "grpc" in sys.modules:
        _patch_grpc()
    offered = service.load(setup.service)
    method = offered[setup.method]
    if setup.arm.twin_of:
        watch = spans.of_client() if stack.wire else spans.of_both(method)
        stack = stacks.find(setup.arm.stack, watch.format)
    with ExitStack() as stay:
        address = setup.address
        if not stack.wire:
            worked = work.add(offered, setup.arm.work)
            worked = watch.service(worked) if watch else worked
            address = stay.enter_context(stack.serve(worked, address, Options())).address
        connect = functools.partial(stack.connect, address, Options(tls=setup.tls))
        sizes = [setup.sample] * setup.users + [setup.arm.beside] * bool(setup.arm.beside)
        requests = [samples.request(method, size, user, setup.messages) for user, size in enumerate(sizes)]
        if setup.part:
            codec = stack.codec(method.request)
            pairs = [part(codec, setup.part, request, setup.messages) for request in requests]
            calls, expected = [call for call, _ in pairs], [wanted for _, wanted in pairs]
        else:
            opened = channels.opened(
                setup.arm.channel, len(requests), connect, method, multiplexes=stack.multiplexes
            )
            calls = stay.enter_context(opened)
            expected = [_last(samples.answers(method, request)) for request in requests]
        drive = drivers.DRIVERS[setup.arm.driver]
        turnstile = stay.enter_context(drive(calls, requests, setup.timeout))
        player = Player(setup, stack, method, turnstile, expected)
        player.watch = watch
        yield player


def _last(answers: list[Any]) -> Any:
    return answers[-1] if answers else None


def _patch_grpc() -> None:
    from grpc.experimental.gevent import init_gevent  # noqa: PLC0415 -- not every arm has gRPC

    init_gevent()


def _first_difference(found: list[Any], wanted: list[Any]) -> str:
    """Name what differs first in two lists of replies; empty if they are equal."""
    for ours, theirs in zip(found, wanted, strict=False):
        if text := _difference(ours, theirs):
            return text
    return "" if len(found) == len(wanted) else f"{len(found)} replies came instead of {len(wanted)}"


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
