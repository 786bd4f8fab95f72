"""Calls of MessagePack messages, each on a stream of hashicorp's yamux, over plain TCP.

`message.py` says what stands on a stream, `session.py` how streams share a connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from importlib import metadata
from typing import Any, TypeVar

from stacks.base import MAX_MESSAGE, Address, Codec, Facts, Kind, Method, Options, Served, Service
from stacks.transports import dispatch, listener, loop, secure, streams
from stacks.transports.connections import Connections
from stacks.transports.entrance import Entrance
from stacks.transports.framing.framing import TreeFormat
from stacks.transports.yamux.client import YamuxClient
from stacks.transports.yamux.server import Offer, YamuxConnection

T = TypeVar("T")

_KINDS = frozenset(Kind)


class YamuxStack:
    """Multiplexing by hand, of messages in MessagePack."""

    multiplexes = True
    wire = True
    tls = secure.statement()

    def __init__(self, encoding: TreeFormat) -> None:
        """Take the format of the messages; it is MessagePack, in which names of methods and failures are."""
        self._format = encoding
        self.name = f"yamux-{encoding.name}"

    @property
    def kinds(self) -> frozenset[Kind]:
        """All of them."""
        return _KINDS

    @property
    def facts(self) -> Facts:
        """What the fairness sheet says."""
        return Facts(
            concurrency="asyncio protocol on uvloop, handlers one after the other",
            threads="server: one loop; client: the caller's, which read for each other, and one a call that "
            "streams requests",
            nagle="off (TCP_NODELAY)",
            compression="none",
            tls="off",
            deadline="kept by the client, which then resets the stream and so ends the call",
            max_message=MAX_MESSAGE,
            abilities=("deadlines", "cancellation", "flow control", "streams", "multiplexing"),
            versions={"uvloop": metadata.version("uvloop"), **self._format.versions},
        )

    def codec(self, message: type[T]) -> Codec[T]:
        """Compile the format's codec."""
        return self._format.codec(message)

    def serve(self, service: Service, address: Address, options: Options) -> AbstractContextManager[Served]:
        """Serve until the context ends; connections are then cut."""
        context = secure.offered(options)
        offers = {
            method.name.encode(): _offer(method, self._format, options.max_message, service.delay)
            for method in dispatch.carried(service, _KINDS)
        }

        @asynccontextmanager
        async def opened() -> AsyncIterator[Address]:
            listening = listener.listen(address)
            found = listener.bound(listening, address)
            connections = Connections()
            entrance = Entrance(
                lambda: YamuxConnection(offers, service.delay, options.max_message, connections), context
            )
            await entrance.open(listening)
            try:
                yield found
            finally:
                await entrance.close()
                connections.end()
                await entrance.wait_closed()

        return loop.serve(opened)

    def connect(self, address: Address, options: Options) -> YamuxClient:
        """Open a connection; raises `Unavailable`."""
        return YamuxClient(address, self._format, options)


def _offer(method: Method[Any, Any], encoding: TreeFormat, limit: int, delay: float) -> Offer:
    requests, encode = encoding.codec(method.request), encoding.codec(method.reply).encode
    if method.kind is Kind.UNARY:
        return Offer(method.kind, dispatch.answerer(requests.decode, method.handler, encode, limit), None)
    stream = streams.streamer(method, requests.from_tree, encode, limit, delay)
    return Offer(method.kind, None, stream)
