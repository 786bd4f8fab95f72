"""The client of GraphQL over HTTP: a document a method, its hash instead where the server keeps documents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

import msgspec

from stacks.base import Address, Method, Options, Q, R, Replies
from stacks.codecs.graphql import FORMAT
from stacks.codecs.graphql_names import root_field
from stacks.codecs.graphql_schema import document
from stacks.codecs.graphql_values import ERRORS, parse, write
from stacks.errors import CallError, ProtocolError, Refused, Timeout
from stacks.transports import dispatch
from stacks.transports.web import problem
from stacks.transports.web.client import HttpClient, Response

PATH = "/graphql"
NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
"""The code by which a server asks for the document to a hash that it does not know."""

_ERRORS = 32 * 1024
"""Bytes that a response may have around its payload, or instead of it."""
_OK = 200
_JSON = (b"application/graphql-response+json", b"application/json")

_Send = Callable[[bytes, float], Any]


class GraphqlClient:
    """One connection, with a call at a time."""

    def __init__(self, address: Address, options: Options, *, persisted: bool) -> None:
        """Connect; raises `Unavailable`. Where `persisted`, hashes are sent instead of documents."""
        self._limit = options.max_message
        self._persisted = persisted
        larger = msgspec.structs.replace(options, max_message=options.max_message + _ERRORS)
        self._http = HttpClient(address, larger)

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`; raises `SchemaError` for a reply that contains itself; no document selects all."""
        dispatch.check(method, dispatch.UNARY)
        encode, from_tree = FORMAT.codec(method.request).encode, FORMAT.codec(method.reply).from_tree
        field, limit = root_field(method), self._limit
        exchange = self._exchange(document(method), limit + len(field) + len('{"data":{"":}}'))

        def call(request: Q, timeout: float) -> R:
            payload = encode(request)
            if len(payload) > limit:
                raise Refused(dispatch.oversize("request", len(payload), limit))
            tree = exchange(payload, timeout)
            try:
                data = tree["data"][field]
            except (KeyError, TypeError):
                raise _failure(tree) from None
            if data is None or "errors" in tree:
                raise _failure(tree)
            return from_tree(data)

        return call

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], Replies[R]]:
        """Raise `SchemaError`: subscriptions are not carried."""
        dispatch.refuse(method)

    def close(self) -> None:
        """Close the connection; a call in flight is lost."""
        self._http.close()

    def _exchange(self, text: str, limit: int) -> _Send:
        """Give what sends variables with a document, or its hash, and returns the tree of the response."""
        post = self._http.poster(PATH, "application/json")
        query = b'"query":' + write(text)
        variables = b',"variables":{"input":'

        def send(start: bytes) -> _Send:
            start = b"{" + start + variables
            return lambda payload, timeout: _read(post(b"%b%b}}" % (start, payload), timeout), limit)

        if not self._persisted:
            return send(query)
        digest = hashlib.sha256(text.encode()).hexdigest()
        persisted = write({"persistedQuery": {"version": 1, "sha256Hash": digest}})
        extensions = b'"extensions":' + persisted
        return _asked(send(extensions), send(query + b"," + extensions))


def _asked(by_hash: _Send, in_full: _Send) -> _Send:
    """Send the hash, and the document too if the server asks for it, before it has called any handler."""

    def exchange(payload: bytes, timeout: float) -> Any:
        deadline = monotonic() + timeout
        tree = by_hash(payload, timeout)
        if "errors" in tree and _code(tree) == NOT_FOUND:
            try:
                return in_full(payload, deadline - monotonic())
            except Timeout:
                raise Timeout(f"no reply within {timeout:g} s") from None
        return tree

    return exchange


def _read(response: Response, limit: int) -> dict[str, Any]:
    """Give the tree of a response; raises what it tells if it is none of GraphQL's."""
    status, headers, body = response
    if status != _OK:
        media = headers.get(b"content-type", b"")
        if media.partition(b";")[0].strip().lower() not in _JSON:
            raise problem.told(status, media, body)
    try:
        tree = parse(body)
    except ERRORS as error:
        raise ProtocolError(f"the response is no JSON: {error}") from error
    if type(tree) is not dict:
        raise ProtocolError(f"the response is no JSON object: {body[:100]!r}")
    if len(body) > limit and "errors" not in tree:
        raise Refused(dispatch.oversize("reply", len(body), limit))
    return tree


def _code(tree: dict[str, Any]) -> str | None:
    """Give the code of the first error, where it has one."""
    match tree.get("errors"):
        case [{"extensions": {"code": str(code)}}, *_]:
            return code
    return None


def _failure(tree: dict[str, Any]) -> CallError:
    match tree.get("errors"):
        case [{"message": str(text)}, *_]:
            return dispatch.failure(_code(tree) or "UNKNOWN", text)
    return ProtocolError(f"the response has neither the reply nor an error: {tree!r:.200}")
