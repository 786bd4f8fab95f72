"""What the ASGI applications of all HTTP stacks do: read bodies within bounds, and answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from stacks.transports import dispatch
from stacks.transports.web import problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Mapping[bytes, bytes]
"""Names in lower case; of a repeated header the last value."""
Pair = tuple[bytes, bytes]

ABORT = "abort"
"""Key of a scope's ``state``: breaks the response off, so that nobody takes a half for the whole."""
BODY_PATIENCE = 60.0
"""Seconds in which a body that is read as a whole must be complete, once its head is there."""


class Gone(Exception):  # noqa: N818 -- no error of ours, nor of anybody's
    """The client has gone away, so that nobody wants an answer."""


class Rejected(Exception):  # noqa: N818 -- told to the client, not to us
    """A request that is answered by an HTTP status before any handler sees it."""

    def __init__(self, status: int, code: str, text: str, *headers: Pair) -> None:
        """Take the status, a gRPC code and text for the problem, and more headers."""
        super().__init__(status, code, text)
        self.status = status
        self.code = code
        self.text = text
        self.headers = headers


def guarded(app: App) -> App:
    """Answer what `app` rejects, and end quietly when its client or its server has gone."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Rejected as rejected:
            body = problem.written(rejected.status, rejected.code, rejected.text)
            await respond(send, rejected.status, problem.MEDIA, body, *rejected.headers)
        except (Gone, asyncio.CancelledError):
            return

    return run


async def whole(headers: Headers, receive: Receive, limit: int) -> bytes:
    """Read the body; raises `Rejected` for one of more than `limit` bytes, or a slow one, and `Gone`."""
    declared = headers.get(b"content-length")
    if declared is not None and int(declared) > limit:
        raise _too_large(headers, int(declared), limit)
    message = await receive()
    data: bytes = _part(message)
    if len(data) > limit:
        raise _too_large(headers, len(data), limit)
    return await _rest(data, receive, limit) if message["more_body"] else data


async def _rest(first: bytes, receive: Receive, limit: int) -> bytes:
    parts, size = [first], len(first)
    try:
        async with asyncio.timeout(BODY_PATIENCE):
            async for part in streamed(receive):
                size += len(part)
                if size > limit:
                    raise _too_large({}, size, limit)
                parts.append(part)
    except TimeoutError:
        raise Rejected(
            408, "DEADLINE_EXCEEDED", f"the body took longer than {BODY_PATIENCE:g} s", CLOSE
        ) from None
    return b"".join(parts)


async def streamed(receive: Receive) -> AsyncIterator[bytes]:
    """Read the body, or what is left of it, as it comes; raises `Gone`."""
    more = True
    while more:
        message = await receive()
        yield _part(message)
        more = message["more_body"]


def _part(message: MutableMapping[str, Any]) -> bytes:
    if message["type"] != "http.request":
        raise Gone
    data: bytes = message["body"]
    return data


CLOSE = (b"connection", b"close")


def _too_large(headers: Headers, size: int, limit: int) -> Rejected:
    # Who waits for leave to send its body will not send it now, so nobody could tell what comes next.
    closing = (CLOSE,) if b"expect" in headers else ()
    return Rejected(413, "RESOURCE_EXHAUSTED", dispatch.oversize("request", size, limit), *closing)


async def respond(send: Send, status: int, media: bytes, body: bytes, *headers: Pair) -> None:
    """Answer with a body of a media type."""
    length = b"%d" % len(body)
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", media), (b"content-length", length), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def watched(receive: Receive) -> AsyncIterator[None]:
    """Cancel this task when the client goes away; to be entered when the body has been read."""
    task = asyncio.current_task()
    assert task is not None

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        task.cancel()

    watcher = asyncio.get_running_loop().create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
