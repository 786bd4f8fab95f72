"""The client of REST: an HTTP/1.1 connection, kept alive, blocking, and cooperative under gevent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from stacks.base import Address, Format, Kind, Method, Options, Q, R, Replies
from stacks.errors import Refused, SchemaError
from stacks.transports import dispatch
from stacks.transports.rest.media import find
from stacks.transports.rest.replies import Download, Upload
from stacks.transports.sent import Sent
from stacks.transports.web import problem
from stacks.transports.web.client import HttpClient

KINDS = frozenset({Kind.UNARY, Kind.SERVER, Kind.CLIENT})
_STREAMS = KINDS - dispatch.UNARY
_OK = 200


def path(method: Method[Any, Any]) -> str:
    """Give the path of a method; raises `SchemaError` for one that belongs to no service."""
    if not method.service:
        raise SchemaError(f"method {method.name} belongs to no service; read it by stacks.service.read")
    return f"/{method.service}/{method.name}"


class RestClient:
    """One connection; a call that is made while another is in flight opens one more for itself."""

    def __init__(self, address: Address, encoding: Format, options: Options) -> None:
        """Connect; raises `Unavailable` when nobody answers within the connect timeout."""
        self._format = encoding
        self._media = find(encoding.name)
        self._limit = options.max_message
        self._http = HttpClient(address, options)

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`."""
        dispatch.check(method, dispatch.UNARY)
        encode = self._format.codec(method.request).encode
        decode = self._format.codec(method.reply).decode
        post, limit = self._http.poster(path(method), self._media.one), self._limit

        def call(request: Q, timeout: float) -> R:
            body = encode(request)
            if len(body) > limit:
                raise Refused(dispatch.oversize("request", len(body), limit))
            status, headers, data = post(body, timeout)
            if status != _OK:
                raise problem.told(status, headers.get(b"content-type", b""), data)
            return decode(data)

        return call

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], Replies[R]]:
        """Bind a method with streams."""
        dispatch.check(method, _STREAMS)
        codec = self._format.codec(method.request)
        reply: Any = self._format.codec(method.reply)
        http, limit, media = self._http, self._limit, self._media

        def encode(request: Q) -> bytes:
            body = codec.encode(request)
            if len(body) > limit:
                raise Refused(dispatch.oversize("request", len(body), limit))
            return body

        if method.kind is Kind.SERVER:
            head, decode = http.head(path(method), media.one), media.reader(reply)

            def download(requests: Iterable[Q], timeout: float) -> Replies[R]:
                body = Sent(requests, encode).only(method.name)
                return Download(http, head, body, timeout, decode, media)

            return download
        head = http.head(path(method), media.many)

        def upload(requests: Iterable[Q], timeout: float) -> Replies[R]:
            return Upload(http, head, Sent(requests, encode), timeout, reply.decode, media)

        return upload

    def close(self) -> None:
        """Close the connection; calls in flight are lost."""
        self._http.close()
