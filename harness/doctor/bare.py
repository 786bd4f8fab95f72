"""Stacks with nothing of ours in the way of a call, for doctor to hold ours against.

They carry what doctor sends and no more: no limits, no translated errors, no deadline but the library's.
Named by their paths, such as ``harness.doctor.bare:grpc``.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
import msgpack

from stacks import find
from stacks.base import Address, Codec, Facts, Kind, Method, Options, Q, R, Replies, Served, Service, Stack
from stacks.codecs.msgpack import FORMAT
from stacks.transports import dispatch, listener, loop

T = TypeVar("T")

_AT_ONCE = 64 * 1024


class _Bare:
    """What both have in common: the facts of the stack that they are held against."""

    wire = True
    multiplexes = False

    def __init__(self, path: str, like: str) -> None:
        """Take a path as the name, and the stack that is `like` this one."""
        self.name = path
        self._like: Stack = find(like)

    @property
    def kinds(self) -> frozenset[Kind]:
        """Unary alone."""
        return dispatch.UNARY

    @property
    def facts(self) -> Facts:
        """Those of the other one."""
        return self._like.facts

    def codec(self, message: type[T]) -> Codec[T]:
        """MessagePack."""
        return FORMAT.codec(message)


class BareGrpc(_Bare):
    """grpcio as its examples use it, with our codec as (de)serializers."""

    def serve(self, service: Service, address: Address, options: Options) -> AbstractContextManager[Served]:
        """Serve unary methods by grpc.aio."""
        del options
        handlers = {method.name: _handler(method) for method in dispatch.carried(service, dispatch.UNARY)}

        @asynccontextmanager
        async def opened() -> AsyncIterator[Address]:
            server = grpc.aio.server()
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.name, handlers),))
            port = server.add_insecure_port(str(address))
            await server.start()
            try:
                yield Address(address.host, port)
            finally:
                await server.stop(0)

        return loop.serve(opened)

    def connect(self, address: Address, options: Options) -> BareGrpcClient:
        """Make a channel."""
        del options
        return BareGrpcClient(address)


def _handler(method: Method[Any, Any]) -> Any:
    handle = method.handler

    async def serve(request: Any, _context: Any) -> Any:
        return handle(request)

    decode, encode = FORMAT.codec(method.request).decode, FORMAT.codec(method.reply).encode
    return grpc.unary_unary_rpc_method_handler(serve, decode, encode)


class BareGrpcClient:
    """A channel."""

    def __init__(self, address: Address) -> None:
        """Make it, with a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        self._channel = grpc.insecure_channel(str(address), options)

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`."""
        path = f"/{method.service}/{method.name}"
        encode, decode = FORMAT.codec(method.request).encode, FORMAT.codec(method.reply).decode
        return cast("Callable[[Q, float], R]", self._channel.unary_unary(path, encode, decode))

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], Replies[R]]:
        """Raise `SchemaError`."""
        dispatch.refuse(method)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


class BareTcp(_Bare):
    """A ping-pong of the bytes of MessagePack-RPC between a plain socket and a protocol on uvloop.

    Both sides remember what they have seen, so that nothing but bytes goes to and fro; it stands for what
    a call costs whose messages need neither be written nor read.
    """

    def serve(self, service: Service, address: Address, options: Options) -> AbstractContextManager[Served]:
        """Serve unary methods."""
        del options
        methods = {method.name: method for method in dispatch.carried(service, dispatch.UNARY)}

        @asynccontextmanager
        async def opened() -> AsyncIterator[Address]:
            listening = listener.listen(address)
            found = listener.bound(listening, address)
            open_: set[asyncio.Transport] = set()
            running = asyncio.get_running_loop()
            server = await running.create_server(lambda: _Pong(methods, open_), sock=listening)
            try:
                yield found
            finally:
                server.close()
                for transport in tuple(open_):
                    transport.abort()
                await server.wait_closed()

        return loop.serve(opened)

    def connect(self, address: Address, options: Options) -> BareTcpClient:
        """Open a connection."""
        del options
        return BareTcpClient(address)


class _Pong(asyncio.Protocol):
    """Answers each chunk that it gets, which is a whole request here."""

    def __init__(self, methods: dict[str, Method[Any, Any]], open_: set[asyncio.Transport]) -> None:
        self._methods = methods
        self._open = open_
        self._known: dict[bytes, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        reply = self._known.get(data)
        if reply is None:
            reply = self._known[data] = self._answer(data)
        self._transport.write(reply)

    def _answer(self, data: bytes) -> bytes:
        _, number, name, (tree,) = msgpack.unpackb(data, timestamp=3)
        method = self._methods[name]
        reply = method.handler(FORMAT.codec(method.request).from_tree(tree))
        head = msgpack.packb([1, number, None])
        answer: bytes = FORMAT.codec(method.reply).encode(reply)
        return b"\x94" + bytes(head[1:]) + answer


class BareTcpClient:
    """One connection, one call at a time."""

    def __init__(self, address: Address) -> None:
        """Connect."""
        self._socket = socket.create_connection((address.host, address.port), 5.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`."""
        encode, decode = FORMAT.codec(method.request).encode, FORMAT.codec(method.reply).from_tree
        send, receive = self._socket.send, self._socket.recv
        frames: dict[int, tuple[Q, bytes]] = {}
        replies: dict[bytes, R] = {}

        def call(request: Q, _timeout: float) -> R:
            known = frames.get(id(request))
            if known is None:
                head = msgpack.packb([0, 0x01020304, method.name])
                known = frames[id(request)] = request, b"\x94" + head[1:] + b"\x91" + encode(request)
            send(known[1])
            data = receive(_AT_ONCE)
            reply = replies.get(data)
            if reply is None:
                reply = replies[data] = decode(msgpack.unpackb(data, timestamp=3)[3])
            return reply

        return call

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], Replies[R]]:
        """Raise `SchemaError`."""
        dispatch.refuse(method)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def grpc_msgpack() -> BareGrpc:
    """Make the one that is held against ``grpc-msgpack``."""
    return BareGrpc(f"{__name__}:grpc_msgpack", "grpc-msgpack")


def tcp_msgpack() -> BareTcp:
    """Make the one that is held against ``tcp-msgpack``."""
    return BareTcp(f"{__name__}:tcp_msgpack", "tcp-msgpack")
