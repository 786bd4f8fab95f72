"""gRPC with any format: what differs between its stacks is the codec alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from importlib import import_module, metadata
from typing import Any

import grpc
import grpc.aio

from stacks.base import MAX_MESSAGE, Address, Facts, Format, Method, Options, Q, R, Served, Service
from stacks.errors import AddressError, CallError, ConnectionLost, SchemaError, Timeout, Unavailable
from stacks.transports import dispatch, listener, loop

_HANDLED = (("rpcduel-handler", "1"),)
"""Trailing metadata by which a status that a handler gave is told from one that gRPC made up on the way."""
_NO_CONNECTION = (
    "failed to connect",
    "connections to all backends failing",
    "errors resolving",
    "DNS resolution",
)


class GrpcStack:
    """gRPC over plaintext HTTP/2, messages in `encoding`."""

    multiplexes = True
    wire = True

    def __init__(self, encoding: Format) -> None:
        """Take the format of the messages."""
        self._format = encoding
        self.name = f"grpc-{encoding.name}"

    @property
    def facts(self) -> Facts:
        """What the fairness sheet says."""
        return Facts(
            concurrency="asyncio on uvloop (grpc.aio), handlers one after the other",
            threads="server: one loop and gRPC's pollers; client: the caller's and gRPC's pollers",
            nagle="off (TCP_NODELAY)",
            compression="none",
            tls="off",
            deadline="travels to the server (grpc-timeout), which stops waiting",
            max_message=MAX_MESSAGE,
            abilities=("deadlines", "cancellation", "metadata", "flow control", "streams", "multiplexing"),
            versions={name: metadata.version(name) for name in ("grpcio", "uvloop")}
            | dict(self._format.versions),
        )

    def serve(self, service: Service, address: Address, options: Options) -> AbstractContextManager[Served]:
        """Serve under ``/package.Service/Method`` until the context ends; calls in flight are then cut."""
        dispatch.unary(service)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Address]:
            server = grpc.aio.server(options=[*_limits(options), ("grpc.so_reuseport", 0)])
            server.add_generic_rpc_handlers((self._handlers(service, options),))
            port = _bind(server, address)
            await server.start()
            try:
                yield Address(address.host, port)
            finally:
                await server.stop(0)

        return loop.serve(opened)

    def connect(self, address: Address, options: Options) -> GrpcClient:
        """Make a channel with a TCP connection of its own, which the first call opens."""
        return GrpcClient(address, self._format, options)

    def _handlers(self, service: Service, options: Options) -> grpc.GenericRpcHandler[bytes, bytes]:
        handlers = {}
        for method in dispatch.unary(service):
            requests, replies = self._format.codec(method.request), self._format.codec(method.reply)
            answer = dispatch.answerer(requests.decode, method.handler, replies.encode, options.max_message)
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(_served(answer, service.delay))
        return grpc.method_handlers_generic_handler(service.name, handlers)


def _limits(options: Options) -> list[tuple[str, int]]:
    return [
        ("grpc.max_send_message_length", options.max_message),
        ("grpc.max_receive_message_length", options.max_message),
        ("grpc.enable_retries", 0),
    ]


def _bind(server: grpc.aio.Server, address: Address) -> int:
    # gRPC says neither why it cannot listen nor keeps its own log quiet about it; a plain socket does both.
    listener.listen(address).close()
    try:
        return int(server.add_insecure_port(str(address)))
    except RuntimeError as error:
        raise AddressError(f"cannot listen on {address}: {error}") from error


def _served(answer: Callable[[bytes], bytes], delay: float) -> Callable[[bytes, Any], Any]:
    # Bytes are decoded here and not by gRPC, which would log a traceback and lose the text.
    async def serve(data: bytes, context: Any) -> bytes:
        try:
            reply = answer(data)
        except Exception as error:  # noqa: BLE001 -- every failure of a handler is told to its caller
            code, text = dispatch.fault(error)
        else:
            if delay:
                await asyncio.sleep(delay)
            return reply
        if delay:
            await asyncio.sleep(delay)
        await context.abort(grpc.StatusCode[code], text, _HANDLED)
        raise AssertionError("abort always raises")

    return serve


class GrpcClient:
    """A channel with one TCP connection, opened at the first call, and again after it was lost."""

    def __init__(self, address: Address, encoding: Format, options: Options) -> None:
        """Make the channel; nothing is sent yet."""
        self._format = encoding
        self._channel = grpc.insecure_channel(
            str(address),
            [
                *_limits(options),
                # Otherwise channels with equal arguments share one connection.
                ("grpc.use_local_subchannel_pool", 1),
                # gRPC gives an attempt to connect this long, too; its own default is 20 s.
                ("grpc.min_reconnect_backoff_ms", max(1, round(options.connect_timeout * 1000))),
            ],
        )

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`, whose path is ``/package.Service/Method``."""
        dispatch.check_unary(method)
        if not method.service:
            raise SchemaError(f"method {method.name} belongs to no service; read it by stacks.service.read")
        # Encoding and decoding out here costs the same as inside of gRPC, which would swallow their errors.
        encode = self._format.codec(method.request).encode
        decode = self._format.codec(method.reply).decode
        invoke = self._channel.unary_unary(f"/{method.service}/{method.name}", None, None)

        def call(request: Q, timeout: float) -> R:
            data = encode(request)
            try:
                reply = invoke(data, timeout)
            except grpc.RpcError as error:
                raise _translated(error, timeout) from error
            except ValueError as error:  # what gRPC raises for a closed channel
                raise Unavailable(f"the channel cannot be used: {error}") from error
            return decode(reply)

        return call

    def close(self) -> None:
        """Close the channel; calls in flight are lost.

        gRPC closes the socket in a thread of its own, within some milliseconds, and cannot be asked about it.
        """
        self._channel.close()


def _translated(error: Any, timeout: float) -> CallError:
    """Make our error from gRPC's.

    gRPC has UNAVAILABLE both for a connection that could not be made and for one that broke under the
    call; only the text tells which. Where a handler chose the status, the trailing metadata say so.
    """
    code, text = error.code(), error.details() or ""
    if any(entry in _HANDLED for entry in map(tuple, error.trailing_metadata() or ())):
        return dispatch.failure(code.name, text)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Timeout(f"no reply within {timeout:g} s")
    if code is grpc.StatusCode.UNAVAILABLE and any(sign in text for sign in _NO_CONNECTION):
        return Unavailable(text)
    # CANCELLED comes from a channel that is closed under a call, by us or by a server that stops.
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return ConnectionLost(text)
    return dispatch.failure(code.name, text)


def protobuf() -> GrpcStack:
    """Make ``grpc-protobuf``."""
    return GrpcStack(_load("protobuf"))


def msgpack() -> GrpcStack:
    """Make ``grpc-msgpack``."""
    return GrpcStack(_load("msgpack"))


def _load(name: str) -> Format:
    """Import a codec when it is wanted, so that its package is needed only then."""
    encoding: Format = import_module(f"stacks.codecs.{name}").FORMAT
    return encoding
