"""GraphQL over HTTP/1.1, with documents cached by their hash or sent and parsed with every call.

Requests are POSTs to ``/graphql``, as https://graphql.github.io/graphql-over-http/draft/ has them; documents
are cached as https://www.apollographql.com/docs/apollo-server/performance/apq has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib import metadata
from typing import TypeVar

from stacks.base import MAX_MESSAGE, Address, Codec, Facts, Kind, Options, Served, Service
from stacks.codecs.graphql import FORMAT
from stacks.transports import dispatch, secure
from stacks.transports.graphql.client import PATH, GraphqlClient
from stacks.transports.graphql.engine import SOURCE, Engine
from stacks.transports.web import server
from stacks.transports.web.app import App, Receive, Rejected, Scope, Send, respond, whole
from stacks.transports.web.connection import PROTOCOL

T = TypeVar("T")

_JSON = b"application/json"
_RESPONSE = b"application/graphql-response+json"
_ENVELOPE = 2 * SOURCE
"""Bytes that a request may have around its payload: mostly a document, in which JSON doubles line ends."""


class GraphqlStack:
    """GraphQL whose clients send a document once, and its hash from then on."""

    name = "graphql-json"
    multiplexes = False
    wire = True
    tls = secure.statement(PROTOCOL)
    persisted = True
    """Whether documents are cached."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """Unary alone: subscriptions are not carried."""
        return dispatch.UNARY

    @property
    def facts(self) -> Facts:
        """What the fairness sheet says."""
        return Facts(
            concurrency="asyncio on uvloop (uvicorn), handlers one after the other under graphql-core",
            threads="server: one loop; client: the caller's",
            nagle="off (TCP_NODELAY)",
            compression="none",
            tls="off",
            deadline="kept by the client; the server does not learn of it",
            max_message=MAX_MESSAGE,
            abilities=("deadlines",),
            versions=_versions(),
        )

    def codec(self, message: type[T]) -> Codec[T]:
        """JSON as it stands in variables and data; raises `SchemaError` for names that GraphQL refuses."""
        return FORMAT.codec(message)

    def serve(self, service: Service, address: Address, options: Options) -> AbstractContextManager[Served]:
        """Serve under ``/graphql`` until the context ends; connections are then cut."""
        engine = Engine(service, options.max_message, persisted=self.persisted)
        return server.serve(_app(engine, service.delay, options), address, options)

    def connect(self, address: Address, options: Options) -> GraphqlClient:
        """Open a connection; raises `Unavailable`."""
        return GraphqlClient(address, options, persisted=self.persisted)


class UncachedGraphqlStack(GraphqlStack):
    """GraphQL whose clients send the whole document with every call, to be parsed and validated anew."""

    name = "graphql-json-uncached"
    persisted = False


def _versions() -> dict[str, str]:
    libraries = ("graphql-core", "uvicorn", "httptools", "uvloop")
    return {name: metadata.version(name) for name in libraries} | dict(FORMAT.versions)


def _app(engine: Engine, delay: float, options: Options) -> App:
    answer, limit = engine.answer, options.max_message + _ENVELOPE

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        _check(scope, headers)
        answered = answer(await whole(headers, receive, limit))
        if delay and answered.executed:
            await asyncio.sleep(delay)
        if _wants_json(headers):
            status = 200 if answered.wellformed else answered.status
            await respond(send, status, _JSON, answered.body)
        else:
            await respond(send, answered.status, _RESPONSE, answered.body)

    return app


def _check(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """Raise `Rejected` for what is no POST of JSON to the one path that there is."""
    if scope["path"] != PATH:
        raise Rejected(404, "UNIMPLEMENTED", f"there is no {scope['path']!r:.100}; GraphQL is at {PATH}")
    if scope["method"] != "POST":
        raise Rejected(405, "UNIMPLEMENTED", "only POST is served", (b"allow", b"POST"))
    media = headers.get(b"content-type", b"")
    plain = media == _JSON or media.partition(b";")[0].strip().lower() == _JSON
    if not plain or b"content-encoding" in headers:
        raise Rejected(415, "INVALID_ARGUMENT", "the body must be application/json, and not encoded")


def _wants_json(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a client of the time before GraphQL had a media type asks."""
    accepted = headers.get(b"accept")
    return accepted is not None and _JSON in accepted and _RESPONSE not in accepted
