"""REST's server as foreign clients see it: paths, statuses, media types, problems, and streams."""

from __future__ import annotations

import dataclasses
import http.client
import json
import threading
import urllib.request
from contextlib import closing

import msgpack
import pytest
import requests

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.codecs.json import FORMAT
from stacks.testing.oracle import Oracle, Told
from stacks.transports import dispatch
from stacks.transports.web import problem

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
