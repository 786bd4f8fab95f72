"""The messages of MessagePack-RPC over plain TCP, in a format that has trees, served by asyncio.

A message is ``[0, msgid, method, [request]]``, ``[1, msgid, error, result]`` or, without an answer,
``[2, method, [request]]``; an error is ``[code, text]``. With MessagePack this is MessagePack-RPC; with
JSON every message is a line. https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from importlib import metadata
from typing import Any, TypeVar, cast

from stacks.base import MAX_MESSAGE, Address, Codec, Facts, Kind, Options, Served, Service
from stacks.errors import ProtocolError, Refused
from stacks.transports import dispatch, listener, loop, secure
from stacks.transports.connections import Connections
from stacks.transports.entrance import Entrance
from stacks.transports.framing import framing
from stacks.transports.framing.framing import Framing, TreeFormat
from stacks.transports.tcp.client import TcpClient

T = TypeVar("T")

_join = b"".join
_LAST_NUMBER = 0xFFFFFFFF
_WAITING = 1024
"""Replies of one connection that may wait for their simulated work."""

_Answers = dict[str, Callable[[Any], bytes]]


class TcpStack:
    """TCP with nothing but the messages of one format on it."""

    multiplexes = True
    wire = True
    tls = secure.statement()

    def __init__(self, encoding: TreeFormat) -> None:
        """Take the format of the messages; raises `StackError` for one that has no framing."""
        self._format = encoding
        self._framing = framing.find(encoding)
        self.name = f"tcp-{encoding.name}"

    @property
    def kinds(self) -> frozenset[Kind]:
        """Unary alone: the protocol knows no streams."""
        return dispatch.UNARY

    @property
    def facts(self) -> Facts:
        """What the fairness sheet says."""
        return Facts(
            concurrency="asyncio protocol on uvloop, handlers one after the other",
            threads="server: one loop; client: the caller's, which read for each other",
            nagle="off (TCP_NODELAY)",
            compression="none",
            tls="off",
            deadline="kept by the client; the server does not learn of it",
            max_message=MAX_MESSAGE,
            abilities=("deadlines", "multiplexing"),
            versions={"uvloop": metadata.version("uvloop"), **self._format.versions},
        )

    def codec(self, message: type[T]) -> Codec[T]:
        """Compile the format's codec."""
        return self._format.codec(message)

    def serve(self, service: Service, address: Address, options: Options) -> AbstractContextManager[Served]:
        """Serve until the context ends; connections are then cut."""
        limit, context = options.max_message, secure.offered(options)
        answers = {
            method.name: _answer(method, self._format, limit)
            for method in dispatch.carried(service, dispatch.UNARY)
        }

        @asynccontextmanager
        async def opened() -> AsyncIterator[Address]:
            listening = listener.listen(address)
            found = listener.bound(listening, address)
            connections = Connections()
            entrance = Entrance(
                lambda: _Connection(answers, self._framing, service.delay, limit, connections), context
            )
            await entrance.open(listening)
            try:
                yield found
            finally:
                await entrance.close()
                connections.end()
                await entrance.wait_closed()

        return loop.serve(opened)

    def connect(self, address: Address, options: Options) -> TcpClient:
        """Open a connection; raises `Unavailable`."""
        return TcpClient(address, self._format, self._framing, options)


def _answer(method: Any, encoding: TreeFormat, limit: int) -> Callable[[Any], bytes]:
    from_tree = encoding.codec(method.request).from_tree

    def decode(params: Any) -> Any:
        if type(params) is not list or len(params) != 1:
            raise ProtocolError(f"{method.name} takes an array of one message")
        return from_tree(params[0])

    return dispatch.answerer(decode, method.handler, encoding.codec(method.reply).encode, limit)


class _Connection(asyncio.Protocol):
    """One client's connection, from the server's side.

    It reads no further while the client does not take its replies, or while too many replies wait for
    their simulated work; so a client cannot make the server hold more than a chunk and its answers.
    """

    def __init__(
        self, answers: _Answers, framed: Framing, delay: float, limit: int, others: Connections
    ) -> None:
        self._answers = answers
        self._head, self._fine, self._tail = framed.reply, framed.fine, framed.answered
        self._failed = framed.failed
        self._delay = delay
        self._others = others
        self._inbox = framed.inbox(limit)
        self._messages: deque[Any] = deque()
        self._waiting = 0
        self._waiting_bytes = 0
        self._waiting_limit = 2 * limit
        self._blocked = False
        self._crowded = False
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._others.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._others.discard(self)
        self._messages.clear()

    def cut(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._inbox.read(data)
            for place, message in enumerate(messages):
                if self._full:
                    self._messages.extend(messages[place:])
                    break
                self._take(message)
        except (ProtocolError, Refused):
            self.cut()

    def pause_writing(self) -> None:
        self._blocked = True
        self._hold()

    def resume_writing(self) -> None:
        self._blocked = False
        self._go_on()

    def _hold(self) -> None:
        self._full = True
        self._transport.pause_reading()

    def _go_on(self) -> None:
        """Work off what was left when reading stopped, then read on."""
        self._full = self._blocked or self._crowded
        try:
            while self._messages and not self._full:
                self._take(self._messages.popleft())
        except (ProtocolError, Refused):
            self.cut()
        if not self._full and not self._transport.is_closing():
            self._transport.resume_reading()

    def _take(self, message: Any) -> None:
        if type(message) is not list:
            raise ProtocolError("a message is an array")
        if len(message) == 4 and message[0] == 0:  # noqa: PLR2004 -- as the specification has it
            number = message[1]
            if type(number) is not int or not 0 <= number <= _LAST_NUMBER:
                raise ProtocolError(f"a request's number has 32 bits: {number!r}")
            self._send(self._reply(number, message[2], message[3]))
        elif len(message) == 3 and message[0] == 2:  # noqa: PLR2004
            self._reply(0, message[1], message[2])
        else:
            raise ProtocolError("only requests and notifications are served")

    def _reply(self, number: int, name: Any, params: Any) -> bytes:
        try:
            answer = self._answers.get(name) if type(name) is str else None
            if answer is None:
                dispatch.reject(name)
            return _join((self._head(number), self._fine, answer(params), self._tail))
        except Exception as error:  # noqa: BLE001 -- every failure of a handler is told to its caller
            return self._head(number) + self._failed(dispatch.fault(error))

    def _send(self, reply: bytes) -> None:
        if not self._delay:
            self._transport.write(reply)
            return
        asyncio.get_running_loop().call_later(self._delay, self._send_late, reply)
        self._waiting += 1
        self._waiting_bytes += len(reply)
        if self._waiting >= _WAITING or self._waiting_bytes >= self._waiting_limit:
            self._crowded = True
            self._hold()

    def _send_late(self, reply: bytes) -> None:
        self._waiting -= 1
        self._waiting_bytes -= len(reply)
        if self._transport.is_closing():
            return
        self._transport.write(reply)
        if self._crowded and self._waiting < _WAITING and self._waiting_bytes < self._waiting_limit:
            self._crowded = False
            self._go_on()
