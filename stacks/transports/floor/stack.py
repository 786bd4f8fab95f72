"""The floor: a bare ping-pong of the same bytes over loopback, for reference.

A request is a length of 4 bytes (big-endian, of what follows), the length of the method's name in a byte,
the name and the message; a reply is a length, a status byte (0 fine, 1 failed) and the message or
``[code, text]``; all in MessagePack. Both sides remember what they have encoded and decoded, so after the
first call with a request nothing but bytes goes to and fro. Requests must therefore not be changed once
they were used, replies are shared, and handlers must always answer the same request in the same way.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic
from typing import Any, TypeVar

import msgpack

from stacks.base import (
    MAX_MESSAGE,
    Address,
    Codec,
    Facts,
    Kind,
    Method,
    Options,
    Q,
    R,
    Replies,
    Served,
    Service,
)
from stacks.codecs.msgpack import ERRORS, FORMAT
from stacks.errors import CallError, ConnectionLost, ProtocolError, Refused, StackError, Timeout, Unavailable
from stacks.transports import dispatch, listener, secure
from stacks.transports.floor.server import FloorServer
from stacks.transports.memo import Memo

T = TypeVar("T")

_LENGTH = struct.Struct(">I")
_HEAD = 5
"""Bytes of a reply in front of its message."""
_ENVELOPE = 2048
"""Bytes that a frame may have beyond the limit of its message: for a name, or for an error."""
_AT_ONCE = 64 * 1024
_LAST_CALLS = 10.0
_SLACK = 0.001
"""Seconds by which a timeout may be late, so that not every call has to set the socket's timeout."""


class FloorStack:
    """The transport of the floor."""

    name = "floor"
    multiplexes = False
    wire = True
    tls = ""

    @property
    def kinds(self) -> frozenset[Kind]:
        """Unary alone: the protocol knows no streams."""
        return dispatch.UNARY

    @property
    def facts(self) -> Facts:
        """What the fairness sheet says."""
        return Facts(
            concurrency="one thread with a selector, replies remembered",
            threads="server: one; client: the caller's",
            nagle="off (TCP_NODELAY)",
            compression="none",
            tls="off",
            deadline="kept by the client; the server does not learn of it",
            max_message=MAX_MESSAGE,
            abilities=("deadlines",),
            versions=dict(FORMAT.versions),
        )

    def codec(self, message: type[T]) -> Codec[T]:
        """MessagePack."""
        return FORMAT.codec(message)

    @contextmanager
    def serve(self, service: Service, address: Address, options: Options) -> Iterator[Served]:
        """Serve from one thread until the context ends; connections are then cut."""
        secure.refuse(options, self.name)
        answers = {
            method.name.encode(): _answer(method, options)
            for method in dispatch.carried(service, dispatch.UNARY)
        }
        listening = listener.listen(address)
        server = FloorServer(listening, answers, service.delay, options.max_message)
        thread = Thread(target=server.run, name="stacks-floor", daemon=True)
        thread.start()
        try:
            yield Served(listener.bound(listening, address), (os.getpid(),))
        finally:
            server.stop()
            thread.join(_LAST_CALLS)
        if thread.is_alive():
            raise StackError(
                f"the server did not stop within {_LAST_CALLS:g} s; most likely a handler is still at work"
            )

    def connect(self, address: Address, options: Options) -> FloorClient:
        """Open a connection; raises `Unavailable`."""
        secure.refuse(options, self.name)
        return FloorClient(address, options)


def _answer(method: Method[Any, Any], options: Options) -> Callable[[bytes], bytes]:
    requests, replies = FORMAT.codec(method.request), FORMAT.codec(method.reply)
    return dispatch.answerer(requests.decode, method.handler, replies.encode, options.max_message)


class FloorClient:
    """One connection for one call at a time."""

    def __init__(self, address: Address, options: Options) -> None:
        """Connect; raises `Unavailable` when nobody answers within the connect timeout."""
        self._address = address
        self._limit = options.max_message
        self._socket: socket.socket | None = None
        try:
            self._socket = socket.create_connection(
                (address.host, address.port), timeout=options.connect_timeout
            )
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"cannot connect to {address}: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timeout = options.connect_timeout
        self._rest = bytearray()
        # Replies come in order, so that a late one is known by being the first of too many.
        self._late = 0

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`."""
        dispatch.check(method, dispatch.UNARY)
        encode, decode = FORMAT.codec(method.request).encode, FORMAT.codec(method.reply).decode
        name = method.name.encode()
        limit = self._limit
        # A request is known again by its identity, which is its own as long as it is kept.
        frames: Memo[int, tuple[Q, bytes]] = Memo()
        replies: Memo[bytes, R] = Memo()

        def call(request: Q, timeout: float) -> R:
            known = frames.get(id(request))
            if known is None:
                body = encode(request)
                if len(body) > limit:
                    raise Refused(dispatch.oversize("request", len(body), limit))
                frame = _LENGTH.pack(1 + len(name) + len(body)) + bytes((len(name),)) + name + body
                known = frames.put(id(request), (request, frame), len(frame))
            data = self._exchange(known[1], timeout)
            reply = replies.get(data)
            if reply is None:
                if data[_HEAD - 1]:
                    raise _told(data)
                reply = replies.put(data, decode(memoryview(data)[_HEAD:]), len(data))
            return reply

        return call

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], Replies[R]]:
        """Raise `SchemaError`: a ping-pong has no streams."""
        dispatch.refuse(method)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, frame: bytes, timeout: float) -> bytes:
        """Send a frame and give the reply's; after a `Timeout` the connection is still of use."""
        connection = self._socket
        if connection is None:
            raise Unavailable(f"the connection to {self._address} has ended; connect again")
        deadline = monotonic() + timeout
        try:
            self._send(connection, frame, deadline, timeout)
            reply = self._receive(connection, deadline)
            while self._late:
                self._late -= 1
                reply = self._receive(connection, deadline)
        except TimeoutError:
            self._late += 1
            raise _late(timeout) from None
        except _NotSentError:
            raise _late(timeout) from None
        except OSError as error:
            self.close()
            raise ConnectionLost(f"{self._address} broke the connection: {error}") from error
        except BaseException:
            self.close()
            raise
        return reply

    def _send(self, connection: socket.socket, frame: bytes, deadline: float, timeout: float) -> None:
        sent = 0
        try:
            self._set_timeout(connection, deadline)
            sent = connection.send(frame)
            while sent < len(frame):
                self._set_timeout(connection, deadline)
                sent += connection.send(memoryview(frame)[sent:])
        except TimeoutError as error:
            if not sent:
                raise _NotSentError from error
            # Half a frame is on its way, so that nothing else can be sent.
            raise Timeout(f"the request was not taken within {timeout:g} s") from error

    def _receive(self, connection: socket.socket, deadline: float) -> bytes:
        rest = self._rest
        if not rest:
            self._set_timeout(connection, deadline)
            data = connection.recv(_AT_ONCE)
            if len(data) >= _HEAD and _LENGTH.unpack_from(data)[0] == len(data) - _LENGTH.size:
                return data
            rest += self._some(data)
        while len(rest) < (end := self._end(rest)):
            self._set_timeout(connection, deadline)
            rest += self._some(connection.recv(_AT_ONCE))
        reply = bytes(memoryview(rest)[:end])
        del rest[:end]
        return reply

    def _some(self, data: bytes) -> bytes:
        if not data:
            raise ConnectionLost(f"{self._address} closed the connection")
        return data

    def _end(self, rest: bytearray) -> int:
        """Tell where the first frame ends, or the least that it may be."""
        if len(rest) < _HEAD:
            return _HEAD
        size: int = _LENGTH.unpack_from(rest)[0]
        if not size:
            raise ProtocolError(f"{self._address} sent a frame without a status")
        if size > self._limit + _ENVELOPE:
            raise Refused(dispatch.oversize("received", size, self._limit))
        return _LENGTH.size + size

    def _set_timeout(self, connection: socket.socket, deadline: float) -> None:
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        if not left <= self._timeout <= left + _SLACK:
            self._timeout = left + _SLACK / 2
            connection.settimeout(self._timeout)


class _NotSentError(Exception):
    """Time was up before the first byte went out, so no reply will come."""


def _late(timeout: float) -> Timeout:
    return Timeout(f"no reply within {timeout:g} s")


def _told(reply: bytes) -> CallError:
    try:
        code, text = msgpack.unpackb(memoryview(reply)[_HEAD:])
    except ERRORS as error:
        return ProtocolError(f"the server sent a failure that cannot be read: {error}")
    return dispatch.failure(str(code), str(text))
