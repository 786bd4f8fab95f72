"""What is particular to REST: foreign clients and servers, statuses, media types, and how streams end."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import itertools
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing

import msgpack
import pytest
import requests

import stacks
from stacks import service, shop
from stacks.base import Address, Kind, Options
from stacks.codecs.json import FORMAT
from stacks.errors import ConnectionLost, ProtocolError, Refused, Remote, SchemaError, Timeout
from stacks.testing.oracle import Ask, Oracle, Told
from stacks.transports import dispatch, problem, web_server
from stacks.transports.rest import RestStack

LONG = 20.0
OPTIONS = Options()
SHOP = service.load("stacks.shop:Shop")
ORACLE = service.read(Oracle)
REST = stacks.find("rest-json")
PACKED = stacks.find("rest-msgpack")
JSON = {"content-type": "application/json"}
LINES = {"content-type": "application/x-ndjson"}


@pytest.fixture
def url(opened):
    """Serve, and give the address as a URL."""

    def url(offered=SHOP, options=OPTIONS, stack=REST):
        return f"http://{opened.enter_context(stack.serve(offered, Address(), options)).address}"

    return url


@pytest.fixture
def session(opened):
    session = opened.enter_context(requests.Session())
    session.trust_env = False
    return session


def test_urllib_gets_a_quote(url):
    order = shop.order("small")
    request = urllib.request.Request(
        url() + "/rpcduel.Shop/Quote", FORMAT.codec(shop.Order).encode(order), JSON
    )
    with urllib.request.urlopen(request, timeout=LONG) as response:
        assert response.status == 200
        assert response.headers["content-type"] == "application/json"
        assert response.headers["transfer-encoding"] is None
        assert FORMAT.codec(shop.Receipt).decode(response.read()) == SHOP["Quote"].handler(order)


def test_requests_gets_its_note_back(url, session):
    reply = session.post(url() + "/rpcduel.Shop/Echo", json={"id": 7, "body": "AQI="}, timeout=LONG)
    assert (reply.status_code, reply.json()) == (200, {"id": 7, "body": "AQI="})


def test_a_foreign_client_gets_its_note_back_in_messagepack(url, session):
    where = url(stack=PACKED) + "/rpcduel.Shop/Echo"
    reply = session.post(
        where, msgpack.packb([7, b"body"]), headers={"content-type": "application/vnd.msgpack"}, timeout=LONG
    )
    assert (reply.status_code, msgpack.unpackb(reply.content)) == (200, [7, b"body"])
    assert reply.headers["content-type"] == "application/vnd.msgpack"


def problem_of(reply):
    assert reply.headers["content-type"] == "application/problem+json"
    return reply.json()


@pytest.mark.parametrize("code", dispatch.CODES)
def test_a_handlers_code_is_a_status_and_a_problem(url, session, code):
    where = url(ORACLE) + "/contract.Oracle/Refuse"
    reply = session.post(where, json={"id": 3, "text": code}, timeout=LONG)
    assert reply.status_code == problem.status(code)
    assert problem_of(reply) == {
        "title": reply.reason or "Client Closed Request",
        "status": reply.status_code,
        "detail": "refused no. 3",
        "code": code,
    }


def test_statuses_are_googles():
    told = {code: problem.status(code) for code in dispatch.CODES}
    assert told == {
        "CANCELLED": 499,
        "UNKNOWN": 500,
        "INVALID_ARGUMENT": 400,
        "DEADLINE_EXCEEDED": 504,
        "NOT_FOUND": 404,
        "ALREADY_EXISTS": 409,
        "PERMISSION_DENIED": 403,
        "RESOURCE_EXHAUSTED": 429,
        "FAILED_PRECONDITION": 400,
        "ABORTED": 409,
        "OUT_OF_RANGE": 400,
        "UNIMPLEMENTED": 501,
        "INTERNAL": 500,
        "UNAVAILABLE": 503,
        "DATA_LOSS": 500,
        "UNAUTHENTICATED": 401,
    }


@pytest.mark.parametrize(
    "where", ["/", "/rpcduel.Shop", "/rpcduel.Shop/", "/rpcduel.Shop/quote", "/Shop/Quote"]
)
def test_another_path_is_not_found(url, session, where):
    reply = session.post(url() + where, json={}, timeout=LONG)
    assert reply.status_code == 404
    assert problem_of(reply)["code"] == "UNIMPLEMENTED"
    assert where in problem_of(reply)["detail"]


def test_a_path_is_read_as_http_has_it(url, session):
    reply = session.post(url() + "/rpcduel.Shop/%45cho?x=y", json={"id": 1, "body": ""}, timeout=LONG)
    assert reply.status_code == 200


@pytest.mark.parametrize("verb", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_another_verb_is_not_allowed(url, session, verb):
    reply = session.request(verb, url() + "/rpcduel.Shop/Echo", timeout=LONG)
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    assert (reply.content == b"") == (verb == "HEAD")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"content-type": "text/json"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/vnd.msgpack"}, 415),
        (LINES, 415),
        (JSON | {"content-encoding": "gzip"}, 415),
        ({"content-type": "Application/JSON; charset=utf-8"}, 200),
    ],
)
def test_another_media_type_is_not_supported(url, session, headers, status):
    reply = session.post(url() + "/rpcduel.Shop/Echo", b'{"id":1,"body":""}', headers=headers, timeout=LONG)
    assert reply.status_code == status
    if status != 200:
        assert "application/json" in problem_of(reply)["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b'{"id":"one","body":""}', b"null", b"[" * 100_000]
)
def test_what_is_no_message_is_a_bad_request(url, session, body):
    reply = session.post(url() + "/rpcduel.Shop/Echo", body, headers=JSON, timeout=LONG)
    assert reply.status_code == 400
    assert problem_of(reply)["code"] == "INVALID_ARGUMENT"
    assert problem_of(reply)["detail"].startswith("cannot read the request: Note")


def test_a_body_over_the_limit_is_too_large(url, session):
    where = url(options=Options(max_message=1000)) + "/rpcduel.Shop/Echo"
    for body in (b"x" * 1001, iter([b"x" * 600] * 2)):
        reply = session.post(where, body, headers=JSON, timeout=LONG)
        assert reply.status_code == 413
        assert "larger than max" in problem_of(reply)["detail"]
        assert problem_of(reply)["code"] == "RESOURCE_EXHAUSTED"
    assert session.post(where, json={"id": 1, "body": ""}, timeout=LONG).status_code == 200


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
            assert list(client.stream(ORACLE["Enough"])(asks(), LONG)) == [Told(0, "enough")]
            with pytest.raises(Remote):
                list(client.stream(ORACLE["Crumble"])([Ask(turn, "ABORTED")], LONG))
            with pytest.raises(Remote):
                client.unary(ORACLE["Crash"])(Ask(1, "x"), LONG)
            seen |= {each.laddr for each in leading(served.address.port)}
    # A response that comes in the midst of a chunk ends the connection; that can happen to `Enough` alone.
    assert 1 <= len(seen) <= 11


def asks():
    return (Ask(number, "") for number in itertools.count())


def test_a_foreign_client_reads_a_stream_line_by_line(url, session):
    reply = session.post(
        url(ORACLE) + "/contract.Oracle/Count", json={"id": 3, "text": "é"}, stream=True, timeout=LONG
    )
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-ndjson")
    assert [json.loads(line) for line in reply.iter_lines()] == [{"id": k, "text": "é"} for k in range(3)]


def test_a_foreign_client_uploads_lines_in_chunks_of_its_own(url, session):
    body = b"".join(b'{"id":%d,"text":"x"}\n' % number for number in range(100)) + b"\n"
    pieces = (body[start : start + 7] for start in range(0, len(body), 7))
    where = url(ORACLE) + "/contract.Oracle/Gather"
    chunked = session.post(where, pieces, headers=LINES, timeout=LONG)
    whole = session.post(where, body, headers=LINES, timeout=LONG)
    assert chunked.json() == whole.json() == {"id": 4950, "text": " ".join("x" * 100)}


@pytest.mark.parametrize(
    "body", [b'{"id":1,"text":"x"', b'{"id":1}\n', b"x\n", b'{"id":1,"text":"x"}\n\xff\n']
)
def test_what_is_no_stream_of_messages_is_a_bad_request(url, session, body):
    reply = session.post(url(ORACLE) + "/contract.Oracle/Gather", body, headers=LINES, timeout=LONG)
    assert reply.status_code == 400
    assert problem_of(reply)["detail"].startswith("cannot read the request")


def test_one_line_over_the_limit_is_too_large_and_many_below_it_are_not(url, session):
    where = url(ORACLE, Options(max_message=2000)) + "/contract.Oracle/Gather"
    line = json.dumps({"id": 1, "text": "x" * 1900}).encode() + b"\n"
    assert session.post(where, line * 50, headers=LINES, timeout=LONG).json()["id"] == 50
    large = json.dumps({"id": 1, "text": "x" * 2000}).encode()
    for body in (large + b"\n", iter([large[:1200], large[1200:]])):
        reply = session.post(where, line + body if type(body) is bytes else body, headers=LINES, timeout=LONG)
        assert reply.status_code == 413
        assert problem_of(reply)["code"] == "RESOURCE_EXHAUSTED"


def test_a_failure_in_mid_stream_is_an_entry_that_is_no_message(url, session):
    call = {"id": 2, "text": "DATA_LOSS"}
    reply = session.post(url(ORACLE) + "/contract.Oracle/Crumble", json=call, timeout=LONG)
    assert reply.status_code == 200
    assert [json.loads(line) for line in reply.iter_lines()] == [
        {"id": 0, "text": ""},
        {"id": 1, "text": ""},
        ["DATA_LOSS", "crumbled after 2"],
    ]
    packed = session.post(
        url(ORACLE, stack=PACKED) + "/contract.Oracle/Crumble",
        msgpack.packb([1, "DATA_LOSS"]),
        headers={"content-type": "application/vnd.msgpack"},
        timeout=LONG,
    )
    unpacker = msgpack.Unpacker()
    unpacker.feed(packed.content)
    assert list(unpacker) == [[0, ""], {"code": "DATA_LOSS", "text": "crumbled after 1"}]


def test_a_failure_before_the_first_reply_is_a_status(url, session):
    call = {"id": 0, "text": "NOT_FOUND"}
    reply = session.post(url(ORACLE) + "/contract.Oracle/Crumble", json=call, timeout=LONG)
    assert (reply.status_code, problem_of(reply)["code"]) == (404, "NOT_FOUND")


def test_replies_go_out_as_they_are_made(url):
    told, go_on = [], threading.Event()

    def handle(ask):
        yield Told(0, "")
        assert go_on.wait(LONG)
        yield Told(1, "")

    slow = dataclasses.replace(ORACLE["Count"], handler=handle)
    where = url(dataclasses.replace(ORACLE, methods=(slow,))).removeprefix("http://")
    connection = http.client.HTTPConnection(where, timeout=LONG)
    with closing(connection):
        connection.request("POST", "/contract.Oracle/Count", b'{"id":2,"text":""}', JSON)
        response = connection.getresponse()
        told.append(response.readline())
        go_on.set()
        told.append(response.readline())
    assert [json.loads(line)["id"] for line in told] == [0, 1]


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
        web_server.serve(app, Address(), Options()) as served,
        closing(REST.connect(served.address, Options())) as client,
    ):
        threading.Timer(0.3, go.set).start()
        assert list(client.stream(ORACLE["Gather"])(given(), LONG)) == [Told(1, "")]
    assert len(made) < 1000


async def asyncio_wait(event):
    import asyncio

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
