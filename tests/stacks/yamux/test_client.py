"""The client of yamux-msgpack: how its calls go out, and what it makes of answers of many kinds."""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from pathlib import Path
from time import monotonic

import msgpack
import pytest

from stacks import shop
from stacks.base import Address, Options
from stacks.errors import ProtocolError, Refused, Remote, Timeout
from stacks.testing.oracle import Ask, Told
from stacks.transports.yamux.session import ACK, AWAY, DATA, FIN, PING, RST, SYN, UPDATE

sys.path.insert(0, str(Path(__file__).parent))

from talker import LONG, ORACLE, SHOP, WINDOW, YAMUX, frame, reply


def test_what_we_send_is_yamux(by_hand):
    got = []

    def talk(server):
        got.append(server.read(12 + 13 + 12))
        server.say(reply(1, [5, b"body"]))
        while (heard := server.hear()) is not None:
            got.append(heard)

    client = by_hand(talk)
    assert client.unary(SHOP["Echo"])(shop.Note(5, b"body"), LONG) == shop.Note(5, b"body")
    client.close()
    assert got[0] == bytes.fromhex(
        "00 00 0001 00000001 0000000d a4 4563686f 92 05 c4 04 626f6479 00 01 0004 00000001 00000000"
    )
    assert got[1:] in ([], [(AWAY, 0, 0, 0, b"")])


def test_a_call_with_streams_goes_out_as_it_is_made(by_hand):
    asked, got = threading.Semaphore(0), []

    def talk(server):
        got.append(server.hear())
        server.say(frame(UPDATE, ACK, 1))
        for number in range(3):
            asked.release()
            got.append(server.hear())
            server.say(reply(1, [number, ""], 0))
        asked.release()
        got.append(server.hear())
        server.say(frame(UPDATE, FIN, 1))

    def asks():
        for number in range(3):
            asked.acquire()
            yield Ask(number, "é")
        asked.acquire()

    replies = by_hand(talk).stream(ORACLE["Converse"])(asks(), LONG)
    assert list(replies) == [Told(number, "") for number in range(3)]
    assert got[0] == (DATA, SYN, 1, 9, b"\xa8Converse")
    assert got[1:4] == [(DATA, 0, 1, 5, msgpack.packb([number, "é"])) for number in range(3)]
    assert got[4] == (UPDATE, FIN, 1, 0, b"")


def test_replies_may_come_in_crumbs_and_in_lumps(by_hand):
    def talk(server):
        server.request()
        for byte in reply(1, [1, b"crumbs"]):
            server.say(bytes([byte]))
        server.request()
        body = msgpack.packb([0, [2, b"frames"]])
        server.say(*(frame(DATA, 0, 3, payload=bytes([byte])) for byte in body), frame(UPDATE, FIN, 3))

    echo = by_hand(talk).unary(SHOP["Echo"])
    assert echo(shop.Note(1, b""), LONG) == shop.Note(1, b"crumbs")
    assert echo(shop.Note(2, b""), LONG) == shop.Note(2, b"frames")


def test_calls_answered_in_reverse_reach_their_own_threads(by_hand, together):
    users = 16

    def talk(server):
        got = [server.request() for _ in range(users)]
        assert {number for number, _ in got} == set(range(1, 2 * users, 2))
        for number, payload in reversed(got):
            server.say(reply(number, msgpack.unpackb(payload[5:])))

    echo = by_hand(talk).unary(SHOP["Echo"])
    notes = together(users, lambda user: echo(shop.Note(user, b"x" * user), LONG))
    assert notes == [shop.Note(user, b"x" * user) for user in range(users)]


@pytest.mark.parametrize(
    ("tree", "error", "text"),
    [
        ([1, "NOT_FOUND", "no such"], Remote, "NOT_FOUND: no such"),
        ([1, "ODD", "text"], Remote, "UNKNOWN: ODD: text"),
        ([1, 5, None], Remote, r"UNKNOWN: \[5, None\]"),
        ([1, "RESOURCE_EXHAUSTED", "larger than max"], Refused, "larger than max"),
        ([2, "NOT_FOUND", "no such"], ProtocolError, "something else than a reply"),
        ([0], ProtocolError, "something else than a reply"),
        ({}, ProtocolError, "something else than a reply"),
        ([0, ["no", "note"]], ProtocolError, "Note"),
    ],
)
def test_what_foreign_servers_answer(by_hand, tree, error, text):
    def talk(server):
        server.request()
        server.say(frame(DATA, FIN, 1, payload=msgpack.packb(tree)))
        server.request()
        server.say(reply(3, [2, b""]))

    echo = by_hand(talk).unary(SHOP["Echo"])
    with pytest.raises(error, match=text):
        echo(shop.Note(1, b""), LONG)
    assert echo(shop.Note(2, b""), LONG).id == 2


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(frame(UPDATE, FIN, 1), id="no reply"),
        pytest.param(frame(DATA, FIN, 1, payload=b"\xc1"), id="no messagepack"),
        pytest.param(reply(1, [1, b""], 0) + reply(1, [1, b""]), id="two replies"),
        pytest.param(frame(DATA, FIN, 1, payload=msgpack.packb([0, [1, b"abc"]])[:-1]), id="half a reply"),
    ],
)
def test_an_answer_that_is_none_fails_its_own_call_alone(by_hand, end):
    def talk(server):
        server.request()
        server.say(end)
        server.request()
        server.say(reply(3, [2, b""]))

    echo = by_hand(talk).unary(SHOP["Echo"])
    with pytest.raises(ProtocolError):
        echo(shop.Note(1, b""), LONG)
    assert echo(shop.Note(2, b""), LONG).id == 2


def test_a_timeout_resets_the_stream_and_nothing_else(by_hand):
    got = []

    def talk(server):
        server.request()
        got.append(server.hear())
        server.say(reply(1, [1, b"late"]))
        server.request()
        server.say(reply(3, [3, b""]))

    client = by_hand(talk)
    echo = client.unary(SHOP["Echo"])
    with pytest.raises(Timeout):
        echo(shop.Note(1, b""), 0.02)
    assert echo(shop.Note(3, b""), LONG).id == 3
    assert got == [(UPDATE, RST, 1, 0, b"")]
    assert client._link.session.streams == {}


def test_a_large_request_waits_for_its_window(by_hand):
    pieces = []

    def talk(server):
        pieces.append(server.hear())
        server.say(frame(PING, SYN, 0, 1))
        assert server.hear()[0] == PING, "nothing comes before the window is widened"
        server.say(frame(UPDATE, ACK, 1, 10))
        pieces.append(server.hear())
        server.say(frame(UPDATE, 0, 1, WINDOW * 4))
        while not pieces[-1][1] & FIN:
            pieces.append(server.hear())
        assert pieces.pop() == (UPDATE, FIN, 1, 0, b"")
        server.say(reply(1, [1, b""]))

    echo = by_hand(talk).unary(SHOP["Echo"])
    assert echo(shop.Note(1, bytes(3 * WINDOW)), LONG).id == 1
    assert [each[1] for each in pieces] == [SYN, *[0] * (len(pieces) - 1)]
    assert [each[3] for each in pieces[:2]] == [WINDOW, 10]
    assert max(each[3] for each in pieces) == WINDOW
    body = b"".join(each[4] for each in pieces)
    assert body == msgpack.packb("Echo") + msgpack.packb([1, bytes(3 * WINDOW)])


def test_an_early_failure_stops_a_large_request(by_hand):
    def talk(server):
        server.hear()
        server.say(frame(DATA, ACK | FIN, 1, payload=msgpack.packb([1, "NOT_FOUND", "none"])))
        assert server.hear() == (UPDATE, RST, 1, 0, b"")

    with pytest.raises(Remote, match="none"):
        by_hand(talk).unary(SHOP["Echo"])(shop.Note(1, bytes(3 * WINDOW)), LONG)


def test_a_reply_that_grows_over_the_limit_is_cut_short(by_hand):
    got = []

    def talk(server):
        server.request()
        server.say(frame(DATA, 0, 1, payload=b"\x92\x00\x92\x01\xc6\x7f\xff\xff\xff" + bytes(200_000)))
        got.append(server.hear())
        server.request()
        server.say(reply(3, [3, b""]))

    echo = by_hand(talk, Options(max_message=50_000)).unary(SHOP["Echo"])
    with pytest.raises(Refused, match="larger than max"):
        echo(shop.Note(1, b""), LONG)
    assert echo(shop.Note(3, b""), LONG).id == 3
    assert got == [(UPDATE, RST, 1, 0, b"")]


def test_a_reply_has_gone_out_before_the_next_is_made(opened):
    arrived, in_time = threading.Event(), []

    def handle(ask):
        yield Told(0, "")
        in_time.append(arrived.wait(LONG / 2))
        yield Told(1, "")

    slow = dataclasses.replace(ORACLE["Count"], handler=handle)
    at = opened.enter_context(YAMUX.serve(dataclasses.replace(ORACLE, methods=(slow,)), Address(), Options()))
    client = YAMUX.connect(at.address, Options())
    opened.callback(client.close)
    replies = client.stream(slow)([Ask(1, "")], LONG)
    assert next(replies) == Told(0, "")
    arrived.set()
    assert list(replies) == [Told(1, "")]
    assert in_time == [True]


def test_the_timeout_holds_though_replies_are_there(by_hand):
    def talk(server):
        server.request()
        server.say(reply(1, [1, ""], 0))
        server.request()
        server.say(reply(1, [2, ""], 0), reply(3, [3, b""]))

    client = by_hand(talk)
    end = monotonic() + 0.1
    replies = client.stream(ORACLE["Count"])([Ask(2, "")], 0.1)
    assert next(replies) == Told(1, "")
    assert client.unary(SHOP["Echo"])(shop.Note(3, b""), LONG).id == 3
    time.sleep(max(0.0, end - monotonic()))
    with pytest.raises(Timeout):
        next(replies)
    assert list(replies) == []


def test_requests_over_the_limit_end_their_call(opened):
    at = opened.enter_context(YAMUX.serve(ORACLE, Address(), Options())).address
    client = YAMUX.connect(at, Options(max_message=1000))
    opened.callback(client.close)
    with pytest.raises(Refused, match="request message larger than max"):
        list(client.stream(ORACLE["Gather"])([Ask(1, ""), Ask(2, "x" * 1001)], LONG))
    with pytest.raises(Refused, match="request message larger than max"):
        client.stream(ORACLE["Count"])([Ask(2, "x" * 1001)], LONG)
    with pytest.raises(ProtocolError, match="takes one request"):
        client.stream(ORACLE["Count"])([], LONG)
    assert client.unary(ORACLE["Tell"])(Ask(1, ""), LONG).id == 1
