"""Serves an ASGI application over HTTP/2 on connections that begin with something else than gRPC."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from stacks.hops.python.front import is_grpc
from stacks.hops.python.stream import Stream
from stacks.transports.web.app import ABORT, App, Gone, Pair, guarded

STREAMS: Final = 128
"""Requests in flight on one connection."""
HEAD: Final = 64 * 1024
"""Bytes of one request's headers."""
_LONGEST: Final = 256 * 1024
"""Bytes that a transport may hold before responses wait."""
_MIXED: Final = (
    "this connection began with a request that is not gRPC; make gRPC calls on a connection of their own"
)
_UNIMPLEMENTED: Final = b"12"
_LINE: Final = re.compile(rb"[A-Z]+/[!-~]*|OPTIONS\*")
"""Methods and paths that make a request line of HTTP/1.1, and nothing beyond it."""


class Connections:
    """What the HTTP/2 connections of a hop share."""

    def __init__(self, app: App) -> None:
        """Serve `app`, which may raise what `stacks.transports.web.app.guarded` knows."""
        self.app = guarded(app)
        self.all: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.ended = False

    def accept(self) -> Connection:
        """Make the protocol of one more connection."""
        return Connection(self)

    async def end(self) -> None:
        """Cut all connections, and cancel their calls."""
        self.ended = True
        for connection in tuple(self.all):
            connection.cut()
        for task in tuple(self.tasks):
            task.cancel()
        while self.all:  # noqa: ASYNC110 -- it takes two turns of the loop, and needs no event
            await asyncio.sleep(0)
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Connection(asyncio.Protocol):
    """One client's connection, and its requests in flight."""

    def __init__(self, connections: Connections) -> None:
        """Belong to a hop."""
        self._connections = connections
        self.state = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None)
        )
        wanted = {
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
            h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: HEAD,
        }
        self.state.local_settings = h2.settings.Settings(client=False, initial_values=wanted)
        self._streams: dict[int, Stream] = {}
        self.moved = asyncio.Event()
        """Is set when there may be more room to send."""
        self._full = False

    def connection_made(self, transport: Any) -> None:
        """Say what we want."""
        self._transport = transport
        transport.set_write_buffer_limits(high=_LONGEST)
        self._connections.all.add(self)
        if self._connections.ended:
            transport.abort()
            return
        self.state.initiate_connection()
        self.flush()

    def connection_lost(self, _error: Exception | None) -> None:
        """End all requests in flight."""
        self._connections.all.discard(self)
        for stream in tuple(self._streams.values()):
            stream.lose()
        self.moved.set()

    def pause_writing(self) -> None:
        """Hold responses back."""
        self._full = True

    def resume_writing(self) -> None:
        """Let responses go on."""
        self._full = False
        self.moved.set()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        try:
            events = self.state.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.flush()  # says what was wrong
            self._transport.close()
            return
        for event in events:
            self._take(event)
        self.flush()

    def _take(self, event: Any) -> None:
        stream = self._streams.get(getattr(event, "stream_id", 0) or 0)
        if isinstance(event, h2.events.RequestReceived):
            self._ask(event.stream_id, event.headers, ended=event.stream_ended is not None)
        elif isinstance(event, h2.events.DataReceived):
            if stream is not None:
                stream.push(event.data, event.flow_controlled_length)
            else:
                self.acknowledge(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            if stream is not None:
                stream.push(b"", 0, last=True)
        elif isinstance(event, h2.events.StreamReset):
            if stream is not None:
                stream.lose()
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._transport.close()
        else:
            self.moved.set()  # more window, or settings that mean so

    def _ask(self, number: int, headers: list[Pair], *, ended: bool) -> None:
        given = dict(headers)
        if is_grpc(given.get(b"content-type", b"")):
            self._refuse(number)
            return
        if not _LINE.fullmatch(given.get(b":method", b"") + given.get(b":path", b"")):
            self.reset(number, h2.errors.ErrorCodes.PROTOCOL_ERROR)
            return
        stream = Stream(self, number, ended=ended)
        self._streams[number] = stream
        scope = self._scope(number, headers, ended=ended)
        stream.task = asyncio.get_running_loop().create_task(self._run(stream, scope))
        self._connections.tasks.add(stream.task)
        stream.task.add_done_callback(self._connections.tasks.discard)

    def _refuse(self, number: int) -> None:
        answer = [
            (b":status", b"200"),
            (b"content-type", b"application/grpc"),
            (b"grpc-status", _UNIMPLEMENTED),
        ]
        self.state.send_headers(number, [*answer, (b"grpc-message", _MIXED.encode())], end_stream=True)

    def _scope(self, number: int, headers: list[Pair], *, ended: bool) -> dict[str, Any]:
        given = dict(headers)
        plain = [each for each in headers if not each[0].startswith(b":")]
        path, _, query = given.get(b":path", b"/").partition(b"?")
        if b":authority" in given:
            plain = [(b"host", given[b":authority"]), *(each for each in plain if each[0] != b"host")]
        if b"content-length" not in given and not ended:
            plain.append((b"transfer-encoding", b"chunked"))
        return {
            "type": "http",
            "http_version": "2",
            "method": given.get(b":method", b"").decode("ascii", "replace"),
            "raw_path": path,
            "path": path.decode("ascii", "replace"),
            "query_string": query,
            "headers": plain,
            "state": {ABORT: lambda: self.reset(number)},
        }

    async def _run(self, stream: Stream, scope: dict[str, Any]) -> None:
        try:
            await self._connections.app(scope, stream.receive, stream.send)
        finally:
            del self._streams[stream.number]
            stream.drop()
            if not stream.complete:
                self.reset(stream.number)
            elif not stream.ended:
                self.reset(stream.number, h2.errors.ErrorCodes.NO_ERROR)

    def reset(self, number: int, why: int = h2.errors.ErrorCodes.INTERNAL_ERROR) -> None:
        """Break a response off, or a request that has been answered."""
        try:
            self.state.reset_stream(number, why)
        except h2.exceptions.ProtocolError:
            return  # the client was quicker
        if (stream := self._streams.get(number)) is not None:
            stream.lose()
        self.flush()

    def acknowledge(self, size: int, number: int) -> None:
        """Let the client send as much as has been taken."""
        if size and not self._transport.is_closing():
            try:
                self.state.acknowledge_received_data(size, number)
            except h2.exceptions.ProtocolError:
                return  # the connection or the stream is over
            self.flush()

    async def room(self, number: int) -> int:
        """Wait until a stream may send some bytes, and give how many; raises `Gone`."""
        while True:
            if self._transport.is_closing():
                raise Gone
            try:
                size = self.state.local_flow_control_window(number)
            except h2.exceptions.ProtocolError as error:
                raise Gone from error
            if size > 0 and not self._full:
                return min(size, self.state.max_outbound_frame_size)
            self.moved.clear()
            await self.moved.wait()

    def flush(self) -> None:
        """Send what is to be sent."""
        data = self.state.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def cut(self) -> None:
        """Break the connection."""
        self._transport.abort()
