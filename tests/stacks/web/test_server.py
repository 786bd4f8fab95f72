"""The HTTP server with small applications, called by hand: what it stands, and what it holds at most."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest

from stacks.base import Address, Options
from stacks.transports.web import server
from stacks.transports.web.app import Rejected, respond, watched, whole

LONG = 20.0
LIMIT = 100_000
OPTIONS = Options(max_message=LIMIT)
OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"


async def echo(scope, receive, send):
    """Answer with what came: the path, and the body."""
    body = await whole(dict(scope["headers"]), receive, LIMIT)
    await respond(send, 200, b"text/plain", scope["path"].encode() + b" " + body)


@pytest.fixture
def peer(opened):
    """Make a server of an application; gives what opens connections to it."""

    def peer(app, options=OPTIONS):
        served = opened.enter_context(server.serve(app, Address(), options))

        def connect():
            where = (served.address.host, served.address.port)
            return opened.enter_context(socket.create_connection(where, LONG))

        return connect

    return peer


def said(connection):
    """Read until the server closes."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            data += part
    return data


def exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        assert part, f"closed after {data!r}"
        data += part
    return data


def answer(body):
    return OK + b"content-length: %d\r\n\r\n%b" % (len(body), body)


def works(connect):
    connection = connect()
    connection.sendall(b"POST /on HTTP/1.1\r\ncontent-length: 1\r\n\r\nx")
    return exactly(connection, len(answer(b"/on x"))) == answer(b"/on x")


def test_a_response_has_no_more_than_the_application_says(peer):
    connection = peer(echo)()
    connection.sendall(b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi")
    assert exactly(connection, len(answer(b"/a hi"))) == answer(b"/a hi")


def test_requests_in_any_pieces_on_one_connection(peer):
    connection = peer(echo)()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    chunked = (
        b"POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nsum: 1\r\n\r\n"
    )
    for byte in b"POST /a HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi" + chunked:
        connection.sendall(bytes([byte]))
    expected = answer(b"/a hi") + answer(b"/b hi")
    assert exactly(connection, len(expected)) == expected


def test_pipelined_requests_are_answered_in_order(peer):
    connection = peer(echo)()
    connection.sendall(b"".join(b"POST /%d HTTP/1.1\r\ncontent-length: 1\r\n\r\nx" % k for k in range(400)))
    expected = b"".join(answer(b"/%d x" % k) for k in range(400))
    assert exactly(connection, len(expected)) == expected


def test_a_pipeline_without_end_is_cut(peer):
    started, go = threading.Event(), asyncio.Event()

    async def app(scope, receive, send):
        if scope["path"] == "/on":
            await echo(scope, receive, send)
            return
        started.set()
        await go.wait()

    connect = peer(app)
    connection = connect()
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert started.wait(LONG)
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * (server.PIPELINED + 1))
    # The first request is still waiting for its answer, so nothing else may be said.
    assert said(connection) == b""
    assert works(connect)


def test_nothing_is_read_while_requests_wait(peer):
    """Each request that is answered would otherwise let in another piece of what comes behind them all."""
    go = asyncio.Event()

    async def app(scope, receive, send):
        if scope["method"] == "POST":
            await go.wait()
        await asyncio.sleep(0.001)
        await echo(scope, receive, send)

    connection = peer(app)()
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * 400)
    connection.sendall(b"POST / HTTP/1.1\r\ncontent-length: 1000000000\r\n\r\n")
    expected = answer(b"/ ") * 400
    connection.settimeout(0.5)
    sent = 0
    with pytest.raises(TimeoutError):  # noqa: PT012 -- some call of many must be the first that blocks
        while sent < 10**9:
            sent += connection.send(bytes(100_000))
    assert sent < 20_000_000, "as much as the system's own buffers hold, but not more"
    connection.settimeout(LONG)
    assert exactly(connection, len(expected)) == expected


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(b"\0" * 300, 400, id="zeros"),
        pytest.param(b"HELLO\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400, id="length is no number"),
        pytest.param(
            b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            400,
            id="two lengths",
        ),
        pytest.param(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400, id="no chunk"),
        pytest.param(b"\r\n" * 500_000, 431, id="empty lines"),
        pytest.param(b"GET /" + b"x" * 1_000_000, 431, id="a path without end"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200_000, 431, id="headers without end"),
        pytest.param(b"GET / HTTP/1.1\r\nx: " + b"y" * 1_000_000, 431, id="a header without end"),
        pytest.param(
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + b"x: y\r\n" * 200_000,
            431,
            id="trailers without end",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"x" * 1_000_000,
            431,
            id="a chunk's extension without end",
        ),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_and_disturbs_nobody(peer, head, status):
    connect = peer(echo)
    connection = connect()
    with contextlib.suppress(ConnectionError):  # the server has had enough before all is sent
        connection.sendall(head)
    reply = said(connection)
    assert reply.startswith(b"HTTP/1.1 %d " % status), reply
    assert b"\r\nconnection: close\r\n" in reply
    assert works(connect)


def test_a_head_that_does_not_get_finished_is_given_up(peer, monkeypatch):
    monkeypatch.setattr(server, "HEAD_PATIENCE", 0.1)
    connect = peer(echo)
    slow = [connect() for _ in range(50)]
    for connection in slow:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: ")
    assert works(connect)
    for connection in slow:
        assert said(connection).startswith(b"HTTP/1.1 408 ")


def test_a_head_may_come_late_and_a_connection_rest(peer, monkeypatch):
    monkeypatch.setattr(server, "HEAD_PATIENCE", 0.1)
    connection, done = peer(echo)(), threading.Event()
    for _ in range(2):
        assert not done.wait(0.2)
        connection.sendall(b"POST /a HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi")
        assert exactly(connection, len(answer(b"/a hi"))) == answer(b"/a hi")


def test_a_body_that_does_not_get_finished_is_given_up(peer, monkeypatch):
    monkeypatch.setattr("stacks.transports.web.app.BODY_PATIENCE", 0.1)
    connect = peer(echo)
    connection = connect()
    connection.sendall(b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nx")
    reply = said(connection)
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"DEADLINE_EXCEEDED"' in reply
    assert works(connect)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"content-length: %d\r\n\r\n" % (LIMIT + 1), id="declared"),
        pytest.param(b"content-length: %d\r\n\r\n" % 10**15, id="declared, enormous"),
        pytest.param(
            b"transfer-encoding: chunked\r\n\r\n" + b"a00\r\n%b\r\n" % bytes(0xA00) * 50, id="undeclared"
        ),
    ],
)  # fmt: skip
def test_a_body_over_the_limit_is_refused_before_it_has_come(peer, request_):
    connect = peer(echo)
    connection = connect()
    connection.sendall(b"POST / HTTP/1.1\r\n" + request_)
    assert connection.recv(12) == b"HTTP/1.1 413"
    assert works(connect)


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_read_to_its_end(peer):
    connection = peer(echo)()
    connection.sendall(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (LIMIT, bytes(LIMIT)))
    assert exactly(connection, len(answer(b"/ " + bytes(LIMIT))))[:12] == b"HTTP/1.1 200"
    connection.sendall(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (LIMIT + 1, bytes(LIMIT + 1)))
    connection.sendall(b"POST /a HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi")
    data = b""
    while not data.endswith(answer(b"/a hi")):
        part = connection.recv(65536)
        assert part, f"closed after {data!r}"
        data += part
    assert data.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_nobody_wants_is_not_read_for_ever(peer):
    connection = peer(echo)()
    connection.sendall(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % 10**12)
    assert connection.recv(12) == b"HTTP/1.1 413"
    with pytest.raises(ConnectionError):  # noqa: PT012 -- some call of many must be the first that fails
        for _ in range(1000):
            connection.sendall(bytes(1_000_000))


@pytest.mark.parametrize(("size", "first"), [(3, b"HTTP/1.1 100 "), (LIMIT + 1, b"HTTP/1.1 413 ")])
def test_who_asks_for_leave_to_send_a_body_gets_an_answer(peer, size, first):
    connection = peer(echo)()
    connection.sendall(b"POST /a HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % size)
    assert exactly(connection, len(first)) == first
    if size == 3:
        assert exactly(connection, 12) == b"Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert exactly(connection, len(answer(b"/a abc"))) == answer(b"/a abc")
    else:
        assert b"\r\nconnection: close\r\n" in said(connection)


def test_http_1_0_and_close_end_the_connection(peer):
    connect = peer(echo)
    for head in (b"POST / HTTP/1.0\r\n", b"POST / HTTP/1.1\r\nconnection: close\r\n"):
        connection = connect()
        connection.sendall(head + b"content-length: 1\r\n\r\nx")
        assert said(connection).endswith(b"\r\n\r\n/ x")


def test_a_head_answer_has_no_body(peer):
    connection = peer(echo)()
    connection.sendall(b"HEAD /a HTTP/1.1\r\nconnection: close\r\n\r\n")
    reply = said(connection)
    assert b"\r\ncontent-length: 3\r\n" in reply
    assert reply.endswith(b"\r\n\r\n")


def test_what_an_application_rejects_is_a_problem(peer):
    async def app(scope, receive, send):
        raise Rejected(405, "UNIMPLEMENTED", "not like this", (b"allow", b"POST"))

    connection = peer(app)()
    connection.sendall(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
    head, _, body = said(connection).partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[:3] == [
        b"HTTP/1.1 405 Method Not Allowed",
        b"content-type: application/problem+json",
        b"content-length: %d" % len(body),
    ]
    assert b"\r\nallow: POST" in head
    assert body == (
        b'{"title":"Method Not Allowed","status":405,"detail":"not like this","code":"UNIMPLEMENTED"}'
    )


def test_a_broken_application_is_an_internal_error_and_logged(peer, caplog):
    async def app(scope, receive, send):
        raise LookupError("a defect")

    connection = peer(app)()
    connection.sendall(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert said(connection).startswith(b"HTTP/1.1 500 ")
    assert "a defect" in caplog.text


@pytest.mark.parametrize("more", [b"", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n" * 3])
def test_a_watched_task_ends_when_the_client_goes(peer, more):
    """Where requests wait, nothing is read, so that only what is sent shows that nobody is there."""
    begun, ended = threading.Event(), threading.Event()

    async def app(scope, receive, send):
        await whole(dict(scope["headers"]), receive, LIMIT)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async with watched(receive):
            begun.set()
            try:
                while True:
                    if more:
                        await send({"type": "http.response.body", "body": b"x", "more_body": True})
                    await asyncio.sleep(0 if more else 3600)
            finally:
                ended.set()

    connection = peer(app)()
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n" + more)
    assert begun.wait(LONG)
    connection.close()
    assert ended.wait(LONG)


def test_a_server_stops_with_every_kind_of_connection_open_and_says_nothing(caplog, descriptors, until):
    at_work = threading.Event()

    async def app(scope, receive, send):
        await whole(dict(scope["headers"]), receive, LIMIT)
        at_work.set()
        await asyncio.sleep(3600)

    before, threads = descriptors(), set(threading.enumerate())
    with contextlib.ExitStack() as connections, server.serve(app, Address(), Options()) as served:
        where = (served.address.host, served.address.port)
        for data in (
            b"",
            b"GET",
            b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nx",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n" * 3,
        ):
            connection = connections.enter_context(socket.create_connection(where, LONG))
            connection.sendall(data)
        assert at_work.wait(LONG)
    until(lambda: descriptors() <= before, "all sockets are closed")
    assert set(threading.enumerate()) <= threads
    assert not caplog.records


def test_small_responses_are_not_held_back(peer):
    """uvloop turns Nagle's algorithm off by itself."""
    seen = []

    async def app(scope, receive, send):
        seen.append(
            receive.__self__.transport.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY
            )
        )
        await echo(scope, receive, send)

    assert works(peer(app))
    assert seen == [1]
