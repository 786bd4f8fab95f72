"""Which requests a hop takes for gRPC and which for plain HTTP, found by asking it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from stacks.base import LOOPBACK, Address, Hop, Route
from stacks.errors import CallError
from stacks.hops import http2
from stacks.hops.routing import PREFIX, QUESTIONS, Answer, Question

_PATIENCE = 5.0
_WHO = "rpcduel-upstream"
"""Header by which the upstreams say who they are."""
_HEADERS = ((":status", "200"), ("content-type", "application/grpc"), (_WHO, "grpc"))
_TRAILERS = (("grpc-status", "0"), (_WHO, "grpc"))
"""Who answered stands here, too: grpc.aio at times loses the headers of a response without a message."""
_BODY = b"\0\0\0\0\0"
"""An empty message, as gRPC frames it."""


def probe(hop: Hop) -> list[Answer]:
    """Ask `hop` all `QUESTIONS`, with an upstream of each kind that it carries behind it.

    Raises what `Hop.serve` raises.
    """
    with http2.answering(_HEADERS, _TRAILERS) as grpc, _http() as plain:
        routes = [Route(PREFIX, grpc, "grpc")]
        if "rest" in hop.carries:
            routes.append(Route(PREFIX, plain, "http"))
        with hop.serve(routes, Address()) as served:
            return [_asked(question, served.address) for question in QUESTIONS]


def _asked(question: Question, address: Address) -> Answer:
    ask = _ask_1 if question.protocol == "HTTP/1.1" else _ask_2
    try:
        found = ask(question, address)
    except CallError as error:
        return Answer(question, "", 0, None, str(error))
    except (OSError, http.client.HTTPException) as error:
        return Answer(question, "", 0, None, str(error) or type(error).__name__)
    code = found.get("grpc-status")
    return Answer(question, found.get(_WHO, ""), int(found[":status"]), int(code) if code else None)


def _ask_1(question: Question, address: Address) -> dict[str, str]:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=_PATIENCE)
    headers = {"content-type": question.content_type} if question.content_type else {}
    try:
        connection.request(question.method, question.path, _body(question) or None, headers)
        response = connection.getresponse()
        response.read()
        return {":status": str(response.status)} | {
            name.lower(): value for name, value in response.getheaders()
        }
    finally:
        connection.close()


def _ask_2(question: Question, address: Address) -> dict[str, str]:
    headers = [
        (":method", question.method),
        (":scheme", "http"),
        (":authority", str(address)),
        (":path", question.path),
        ("te", "trailers"),
    ]
    if question.content_type:
        headers.append(("content-type", question.content_type))
    return http2.ask(address, headers, _body(question), _PATIENCE)


def _body(question: Question) -> bytes:
    return _BODY if question.method == "POST" else b""


class _Plain(BaseHTTPRequestHandler):
    """Answers everything with an empty body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read the body, of which the length is given or that is chunked, and answer."""
        if self.headers.get("transfer-encoding"):
            while int(self.rfile.readline(100), 16):
                self.rfile.readline(100)
            self.rfile.readline(100)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header(_WHO, "http")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _http() -> Iterator[Address]:
    with ThreadingHTTPServer((LOOPBACK, 0), _Plain) as server:
        serving = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        serving.start()
        try:
            yield Address(LOOPBACK, server.server_address[1])
        finally:
            server.shutdown()
            serving.join()
