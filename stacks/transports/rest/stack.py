"""REST over HTTP/1.1 with any format that has a media type: POST to ``/package.Service/Method``.

That is how grpc-gateway (``generate_unbound_methods``) and Envoy (``auto_mapping``) map methods to HTTP that
say nothing of it themselves. A message alone is a body of its own; those of a stream stand in one chunked
body, one after the other. A failure is a status and a problem (RFC 9457), but the last entry of a stream of
replies that has begun.
https://grpc-ecosystem.github.io/grpc-gateway/docs/mapping/grpc_api_configuration/#generate_unbound_methods
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing
from importlib import metadata
from typing import Any, TypeVar

from stacks.base import MAX_MESSAGE, Address, Codec, Facts, Format, Kind, Method, Options, Served, Service
from stacks.errors import ProtocolError, Refused, Remote
from stacks.transports import dispatch, secure, streams
from stacks.transports.rest.client import KINDS, RestClient, path
from stacks.transports.rest.media import Media, find
from stacks.transports.streams import Stream
from stacks.transports.web import problem, server
from stacks.transports.web.app import (
    App,
    Gone,
    Headers,
    Receive,
    Rejected,
    Scope,
    Send,
    respond,
    streamed,
    watched,
    whole,
)
from stacks.transports.web.connection import PROTOCOL

T = TypeVar("T")

_Serve = Callable[[Headers, Receive, Send], Awaitable[None]]


class RestStack:
    """REST over HTTP/1.1, messages in `encoding`."""

    multiplexes = False
    wire = True
    tls = secure.statement(PROTOCOL)

    def __init__(self, encoding: Format) -> None:
        """Take the format of the messages; raises `SchemaError` for one without a media type."""
        self._format = encoding
        self._media = find(encoding.name)
        self.name = f"rest-{encoding.name}"

    @property
    def kinds(self) -> frozenset[Kind]:
        """All but bidi: in HTTP/1.1 a response follows its request."""
        return KINDS

    @property
    def facts(self) -> Facts:
        """What the fairness sheet says."""
        return Facts(
            concurrency="asyncio on uvloop (uvicorn, httptools), handlers one after the other",
            threads="server: one loop; client: the caller's",
            nagle="off (TCP_NODELAY)",
            compression="none",
            tls="off",
            deadline="kept by the client; the server sees the connection close",
            max_message=MAX_MESSAGE,
            abilities=("deadlines", "cancellation", "metadata", "flow control", "streams"),
            versions={name: metadata.version(name) for name in ("httptools", "uvicorn", "uvloop")}
            | dict(self._format.versions),
        )

    def codec(self, message: type[T]) -> Codec[T]:
        """Compile the format's codec."""
        return self._format.codec(message)

    def serve(self, service: Service, address: Address, options: Options) -> AbstractContextManager[Served]:
        """Serve until the context ends; calls in flight are then cut."""
        routes = {}
        for method in dispatch.carried(service, KINDS):
            media = self._media
            body = media.many if method.kind is Kind.CLIENT else media.one
            routes[path(method)] = (body, self._route(method, service.delay, options.max_message))
        return server.serve(_app(routes), address, options)

    def connect(self, address: Address, options: Options) -> RestClient:
        """Open a connection; raises `Unavailable`."""
        return RestClient(address, self._format, options)

    def _route(self, method: Method[Any, Any], delay: float, limit: int) -> _Serve:
        request, encode, media = self.codec(method.request), self.codec(method.reply).encode, self._media
        if method.kind is Kind.UNARY:
            answer = dispatch.answerer(_readable(request.decode), method.handler, encode, limit)
            return _unary(answer, delay, media, limit)
        if method.kind is Kind.SERVER:
            stream = streams.streamer(method, _readable(request.decode), encode, limit, delay)
            return _server_stream(stream, media, limit)
        stream = streams.streamer(method, _readable(media.reader(request)), encode, limit, delay)
        return _client_stream(stream, media, limit)


def _app(routes: dict[str, tuple[str, _Serve]]) -> App:
    wanted = {where: (body.encode(), serve) for where, (body, serve) in routes.items()}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            media, serve = wanted[scope["path"]]
        except KeyError:
            raise Rejected(404, "UNIMPLEMENTED", f"there is no method {scope['path'][:100]!r}") from None
        if scope["method"] != "POST":
            raise Rejected(405, "UNIMPLEMENTED", f"methods are called by POST, not {scope['method']}", _ALLOW)
        headers = dict(scope["headers"])
        given = headers.get(b"content-type", b"")
        if (given != media and _plain(given) != media) or b"content-encoding" in headers:
            raise Rejected(415, "INVALID_ARGUMENT", f"the body must be {media.decode()}, and not encoded")
        await serve(headers, receive, send)

    return app


_ALLOW = (b"allow", b"POST")


def _plain(media: bytes) -> bytes:
    return media.partition(b";")[0].strip().lower()


def _readable(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        try:
            return decode(data)
        except ProtocolError as error:
            raise Remote("INVALID_ARGUMENT", f"cannot read the request: {error}") from error

    return read


async def _fail(send: Send, error: Exception) -> None:
    code, text = dispatch.fault(error)
    status = problem.status(code)
    await respond(send, status, problem.MEDIA, problem.written(status, code, text))


def _unary(answer: Callable[[bytes], bytes], delay: float, media: Media, limit: int) -> _Serve:
    content_type = media.one.encode()

    async def serve(headers: Headers, receive: Receive, send: Send) -> None:
        data = await whole(headers, receive, limit)
        try:
            reply = answer(data)
        except Exception as error:  # noqa: BLE001 -- every failure of a handler is told to its caller
            failure: Exception = error
        else:
            if delay:
                await asyncio.sleep(delay)
            await respond(send, 200, content_type, reply)
            return
        if delay:
            await asyncio.sleep(delay)
        await _fail(send, failure)

    return serve


def _server_stream(stream: Stream[bytes], media: Media, limit: int) -> _Serve:
    close = media.close
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", media.many.encode())],
    }

    async def serve(headers: Headers, receive: Receive, send: Send) -> None:
        data = await whole(headers, receive, limit)
        begun, last = False, b""
        async with (
            watched(receive),
            aclosing(stream(_one(data))) as replies,  # type: ignore[type-var]
        ):
            try:
                async for reply in replies:
                    if not begun:
                        begun = True
                        await send(start)
                    await send({"type": "http.response.body", "body": reply + close, "more_body": True})
                    # Otherwise nothing goes out, and nobody else comes in, before the handler has done all.
                    await asyncio.sleep(0)
            except Exception as error:  # noqa: BLE001
                if not begun:
                    await _fail(send, error)
                    return
                last = media.failure(*dispatch.fault(error))
            if not begun:
                await send(start)
            await send({"type": "http.response.body", "body": last})

    return serve


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _client_stream(stream: Stream[Any], media: Media, limit: int) -> _Serve:
    content_type = media.one.encode()

    async def serve(_headers: Headers, receive: Receive, send: Send) -> None:
        try:
            async with (
                aclosing(_split(receive, media, limit)) as requests,  # type: ignore[type-var]
                aclosing(stream(requests)) as replies,  # type: ignore[type-var]
            ):
                reply = await anext(replies)
        except (Gone, Rejected):
            raise
        except Exception as error:  # noqa: BLE001
            await _fail(send, error)
        else:
            await respond(send, 200, content_type, reply)

    return serve


async def _split(receive: Receive, media: Media, limit: int) -> AsyncIterator[Any]:
    splitter = media.splitter(limit)
    try:
        async for part in streamed(receive):
            for message in splitter.read(part):
                yield message
        splitter.end()
    except Refused as error:
        raise Rejected(413, "RESOURCE_EXHAUSTED", str(error)) from error
    except ProtocolError as error:
        raise Rejected(400, "INVALID_ARGUMENT", f"cannot read the requests: {error}") from error
