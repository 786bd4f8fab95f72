"""The one port: looks at how a connection begins, and hands it to gRPC, to HTTP/1.1 or to plain HTTP/2."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

import hpack

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""https://www.rfc-editor.org/rfc/rfc9113#section-3.4"""
PATIENCE: Final = 10.0
"""Seconds in which a connection that has begun must say what it wants."""
IDLE: Final = 3600.0
"""Seconds that it may say nothing at all."""
LARGEST: Final = 256 * 1024
"""Bytes that may come until then."""

_SETTINGS, _HEADERS, _CONTINUATION = 4, 1, 9
_ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x4, 0x8, 0x20
_EMPTY_SETTINGS: Final = struct.pack(">BHBBI", 0, 0, _SETTINGS, 0, 0)
_LARGEST_FRAME: Final = 16_384
_GRPC: Final = b"application/grpc"
_GRPC_TYPE: Final = re.compile(_GRPC + rb"(?:[+;].*)?", re.DOTALL)
"""With a format, or without; gRPC-Web is something else.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

Factory = Callable[[], asyncio.Protocol]


class Front:
    """Where connections go, and those that have not gone there yet."""

    def __init__(self, grpc: str, web: Factory, web2: Factory) -> None:
        """Take the path of gRPC's Unix socket, and what makes protocols of HTTP/1.1 and of HTTP/2."""
        self.grpc = grpc
        self.web = web
        self.web2 = web2
        self.transports: set[asyncio.Transport] = set()
        """Connections that are not somebody else's."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.ended = False

    def accept(self) -> asyncio.Protocol:
        """Make the protocol of a new connection."""
        return _Arrival(self)

    async def end(self) -> None:
        """Cut all connections."""
        self.ended = True
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for transport in tuple(self.transports):
            transport.abort()
        while self.transports:  # noqa: ASYNC110 -- it takes two turns of the loop, and needs no event
            await asyncio.sleep(0)


class _Arrival(asyncio.Protocol):
    """A connection until it is known what it wants."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._data = b""
        self._opening: Opening | None = None
        self._over = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._front.transports.add(transport)
        self._late = asyncio.get_running_loop().call_later(IDLE, transport.abort)
        if self._front.ended:
            transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        self._over = True
        self._late.cancel()
        self._front.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if not self._data:
            self._late.cancel()
            self._late = asyncio.get_running_loop().call_later(PATIENCE, self._transport.abort)
        self._data += data
        if not PREFACE.startswith(self._data[: len(PREFACE)]):
            self._hand(self._front.web, self._data)
        elif len(self._data) >= len(PREFACE):
            self._greeted()

    def _greeted(self) -> None:
        if self._opening is None:
            self._opening = Opening()
            # Some clients ask nothing before they have these; what the real server wants may follow.
            self._transport.write(_EMPTY_SETTINGS)
        wanted = self._opening.look(self._data)
        if wanted is None:
            if len(self._data) > LARGEST:
                self._transport.abort()
        elif is_grpc(wanted):
            self._transport.pause_reading()
            self._late.cancel()
            task = asyncio.get_running_loop().create_task(self._relay(self._opening.without_ack(self._data)))
            self._front.tasks.add(task)
            task.add_done_callback(self._front.tasks.discard)
        else:
            self._hand(self._front.web2, self._opening.without_ack(self._data))

    def _hand(self, factory: Factory, data: bytes) -> None:
        self._late.cancel()
        self._front.transports.discard(self._transport)
        protocol = factory()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(data)

    async def _relay(self, data: bytes) -> None:
        # gRPC takes no connections from others, so bytes go through a socket of their own.
        loop, front = asyncio.get_running_loop(), self._front
        connecting = socket.socket(socket.AF_UNIX)
        try:
            connecting.settimeout(0)
            connecting.connect(front.grpc)  # a Unix socket does so at once, or not at all
            inner, _ = await loop.create_unix_connection(
                lambda: _Pipe(self._transport, front), sock=connecting
            )
        except OSError:
            connecting.close()
            self._transport.abort()
            return
        if self._over:
            inner.abort()
            return
        inner.write(data)
        self._transport.set_protocol(_Pipe(inner, front, self._transport))
        self._transport.resume_reading()


class _Pipe(asyncio.Protocol):
    """One end of a pair: all that comes goes to `other`, which is held back while this end takes no more."""

    def __init__(self, other: Any, front: Front, transport: Any = None) -> None:
        self._other = other
        self._front = front
        self._transport = transport
        # Nothing of ours stands between the loop's read and its write.
        self.data_received = other.write  # type: ignore[method-assign]

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._front.transports.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._front.transports.discard(self._transport)
        if exc is None:
            self._other.close()
        else:
            self._other.abort()

    def pause_writing(self) -> None:
        self._other.pause_reading()

    def resume_writing(self) -> None:
        if not self._other.is_closing():
            self._other.resume_reading()


class Opening:
    """Reads what an HTTP/2 client sends first, up to its first request and to its answer to our settings."""

    def __init__(self) -> None:
        """Start behind the preface."""
        self._at = len(PREFACE)
        self._acked: slice | None = None
        self._block = b""
        self._wanted: bytes | None = None

    def look(self, data: bytes) -> bytes | None:
        """Give the content type of the first request, empty if it has none, or None if that isn't here yet.

        What is no HTTP/2 is given as gRPC's, whose server then says so.
        """
        while self._wanted is None or self._acked is None:
            if len(data) < self._at + 9:
                return None
            high, low, kind, flags, _ = struct.unpack_from(">BHBBI", data, self._at)
            size = high << 16 | low
            if size > _LARGEST_FRAME:
                return _GRPC
            if len(data) < self._at + 9 + size:
                return None
            start, self._at = self._at, self._at + 9 + size
            if kind == _SETTINGS and flags & _ACK and self._acked is None:
                self._acked = slice(start, self._at)
            elif kind in (_HEADERS, _CONTINUATION) and self._wanted is None:
                self._block += _fragment(kind, flags, data[start + 9 : self._at])
                if flags & _END_HEADERS:
                    self._wanted = _content_type(self._block)
        return self._wanted

    def without_ack(self, data: bytes) -> bytes:
        """Give the data without the answer to our settings, of which the real server knows nothing."""
        if self._acked is None:
            return data
        return data[: self._acked.start] + data[self._acked.stop :]


def is_grpc(content_type: bytes) -> bool:
    """Tell whether a request is gRPC's."""
    return _GRPC_TYPE.fullmatch(content_type) is not None


def _fragment(kind: int, flags: int, payload: bytes) -> bytes:
    if kind == _CONTINUATION:
        return payload
    padding = payload[0] if flags & _PADDED and payload else 0
    start = (1 if flags & _PADDED else 0) + (5 if flags & _PRIORITY else 0)
    return payload[start : len(payload) - padding]


def _content_type(block: bytes) -> bytes:
    try:
        headers = hpack.Decoder(max_header_list_size=64 * 1024).decode(block, raw=True)
    except hpack.HPACKError:
        return _GRPC
    return next((bytes(value) for name, value in headers if name == b"content-type"), b"")
