"""REST's client: its connections and streams, and what it makes of foreign servers."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

import stacks
from stacks import service
from stacks.base import Address, Kind, Options
from stacks.errors import ConnectionLost, ProtocolError, Refused, Remote, SchemaError, Timeout
from stacks.testing.oracle import Ask, Oracle, Told
from stacks.transports.rest.stack import RestStack
from stacks.transports.web import server

LONG = 20.0
OPTIONS = Options()
ORACLE = service.read(Oracle)
REST = stacks.find("rest-json")
PACKED = stacks.find("rest-msgpack")


def asks():
    return (Ask(number, "") for number in itertools.count())


def test_many_calls_of_a_client_are_one_connection(leading, until):
    with (
        REST.serve(ORACLE, Address(), Options()) as served,
        closing(REST.connect(served.address, Options())) as client,
    ):
        tell, seen = client.unary(ORACLE["Tell"]), set()
        for number in range(100):
            assert tell(Ask(number, "x" * number), LONG) == Told(number, "x" * number)
            if number % 10 == 0:
                seen |= {each.laddr for each in leading(served.address.port)}
        for turn in range(10):
            assert len(list(client.stream(ORACLE["Count"])([Ask(turn, "")], LONG))) == turn
            assert list(client.stream(ORACLE["Gather"])([Ask(turn, "")], LONG)) == [Told(turn, "")]
            with pytest.raises(Remote):
                list(client.stream(ORACLE["Crumble"])([Ask(turn, "ABORTED")], LONG))
            with pytest.raises(Remote):
                client.unary(ORACLE["Crash"])(Ask(1, "x"), LONG)
            seen |= {each.laddr for each in leading(served.address.port)}
    assert len(seen) == 1


@pytest.mark.parametrize("stack", [REST, PACKED], ids=["json", "msgpack"])
def test_requests_go_out_as_they_are_made(stack, connect, serve):
    came = threading.Event()

    def handle(requests_):
        total = 0
        for ask in requests_:
            total += ask.id
            came.set()
        return Told(total, "")

    def given():
        yield Ask(1, "")
        assert came.wait(LONG), "the request is kept back until more is asked"
        yield Ask(2, "")

    gather = dataclasses.replace(ORACLE["Gather"], handler=handle)
    client = connect(serve(dataclasses.replace(ORACLE, methods=(gather,))))
    assert list(client.stream(gather)(given(), LONG)) == [Told(3, "")]


def test_an_exception_of_the_requests_is_raised_from_the_reply_and_ends_the_handler(connect, until):
    ended = threading.Event()

    def handle(requests_):
        try:
            for _ in requests_:
                pass
        except GeneratorExit:
            ended.set()
            raise
        except BaseException:
            ended.set()
            raise
        return Told(0, "")

    def given():
        yield Ask(0, "")
        raise LookupError("no more paper")

    gather = dataclasses.replace(ORACLE["Gather"], handler=handle)
    offered = dataclasses.replace(ORACLE, methods=(gather, ORACLE["Tell"]))
    with (
        REST.serve(offered, Address(), Options()) as served,
        closing(REST.connect(served.address, Options())) as client,
    ):
        with pytest.raises(LookupError, match="no more paper"):
            next(client.stream(gather)(given(), LONG))
        assert ended.wait(LONG)
        assert client.unary(ORACLE["Tell"])(Ask(1, "on"), LONG) == Told(1, "on")


def test_a_request_over_the_limit_ends_an_upload():
    with (
        REST.serve(ORACLE, Address(), Options()) as served,
        closing(REST.connect(served.address, Options(max_message=1000))) as client,
    ):
        with pytest.raises(Refused, match="larger than max"):
            list(client.stream(ORACLE["Gather"])([Ask(1, ""), Ask(2, "x" * 1001)], LONG))
        with pytest.raises(Refused, match="larger than max"):
            client.stream(ORACLE["Count"])([Ask(2, "x" * 1001)], LONG)
        assert client.unary(ORACLE["Tell"])(Ask(1, "on"), LONG) == Told(1, "on")


def test_requests_that_never_end_are_given_up_in_time():
    def handle(requests_):
        for _ in requests_:
            pass
        return Told(0, "")

    gather = dataclasses.replace(ORACLE["Gather"], handler=handle)
    with (
        REST.serve(dataclasses.replace(ORACLE, methods=(gather,)), Address(), Options()) as served,
        closing(REST.connect(served.address, Options())) as client,
    ):
        start = time.monotonic()
        with pytest.raises(Timeout, match=r"0\.2 s"):
            next(client.stream(gather)(asks(), 0.2))
        assert time.monotonic() - start >= 0.2


def test_a_handler_that_does_not_read_holds_the_client_back():
    """Until the reply comes, no more is sent than the buffers in between take."""
    made, go = [], threading.Event()

    def given():
        for number in range(2000):
            made.append(number)
            if number == 1999:
                raise AssertionError("all was sent, though nobody reads")
            yield Ask(number, "x" * 100_000)

    async def app(scope, receive, send):
        await receive()
        await asyncio_wait(go)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"18")]})
        await send({"type": "http.response.body", "body": b'{"id":1,"text":""}'})

    with (
        server.serve(app, Address(), Options()) as served,
        closing(REST.connect(served.address, Options())) as client,
    ):
        threading.Timer(0.3, go.set).start()
        assert list(client.stream(ORACLE["Gather"])(given(), LONG)) == [Told(1, "")]
    assert len(made) < 1000


async def asyncio_wait(event):
    await asyncio.get_running_loop().run_in_executor(None, event.wait, LONG)


@contextlib.contextmanager
def answering(*answers):
    """Serve one connection after the other; each gets an answer to whatever it sends, and is closed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    connection.settimeout(LONG)
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Address(port=listening.getsockname()[1])
        finally:
            thread.join(LONG)
            assert not thread.is_alive()


def upload_to(talk, requests_, timeout=LONG):
    """Make a client stream to a server that is played by `talk(connection)`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(LONG)
                talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        address = Address(port=listening.getsockname()[1])
        with closing(REST.connect(address, OPTIONS)) as client:
            replies = list(client.stream(ORACLE["Gather"])(requests_, timeout))
        thread.join(LONG)
        assert not thread.is_alive()
    return replies


EARLY = b'HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{"id":1,"text":""}'


def test_no_more_requests_are_made_once_the_reply_is_there(monkeypatch):
    monkeypatch.setattr("stacks.transports.rest.replies._LOOK", 0.0)
    answered, made = threading.Event(), []

    def talk(connection):
        connection.recv(65536)
        connection.sendall(EARLY)
        answered.set()
        while connection.recv(65536):
            pass

    def given():
        for number in range(1000):
            made.append(number)
            yield Ask(number, "")
            assert answered.wait(LONG)

    assert upload_to(talk, given()) == [Told(1, "")]
    assert len(made) == 2


def test_no_more_requests_are_made_once_the_connection_has_ended(monkeypatch):
    monkeypatch.setattr("stacks.transports.rest.replies._LOOK", 3600.0)

    def talk(connection):
        connection.recv(65536)
        connection.sendall(EARLY)

    assert upload_to(talk, asks(), timeout=LONG / 4) == [Told(1, "")]


def plain(status, body=b"no", media=b"text/html"):
    return b"HTTP/1.1 %d X\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (
        status,
        media,
        len(body),
        body,
    )


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (plain(200, b"<html>"), ProtocolError, "Told"),
        (plain(404, b"<h1>Not found</h1>"), Remote, "UNIMPLEMENTED: HTTP status 404: <h1>Not found</h1>"),
        (plain(502), Remote, "UNAVAILABLE: HTTP status 502: no"),
        (plain(503), Remote, "UNAVAILABLE"),
        (plain(500), Remote, "UNKNOWN"),
        (plain(302), Remote, "UNKNOWN: HTTP status 302"),
        (plain(401), Remote, "UNAUTHENTICATED"),
        (plain(413, b"too big"), Refused, "HTTP status 413: larger than max: too big"),
        (plain(500, b"{", b"application/problem+json"), Remote, "UNKNOWN: HTTP status 500: {"),
        (plain(500, b"\xff", b"application/problem+json"), Remote, "UNKNOWN: HTTP status 500"),
        (plain(403, b'{"detail":"no"}', b"application/problem+json"), Remote, "PERMISSION_DENIED"),
        (
            plain(403, b'{"detail":"no","code":"ABORTED","more":1}', b"Application/problem+json; q=1"),
            Remote,
            "ABORTED: no",
        ),
        (plain(500, b"x" * 100_000), Refused, "larger than max"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Remote, "UNKNOWN: HTTP status 204"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("streamed", [False, True])
def test_what_a_foreign_server_says_is_understood(answer, kind, text, streamed):
    with answering(answer) as address, closing(REST.connect(address, Options(max_message=1000))) as client:
        gather, tell = client.stream(ORACLE["Gather"]), client.unary(ORACLE["Tell"])
        with pytest.raises(kind, match="(?s)" + text):
            next(gather([Ask(1, "")], LONG)) if streamed else tell(Ask(1, ""), LONG)


CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"13\r\n" + b'{"id":1,"text":""}\n' + b"\r\n", ConnectionLost, "closed the connection"),
        (b"12\r\n" + b'{"id":1,"text":""}' + b"\r\n0\r\n\r\n", ProtocolError, "in the midst of a line"),
        (b"b\r\n" + b'["ABORTED"]' + b"\r\n0\r\n\r\n", ProtocolError, "in the midst of a line"),
        (b"c\r\n" + b'["ABORTED"]\n' + b"\r\n0\r\n\r\n", ProtocolError, "neither a message nor a failure"),
        (b"3\r\n" + b"[1\n" + b"\r\n0\r\n\r\n", ProtocolError, "neither a message nor a failure"),
        (b"11\r\n" + b'["ABORTED","oh"]\n' + b"\r\n0\r\n\r\n", Remote, "ABORTED: oh"),
        (b"3\r\n" + b"no\n" + b"\r\n0\r\n\r\n", ProtocolError, "Told"),
        (b"2000\r\n" + b"x" * 8192 + b"\r\n0\r\n\r\n", Refused, "larger than max"),
    ],
)
def test_a_stream_of_replies_that_breaks_is_told_from_one_that_ends(body, kind, text):
    with (
        answering(CHUNKED + body) as address,
        closing(REST.connect(address, Options(max_message=1000))) as client,
        pytest.raises(kind, match=text),
    ):
        list(client.stream(ORACLE["Count"])([Ask(1, "")], LONG))


def test_a_stream_that_nobody_reads_to_its_end_is_closed_with_its_object(until):
    offered = service.read(Oracle)
    seen = offered["Tell"].handler.__self__.seen
    with (
        REST.serve(offered, Address(), Options()) as served,
        closing(REST.connect(served.address, Options())) as client,
    ):
        assert next(client.stream(offered["Swell"])([Ask(1, "")], LONG)).id == 0
        until(lambda: seen[-1] == 1, "the handler has ended")


def test_greenlets_wait_for_each_other_in_every_kind_of_call():
    script = Path(__file__).parent / "greenlets.py"
    slow = dataclasses.replace(ORACLE, delay=0.3)
    with REST.serve(ORACLE, Address(), OPTIONS) as first, REST.serve(slow, Address(), OPTIONS) as second:
        command = [sys.executable, "-P", script, str(first.address.port), str(second.address.port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr


def test_a_format_without_media_type_is_named():
    with pytest.raises(SchemaError, match=r"'protobuf' has no media type.*json, msgpack"):
        RestStack(stacks.find("grpc-protobuf")._format)


def test_a_method_of_no_service_is_named():
    method = dataclasses.replace(ORACLE["Tell"], service="")
    with (
        REST.serve(ORACLE, Address(), Options()) as served,
        closing(REST.connect(served.address, Options())) as client,
        pytest.raises(SchemaError, match="Tell belongs to no service"),
    ):
        client.unary(method)


def test_both_directions_at_once_are_not_carried():
    assert REST.kinds == frozenset(Kind) - {Kind.BIDI}
