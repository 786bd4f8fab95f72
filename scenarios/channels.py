"""Channel modes: which connection carries a user's call."""

from __future__ import annotations

import queue
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from time import monotonic
from typing import Any

from scenarios.arm import SpecError
from scenarios.batch import Call, bind
from stacks.base import Client, Method
from stacks.errors import CallError

MODES = ("per-user", "shared", "pool:N", "per-request")
_LEAST = 1e-3
"""Seconds a call gets at least, however long it waited for its connection."""
_POOL = re.compile(r"pool:([1-9]\d{0,4})")


def check(mode: str, *, multiplexes: bool, stack: str) -> None:
    """Raise `SpecError` if there is no such mode, or if `stack` cannot have it."""
    if mode not in ("per-user", "shared", "per-request") and not _POOL.fullmatch(mode):
        raise SpecError(f"there is no channel mode {mode!r}; modes are: {', '.join(MODES)}")
    if mode == "shared" and not multiplexes:
        raise SpecError(f"channel=shared is not applicable to {stack}: it carries one call at a time")


@contextmanager
def opened(
    mode: str,
    users: int,
    connect: Callable[[], Client],
    method: Method[Any, Any],
    *,
    multiplexes: bool,
) -> Iterator[list[Call]]:
    """Open the connections of `mode` and give one bound call a user; close all at the end.

    `per-request` connections are opened and closed within each call, so their cost is in its time.
    A pool deals its connections in turn where they multiplex; else a call holds one to itself and waits
    for it, and that waiting counts.
    """
    pool = _POOL.fullmatch(mode)
    if mode == "per-request":
        yield [_fresh(connect, method)] * users
        return
    clients: list[Client] = []
    try:
        for _ in range(int(pool[1]) if pool else 1 if mode == "shared" else users):
            clients.append(connect())  # noqa: PERF401 -- those that are open must be closed if one fails
        calls = [bind(client, method) for client in clients]
        if pool:
            yield [_dealt(calls)] * users if multiplexes else _Pool(calls).calls(users)
        else:
            yield calls * users if mode == "shared" else calls
    finally:
        for client in clients:
            client.close()


def _fresh(connect: Callable[[], Client], method: Method[Any, Any]) -> Call:
    def call(request: Any, timeout: float) -> Any:
        client = connect()
        try:
            return bind(client, method)(request, timeout)
        finally:
            client.close()

    return call


def _dealt(calls: list[Call]) -> Call:
    tickets = count()

    def call(request: Any, timeout: float) -> Any:
        return calls[next(tickets) % len(calls)](request, timeout)

    return call


class _Pool:
    """Connections that a call holds to itself; who waits longest gets the next one that becomes free.

    Without that order the user who gives one back would take it again at once, and under gevent, where
    nobody else runs meanwhile, always: a few users would make all calls, and the others none.
    """

    def __init__(self, calls: list[Call]) -> None:
        self._free = deque(calls)
        self._waiting: deque[queue.SimpleQueue[Call]] = deque()
        self._lock = threading.Lock()

    def calls(self, users: int) -> list[Call]:
        """Give each user a way to call."""
        return [self._call() for _ in range(users)]

    def _call(self) -> Call:
        inbox: queue.SimpleQueue[Call] = queue.SimpleQueue()

        def call(request: Any, timeout: float) -> Any:
            due = monotonic() + timeout
            mine = self._take(inbox, timeout)
            try:
                return mine(request, max(_LEAST, due - monotonic()))
            finally:
                self._give(mine)

        return call

    def _take(self, inbox: queue.SimpleQueue[Call], timeout: float) -> Call:
        with self._lock:
            if self._free:
                return self._free.popleft()
            self._waiting.append(inbox)
        try:
            return inbox.get(timeout=timeout)
        except queue.Empty:
            with self._lock:
                late = inbox not in self._waiting  # given one just now
                if not late:
                    self._waiting.remove(inbox)
            if late:
                return inbox.get()
            raise PoolExhausted(f"no connection of the pool became free within {timeout} s") from None

    def _give(self, one: Call) -> None:
        with self._lock:
            if not self._waiting:
                self._free.append(one)
                return
            self._waiting.popleft().put(one)


class PoolExhausted(CallError):  # noqa: N818 -- the field's word for it
    """Every connection of an exclusive pool stayed taken until the deadline."""
