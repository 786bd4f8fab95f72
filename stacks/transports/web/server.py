"""Serves an ASGI application over HTTP/1.1 by uvicorn's protocol, within bounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from stacks.base import MAX_MESSAGE, Address, Options, Served
from stacks.transports import listener, loop, secure
from stacks.transports.entrance import Entrance
from stacks.transports.web.app import ABORT, App, guarded
from stacks.transports.web.connection import PROTOCOL

HEAD = 64 * 1024
"""Bytes that may come, besides what one read brings, without being part of a body: a head, or trailers."""
PIPELINED = 512
"""Requests that may wait behind the one that is being answered."""
HEAD_PATIENCE = 10.0
"""Seconds in which a request's head must be complete, once it has begun."""
_IDLE = 3600
"""Seconds that a connection may be without a request: longer than a user ever pauses between turns."""

_LOG = logging.getLogger(__name__)
# What a peer does wrong is told to the peer; errors are defects of ours.
_LOG.setLevel(logging.ERROR)


def serve(app: App, address: Address, options: Options) -> AbstractContextManager[Served]:
    """Serve `app` until the context ends; connections are then cut and its calls cancelled.

    It is called as ASGI 3 has it, with scopes of type ``http`` alone, and may raise what
    `app.guarded` knows. Raises `AddressError` for an address that cannot be had.
    https://asgi.readthedocs.io/en/latest/specs/www.html
    """
    context = secure.offered(options, PROTOCOL)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Address]:
        listening = listener.listen(address)
        found = listener.bound(listening, address)
        server = Server(app, options)
        entrance = Entrance(server.accept, context)
        await entrance.open(listening)
        try:
            yield found
        finally:
            await entrance.close()
            await server.end()
            await entrance.wait_closed()

    return loop.serve(opened)


class Server:
    """What the connections of a server share, none of which outlives it.

    uvicorn's own server would wake up ten times a second, and take 100 ms to stop.
    """

    def __init__(self, app: App, options: Options) -> None:
        """Serve `app` on connections that are handed to it."""
        self.ended = False
        self.state = ServerState()
        self.unwanted = max(options.max_message, MAX_MESSAGE)
        self.config = uvicorn.Config(
            cast("Any", guarded(app)),
            http=HttpToolsProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=_IDLE,
        )
        self.config.load()

    def accept(self) -> asyncio.Protocol:
        """Make the protocol of one more connection."""
        return _Connection(self)

    async def end(self) -> None:
        """Cut the connections, and cancel what they wait for."""
        self.ended = True
        for connection in tuple(self.state.connections):
            connection.transport.abort()
        # An application that ends before its connection has ended would be taken for a broken one.
        while self.state.connections:  # noqa: ASYNC110 -- uvicorn's state has no event for it
            await asyncio.sleep(0)
        tasks = tuple(self.state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Flow(FlowControl):
    """Reads nothing more while requests wait behind the one that is being answered."""

    def __init__(self, transport: asyncio.Transport, waiting: Any) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class _Connection(HttpToolsProtocol):
    """One client's connection; what it can make the server hold is bounded.

    uvicorn itself bounds the part of a body that nobody has asked for yet, and no more.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(
            config=server.config,
            server_state=server.state,
            app_state={},
            _loop=asyncio.get_running_loop(),
        )
        self.logger = _LOG
        self.access_log = False
        self._server = server
        self._in_head = False
        self._fruitless = 0
        """Bytes that came since the last that belonged to a body, or ended a head or a message."""
        self._unwanted = 0
        """Bytes of bodies whose request had been answered already."""
        self._hurry: asyncio.TimerHandle | None = None
        self._passed: list[RequestResponseCycle] = []
        """Requests that still wanted their answer when the next one came."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self.app_state[ABORT] = transport.abort
        if self._server.ended:
            # The loop may have accepted a connection before the end and tell of it only now.
            transport.abort()
            return
        self.timeout_keep_alive_task = self.loop.call_later(_IDLE, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        # uvicorn tells the newest request alone, so that others would be worked on for nobody.
        for cycle in self._passed:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        self._fruitless += len(data)
        super().data_received(data)
        if self._fruitless and not self.transport.is_closing():
            if self._fruitless > HEAD:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"over {HEAD} bytes without a body")
            elif self._in_head and self._hurry is None:
                self._hurry = self.loop.call_later(HEAD_PATIENCE, self._late)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= PIPELINED:
            raise ValueError(f"more than {PIPELINED} requests wait")
        super().on_message_begin()
        self._in_head = True
        self._fruitless = 1

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._fruitless = 0
        if self._hurry is not None:
            self._calm()
        before = self.cycle
        super().on_headers_complete()
        if self.pipeline:
            self._passed.append(before)
        elif self._passed:
            self._passed.clear()

    def on_body(self, body: bytes) -> None:
        self._fruitless = 0
        if self.cycle.response_complete:
            self._unwanted += len(body)
            if self._unwanted > self._server.unwanted:
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._fruitless = 0
        self._unwanted = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _late(self) -> None:
        self._hurry = None
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the head took longer than {HEAD_PATIENCE:g} s")

    def _calm(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        """Answer what cannot be read, unless an earlier request still waits for its answer, and close."""
        cycle = self.cycle
        fresh = cycle is None or cycle.response_complete
        if fresh or not (self._in_head or self.pipeline or cycle.response_started):
            self.transport.write(
                b"HTTP/1.1 %d %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n%b"
                % (status, status.phrase.encode(), len(text.encode()), text.encode())
            )
        self.transport.close()
