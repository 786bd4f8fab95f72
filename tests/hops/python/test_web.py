"""HTTP/1.1 and the one port of the hop in Python: what passes, and what a peer does wrong."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from contextlib import closing

import grpc
import pytest

from stacks import hops
from stacks.base import Address, Route

LONG = 20.0


def whole(data):
    """Tell whether a request is complete."""
    head, found, body = data.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return bool(found) and len(body) >= (int(length[1]) if length else 0)


class Canned:
    """An HTTP server that sends what it is told, whatever comes, and notes that."""

    def __init__(self, answers, opened, *, close):
        self.listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.address = Address(port=self.listening.getsockname()[1])
        self.heard = []
        self.ended = threading.Event()
        self.connections = 0
        self._answers = answers
        self._close = close
        self._thread = threading.Thread(target=self._run)
        opened.callback(self._thread.join, LONG)
        opened.callback(self.listening.shutdown, socket.SHUT_RDWR)
        self._thread.start()

    def _run(self):
        with self.listening:
            while True:
                try:
                    connection, _ = self.listening.accept()
                except OSError:
                    return
                self.connections += 1
                connection.settimeout(LONG)
                with connection:
                    self._serve(connection)

    def _serve(self, connection):
        data = b""
        while part := connection.recv(65536):
            self.heard.append(part)
            data += part
            if whole(data):
                data = b""
                connection.sendall(self._answers)
                if self._close:
                    return
        self.ended.set()


@pytest.fixture
def canned(opened, pass_on):
    """Serve an answer behind a hop; gives the server and the hop's address."""

    def canned(answer, *, close=False):
        server = Canned(answer, opened, close=close)
        return server, pass_on(Route("/", server.address, "http"))

    return canned


def reach(address):
    return socket.create_connection((address.host, address.port), LONG)


def ask(address, method="GET", path="/", **given):
    with closing(http.client.HTTPConnection(address.host, address.port, timeout=LONG)) as client:
        client.request(method, path, **given)
        reply = client.getresponse()
        return reply.status, reply.headers, reply.read()


def until_closed(connection):
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: 1\r\nx: 2\r\n\r\nhi"


def test_a_request_goes_on_with_what_belongs_to_it_alone(canned):
    server, hop = canned(OK)
    headers = {"X-One": "1", "Connection": "x-secret", "X-Secret": "1", "TE": "trailers", "Cookie": "a=b; c"}
    status, found, body = ask(hop, "PUT", "/a%20b?c=%2F&d", body=b"body", headers=headers)
    assert (status, found.get_all("x"), body) == (200, ["1", "2"], b"hi")
    head, _, sent = b"".join(server.heard).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"PUT /a%20b?c=%2F&d HTTP/1.1"
    assert sent == b"body"
    assert {b"x-one: 1", b"cookie: a=b; c", b"via: 1.1 rpcduel", b"content-length: 4"} <= set(lines)
    assert b"host: %b" % str(hop).encode() in lines
    names = {line.partition(b":")[0] for line in lines}
    assert not names & {b"connection", b"x-secret", b"te", b"transfer-encoding"}


def test_a_chunked_body_stays_one(canned):
    server, hop = canned(OK)
    assert ask(hop, "POST", body=iter([b"abc", b"de"]))[0] == 200
    assert b"transfer-encoding: chunked" in b"".join(server.heard)
    assert b"content-length" not in b"".join(server.heard)


def test_a_connection_upstream_serves_again(canned):
    server, hop = canned(OK)
    assert [ask(hop)[0] for _ in range(5)] == [200] * 5
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "close", "wanted"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", True, b"to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", True, b"to the end"),
        (b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + OK, False, b"hi"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            False,
            b"abc",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, b""),
    ],
)
def test_every_length_of_response_is_understood(canned, answer, close, wanted):
    _, hop = canned(answer, close=close)
    assert ask(hop)[2] == wanted


def test_the_response_to_head_has_no_body(canned):
    _, hop = canned(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(2):
        status, headers, body = ask(hop, "HEAD")
        assert (status, headers["content-length"], body) == (200, "1000", b"")


@pytest.mark.parametrize(
    "answer",
    [b"what?\r\n\r\n", b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000],
    ids=["no HTTP", "nothing", "half a head", "endless head"],
)
def test_what_is_no_response_is_a_bad_gateway(canned, answer):
    _, hop = canned(answer, close=True)
    status, headers, body = ask(hop)
    assert (status, headers["content-type"]) == (502, "application/problem+json")
    assert b"upstream" in body


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
def test_half_a_response_is_not_taken_for_the_whole(canned, answer):
    _, hop = canned(answer, close=True)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        ask(hop)


def test_an_upstream_that_is_not_there_is_unavailable(pass_on):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    status, _, body = ask(pass_on(Route("/", Address(port=port), "http")))
    assert status == 503
    assert f"cannot connect to 127.0.0.1:{port}".encode() in body


def test_a_client_that_leaves_is_not_waited_for_upstream(canned, until):
    server, hop = canned(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
    with reach(hop) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        until(lambda: server.heard, "the request has come")
    assert server.ended.wait(LONG)


def test_requests_of_one_connection_go_each_its_way(opened, pass_on):
    one, two = (Canned(OK.replace(b"hi", name), opened, close=False) for name in (b"n1", b"n2"))
    hop = pass_on(Route("/", one.address), Route("/two/", two.address, "http"))
    with closing(http.client.HTTPConnection(hop.host, hop.port, timeout=LONG)) as client:
        for path, wanted in {"/one": b"n1", "/two/x": b"n2", "/two": b"n1"}.items():
            client.request("GET", path)
            assert client.getresponse().read() == wanted


def test_a_path_without_a_route_is_not_found(pass_on):
    hop = pass_on(Route("/t.T/", Address(port=1), "http"))
    status, _, body = ask(hop, path="/nowhere")
    assert status == 404
    assert b"no route for '/nowhere'" in body


def test_grpc_and_rest_go_to_their_own_upstreams(opened, upstream, served_in_bytes, pass_on, channel_to):
    port = opened.enter_context(served_in_bytes(upstream))
    server = Canned(OK, opened, close=False)
    hop = pass_on(Route("/", Address(port=port), "grpc"), Route("/", server.address, "http"))
    name = channel_to(hop).unary_unary("/t.T/Name", None, None)
    for _ in range(3):
        assert name(b"", timeout=LONG) == b"upstream"
        assert ask(hop, path="/t.T/Name")[2] == b"hi"


@pytest.mark.parametrize(
    "junk", [b"\xff\0junk\r\n\r\n", b"PRJ * HTTP/2.0\r\n\r\n", b"\x16\x03\x01\x02\0\x01"]
)
def test_junk_is_a_bad_request(canned, junk):
    _, hop = canned(OK)
    with reach(hop) as client:
        client.sendall(junk)
        assert until_closed(client).startswith(b"HTTP/1.1 400 ")
    assert ask(hop)[0] == 200


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.mark.parametrize("start", [b"P", PREFACE[:-1], PREFACE, PREFACE + b"\0\0\0\4\0\0\0\0\0\0\0\x08\1\4"])
def test_who_begins_and_does_not_go_on_is_cut(canned, monkeypatch, start):
    _, hop = canned(OK)
    monkeypatch.setattr("stacks.hops.python.front.PATIENCE", 0.2)
    with reach(hop) as client:
        client.sendall(start)
        until_closed(client)  # comes to an end by itself
    assert ask(hop)[0] == 200


def test_settings_without_end_are_cut(canned):
    _, hop = canned(OK)
    with reach(hop) as client:
        client.sendall(PREFACE)
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            client.sendall(b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\1" * 1_000_000)


def test_a_preface_in_pieces_is_understood(canned):
    _, hop = canned(OK)
    whole = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with reach(hop) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in whole:
            client.sendall(bytes([byte]))
        assert until_closed(client).endswith(b"hi")


def test_grpc_to_an_upstream_that_speaks_http_alone_is_unavailable(canned, channel_to):
    server, _ = canned(OK)
    with hops.find("python").serve([Route("/", server.address)], Address()) as served:
        with pytest.raises(grpc.RpcError) as caught:
            channel_to(served.address).unary_unary("/t.T/Name", None, None)(b"", timeout=LONG)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
