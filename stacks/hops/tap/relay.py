"""Passes TCP connections on, byte for byte both ways, with their ends and resets, and shows what passes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import cast

from stacks.base import Address
from stacks.hops.tap.books import Books
from stacks.transports import listener

_HIGH = 256 * 1024
"""Bytes that wait for a slow reader before the other side is not read any more."""
_CUT = struct.pack("ii", 1, 0)
"""No lingering: so a socket that is closed tells its peer of a reset."""


@contextlib.asynccontextmanager
async def opened(listen: Address, upstream: Address, books: Books) -> AsyncIterator[Address]:
    """Relay until the context ends, which resets all connections; gives where it listens.

    Raises `AddressError` when the port is taken.
    """
    loop = asyncio.get_running_loop()
    listening = listener.listen(listen)
    tasks: dict[asyncio.Task[None], Wire] = {}
    closing = False

    def accept() -> Wire:
        client = Wire()
        if closing:
            # The loop may have accepted it before the end and tell of it only now.
            client.reset()
        else:
            task = loop.create_task(_relay(client, upstream, books))
            tasks[task] = client
            task.add_done_callback(tasks.pop)
        return client

    server = await loop.create_server(accept, sock=listening)
    try:
        yield listener.bound(listening, listen)
    finally:
        closing = True
        server.close()
        for task, client in tasks.items():
            # One that has not begun would end without a look at its client.
            client.reset()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _relay(client: Wire, upstream: Address, books: Books) -> None:
    """Connect upstream, and only then read what the client says; ends when both connections have."""
    observer, server = books.begin(), Wire()
    try:
        try:
            connecting = asyncio.get_running_loop().create_connection(
                lambda: server, upstream.host, upstream.port
            )
            await connecting
        except OSError:
            books.unreached += 1
            return
        client.join(server, books.seeing(observer.sent))
        server.join(client, books.seeing(observer.answered))
        await client.ended.wait()
        await server.ended.wait()
    finally:
        client.reset()
        server.reset()
        books.end(observer)


class Wire(asyncio.Protocol):
    """One of two connections that are joined; what comes in on it goes out on its peer."""

    def __init__(self) -> None:
        """Start before there is a connection."""
        self.ended = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._peer: Wire | None = None
        self._early = bytearray()
        self._see: Callable[[bytes], None] = self._early.extend
        self._cut = self._done_in = self._done_out = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = found = cast("asyncio.Transport", transport)
        found.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.set_write_buffer_limits(_HIGH)
        if self._cut:
            self.reset()

    def join(self, peer: Wire, see: Callable[[bytes], None]) -> None:
        """Pass on to `peer`, and show to `see`, what comes in."""
        self._peer, self._see = peer, see
        if self._early:
            self.data_received(bytes(self._early))
            self._early.clear()
        if self._done_in:
            peer.finish()
        if self.ended.is_set():
            peer.reset()
        self.read_on()

    def data_received(self, data: bytes) -> None:
        """Pass on first, so that counting holds nobody up; keep what comes before there is a peer."""
        if self._peer is None:
            # uvloop starts to read behind `connection_made`, whatever that says.
            self.wait()
        else:
            self._peer.write(data)
        self._see(data)

    def eof_received(self) -> bool:
        """Pass the end of this direction on; the other one may go on."""
        self._done_in = True
        if self._peer is not None:
            self._peer.finish()
        self._close_if_done()
        return True

    def pause_writing(self) -> None:
        """Let the peer be read no more: what is read for us would have to be kept."""
        if self._peer is not None:
            self._peer.wait()

    def resume_writing(self) -> None:
        """Let the peer be read again."""
        if self._peer is not None:
            self._peer.read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass a reset on."""
        self.ended.set()
        if exc is not None and self._peer is not None:
            self._peer.reset()

    def write(self, data: bytes) -> None:
        """Send, or keep until the reader takes it."""
        if (transport := self._alive()) is not None:
            transport.write(data)

    def finish(self) -> None:
        """Send the end behind all data."""
        self._done_out = True
        if (transport := self._alive()) is not None:
            transport.write_eof()
            self._close_if_done()

    def reset(self) -> None:
        """End at once, so that whoever is at the other end knows; also before there is a connection."""
        self._cut = True
        if (transport := self._alive()) is not None:
            # Where connecting is given up, uvloop has closed the socket, but not the transport.
            with contextlib.suppress(OSError, ValueError):
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CUT)
            transport.abort()

    def wait(self) -> None:
        """Read no more."""
        if (transport := self._alive()) is not None:
            transport.pause_reading()

    def read_on(self) -> None:
        """Read again, unless the end was read."""
        if (transport := self._alive()) is not None and not self._done_in:
            transport.resume_reading()

    def _alive(self) -> asyncio.Transport | None:
        transport = self._transport
        return None if transport is None or transport.is_closing() else transport

    def _close_if_done(self) -> None:
        if self._done_in and self._done_out and (transport := self._alive()) is not None:
            transport.close()
