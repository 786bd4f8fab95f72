"""The hop in Python: a transparent gateway for gRPC and REST, both on one port."""

from __future__ import annotations

import asyncio
import platform
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from importlib import metadata

import grpc.aio

from stacks.base import Address, Options, Route, Served
from stacks.errors import AddressError
from stacks.hops import routes as table
from stacks.hops.python.front import Front
from stacks.hops.python.grpc import LIMITS, Channels, Passing
from stacks.hops.python.h2 import Connections
from stacks.hops.python.web import Upstreams, app
from stacks.transports import listener, loop
from stacks.transports.web.server import Server

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
        libraries = ("grpcio", "h2", "httptools", "uvicorn", "uvloop")
        versions = (f"{name} {metadata.version(name)}" for name in libraries)
        return {
            "version": ", ".join((f"Python {platform.python_version()}", *versions)),
            "processes": "one, with one loop",
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
                yield await _open(routes, listen, stack)

        return loop.serve(opened)


async def _open(routes: Sequence[Route], listen: Address, stack: AsyncExitStack) -> Address:
    listening = listener.listen(listen)
    stack.callback(listening.close)
    found = listener.bound(listening, listen)
    channels, upstreams = Channels(), Upstreams()
    stack.push_async_callback(channels.close)
    stack.callback(upstreams.close)
    await _connect(routes, channels, upstreams)
    server = grpc.aio.server(options=[*LIMITS, ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((Passing(routes, channels),))
    if all(route.kind == table.GRPC for route in routes):
        listening.close()
        _bind(server, found)
        await server.start()
        stack.push_async_callback(server.stop, 0)
        return found
    # In the abstract namespace: no file is left behind, however we end.
    name = f"rpcduel-{secrets.token_hex(16)}"
    server.add_insecure_port(f"unix-abstract:{name}")
    await server.start()
    stack.push_async_callback(server.stop, 0)
    passing = app(routes, upstreams)
    web, web2 = Server(passing, Options()), Connections(passing)
    front = Front(f"\0{name}", web.accept, web2.accept)
    accepting = await asyncio.get_running_loop().create_server(
        front.accept, sock=listening, backlog=listener.BACKLOG
    )
    stack.push_async_callback(accepting.wait_closed)
    for each in (web2, web, front):
        stack.push_async_callback(each.end)
    stack.callback(accepting.close)
    return found


async def _connect(routes: Sequence[Route], channels: Channels, upstreams: Upstreams) -> None:
    grpcs = {each.upstream: each for each in table.Table(routes, table.GRPC).routes}
    webs = {each.upstream for each in routes if each.kind == table.HTTP}
    await asyncio.gather(
        *(channels.ready(each, PATIENCE) for each in grpcs.values()),
        *(upstreams.get(each).ready() for each in webs),
    )


def _bind(server: grpc.aio.Server, address: Address) -> None:
    try:
        server.add_insecure_port(str(address))
    except RuntimeError as error:
        raise AddressError(f"cannot listen on {address}: {error}") from error
