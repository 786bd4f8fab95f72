"""Passes HTTP requests on over HTTP/1.1, whatever version they came by, and bodies as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from stacks.base import Address, Route
from stacks.hops.python.upstream import Connection, Lost, Upstream
from stacks.hops.routes import HTTP, Table
from stacks.transports.web.app import ABORT, App, Gone, Pair, Receive, Rejected, Scope, Send

_HOP_BY_HOP = frozenset(
    b"connection expect keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
"""https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, and what uvicorn has answered already."""
_STATUSES = range(200, 600)


class Upstreams:
    """One `Upstream` for each address."""

    def __init__(self) -> None:
        """Have none."""
        self._upstreams: dict[Address, Upstream] = {}

    def get(self, address: Address) -> Upstream:
        """Give the upstream at `address`."""
        return self._upstreams.setdefault(address, Upstream(address))

    def close(self) -> None:
        """Close all connections."""
        for upstream in self._upstreams.values():
            upstream.close()


def app(routes: Sequence[Route], upstreams: Upstreams) -> App:
    """Make the ASGI application that passes requests on, which needs `ABORT` in the state of scopes."""
    table = Table(routes, HTTP)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"].decode("ascii", "replace")
        route = table.find(path)
        if route is None:
            raise Rejected(404, "UNIMPLEMENTED", f"no route for {path[:200]!r}")
        upstream = upstreams.get(route.upstream)
        try:
            connection = await upstream.take()
        except Lost as error:
            raise Rejected(503, "UNAVAILABLE", str(error)) from error
        try:
            await _pass(connection, scope, receive, send)
        except BaseException:
            connection.close()
            raise
        upstream.give(connection)

    return serve


async def _pass(connection: Connection, scope: Scope, receive: Receive, send: Send) -> None:
    chunked = any(each[0] == b"transfer-encoding" for each in scope["headers"])
    connection.begin(scope["method"])
    await connection.send(_head(scope, chunked=chunked))
    upload = _Upload(connection, receive, chunked=chunked)
    begun = False
    try:
        await connection.head()
        if connection.status not in _STATUSES:
            raise Lost(f"the upstream sent the status {connection.status}")  # noqa: TRY301
        headers = _end_to_end(connection.headers)
        await send({"type": "http.response.start", "status": connection.status, "headers": headers})
        begun = True
        while part := await connection.part():
            last = connection.complete
            await send({"type": "http.response.body", "body": part, "more_body": not last})
            if last:
                break
        else:
            await send({"type": "http.response.body", "body": b""})
    except Lost as error:
        if not begun:
            raise Rejected(502, "UNAVAILABLE", str(error)) from error
        scope["state"][ABORT]()
        await upload.gone()
        raise Gone from error
    finally:
        upload.stop()
    if not upload.done:
        connection.reusable = False


class _Upload:
    """Passes the request's body on, and cancels the call when the client goes away."""

    def __init__(self, connection: Connection, receive: Receive, *, chunked: bool) -> None:
        self.done = False
        """Whether all of the body has been passed on."""
        self._call = asyncio.current_task()
        self._connection = connection
        self._receive = receive
        self._frame: Callable[[bytes], bytes] = _chunk if chunked else bytes
        self._last = b"0\r\n\r\n" if chunked else b""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        receive, send = self._receive, self._connection.send
        while (message := await receive())["type"] == "http.request":
            if self.done:
                continue
            more = message["more_body"]
            data = self._frame(message["body"]) if message["body"] else b""
            if not more:
                data += self._last
                self.done = True
            if data:
                await send(data)
        assert self._call is not None
        self._call.cancel()

    def stop(self) -> None:
        self._task.cancel()

    async def gone(self) -> None:
        """Wait until the client's end of the connection is closed, which it soon is."""
        self._task.cancel()
        while (await self._receive())["type"] == "http.request":
            pass


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _head(scope: Scope, *, chunked: bool) -> bytes:
    target = scope["raw_path"]
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    lines = [b"%b %b HTTP/1.1" % (scope["method"].encode(), target)]
    lines += [b"%b: %b" % each for each in _end_to_end(scope["headers"])]
    # A gateway must say that it was here: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.3
    lines.append(b"via: %b rpcduel" % scope["http_version"].encode())
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    return b"\r\n".join((*lines, b"", b""))


def _end_to_end(headers: Iterable[Pair]) -> list[Pair]:
    dropped = _HOP_BY_HOP
    for name, value in headers:
        if name == b"connection":
            dropped |= {each.strip().lower() for each in value.split(b",")} - {b"content-length"}
    return [each for each in headers if each[0] not in dropped]
