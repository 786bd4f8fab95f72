"""The hop in Python: a transparent gateway for gRPC and REST, both on one port."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from importlib import metadata

import grpc.aio

from stacks.base import Address, Route, Served
from stacks.errors import AddressError
from stacks.hops import routes as table
from stacks.hops.python_grpc import LIMITS, Channels, Passing
from stacks.transports import listener, loop

PATIENCE = 5.0
"""Seconds in which the first attempts to reach the upstreams must have come to an end."""


class PythonHop:
    """grpc.aio and an HTTP proxy on uvloop; messages are passed on as bytes.

    Where all routes carry gRPC alone, nothing stands before gRPC's own server.
    """

    name = "python"

    @property
    def carries(self) -> frozenset[str]:
        """gRPC, and what is HTTP."""
        return frozenset({"grpc", "rest", "graphql"})

    @property
    def facts(self) -> Mapping[str, str]:
        """What the fairness sheet says."""
        versions = {name: metadata.version(name) for name in ("grpcio", "h2", "httptools", "uvicorn", "uvloop")}
        return {
            "python": platform.python_version(),
            **versions,
            "processes": "1",
            "upstream": "gRPC: one connection an upstream; HTTP/1.1: one a call in flight, kept alive",
        }

    def serve(self, routes: Sequence[Route], listen: Address) -> AbstractContextManager[Served]:
        """Pass calls on until the context ends; calls in flight are then cut.

        An upstream that cannot be reached keeps nobody waiting: its calls are UNAVAILABLE until it is there.
        """
        table.check(routes)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Address]:
            async with AsyncExitStack() as stack:
                channels = Channels()
                stack.push_async_callback(channels.close)
                listener.listen(listen).close()
                await _connect(channels, routes)
                server = grpc.aio.server(options=[*LIMITS, ("grpc.so_reuseport", 0)])
                server.add_generic_rpc_handlers((Passing(routes, channels),))
                port = _bind(server, listen)
                stack.push_async_callback(server.stop, 0)
                await server.start()
                yield Address(listen.host, port)

        return loop.serve(opened)


async def _connect(channels: Channels, routes: Sequence[Route]) -> None:
    upstreams = {each.upstream: each for each in table.Table(routes, table.GRPC).routes}
    await asyncio.gather(*(channels.ready(each, PATIENCE) for each in upstreams.values()))


def _bind(server: grpc.aio.Server, address: Address) -> int:
    try:
        return server.add_insecure_port(str(address))
    except RuntimeError as error:
        raise AddressError(f"cannot listen on {address}: {error}") from error
