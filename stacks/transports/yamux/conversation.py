"""A call with streams on the server: a task that reads requests and sends replies as windows allow."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from time import monotonic
from typing import TYPE_CHECKING, Any

from stacks.base import Kind
from stacks.errors import ProtocolError, Refused, Remote
from stacks.transports.framing.inbox import Inbox
from stacks.transports.streams import Stream as Streamed
from stacks.transports.yamux import message
from stacks.transports.yamux.session import WINDOW, Stream

if TYPE_CHECKING:
    from stacks.transports.yamux.server import YamuxConnection

_AT_ONCE = 32 * 1024
"""Bytes that are parsed ahead of the handler; as objects, small messages are much larger."""
_SLICE = 0.0002
"""Seconds after which a handler that has no need to wait lets the loop serve others."""


class Conversation:
    """One call; an asynchronous iterator of its requests, as trees."""

    def __init__(self, connection: YamuxConnection, stream: Stream, kind: Kind, serve: Streamed[Any]) -> None:
        """Start to serve."""
        self._connection = connection
        self._session = connection.session
        self._stream = stream
        self._single = kind is Kind.CLIENT
        self._serve = serve
        self._inbox = Inbox(connection.limit)
        self._messages: deque[Any] = deque()
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._until = monotonic() + _SLICE
        self._task = self._loop.create_task(self._run())

    def news(self) -> None:
        """Go on, or end where the stream was cut short."""
        if self._stream.reset:
            self._task.cancel()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> Conversation:
        """Give itself."""
        return self

    async def __anext__(self) -> Any:
        """Wait for a request; raises `Remote` for what is none."""
        while not self._messages:
            if self._stream.unread:
                self._read()
            elif not self._stream.done_in:
                await self._wait()
            elif self._inbox.pending:
                raise Remote("INTERNAL", f"the last request ends after {self._inbox.pending} bytes")
            else:
                raise StopAsyncIteration
        if monotonic() > self._until:
            await self._breathe()
        return self._messages.popleft()

    def _read(self) -> None:
        data = self._session.take(self._stream, _AT_ONCE)
        try:
            self._messages.extend(self._inbox.read(data))
        except ProtocolError as error:
            raise Remote("INTERNAL", f"cannot read the request: {error}") from error
        except Refused as error:
            raise Remote("RESOURCE_EXHAUSTED", str(error)) from error
        if self._inbox.pending > WINDOW:
            self._connection.grow(self._stream, self._inbox.pending)
        else:
            self._connection.shrink(self._stream)
            self._connection.tell(self._session.widen(self._stream))

    async def _run(self) -> None:
        try:
            await self._converse()
        except Exception as error:  # noqa: BLE001 -- every failure of a handler is told to its caller
            if not self._stream.done_out:
                await self._send(message.told(error), last=True)
        finally:
            self._messages.clear()
            self._connection.shrink(self._stream)
            self._connection.discard(self._stream)

    async def _converse(self) -> None:
        async with aclosing(self._serve(self)) as replies:  # type: ignore[type-var]
            async for reply in replies:
                await self._send(message.OK + reply, last=self._single)
                if self._single:
                    return
        self._connection.tell(self._session.finish(self._stream))

    async def _send(self, data: bytes, *, last: bool = False) -> None:
        connection, stream = self._connection, self._stream
        view = memoryview(data)
        while view:
            window = min(stream.granted - stream.sent, WINDOW)
            if connection.blocked or not window:
                await self._stand(len(view))
                continue
            piece, view = view[:window], view[window:]
            connection.write(self._session.data(stream, piece, last=last and not view))
        if monotonic() > self._until:
            await self._breathe()

    async def _stand(self, size: int) -> None:
        """Wait with `size` bytes of a reply until they might be sent."""
        connection = self._connection
        if connection.blocked:
            connection.stall(self._stream)
        connection.standing += size
        try:
            await self._wait()
        finally:
            connection.standing -= size
            connection.go_on()

    async def _wait(self) -> None:
        self._connection.tell(self._session.accept(self._stream))
        self._waiter = self._loop.create_future()
        await self._waiter
        self._until = monotonic() + _SLICE

    async def _breathe(self) -> None:
        await asyncio.sleep(0)
        self._until = monotonic() + _SLICE
