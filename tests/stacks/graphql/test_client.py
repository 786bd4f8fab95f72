"""The client of GraphQL, and what it makes of foreign servers."""

from __future__ import annotations

import dataclasses
import http.server
import json
import sys
import threading
from pathlib import Path

import pytest

import stacks
from stacks import shop
from stacks.base import Address, Options
from stacks.codecs import graphql_schema
from stacks.codecs.graphql import FORMAT
from stacks.errors import ProtocolError, Refused, Remote, Timeout
from stacks.testing.oracle import LONG, WIDE, Ask, Told, Wide

sys.path.insert(0, str(Path(__file__).parent))

from documents import CACHED, RESPONSE, SHOP, UNCACHED, persisted

JSON = "application/json"


@pytest.fixture
def canned(opened):
    """Run a server that gives the same response to everything; gives where it is, and what came."""

    def canned(status, media, body):
        came = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                came.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(status)
                self.send_header("content-type", media)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        opened.callback(server.server_close)
        opened.callback(thread.join)
        opened.callback(server.shutdown)
        return Address(port=server.server_port), came

    return canned


class TestForeignServers:
    def call(self, canned, offered, opened, status, media, body, name=UNCACHED):
        address, came = canned(status, media, body)
        client = stacks.find(name).connect(address, Options())
        opened.callback(client.close)
        return client.unary(offered["Tell"]), came

    def test_spaces_and_more_fields_do_no_harm(self, canned, offered, opened):
        body = b'{ "extensions": {}, "data": { "tell": { "text": "a", "id": 1, "x": [] } } }'
        tell, came = self.call(canned, offered, opened, 200, "application/json", body)
        assert tell(Ask(1, "ä"), LONG) == Told(1, "a")
        assert came == [
            {
                "query": graphql_schema.document(offered["Tell"]),
                "variables": {"input": {"id": 1, "text": "ä"}},
            }
        ]

    @pytest.mark.parametrize(
        ("response", "error", "text"),
        [
            ((200, "text/html", b"<html>"), ProtocolError, "no JSON"),
            ((200, JSON, b"[]"), ProtocolError, "no JSON object"),
            ((200, JSON, b"{}"), ProtocolError, "neither the reply nor an error"),
            ((200, JSON, b'{"data":null}'), ProtocolError, "neither the reply nor an error"),
            ((200, JSON, b'{"data":{"tell":null}}'), ProtocolError, "neither the reply nor"),
            ((200, JSON, b'{"data":{"tell":{"id":1}}}'), ProtocolError, r"Told\.text is missing"),
            ((200, JSON, b'{"errors":[{"message":"no"}]}'), Remote, "UNKNOWN: no"),
            ((200, JSON, b'{"errors":[]}'), ProtocolError, "neither"),
            ((200, JSON, b'{"errors":[5]}'), ProtocolError, "neither"),
            ((400, RESPONSE, b'{"errors":[{"message":"a","extensions":{"code":"ABORTED"}}]}'), Remote, "A"),
            ((400, JSON, b'{"errors":[{"message":"no"}]}'), Remote, "UNKNOWN: no"),
            ((500, "text/html", b"<h1>oh</h1>"), Remote, "UNKNOWN: HTTP status 500: <h1>oh</h1>"),
            ((503, "text/html", b""), Remote, "UNAVAILABLE: HTTP status 503"),
            ((413, "text/html", b""), Refused, "larger than max"),
        ],
    )  # fmt: skip
    def test_what_they_say_is_understood(self, canned, offered, opened, response, error, text):
        tell, _ = self.call(canned, offered, opened, *response)
        with pytest.raises(error, match=text) as caught:
            tell(Ask(1, "a"), LONG)
        assert type(caught.value) is error

    def test_partial_data_is_no_reply(self, canned, offered, opened):
        body = b'{"errors":[{"message":"late","path":["tell"]}],"data":{"tell":{"id":1,"text":"a"}}}'
        tell, _ = self.call(canned, offered, opened, 200, RESPONSE, body)
        with pytest.raises(Remote, match="UNKNOWN: late"):
            tell(Ask(1, "a"), LONG)

    def test_one_that_never_knows_a_hash_is_asked_twice(self, canned, offered, opened):
        body = b'{"errors":[{"message":"no","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND"}}]}'
        tell, came = self.call(canned, offered, opened, 200, "application/json", body, CACHED)
        with pytest.raises(Remote, match="PERSISTED_QUERY_NOT_FOUND"):
            tell(Ask(1, "a"), LONG)
        text = graphql_schema.document(offered["Tell"])
        variables = {"variables": {"input": {"id": 1, "text": "a"}}}
        assert came == [persisted(text) | variables, persisted(text, query=text) | variables]


def test_the_deadline_is_for_both_requests_of_a_call(serve, connect, offered, seen):
    tell = connect(serve(dataclasses.replace(offered, delay=0.2))).unary(offered["Tell"])
    with pytest.raises(Timeout, match=r"no reply within 0\.1 s"):
        tell(Ask(1, "late"), 0.1)
    assert max(seen.values(), default=0) <= 1


def test_a_shops_call(serve, connect):
    quote = connect(serve(SHOP)).unary(SHOP["Quote"])
    order = shop.order("medium")
    assert quote(order, LONG) == shop.Shop().quote(order)


def test_the_payload_is_the_variables_own_text(serve, offered):
    assert FORMAT.codec(Wide).encode(WIDE) == stacks.find(CACHED).codec(Wide).encode(WIDE)
