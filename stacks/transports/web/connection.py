"""One HTTP/1.1 connection from the client's side: a blocking socket, and the parser of what comes."""

from __future__ import annotations

import contextlib
import select
import socket
import sys
from time import monotonic

import httptools

from stacks.base import Address, Tls
from stacks.errors import ConnectionLost, ProtocolError, Refused, Timeout
from stacks.transports import dispatch
from stacks.transports.dial import dial
from stacks.transports.web import problem

PROTOCOL = "http/1.1"
"""What ALPN calls it."""
HEAD = 64 * 1024
"""Bytes that may come, besides what one read brings, without being part of a body."""
_AT_ONCE = 64 * 1024
_SLACK = 0.001
"""Seconds by which a timeout may be late, so that not every call has to set the socket's timeout."""
_SUCCESS = 200


class Incoming:
    """The response to the present request, as its parts come in; the parser calls the methods."""

    def __init__(self) -> None:
        """Wait for a first response."""
        self.parser = httptools.HttpResponseParser(self)
        self.expect(0)

    def expect(self, limit: int, *, streamed: bool = False) -> None:
        """Begin anew, for a response whose body has up to `limit` bytes.

        If `streamed`, it may have any number, and the caller takes the parts out of `parts` as they come.
        """
        self._limit = limit
        self._streamed = streamed
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.parts: list[bytes] = []
        self.fruitless = 0
        self.answered = False
        """Whether the head of the response is there; one that is only provisional doesn't count."""
        self.complete = False
        self.reusable = False
        """Whether the connection may carry another request after this response."""
        self.failure: Refused | None = None
        self._size = 0

    def on_message_begin(self) -> None:
        """Stop at a response to nothing."""
        if self.complete:
            raise ProtocolError("the server sent more than its response")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Refuse what says by itself that it is too large."""
        self.status = self.parser.get_status_code()
        self.fruitless = 0
        if self.status < _SUCCESS:
            self.headers = {}
            return
        self.answered = True
        if self.status != _SUCCESS:
            self._limit = max(self._limit, problem.LIMIT)
        elif self._streamed:
            self._limit = sys.maxsize
        size = self.headers.get(b"content-length")
        if size is not None and int(size) > self._limit:
            self._refuse(int(size))

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body, as long as it is not too large."""
        self.fruitless = 0
        self._size += len(data)
        if self._size > self._limit:
            self._refuse(self._size)
        else:
            self.parts.append(data)

    def on_message_complete(self) -> None:
        """Note the end."""
        if self.answered:
            self.complete = True
            self.reusable = self.parser.should_keep_alive()

    def feed(self, data: bytes) -> None:
        """Take what has come; raises `ProtocolError`, and `Refused` for a body over the limit."""
        self.fruitless += len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                raise ProtocolError(f"the server sent no HTTP/1.1 response: {error}") from error
            self.reusable = False
        if self.fruitless > HEAD and not self.complete:
            raise ProtocolError(f"the server sent more than {HEAD} bytes without a body")
        if self.failure is not None:
            raise self.failure

    def end(self) -> None:
        """Take the end of the connection; raises `ConnectionLost` where more should have come."""
        endless = not {b"content-length", b"transfer-encoding"} & self.headers.keys()
        if not self.answered or not endless:
            raise ConnectionLost("the server closed the connection")
        self.complete = True

    def _refuse(self, size: int) -> None:
        self.parts.clear()
        self.failure = self.failure or Refused(dispatch.oversize("reply", size, self._limit))


class Connection:
    """A socket, which one call uses at a time; after an error of any kind it is of no more use."""

    def __init__(self, address: Address, patience: float, tls: Tls | None = None) -> None:
        """Connect within `patience` seconds; raises `TimeoutError` and `Unavailable`."""
        self._address = address
        self._socket = dial(address, patience, tls, PROTOCOL)
        self._patience = patience
        self.intact = True
        """Whether every request so far went out whole."""
        self.incoming = Incoming()
        self.rested = monotonic()
        """When its last call was over."""
        self.at_rest = True
        """Whether nobody sends or receives just now."""

    @property
    def reusable(self) -> bool:
        """Whether another call may follow."""
        return self.intact and self.incoming.complete and self.incoming.reusable

    def stale(self) -> bool:
        """Tell whether the server has closed the idle connection, or sent what nobody asked for."""
        try:
            self._wait_up_to(0.0)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def send(self, data: bytes, deadline: float, timeout: float) -> None:
        """Send all of `data`, unless the response comes before; raises `Timeout`.

        Where the connection breaks, the response may have come before that: `receive` tells.
        """
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except TimeoutError:
            raise late(timeout) from None
        except OSError:
            self.intact = False
            return
        if sent != len(data):
            self._send_rest(memoryview(data)[sent:], deadline, timeout)

    def _send_rest(self, rest: memoryview, deadline: float, timeout: float) -> None:
        while rest:
            try:
                self._wait_up_to(0.0)
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                if self._ready(deadline, timeout) and self.look():
                    self.intact = False
                    return
            except OSError:
                self.intact = False
                return

    def _ready(self, deadline: float, timeout: float) -> bool:
        """Wait until more can be sent; tells whether something has come meanwhile."""
        left = deadline - monotonic()
        if left <= 0:
            raise late(timeout)
        poller = select.poll()
        poller.register(self._socket, select.POLLIN | select.POLLOUT)
        return any(event & ~select.POLLOUT for _, event in poller.poll(left * 1000))

    def look(self) -> bool:
        """Take what has come, without waiting; tells whether the response is there, or its sender gone."""
        try:
            self._wait_up_to(0.0)
            data = self._socket.recv(_AT_ONCE)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._lost(error) from error
        self._take(data)
        return self.incoming.answered

    def unblock(self) -> None:
        """Let `send` never block, so that it looks after what comes instead."""
        self._wait_up_to(0.0)

    def receive(self, deadline: float, timeout: float) -> None:
        """Wait for some of the response and take it; raises `Timeout`, `ConnectionLost`, `ProtocolError`."""
        while True:
            left = deadline - monotonic()
            if left <= 0:
                raise late(timeout)
            try:
                if not left <= self._patience <= left + _SLACK:
                    self._wait_up_to(left + _SLACK / 2)
                data = self._socket.recv(_AT_ONCE)
            except TimeoutError:
                continue
            except OSError as error:
                raise self._lost(error) from error
            self._take(data)
            return

    def _take(self, data: bytes) -> None:
        if data:
            self.incoming.feed(data)
        else:
            self.incoming.end()

    def cut(self) -> None:
        """Break the connection under whoever uses it, and close it if nobody does."""
        with contextlib.suppress(OSError):  # the peer was quicker
            self._socket.shutdown(socket.SHUT_RDWR)
        if self.at_rest:
            self.close()

    def close(self) -> None:
        """Close the socket; may be called twice."""
        self._socket.close()

    def _wait_up_to(self, seconds: float) -> None:
        if self._patience != seconds:
            self._patience = seconds
            self._socket.settimeout(seconds)

    def _lost(self, error: OSError) -> ConnectionLost:
        return ConnectionLost(f"{self._address} broke the connection: {error}")


def late(timeout: float) -> Timeout:
    """Make the error for a call that took too long."""
    return Timeout(f"no reply within {timeout:g} s")
