"""The messages of MessagePack-RPC as lines of JSON, spoken by hand from either side."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading

import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.errors import ProtocolError, Refused, Remote, Unavailable
from stacks.testing.oracle import Ask, Oracle, Told

LONG = 20.0
OPTIONS = Options()
TCP = stacks.find("tcp-json")
SHOP = service.load("stacks.shop:Shop")


@contextlib.contextmanager
def by_hand(talk):
    """Serve one connection with `talk(connection, lines)` in a thread; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        failed = []

        def serve():
            try:
                connection, _ = listening.accept()
                connection.settimeout(LONG)
                with connection, connection.makefile("rb") as lines:
                    talk(connection, lines)
            except Exception as error:  # noqa: BLE001 -- the test's own thread looks at it
                failed.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Address(port=listening.getsockname()[1])
        finally:
            thread.join(LONG)
            assert not thread.is_alive()
            assert not failed, failed


@pytest.fixture
def peer(opened):
    """A connection by hand to a server of ours; gives what to send on and the lines that come."""

    def peer(offered, options=OPTIONS):
        served = opened.enter_context(TCP.serve(offered, Address(), options))
        made = socket.create_connection((served.address.host, served.address.port), LONG)
        opened.enter_context(made)
        return made, opened.enter_context(made.makefile("rb"))

    return peer


def line(tree):
    return json.dumps(tree).encode() + b"\n"


def echo(number, note, body=b""):
    return line([0, number, "Echo", [{"id": note, "body": base64.b64encode(body).decode()}]])


def test_what_we_send_is_a_line_of_json():
    got = []

    def talk(connection, lines):
        got.append(lines.readline())
        connection.sendall(b'[1,1,null,{"id":5,"body":"Ym9keQ=="}]\n')
        assert lines.read() == b""

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as client:
        assert client.unary(SHOP["Echo"])(shop.Note(5, b"body"), LONG) == shop.Note(5, b"body")
    assert got == [b'[0,1,"Echo",[{"id":5,"body":"Ym9keQ=="}]]\n']


def test_what_we_answer_is_a_line_of_json(peer):
    connection, lines = peer(SHOP)
    connection.sendall(b'[0,4294967295,"Echo",[{"body":"Ym9keQ==","id":5,"new":1}]]\r\n')
    assert lines.readline() == b'[1,4294967295,null,{"id":5,"body":"Ym9keQ=="}]\n'
    connection.sendall(b'[0,0,"Nothing",[{}]]\n')
    assert lines.readline() == b'[1,0,["UNIMPLEMENTED","there is no method \'Nothing\'"],null]\n'


@pytest.mark.parametrize(
    "params",
    [[], [{"id": 5, "body": ""}, 6], {}, None, [{"id": "five", "body": ""}], [{"id": 5}], [[5, ""]], [None]],
)
def test_a_request_that_does_not_fit_fails_alone(peer, params):
    connection, lines = peer(SHOP)
    connection.sendall(line([0, 3, "Echo", params]) + echo(4, 5))
    kind, number, error, result = json.loads(lines.readline())
    assert (kind, number, error[0], result) == (1, 3, "INTERNAL", None)
    assert error[1].startswith("cannot read the request: ")
    assert lines.readline() == b'[1,4,null,{"id":5,"body":""}]\n'


def test_requests_of_the_same_number_are_answered_each(peer):
    connection, lines = peer(SHOP)
    connection.sendall(echo(7, 1) + echo(7, 2))
    assert [json.loads(lines.readline()) for _ in range(2)] == [
        [1, 7, None, {"id": note, "body": ""}] for note in (1, 2)
    ]


def test_notifications_are_served_without_an_answer(peer):
    connection, lines = peer(SHOP)
    connection.sendall(line([2, "Echo", [{"id": 1, "body": ""}]]) + line([2, "Nothing", [{}]]) + echo(9, 3))
    assert json.loads(lines.readline())[:3] == [1, 9, None]


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"\n", id="an empty line"),
        pytest.param(b"no json\n", id="no json"),
        pytest.param(b'"text"\n', id="no array"),
        pytest.param(b'{"0":0}\n', id="an object"),
        pytest.param(b"[]\n", id="an empty array"),
        pytest.param(b'[0,1,"Echo"]\n', id="too short"),
        pytest.param(b'[0,1,"Echo",[{"id":1,"body":""}],5]\n', id="too long"),
        pytest.param(b"[1,1,null,null]\n", id="a reply"),
        pytest.param(b'["0",1,"Echo",[{"id":1,"body":""}]]\n', id="a kind that is text"),
        pytest.param(b'[0,-1,"Echo",[{"id":1,"body":""}]]\n', id="negative number"),
        pytest.param(b'[0,4294967296,"Echo",[{"id":1,"body":""}]]\n', id="number too large"),
        pytest.param(b'[0,1.0,"Echo",[{"id":1,"body":""}]]\n', id="number is a float"),
        pytest.param(b'[0,true,"Echo",[{"id":1,"body":""}]]\n', id="number is a bool"),
        pytest.param(b'[0,null,"Echo",[{"id":1,"body":""}]]\n', id="no number"),
        pytest.param(b"[" * 60_000 + b"\n", id="too deep"),
        pytest.param(b'[0,1,"Echo",[{"id":' + b"9" * 5000 + b',"body":""}]]\n', id="too many digits"),
        pytest.param(b"[0,1," + b" " * 80_000, id="an endless line"),
        pytest.param(b'[0,1,"' + b"x" * 80_000 + b'",[]]\n', id="a name too long"),
    ],
)
def test_a_peer_that_breaks_the_protocol_loses_its_connection(peer, junk):
    connection, lines = peer(SHOP, Options(max_message=60_000))
    connection.sendall(echo(1, 1))
    assert json.loads(lines.readline())[1] == 1
    connection.sendall(junk)
    with contextlib.suppress(ConnectionResetError):
        assert lines.read() == b""


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b'[1,77,null,{"id":1,"body":""}]\n', id="a number never given out"),
        pytest.param(b'[1,"1",null,{"id":1,"body":""}]\n', id="a number that is text"),
        pytest.param(b'[1,1.0,null,{"id":1,"body":""}]\n', id="a number that is a float"),
        pytest.param(b'[0,1,"Echo",[{"id":1,"body":""}]]\n', id="a request"),
        pytest.param(b"[1,1,null]\n", id="a reply too short"),
        pytest.param(b'{"reply":1}\n', id="an object"),
        pytest.param(b"[1,1,\n", id="cut in two"),
        pytest.param(b"\n", id="an empty line"),
    ],
)
def test_what_is_no_reply_ends_the_connection(junk):
    def talk(connection, lines):
        lines.readline()
        connection.sendall(junk)
        assert lines.read() == b""

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as client:
        call = client.unary(SHOP["Echo"])
        with pytest.raises(ProtocolError):
            call(shop.Note(1, b""), LONG)
        with pytest.raises(Unavailable, match="has ended"):
            call(shop.Note(2, b""), LONG)


def test_a_second_reply_to_the_same_call_ends_the_connection():
    def talk(connection, lines):
        lines.readline()
        connection.sendall(b'[1,1,null,{"id":1,"body":""}]\n')
        lines.readline()
        connection.sendall(b'[1,1,null,{"id":1,"body":""}]\n')
        assert lines.read() == b""

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as client:
        call = client.unary(SHOP["Echo"])
        assert call(shop.Note(1, b""), LONG) == shop.Note(1, b"")
        with pytest.raises(ProtocolError, match="answered call 1, which is not in flight"):
            call(shop.Note(2, b""), LONG)


def test_a_reply_without_end_is_not_buffered():
    def talk(connection, lines):
        lines.readline()
        with contextlib.suppress(OSError):  # the client hangs up in the middle
            connection.sendall(b'[1,1,null,"' + b"x" * 400_000)
            lines.read()

    options = Options(max_message=50_000)
    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, options)) as client:
        with pytest.raises(Refused, match="larger than max"):
            client.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)
        with pytest.raises(Unavailable):
            client.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (["NOT_FOUND", "no such"], "NOT_FOUND", "no such"),
        ("just text", "UNKNOWN", "'just text'"),
        ({"code": 5}, "UNKNOWN", "{'code': 5}"),
        (False, "UNKNOWN", "False"),
    ],
)
def test_errors_of_foreign_servers_are_told(error, code, text):
    def talk(connection, lines):
        connection.sendall(line([1, json.loads(lines.readline())[1], error, None]))
        lines.read()

    with (
        by_hand(talk) as address,
        contextlib.closing(TCP.connect(address, Options())) as client,
        pytest.raises(Remote) as caught,
    ):
        client.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)
    assert (caught.value.code, caught.value.text) == (code, text)


def test_the_longest_error_fits_whatever_the_limit():
    """A text of 1,024 bytes that are all written as escapes."""
    offered = service.read(Oracle)

    def talk(connection, lines):
        number = json.loads(lines.readline())[1]
        connection.sendall(line([1, number, ["UNKNOWN", "\x01" * 1024], None]))
        lines.read()

    with (
        by_hand(talk) as address,
        contextlib.closing(TCP.connect(address, Options(max_message=30))) as client,
        pytest.raises(Remote) as caught,
    ):
        client.unary(offered["Tell"])(Ask(1, ""), LONG)
    assert caught.value.text == "\x01" * 1024


def test_newlines_within_texts_are_no_ends(opened):
    offered = service.read(Oracle)
    served = opened.enter_context(TCP.serve(offered, Address(), Options()))
    client = opened.enter_context(contextlib.closing(TCP.connect(served.address, Options())))
    for text in ("\n", "\r\n]\n[", "\u2028\x85\x0b\x0c"):
        assert client.unary(offered["Tell"])(Ask(2, text), LONG) == Told(2, text)
        with pytest.raises(Remote) as caught:
            client.unary(offered["Crash"])(Ask(1, text), LONG)
        assert caught.value.text == f"ValueError: {text}"
