"""The client over TCP: any number of calls in flight on one blocking socket, without a thread.

A caller who waits reads the socket on behalf of all; when its own reply has come it lets another go on
reading. So a lone caller reads its reply itself, and nobody has to be woken.

Callers are threads, or greenlets where gevent has patched the standard library: only blocking calls
of `socket` and `threading` are used, and besides them operations on dicts and lists that no other
thread can see half done.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from stacks.base import Address, Method, Options, Q, R, Replies
from stacks.errors import CallError, ConnectionLost, ProtocolError, Refused, Timeout, Unavailable
from stacks.transports import dispatch
from stacks.transports.dial import dial
from stacks.transports.framing.framing import Framing, TreeFormat
from stacks.transports.secure_socket import SecureSocket

_LAST_NUMBER = 0xFFFFFFFF
_AT_ONCE = 64 * 1024
_SLACK = 0.001
"""Seconds by which a timeout may be late, so that not every call has to set the socket's timeout."""
_FORGOTTEN = 65536
"""Calls that timed out and whose late replies are still known as such."""
_CLOSER = -1
"""Stands for the caller of `close` among those who wait to read."""


class TcpClient:
    """One connection; thread-safe, and once it has ended it stays so."""

    def __init__(self, address: Address, encoding: TreeFormat, framed: Framing, options: Options) -> None:
        """Connect; raises `Unavailable` when nobody answers within the connect timeout."""
        self._address = address
        self._format = encoding
        self._framing = framed
        self._limit = options.max_message
        try:
            self._reading = dial(address, options.connect_timeout, options.tls)
        except TimeoutError as error:
            raise Unavailable(f"cannot connect to {address}: {error}") from error
        # A second socket object for the same connection, so that who sends has its own timeout.
        self._writing = self._reading.dup()
        self._writing.settimeout(0)
        self._timeout = options.connect_timeout
        self._inbox = framed.inbox(options.max_message)
        self._numbers = itertools.count(1)
        self._calls: dict[int, list[Any]] = {}
        self._forgotten: OrderedDict[int, None] = OrderedDict()
        self._waiters: dict[int, threading.Lock] = {}
        # Who takes the token reads. No lock: under gevent, one that is taken costs a trip round the loop.
        self._token = {"reader": True}
        self._sending = threading.Lock()
        self._failure: CallError | None = None
        self._closed = False

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`."""
        dispatch.check(method, dispatch.UNARY)
        encode = self._format.codec(method.request).encode
        decode = self._format.codec(method.reply).from_tree
        framed = self._framing
        head, middle, tail, join = framed.request, framed.named(method.name), framed.asked, b"".join
        numbers, calls, forgotten, limit = self._numbers, self._calls, self._forgotten, self._limit

        def call(request: Q, timeout: float) -> R:
            body = encode(request)
            if len(body) > limit:
                raise Refused(dispatch.oversize("request", len(body), limit))
            deadline = monotonic() + timeout
            number = next(numbers) & _LAST_NUMBER
            while number in calls or number in forgotten:
                number = next(numbers) & _LAST_NUMBER
            slot = calls[number] = []
            try:
                self._send(join((head(number), middle, body, tail)), deadline, timeout)
                self._wait(number, slot, deadline, timeout)
            except Timeout:
                if self._forget(number, slot):
                    raise
            except BaseException:
                self._forget(number, slot)
                raise
            _, _, error, result = slot[0]
            if error is not None:
                raise _told(error)
            return decode(result)

        return call

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], Replies[R]]:
        """Raise `SchemaError`: the protocol has no streams."""
        dispatch.refuse(method)

    def close(self) -> None:
        """Close the connection; calls in flight are lost."""
        if self._closed:
            return
        self._closed = True
        self._fail(ConnectionLost("the client was closed"))
        # Whoever sends or reads now comes back at once with an error.
        while self._token.pop("reader", None) is None:
            waiter = self._waiters[_CLOSER] = _taken()
            if self._token:
                continue
            waiter.acquire()
        with self._sending:
            self._writing.close()
        self._reading.close()
        self._token["reader"] = True
        self._hand_on()

    def _send(self, data: bytes, deadline: float, timeout: float) -> None:
        """Send all of `data` with nobody else's in between; raises `Timeout` before the first byte."""
        sending = self._sending
        if not sending.acquire(blocking=False) and not sending.acquire(timeout=_left(deadline)):
            raise _late(timeout)
        try:
            if self._failure is not None:
                raise Unavailable(f"the connection to {self._address} has ended ({self._failure})")
            try:
                sent = self._writing.send(data)
            except BlockingIOError:
                sent = 0
            if sent != len(data):
                self._send_rest(data, sent, deadline, timeout)
        except OSError as error:
            raise self._fail(ConnectionLost(f"{self._address} does not take the request: {error}")) from error
        finally:
            sending.release()

    def _send_rest(self, data: bytes, sent: int, deadline: float, timeout: float) -> None:
        rest = memoryview(data)
        try:
            while sent < len(data):
                self._writing.settimeout(max(_left(deadline), 1e-6))
                sent += self._writing.send(rest[sent:])
        except TimeoutError:
            if sent:
                self._fail(ConnectionLost(f"a request to {self._address} was cut off by its timeout"))
            raise _late(timeout) from None
        except BaseException:
            if sent:
                self._fail(ConnectionLost(f"a request to {self._address} was cut off"))
            raise
        finally:
            self._writing.settimeout(0)
            if isinstance(self._writing, SecureSocket):
                self._writing.forget()

    def _wait(self, number: int, slot: list[Any], deadline: float, timeout: float) -> None:
        """Return when the reply is in `slot`; meanwhile read, or wait for somebody who reads."""
        token, waiters = self._token, self._waiters
        while not slot:
            if token.pop("reader", None) is None:
                waiter = waiters[number] = _taken()
                # The reader may have gone while we came, without seeing us.
                if slot or token:
                    self._withdraw(number)
                    continue
                self._sleep(waiter, number, slot, deadline, timeout)
                continue
            try:
                self._read(slot, deadline, timeout)
            finally:
                token["reader"] = True
                if waiters:
                    self._hand_on()

    def _sleep(
        self, waiter: threading.Lock, number: int, slot: list[Any], deadline: float, timeout: float
    ) -> None:
        woken = False
        try:
            woken = waiter.acquire(timeout=_left(deadline))
        finally:
            if not woken:
                self._withdraw(number)
        if not woken and not slot:
            raise _late(timeout)

    def _withdraw(self, number: int) -> None:
        """Stop waiting; who has been asked to read just now asks the next."""
        if self._waiters.pop(number, None) is None:
            self._hand_on()

    def _hand_on(self) -> None:
        """Wake one who waits, to read on; after the end of the connection all of them."""
        while self._waiters:
            try:
                _, waiter = self._waiters.popitem()
            except KeyError:
                return
            waiter.release()
            if self._failure is None:
                return

    def _read(self, slot: list[Any], deadline: float, timeout: float) -> None:
        """Read for everybody until the reply is in `slot`."""
        while not slot:
            if self._failure is not None:
                raise self._fail(self._failure)
            left = deadline - monotonic()
            if left <= 0:
                raise _late(timeout)
            if not left <= self._timeout <= left + _SLACK:
                self._timeout = left + _SLACK / 2
                self._reading.settimeout(self._timeout)
            try:
                data = self._reading.recv(_AT_ONCE)
            except TimeoutError:
                continue
            except OSError as error:
                raise self._fail(ConnectionLost(f"{self._address} broke the connection: {error}")) from error
            if not data:
                raise self._fail(ConnectionLost(f"{self._address} closed the connection"))
            try:
                self._deliver(self._inbox.read(data))
            except BaseException as error:
                # Whatever was in `data` is lost, so nobody can make sense of what follows.
                raise self._fail(_broken(error)) from error

    def _deliver(self, messages: list[Any]) -> None:
        for message in messages:
            if type(message) is not list or len(message) != 4 or message[0] != 1:  # noqa: PLR2004
                raise ProtocolError("the server sent something else than a reply")
            number = message[1]
            if type(number) is not int:
                raise ProtocolError(f"the server answered a call of number {number!r:.50}")
            slot = self._calls.pop(number, None)
            if slot is not None:
                slot.append(message)
                if self._waiters:
                    waiter = self._waiters.pop(number, None)
                    if waiter is not None:
                        waiter.release()
            elif self._forgotten.pop(number, self) is self:
                raise ProtocolError(f"the server answered call {number}, which is not in flight")

    def _forget(self, number: int, slot: list[Any]) -> bool:
        """Give up a call, so that a late reply is dropped; tells whether it had none until now."""
        self._forgotten[number] = None
        if self._calls.pop(number, None) is None:
            # Some reader has just taken it out to answer it.
            self._forgotten.pop(number, None)
        if len(self._forgotten) > _FORGOTTEN:
            self._forgotten.popitem(last=False)
        return not slot

    def _fail(self, failure: CallError) -> CallError:
        """End the connection for everybody; makes an error with the first reason for it."""
        if self._failure is None:
            self._failure = failure
            with contextlib.suppress(OSError):  # the peer was quicker
                self._reading.shutdown(socket.SHUT_RDWR)
        return type(self._failure)(*self._failure.args)


def _told(error: Any) -> CallError:
    match error:
        case [str(code), str(text)]:
            return dispatch.failure(code, text)
    return dispatch.failure("UNKNOWN", f"{error!r:.1000}")


def _taken() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


def _left(deadline: float) -> float:
    return max(0.0, deadline - monotonic())


def _late(timeout: float) -> Timeout:
    return Timeout(f"no reply within {timeout:g} s")


def _broken(error: BaseException) -> CallError:
    if isinstance(error, CallError):
        return error
    return ConnectionLost(f"reading was interrupted: {error!r}")
