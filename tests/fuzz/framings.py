"""Whatever cuts a connection into messages, in pieces as they may come; and what answers GraphQL."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import msgpack
from decoders import nests
from tally import Target

from stacks import service
from stacks.codecs import graphql, graphql_schema
from stacks.errors import CallError
from stacks.shop import Order, Shop, order
from stacks.transports.framing.inbox import Inbox
from stacks.transports.framing.json import JsonInbox
from stacks.transports.graphql.engine import Engine
from stacks.transports.rest.media import Lines, Trees
from stacks.transports.web.connection import Incoming
from stacks.transports.yamux.session import HEAD, Session

LIMIT = 256 * 1024
"""Bytes of one message, so that inputs reach it."""
_PIECES = (1, 7, 100, 65536, 65536)
"""Bytes in which an input comes, in turn."""


def targets() -> list[Target]:
    """Give a target for everything that reads from a connection by itself."""
    return [
        _fed("inbox msgpack", _msgpack, lambda: Inbox(LIMIT).read),
        _fed("inbox json", _json, lambda: JsonInbox(LIMIT).read),
        _fed("stream of json lines", _json, lambda: _ended(Lines(LIMIT))),
        _fed("stream of msgpack", _msgpack, lambda: _ended(Trees(LIMIT))),
        _fed("HTTP response", _responses, _response),
        _fed("yamux, client's side", lambda: _yamux(2), lambda: _session(client=True)),
        _fed("yamux, server's side", lambda: _yamux(1), lambda: _session(client=False)),
        Target("GraphQL requests", _requests, _engine(bytes)),
        Target("GraphQL documents", _documents, _engine(_request)),
    ]


def _fed(
    name: str, right: Callable[[], list[bytes]], make: Callable[[], Callable[[bytes], object]]
) -> Target:
    """Make a target that is new for every input, and gets it in pieces."""
    sizes = itertools.cycle(_PIECES)

    def attempt(data: bytes) -> str:
        read, size = make(), max(next(sizes), len(data) // 1000)
        try:
            for start in range(0, len(data), size):
                read(data[start : start + size])
        except CallError as error:
            return type(error).__name__
        return "accepted"

    return Target(name, lambda: (right(), nests()), attempt)


def _msgpack() -> list[bytes]:
    request = [0, 1, "Quote", [[1, "a", msgpack.Timestamp(1, 5), 0, False, 0.5, [["bolt", 1, 2]]]]]
    return [msgpack.packb(request), msgpack.packb([1, 7, None, [1, "x", {}]]) * 3]


def _json() -> list[bytes]:
    request = [0, 1, "Quote", [{"id": 1, "customer": "Gr\u00fc\u00dfe", "lines": [{"article": "x"}]}]]
    return [json.dumps(request).encode() + b"\n", b'[1,7,null,{"a":"\\ud83d\\ude9a"}]\r\n' * 3]


def _ended(splitter: Any) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        splitter.read(data)
        if not data:
            splitter.end()

    return read


def _responses() -> list[bytes]:
    return [
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n3;a=b\r\n[1]\r\n0\r\nx: y\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\nno such thing",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\x81\x00",
    ]


def _response() -> Callable[[bytes], None]:
    incoming = Incoming()
    incoming.expect(LIMIT)
    return incoming.feed


def _yamux(number: int) -> list[bytes]:
    """Write conversations in which the peer opens the streams from `number` on."""
    data = b"\xa5Quote\x90"
    opened = HEAD.pack(0, 0, 1, number, len(data)) + data
    return [
        opened + HEAD.pack(0, 1, 4, number, 0),
        opened + HEAD.pack(0, 1, 0, number, 70_000) + HEAD.pack(0, 1, 8, number, 0),
        HEAD.pack(0, 2, 1, 0, 5) + HEAD.pack(0, 3, 0, 0, 0) + opened,
        b"".join(HEAD.pack(0, 0, 5, number + 2 * place, 1) + b"\x90" for place in range(300)),
        HEAD.pack(0, 0, 2, 3 - number, 4) + b"\x92\x00\x90\x90" + HEAD.pack(0, 1, 4, 3 - number, 0),
    ]


def _session(*, client: bool) -> Callable[[bytes], None]:
    session = Session(client=client)
    for _ in range(3 if client else 0):
        opened = session.open()
        assert opened is not None
        session.data(opened, b"\xa5Quote\x90")

    def read(data: bytes) -> None:
        session.receive(data)
        held = sum(len(stream.unread) for stream in session.streams.values())
        allowed = 256 * 1024 * len(session.streams)
        if held > allowed or len(session.streams) > 1024 or len(session.control) > max(12 * len(data), 12):
            raise AssertionError(
                f"{held} bytes of {len(session.streams)} streams, {len(session.control)} to send"
            )
        session.control.clear()

    return read


def _engine(request: Callable[[bytes], bytes]) -> Callable[[bytes], str]:
    engine = Engine(service.read(Shop), LIMIT, persisted=True)

    def attempt(data: bytes) -> str:
        answer = engine.answer(request(data))
        json.loads(answer.body)
        return "accepted" if answer.status == 200 and b'"errors"' not in answer.body else "refused"

    return attempt


def _request(document: bytes) -> bytes:
    return json.dumps({"query": document.decode("latin-1")}).encode()


def _requests() -> tuple[list[bytes], list[bytes]]:
    text = graphql_schema.document(service.read(Shop)["Quote"])
    tree = json.loads(graphql.FORMAT.codec(Order).encode(order("small")))
    called = {"query": text, "variables": {"input": tree}}
    digest = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}}
    right = [called, {**called, "extensions": digest}, {**called, "query": None, "extensions": digest}]
    return [json.dumps(each).encode() for each in right], nests()


def _documents() -> tuple[list[bytes], list[bytes]]:
    text = graphql_schema.document(service.read(Shop)["Quote"])
    nested = [
        head * depth + tail * depth for head, tail in _NESTED for depth in (10, 100, 300, 1000, 2000, 10_000)
    ]
    return [text.encode(), *map(str.encode, _QUERIES)], [*map(str.encode, nested)]


_QUERIES = (
    "{__schema{types{name fields{name type{name ofType{name}}}}}}",
    'query Q($a:Int=1){...F @include(if:false)__type(name:"\\u{1F69A}"){name}}fragment F on Query{a}',
    'mutation{echo(input:{id:1,body:"eHg="}){id body}}',
    "subscription S{x}",
)
_NESTED = (
    ("{a", "}"),
    ("{", ""),
    ("{a(b:[", "])}"),
    ("{a(b:", ""),
    ("query Q($a:[", ""),
    ("{a(b:{c:", "})}"),
    ("{...F}fragment F on Query", ""),
    ("{...on Query", "}"),
    ("{__schema", "}"),
    ("[", "]"),
)
