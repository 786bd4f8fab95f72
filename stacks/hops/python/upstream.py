"""HTTP/1.1 connections from the hop to its upstreams, kept alive, one for each call in flight."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import httptools

from stacks.base import Address
from stacks.transports.web.app import Pair

HEAD: Final = 64 * 1024
"""Bytes that may come, besides what one read brings, without being part of a body."""
PATIENCE: Final = 5.0
"""Seconds in which a connection must stand."""
IDLE: Final = 64
"""Connections to one upstream that are kept though nobody uses them."""
_WATER: Final = 64 * 1024
"""Bytes of a response that wait for the client; no more is read then."""
_OK: Final = 200


class Lost(Exception):  # noqa: N818 -- told to the client, in words of HTTP
    """The upstream cannot be reached, has broken the connection, or sent what is no response."""


class Upstream:
    """One upstream, and the connections that are open to it."""

    def __init__(self, address: Address) -> None:
        """Have none."""
        self.address = address
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()

    async def take(self) -> Connection:
        """Give a connection that nobody else uses; raises `Lost`."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.ended:
                return connection
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE):
                _, made = await loop.create_connection(Connection, self.address.host, self.address.port)
        except TimeoutError:
            raise Lost(f"cannot connect to {self.address} within {PATIENCE:g} s") from None
        except OSError as error:
            raise Lost(f"cannot connect to {self.address}: {error}") from error
        self._all.add(made)
        made.over = self._forget
        return made

    def _forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def give(self, connection: Connection) -> None:
        """Take a connection back after a call; it is closed unless it can carry another."""
        if connection.reusable and len(self._idle) < IDLE:
            connection.at_rest = True
            self._idle.append(connection)
        else:
            connection.close()

    async def ready(self) -> None:
        """Open a first connection, if the upstream is there."""
        with suppress(Lost):
            connection = await self.take()
            connection.at_rest = True
            self._idle.append(connection)

    def close(self) -> None:
        """Close all connections."""
        for connection in tuple(self._all):
            connection.close()


class Connection(asyncio.Protocol):
    """One connection, and the response that comes on it; the parser calls what begins with `on_`."""

    def __init__(self) -> None:
        """Wait for the transport."""
        self.ended = False
        self.at_rest = False
        """Whether no call uses it just now."""
        self._parser = httptools.HttpResponseParser(self)
        self._moved = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.over: Callable[[Connection], None] | None = None
        """Is told when the connection has ended."""
        self.begin("")

    def begin(self, method: str) -> None:
        """Begin a call."""
        self.at_rest = False
        self._bodiless = method == "HEAD"
        self.status = 0
        self.headers: list[Pair] = []
        self._names: set[bytes] = set()
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._fruitless = 0
        self._answered = False
        self._complete = False
        self.reusable = False
        """Whether another call may follow."""
        self._failure = ""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self.at_rest:
            self._fail("the upstream sent what nobody asked for")
            return
        self._fruitless += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"the upstream sent no HTTP/1.1 response: {error}")
        if self._fruitless > HEAD and not self._complete:
            self._fail(f"the upstream sent more than {HEAD} bytes without a body")
        if self._size > _WATER:
            self._transport.pause_reading()
        self._moved.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection, which is the end of a response that doesn't say its length."""
        self.ended = True
        endless = not {b"content-length", b"transfer-encoding"} & self._names
        if self._answered and endless and exc is None:
            self._complete = True
        self._fail(f"the upstream broke the connection{f': {exc}' if exc else ''}")
        if self.over is not None:
            self.over(self)

    def pause_writing(self) -> None:
        """Hold the client back."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let the client go on."""
        self._writable.set()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        lower = name.lower()
        self._names.add(lower)
        self.headers.append((lower, value))

    def on_headers_complete(self) -> None:
        """Note the head, unless it is only provisional."""
        self.status = self._parser.get_status_code()
        self._fruitless = 0
        if self.status < _OK:
            self.headers, self._names = [], set()
            return
        self._answered = True
        # The parser doesn't know that the response to HEAD has no body, so it can read no other after it.
        self._complete = self._bodiless

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body."""
        self._fruitless = 0
        if not self._bodiless:
            self._size += len(data)
            self._parts.append(data)

    def on_message_complete(self) -> None:
        """Note the end of the response."""
        if self._answered and not self._bodiless:
            self._complete = True
            self.reusable = self._parser.should_keep_alive()

    async def send(self, data: bytes) -> None:
        """Send, as fast as the upstream takes it."""
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()

    async def head(self) -> None:
        """Wait for `status` and `headers`; raises `Lost`."""
        while not self._answered:
            await self._wait()

    async def part(self) -> bytes:
        """Wait for the next part of the body, empty at its end; raises `Lost`."""
        while not self._parts:
            if self._complete:
                return b""
            await self._wait()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        if self._size > _WATER:
            self._transport.resume_reading()
        self._size = 0
        return data

    @property
    def complete(self) -> bool:
        """Whether all of the response has been given."""
        return self._complete and not self._parts

    async def _wait(self) -> None:
        if self._failure:
            raise Lost(self._failure)
        self._moved.clear()
        await self._moved.wait()

    def _fail(self, why: str) -> None:
        self._failure = self._failure or why
        self.reusable = False
        self._writable.set()
        self._moved.set()
        self.close()

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self.ended = True
        self._transport.abort()
