"""Lets callers who wait for different news of one connection read it for each other, without a thread.

A caller who waits reads on behalf of all; when its own news has come it lets another go on reading. So a
lone caller reads its reply itself, and nobody has to be woken.

Callers are threads, or greenlets where gevent has patched the standard library: only blocking calls of
`threading` are used, and besides them operations on dicts that no other thread can see half done.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from time import monotonic

from stacks.errors import Timeout

Ready = Callable[[], object]
"""Tells whether a wait is over."""

_CLOSER = object()


class Relay:
    """Those who wait, one of whom may read."""

    def __init__(self, read: Callable[[Ready, float, float], None]) -> None:
        """Take what reads until a `Ready`, or a deadline and its timeout, say so."""
        self._read = read
        self.waiters: dict[object, tuple[threading.Lock, Ready]] = {}
        # Who takes the token reads. No lock: under gevent, one that is taken costs a trip round the loop.
        self._token = {"reader": True}

    def is_read(self) -> bool:
        """Whether somebody reads just now."""
        return not self._token

    def wait(self, key: object, ready: Ready, deadline: float, timeout: float) -> None:
        """Return when `ready` says so; meanwhile read, or wait as `key` for somebody who reads.

        Raises `Timeout` at the deadline (`time.monotonic`), and what reading raises.
        """
        token, waiters = self._token, self.waiters
        while not ready():
            if token.pop("reader", None) is None:
                waiter = _taken()
                waiters[key] = waiter, ready
                # The reader may have gone while we came, without seeing us.
                if ready() or token:
                    self._withdraw(key)
                    continue
                self._sleep(waiter, key, ready, deadline, timeout)
                if ready() and token:
                    # It may have been woken to read.
                    self._hand_on()
                continue
            try:
                self._read(ready, deadline, timeout)
            finally:
                token["reader"] = True
                if waiters:
                    self._hand_on()

    def wake(self, key: object) -> None:
        """Let somebody go on who may have waited for what has just come."""
        found = self.waiters.get(key)
        if found is not None and found[1]():
            found = self.waiters.pop(key, None)
            if found is not None:
                found[0].release()

    def seize(self) -> None:
        """Take the place of the reader, who must be on its way out, for good or until `yield_up`."""
        while self._token.pop("reader", None) is None:
            waiter = _taken()
            self.waiters[_CLOSER] = waiter, bool
            if self._token:
                continue
            waiter.acquire()

    def yield_up(self) -> None:
        """Let others read again."""
        self._token["reader"] = True
        self._hand_on()

    def _sleep(
        self, waiter: threading.Lock, key: object, ready: Ready, deadline: float, timeout: float
    ) -> None:
        woken = False
        try:
            woken = waiter.acquire(timeout=left(deadline))
        finally:
            if not woken:
                self._withdraw(key)
        if not woken and not ready():
            raise late(timeout)

    def _withdraw(self, key: object) -> None:
        """Stop waiting; who has been asked to read just now asks the next."""
        if self.waiters.pop(key, None) is None:
            self._hand_on()

    def _hand_on(self) -> None:
        """Wake one who waits, to read on."""
        with contextlib.suppress(KeyError):  # none does
            self.waiters.popitem()[1][0].release()


def left(deadline: float) -> float:
    """Give the seconds until a deadline, none of them negative."""
    return max(0.0, deadline - monotonic())


def late(timeout: float) -> Timeout:
    """Make the error for a deadline that has passed."""
    return Timeout(f"no reply within {timeout:g} s")


def _taken() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock
