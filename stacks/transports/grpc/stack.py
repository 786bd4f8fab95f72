"""gRPC with any format: what differs between its stacks is the codec alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from importlib import metadata
from typing import Any, TypeVar

import grpc
import grpc.aio

from stacks.base import (
    MAX_MESSAGE,
    STREAM_LIMIT,
    Address,
    Codec,
    Facts,
    Format,
    Kind,
    Options,
    Served,
    Service,
)
from stacks.errors import AddressError
from stacks.transports import dispatch, listener, loop, streams
from stacks.transports.grpc.client import HANDLED, GrpcClient, limits
from stacks.transports.grpc.secure import STATEMENT, server_credentials
from stacks.transports.streams import Stream

T = TypeVar("T")

_KINDS = frozenset(Kind)
_ABILITIES = ("deadlines", "cancellation", "metadata", "flow control", "streams", "multiplexing")


class GrpcStack:
    """gRPC over HTTP/2, messages in `encoding`."""

    multiplexes = True
    wire = True
    tls = STATEMENT

    def __init__(self, encoding: Format) -> None:
        """Take the format of the messages."""
        self._format = encoding
        self.name = f"grpc-{encoding.name}"

    @property
    def kinds(self) -> frozenset[Kind]:
        """All of them."""
        return _KINDS

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
            abilities=(*_ABILITIES, STREAM_LIMIT),
            versions={name: metadata.version(name) for name in ("grpcio", "uvloop")}
            | dict(self._format.versions),
        )

    def codec(self, message: type[T]) -> Codec[T]:
        """Compile the format's codec."""
        return self._format.codec(message)

    def serve(self, service: Service, address: Address, options: Options) -> AbstractContextManager[Served]:
        """Serve under ``/package.Service/Method`` until the context ends; calls in flight are then cut."""
        handlers = self._handlers(service, options)
        credentials = None if options.tls is None else server_credentials(options.tls)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Address]:
            most = [("grpc.max_concurrent_streams", options.max_streams)] if options.max_streams else []
            server = grpc.aio.server(options=[*limits(options), ("grpc.so_reuseport", 0), *most])
            server.add_generic_rpc_handlers((handlers,))
            port = _bind(server, address, credentials)
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
        handlers: dict[str, Any] = {}
        for method in dispatch.carried(service, _KINDS):
            decode, encode = self.codec(method.request).decode, self.codec(method.reply).encode
            limit, delay = options.max_message, service.delay
            if method.kind is Kind.UNARY:
                answer = dispatch.answerer(decode, method.handler, encode, limit)
                handlers[method.name] = grpc.unary_unary_rpc_method_handler(_served(answer, delay))
            else:
                stream = streams.streamer(method, decode, encode, limit, delay)
                handlers[method.name] = _STREAMED[method.kind](stream)
        return grpc.method_handlers_generic_handler(service.name, handlers)


def _bind(server: grpc.aio.Server, address: Address, credentials: grpc.ServerCredentials | None) -> int:
    # gRPC says neither why it cannot listen nor keeps its own log quiet about it; a plain socket does both.
    listener.listen(address).close()
    try:
        if credentials is None:
            return int(server.add_insecure_port(str(address)))
        return int(server.add_secure_port(str(address), credentials))
    except RuntimeError as error:
        raise AddressError(f"cannot listen on {address}: {error}") from error


def _served(answer: Callable[[bytes], bytes], delay: float) -> Callable[[bytes, Any], Any]:
    # Bytes are decoded here and not by gRPC, which would log a traceback and lose the text.
    async def serve(data: bytes, context: Any) -> bytes:
        try:
            reply = answer(data)
        except Exception as error:  # noqa: BLE001 -- every failure of a handler is told to its caller
            failure: Exception = error
        else:
            if delay:
                await asyncio.sleep(delay)
            return reply
        if delay:
            await asyncio.sleep(delay)
        await _abort(context, failure)
        raise AssertionError("abort always raises")

    return serve


async def _abort(context: Any, error: Exception) -> None:
    code, text = dispatch.fault(error)
    await context.abort(grpc.StatusCode[code], text, HANDLED)


def _server_stream(stream: Stream[bytes]) -> Any:
    async def serve(data: bytes, context: Any) -> AsyncIterator[bytes]:
        async with aclosing(stream(_one(data))) as replies:  # type: ignore[type-var]
            try:
                async for reply in replies:
                    yield reply
            except Exception as error:  # noqa: BLE001 -- every failure of a handler is told to its caller
                await _abort(context, error)

    return grpc.unary_stream_rpc_method_handler(serve)


def _client_stream(stream: Stream[bytes]) -> Any:
    async def serve(requests: AsyncIterator[bytes], context: Any) -> bytes:
        async with aclosing(stream(requests)) as replies:  # type: ignore[type-var]
            try:
                return await anext(replies)
            except Exception as error:  # noqa: BLE001
                await _abort(context, error)
        raise AssertionError("abort always raises")

    return grpc.stream_unary_rpc_method_handler(serve)


def _bidi(stream: Stream[bytes]) -> Any:
    async def serve(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async with aclosing(stream(requests)) as replies:  # type: ignore[type-var]
            try:
                async for reply in replies:
                    yield reply
            except Exception as error:  # noqa: BLE001
                await _abort(context, error)

    return grpc.stream_stream_rpc_method_handler(serve)


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


_STREAMED = {Kind.SERVER: _server_stream, Kind.CLIENT: _client_stream, Kind.BIDI: _bidi}
