"""Serves a stack, or passes calls on, in the foreground: says where on standard output, stops on a signal."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec

import stacks
from stacks import hops, service, spans, work
from stacks.base import MAX_MESSAGE, STREAM_LIMIT, Address, Options, Route, Served, Tls
from stacks.errors import StackError

_STOPPING = (signal.SIGTERM, signal.SIGINT)
_TELLING = signal.SIGUSR1


def serve(
    stack: str,
    address: Address | None = None,
    *,
    offered: str = service.DEFAULT,
    worked: str = "",
    options: Options | None = None,
    timed: bool = False,
    with_parent: bool = False,
) -> None:
    """Serve `offered` (``module:Class``) until SIGTERM or SIGINT; needs the main thread.

    When connections are accepted, one line of JSON goes to standard output:
    ``{"address": {"host": "127.0.0.1", "port": 50051}, "pids": [4711]}``.
    Where it is `timed`, a line with its spans (`stacks.spans`) comes on each SIGUSR1, and at the end.
    `worked` is simulated work as `stacks.work` reads it. `with_parent` also stops at the end of
    standard input, which comes when the process at its other end has gone, however it went.
    Raises `StackError` for what cannot be served.
    """
    options = options or Options()
    if options.max_message <= 0:
        raise StackError(
            f"max-message {options.max_message} is no size; give bytes, for example {MAX_MESSAGE}"
        )
    watch = spans.of_server() if timed else None
    with _signals(*[_TELLING] if watch else []) as stopping:
        found = stacks.find(stack, watch.format) if watch else stacks.find(stack)
        if not found.wire:
            raise StackError(f"stack {stack!r} has no wire, so nobody could call it; choose another")
        streams = options.max_streams
        if streams and (streams < 0 or STREAM_LIMIT not in found.facts.abilities):
            raise StackError(f"max-streams {streams}: {stack} has no such {STREAM_LIMIT}; leave it out")
        served = work.add(service.load(offered), worked)
        served = watch.service(served) if watch else served
        with found.serve(served, address or Address(), options) as server:
            _stay(server, stopping, with_parent=with_parent, tell=watch.told if watch else None)


def secured(certificate: str, key: str) -> Tls | None:
    """Give what a server needs for TLS, from the paths that a command was given, which may be empty."""
    if bool(certificate) != bool(key):
        raise StackError(f"TLS needs a certificate and its key, and {certificate or key!r} came alone")
    return Tls(certificate=certificate, key=key) if certificate else None


def pass_on(hop: str, routes: Sequence[Route], address: Address, *, with_parent: bool = False) -> None:
    """Pass calls on through `hop` until SIGTERM or SIGINT; otherwise like `serve`.

    The line also holds the hop's `facts`, since only its own process has loaded what it is made of.
    A hop that counts has a method `counts` besides those of `Hop`: what this gives goes to standard output
    as a line of JSON on each SIGUSR1, and at the end.
    """
    found = hops.find(hop)
    tell: Callable[[], object] | None = getattr(found, "counts", None)
    with _signals(*[_TELLING] if tell else []) as stopping, found.serve(routes, address) as served:
        told = msgspec.structs.replace(served, facts=dict(found.facts))
        _stay(told, stopping, with_parent=with_parent, tell=tell)


def _stay(
    served: Served,
    stopping: socket.socket,
    *,
    with_parent: bool,
    tell: Callable[[], object] | None = None,
) -> None:
    # What is there now stays; the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    _say(served)
    _wait(stopping, with_parent=with_parent, tell=tell)
    if tell:
        _tell(tell)


def _tell(tell: Callable[[], object]) -> None:
    with contextlib.suppress(BrokenPipeError):  # who wanted to know has gone
        _say(tell())


def _say(value: object) -> None:
    """Write a line past Python's buffer, so that nothing is left to be flushed where nobody reads."""
    sys.stdout.flush()
    os.write(sys.stdout.fileno(), msgspec.json.encode(value) + b"\n")


@contextlib.contextmanager
def _signals(*more: signal.Signals) -> Iterator[socket.socket]:
    """Give a socket that gets the number of each signal to stop, and of `more`, as a byte."""
    readable, writable = socket.socketpair()
    writable.settimeout(0)
    before = {number: signal.signal(number, lambda *_: None) for number in (*_STOPPING, *more)}
    descriptor = signal.set_wakeup_fd(writable.fileno(), warn_on_full_buffer=False)
    try:
        yield readable
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        readable.close()
        writable.close()


def _wait(stopping: socket.socket, *, with_parent: bool, tell: Callable[[], object] | None) -> None:
    parent = _standard_input() if with_parent else None
    watched: list[socket.socket | int] = [stopping]
    if parent is not None:
        watched.append(parent)
    while True:
        ready = select.select(watched, [], [])[0]
        if parent is not None and parent in ready and not os.read(parent, 4096):
            return
        for number in stopping.recv(1) if stopping in ready else b"":
            if number != _TELLING or tell is None:
                return
            _tell(tell)


def _standard_input() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError) as error:
        raise StackError("standard input is closed, so its end cannot be waited for") from error
