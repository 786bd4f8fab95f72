"""A connection of yamux from the server's side: each of its streams is a call."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from stacks.base import Kind
from stacks.errors import ConnectionLost, ProtocolError, Remote
from stacks.transports import dispatch
from stacks.transports.connections import Connections
from stacks.transports.streams import Stream as Streamed
from stacks.transports.yamux import message
from stacks.transports.yamux.conversation import Conversation
from stacks.transports.yamux.session import VIOLATED, WINDOW, Session, Stream

_UNFINISHED = 64 * 1024 * 1024
"""Bytes of requests that are not complete, beyond which a connection lets only the oldest of them grow."""
_STANDING = 64 * 1024 * 1024
"""Bytes of replies that the client's windows hold back, beyond which a connection starts no more calls."""
_UNTAKEN = 1024 * 1024
"""Bytes in front of a client that does not read, beyond which it is cut: it lets us answer for nothing."""
_LINGER = 1.0
"""Seconds in which a client that broke the protocol can still read why it is cut."""


class Offer(NamedTuple):
    """How a method is served: by one of both."""

    kind: Kind
    answer: Callable[[memoryview], bytes] | None
    stream: Streamed[Any] | None


class YamuxConnection(asyncio.Protocol):
    """Reads whatever comes, so that no client waits for itself; bounds are those of yamux's windows.

    While the client does not take its replies, or too many of them wait for their simulated work or for
    their windows, complete requests wait, too.
    """

    def __init__(self, offers: dict[bytes, Offer], delay: float, limit: int, others: Connections) -> None:
        """Serve `offers` by name; `limit` is in bytes of a message, `delay` in seconds."""
        self.session = Session(client=False)
        self.limit = limit
        self.blocked = False
        self.standing = 0
        self._offers = offers
        self._delay = delay
        self._others = others
        self._postponed: dict[Stream, None] = {}
        self._stalled: dict[Stream, None] = {}
        self._unfinished: dict[Stream, int] = {}
        self._held = 0
        self._waiting = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the server's other connections."""
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._others.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """End all calls."""
        self._others.discard(self)
        self._postponed.clear()
        self._stalled.clear()
        for stream in tuple(self.session.streams.values()):
            self.session.reset(stream)
            self._poke(stream)

    def cut(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Let every call go on that has news."""
        session = self.session
        try:
            for stream in session.receive(data):
                if stream.reset:
                    self._postponed.pop(stream, None)
                if stream.owner is None:
                    self._take(stream)
                else:
                    stream.owner()
        except ProtocolError:
            self.write(session.away(VIOLATED))
            self._transport.close()
            asyncio.get_running_loop().call_later(_LINGER, self._transport.abort)
        except ConnectionLost:
            self.cut()
        if session.control:
            self.tell(bytes(session.control))
            session.control.clear()
        if self._postponed:
            self.go_on()

    def pause_writing(self) -> None:
        """Hold replies back."""
        self.blocked = True

    def resume_writing(self) -> None:
        """Let replies go on."""
        self.blocked = False
        self.go_on()

    def stall(self, stream: Stream) -> None:
        """Come back to a stream, which has an owner, once replies may go on."""
        self._stalled[stream] = None

    def go_on(self) -> None:
        """Come back to the streams that may have to wait no longer."""
        while self._stalled and not self.blocked:
            stream = next(iter(self._stalled))
            del self._stalled[stream]
            self._poke(stream)
        while self._postponed and not self._is_full():
            stream = next(iter(self._postponed))
            del self._postponed[stream]
            self._take(stream)

    def tell(self, frame: bytes) -> None:
        """Send what is no reply, and may be nothing."""
        if frame and not self._transport.is_closing():
            self.write(frame)
            if self.blocked and self._transport.get_write_buffer_size() > _UNTAKEN:
                self.cut()

    def grow(self, stream: Stream, held: int) -> None:
        """Let more come of a request of which `held` bytes have; the oldest may always, so one gets done."""
        self._held += held - self._unfinished.get(stream, 0)
        self._unfinished[stream] = held
        self._widen(stream)

    def shrink(self, stream: Stream) -> None:
        """Note that a request is no longer unfinished."""
        if stream in self._unfinished:
            self._held -= self._unfinished.pop(stream)
            for other in self._unfinished:
                self._widen(other)

    def _widen(self, stream: Stream) -> None:
        if self._held <= _UNFINISHED or next(iter(self._unfinished)) is stream:
            self.tell(self.session.widen(stream))

    def _is_full(self) -> bool:
        return self.blocked or self._waiting >= 2 * self.limit or self.standing >= _STANDING

    def _poke(self, stream: Stream) -> None:
        if stream.owner is None:
            self._take(stream)
        else:
            stream.owner()

    def _take(self, stream: Stream) -> None:
        """Look at a call that does not run yet."""
        if stream.reset:
            self.shrink(stream)
            return
        if self._is_full():
            self._postponed[stream] = None
            return
        try:
            name, start = message.name(stream.unread)
            if not start:
                if stream.done_in:
                    dispatch.reject("")
                return
            offer = self._offers.get(name)
            if offer is None:
                dispatch.reject(name.decode(errors="replace"))
        except Remote as error:
            self._refuse(stream, error)
            return
        self._start(stream, offer, start)

    def _start(self, stream: Stream, offer: Offer, start: int) -> None:
        if offer.stream is not None:
            self.session.take(stream, start)
            if self._delay:
                self.tell(self.session.accept(stream))
            stream.owner = Conversation(self, stream, offer.kind, offer.stream).news
            return
        assert offer.answer is not None
        if (size := len(stream.unread) - start) > self.limit:
            text = dispatch.oversize("request", size, self.limit)
            self._refuse(stream, Remote("RESOURCE_EXHAUSTED", text))
        elif stream.done_in:
            self._answer(stream, offer.answer, start)
        elif stream.complete():
            stream.consumed = stream.received
            self.grow(stream, len(stream.unread))

    def _answer(self, stream: Stream, answer: Callable[[memoryview], bytes], start: int) -> None:
        stream.owner = _nothing
        if self._unfinished:
            self.shrink(stream)
        try:
            reply = message.OK + answer(memoryview(stream.unread)[start:])
        except Exception as error:  # noqa: BLE001 -- every failure of a handler is told to its caller
            reply = message.told(error)
        if self._delay:
            self._work(stream, reply)
        else:
            self._reply(stream, reply)

    def _work(self, stream: Stream, reply: bytes) -> None:
        """Simulate work before a reply."""

        def done() -> None:
            self._waiting -= len(reply)
            if not stream.reset:
                self._reply(stream, reply)
            self.go_on()

        def news() -> None:
            if stream.reset and not timer.cancelled():
                timer.cancel()
                done()

        stream.unread = bytearray()
        self._waiting += len(reply)
        self.tell(self.session.accept(stream))
        timer = asyncio.get_running_loop().call_later(self._delay, done)
        stream.owner = news

    def _refuse(self, stream: Stream, error: Remote) -> None:
        self.shrink(stream)
        self._reply(stream, message.told(error))

    def _reply(self, stream: Stream, reply: bytes) -> None:
        if len(reply) <= stream.granted - stream.sent and not self.blocked:
            self.write(self.session.data(stream, reply, last=True))
            self.discard(stream)
        else:
            self.standing += len(reply)
            stream.owner = functools.partial(self._pour, stream, [memoryview(reply)])
            stream.owner()

    def _pour(self, stream: Stream, rest: list[memoryview]) -> None:
        """Send as much as may be sent of `rest`, whose one element is what is left."""
        while not stream.reset and rest[0]:
            window = min(stream.granted - stream.sent, WINDOW)
            if not window:
                return
            if self.blocked:
                self.stall(stream)
                return
            piece, rest[0] = rest[0][:window], rest[0][window:]
            self.standing -= len(piece)
            self.write(self.session.data(stream, piece, last=not rest[0]))
        self.standing -= len(rest[0])
        self.discard(stream)

    def discard(self, stream: Stream) -> None:
        """Drop what the client still sends on a stream that has been answered; its window stays as it is."""
        stream.owner = _nothing if stream.done_in else functools.partial(_empty, stream)
        if stream.unread and not stream.done_in:
            stream.unread = bytearray()


def _nothing() -> None:
    """Be done."""


def _empty(stream: Stream) -> None:
    stream.unread = bytearray()
