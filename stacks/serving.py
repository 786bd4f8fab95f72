"""Serves a stack, or passes calls on, in the foreground: says where on standard output, stops on a signal."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator, Sequence

import msgspec

import stacks
from stacks import hops, service, work
from stacks.base import MAX_MESSAGE, Address, Options, Route, Served, Tls
from stacks.errors import StackError

_STOPPING = (signal.SIGTERM, signal.SIGINT)


def serve(
    stack: str,
    address: Address | None = None,
    *,
    offered: str = service.DEFAULT,
    worked: str = "",
    max_message: int = MAX_MESSAGE,
    tls: Tls | None = None,
    with_parent: bool = False,
) -> None:
    """Serve `offered` (``module:Class``) until SIGTERM or SIGINT; needs the main thread.

    When connections are accepted, one line of JSON goes to standard output:
    ``{"address": {"host": "127.0.0.1", "port": 50051}, "pids": [4711]}``.
    `worked` is simulated work as `stacks.work` reads it. `with_parent` also stops at the end of
    standard input, which comes when the process at its other end has gone, however it went.
    Raises `StackError` for what cannot be served.
    """
    if max_message <= 0:
        raise StackError(f"max-message {max_message} is no size; give bytes, for example {MAX_MESSAGE}")
    with _signals() as stopping:
        found = stacks.find(stack)
        if not found.wire:
            raise StackError(f"stack {stack!r} has no wire, so nobody could call it; choose another")
        served = work.add(service.load(offered), worked)
        options = Options(max_message=max_message, tls=tls)
        with found.serve(served, address or Address(), options) as server:
            _stay(server, stopping, with_parent=with_parent)


def secured(certificate: str, key: str) -> Tls | None:
    """Give what a server needs for TLS, from the paths that a command was given, which may be empty."""
    if bool(certificate) != bool(key):
        raise StackError(f"TLS needs a certificate and its key, and {certificate or key!r} came alone")
    return Tls(certificate=certificate, key=key) if certificate else None


def pass_on(hop: str, routes: Sequence[Route], address: Address, *, with_parent: bool = False) -> None:
    """Pass calls on through `hop` until SIGTERM or SIGINT; otherwise like `serve`."""
    with _signals() as stopping, hops.find(hop).serve(routes, address) as served:
        _stay(served, stopping, with_parent=with_parent)


def _stay(served: Served, stopping: socket.socket, *, with_parent: bool) -> None:
    # What is there now stays; the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    sys.stdout.write(msgspec.json.encode(served).decode() + "\n")
    sys.stdout.flush()
    _wait(stopping, with_parent=with_parent)


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """Give a socket that becomes readable when we are to stop."""
    readable, writable = socket.socketpair()
    writable.settimeout(0)
    before = {number: signal.signal(number, lambda *_: None) for number in _STOPPING}
    descriptor = signal.set_wakeup_fd(writable.fileno(), warn_on_full_buffer=False)
    try:
        yield readable
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        readable.close()
        writable.close()


def _wait(stopping: socket.socket, *, with_parent: bool) -> None:
    parent = _standard_input() if with_parent else None
    watched: list[socket.socket | int] = [stopping]
    if parent is not None:
        watched.append(parent)
    while True:
        ready = select.select(watched, [], [])[0]
        if stopping in ready or (parent is not None and not os.read(parent, 4096)):
            return


def _standard_input() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError) as error:
        raise StackError("standard input is closed, so its end cannot be waited for") from error
