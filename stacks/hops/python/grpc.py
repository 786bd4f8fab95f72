"""Passes gRPC calls of every kind on as bytes, and with them metadata, deadline, cancellation and status."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

import grpc
import grpc.aio

from stacks.base import Address, Route
from stacks.hops.routes import GRPC, Table

LARGEST = 64 * 1024 * 1024
"""Bytes of one message, either way: both ends have smaller limits of their own, and say so themselves."""
METADATA = 16 * 1024
"""Bytes of metadata, either way; gRPC answers RESOURCE_EXHAUSTED where there are more."""
PAUSE = 0.01
"""Seconds without a request after which the end of requests is not passed on at once."""
GRACE = 0.002
"""Seconds that it then waits for news that the call was cancelled."""
_PATHS = 4096
"""Paths whose handlers are kept; more come only from a caller who makes them up."""
_NEVER = 2**31 - 1

LIMITS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", LARGEST),
    ("grpc.max_receive_message_length", LARGEST),
    # Between these two, gRPC refuses at random.
    ("grpc.max_metadata_size", METADATA),
    ("grpc.absolute_max_metadata_size", METADATA),
)
_UPSTREAM: tuple[tuple[str, int], ...] = (
    *LIMITS,
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.client_idle_timeout_ms", _NEVER),
    # The time that an attempt to connect gets, and the pauses between attempts.
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)

Serve = Callable[[Any, Any], Awaitable[Any]]
_EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]
_Connectivity = grpc.ChannelConnectivity
_DECIDED = (_Connectivity.READY, _Connectivity.TRANSIENT_FAILURE)


class Channels:
    """One channel for each upstream, whose calls share a connection."""

    def __init__(self) -> None:
        """Have none."""
        self._channels: dict[Address, grpc.aio.Channel] = {}

    def get(self, upstream: Address) -> grpc.aio.Channel:
        """Give the channel to `upstream`, and begin to connect it."""
        channel = self._channels.get(upstream)
        if channel is None:
            channel = grpc.aio.insecure_channel(str(upstream), _UPSTREAM)
            self._channels[upstream] = channel
            channel.get_state(try_to_connect=True)
        return channel

    async def ready(self, route: Route, patience: float) -> None:
        """Wait until a first attempt to connect has come to an end, for up to `patience` seconds.

        If it failed, a channel for gRPC alone goes on trying; another is made when the first call needs it.
        """
        channel = self.get(route.upstream)
        state = channel.get_state()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while state not in _DECIDED:
                    await channel.wait_for_state_change(state)
                    state = channel.get_state()
        if state is not _Connectivity.READY and route.kind != GRPC:
            await self._channels.pop(route.upstream).close(None)

    async def close(self) -> None:
        """Close all of them; calls in flight are cancelled."""
        await asyncio.gather(*(channel.close(None) for channel in self._channels.values()))
        self._channels.clear()


class Passing(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Finds for each call the upstream by its path, and passes it on."""

    def __init__(self, routes: Sequence[Route], channels: Channels) -> None:
        """Take the routes; calls to paths of none of them are UNIMPLEMENTED."""
        self._table = Table(routes, GRPC)
        self._channels = channels
        self._handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Give the handler of a path, which is kept."""
        handler = self._handlers.get(details.method)
        if handler is None:
            handler = self._handler(details.method)
            if len(self._handlers) < _PATHS:
                self._handlers[details.method] = handler
        return handler

    def _handler(self, path: str) -> grpc.RpcMethodHandler[bytes, bytes]:
        route = self._table.find(path)
        if route is None:
            return grpc.stream_stream_rpc_method_handler(_unrouted(path))
        channel = self._channels.get(route.upstream)
        if path in route.unary:
            return grpc.unary_unary_rpc_method_handler(_one(channel.unary_unary(path, None, None)))
        return grpc.stream_stream_rpc_method_handler(_many(channel.stream_stream(path, None, None)))


def _unrouted(path: str) -> Serve:
    async def serve(_requests: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no route for {path[:200]!r}")

    return serve


def _sent_on(metadata: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    # The channel has a user agent of its own, and gRPC would send both.
    return [each for each in metadata if each[0] != "user-agent"]


def _one(invoke: Any) -> Serve:
    async def serve(request: bytes, context: Any) -> bytes:
        call = invoke(
            request, timeout=context.time_remaining(), metadata=_sent_on(context.invocation_metadata())
        )
        try:
            reply: bytes = await call
            if initial := await call.initial_metadata():
                await context.send_initial_metadata(tuple(initial))
            if trailing := await call.trailing_metadata():
                context.set_trailing_metadata(tuple(trailing))
        except grpc.aio.AioRpcError as error:
            failure = error
        else:
            return reply
        if initial := failure.initial_metadata():
            await context.send_initial_metadata(tuple(initial))
        await context.abort(failure.code(), failure.details() or "", tuple(failure.trailing_metadata()))
        raise AssertionError("abort always raises")

    return serve


def _many(invoke: Any) -> Serve:
    # Such a handler and such a call carry every kind; messages are read only as fast as they are taken.
    async def serve(_requests: Any, context: Any) -> None:
        call = invoke(timeout=context.time_remaining(), metadata=_sent_on(context.invocation_metadata()))
        upward = asyncio.create_task(_upward(context, call))
        try:
            await context.send_initial_metadata(tuple(await call.initial_metadata()))
            read, write = call.read, context.write
            while (reply := await read()) is not _EOF:
                await write(reply)
            if trailing := await call.trailing_metadata():
                context.set_trailing_metadata(tuple(trailing))
        except grpc.aio.AioRpcError as error:
            await _fail(context, error)
        finally:
            upward.cancel()
            call.cancel()

    return serve


async def _upward(context: Any, call: Any) -> None:
    # A call that is over takes no more requests; how it ended is told where its replies are read. Its own
    # `write` would put INTERNAL in the place of that.
    with suppress(grpc.aio.AioRpcError, grpc.aio.InternalError, grpc.aio.UsageError):
        read, write = context.read, call._cython_call.send_serialized_message  # noqa: SLF001
        request, asked = await read(), 0.0
        await call.wait_for_connection()
        while request is not _EOF:
            await write(request)
            asked = monotonic()
            request = await read()
        # gRPC says first that no more requests come, and then whether that is so because the caller has gone;
        # who has sent nothing for a while is likely to have done so, and the upstream must not act on a part.
        await asyncio.sleep(GRACE if asked and monotonic() - asked > PAUSE else 0)
        await call.done_writing()


async def _fail(context: Any, error: grpc.aio.AioRpcError) -> None:
    context.set_code(error.code())
    context.set_details(error.details() or "")
    context.set_trailing_metadata(tuple(error.trailing_metadata()))
