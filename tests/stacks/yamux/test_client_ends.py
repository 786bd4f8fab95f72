"""How calls and connections of yamux-msgpack end at the client: by either side, well or badly."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from pathlib import Path

import pytest

from stacks import shop
from stacks.errors import ConnectionLost, ProtocolError, Refused, Unavailable
from stacks.testing.oracle import Ask, Told
from stacks.transports.yamux.session import ACK, AWAY, DATA, PING, RST, SYN, UPDATE

sys.path.insert(0, str(Path(__file__).parent))

from talker import LONG, ORACLE, SHOP, WINDOW, frame, reply


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="HTTP"),
        pytest.param(frame(DATA, 0, 1, WINDOW + 1), id="beyond the window"),
        pytest.param(frame(UPDATE, 0, 1, 2**32 - 1), id="a window too wide"),
        pytest.param(frame(DATA, SYN, 1), id="a number of ours"),
    ],
)
def test_a_violation_ends_the_connection_for_all(by_hand, together, junk):
    heard = []

    def talk(server):
        for _ in range(4):
            server.request()
        server.say(junk)
        heard.append(server.hear())

    def use(_user):
        with pytest.raises(ProtocolError):
            echo(shop.Note(1, b""), LONG)
        with pytest.raises(Unavailable, match="has ended"):
            echo(shop.Note(2, b""), LONG)

    client = by_hand(talk)
    echo = client.unary(SHOP["Echo"])
    together(4, use)
    client.close()
    assert heard in ([], [None], [(AWAY, 0, 0, 1, b"")])


def test_go_aways_are_heeded(by_hand):
    def talk(server):
        server.request()
        server.say(frame(AWAY, 0, 0, 0), reply(1, [1, b""]))

    client = by_hand(talk)
    echo = client.unary(SHOP["Echo"])
    assert echo(shop.Note(1, b""), LONG).id == 1
    with pytest.raises(Unavailable, match="goes away"):
        echo(shop.Note(1, b""), LONG)


def test_a_server_that_fails_says_so(by_hand):
    def talk(server):
        server.request()
        server.say(frame(AWAY, 0, 0, 2))

    with pytest.raises(ConnectionLost, match="it failed"):
        by_hand(talk).unary(SHOP["Echo"])(shop.Note(1, b""), LONG)


def test_a_reset_refuses_a_call_or_cuts_it_short(by_hand):
    def talk(server):
        server.request()
        server.say(frame(UPDATE, RST, 1))
        server.request()
        server.say(reply(3, [1, b""], 0), frame(UPDATE, RST, 3))
        server.request()
        server.say(reply(5, [1, ""], 0), frame(UPDATE, RST, 5))

    client = by_hand(talk)
    echo = client.unary(SHOP["Echo"])
    with pytest.raises(Refused, match="does not take the call"):
        echo(shop.Note(1, b""), LONG)
    with pytest.raises(ConnectionLost, match="cut the call short"):
        echo(shop.Note(1, b""), LONG)
    replies = client.stream(ORACLE["Count"])([Ask(1, "")], LONG)
    assert next(replies) == Told(1, "")
    with pytest.raises(ConnectionLost, match="cut the call short"):
        next(replies)
    assert list(replies) == []


def test_pings_are_answered_and_streams_of_the_server_refused(by_hand):
    got = []

    def talk(server):
        server.request()
        server.say(frame(PING, SYN, 0, 77), frame(DATA, SYN, 2, payload=b"abc"))
        got.extend([server.hear(), server.hear()])
        server.say(reply(1, [1, b""]))

    assert by_hand(talk).unary(SHOP["Echo"])(shop.Note(1, b""), LONG).id == 1
    assert got == [(PING, ACK, 0, 77, b""), (UPDATE, RST, 2, 0, b"")]


def test_close_ends_calls_in_flight(by_hand, together):
    arrived = threading.Semaphore(0)

    def talk(server):
        for _ in range(7):
            server.request()
            arrived.release()

    def use(user):
        if user:
            with pytest.raises(ConnectionLost, match="client was closed"):
                echo(shop.Note(user, b""), LONG)
            return
        for _ in range(7):
            arrived.acquire()
        shared.close()
        with pytest.raises(Unavailable):
            echo(shop.Note(user, b""), LONG)

    shared = by_hand(talk)
    echo = shared.unary(SHOP["Echo"])
    together(8, use)


def test_a_call_that_another_thread_closes_ends_at_once(by_hand):
    """The reader sits in the socket; it is the answer to a ping that lets it go."""
    started = threading.Event()

    def talk(server):
        server.request()
        server.say(reply(1, [1, ""], 0))
        while (heard := server.hear())[0] != PING:
            assert heard == (UPDATE, RST, 1, 0, b"")
        server.say(frame(PING, ACK, 0, heard[3]))

    client = by_hand(talk)
    replies = client.stream(ORACLE["Count"])([Ask(1, "")], LONG)
    assert next(replies) == Told(1, "")
    ended = []
    waiting = threading.Thread(target=lambda: (started.set(), ended.extend(replies)))
    waiting.start()
    started.wait(LONG)
    while not client._link._relay.is_read():
        pass
    replies.close()
    waiting.join(LONG / 2)
    assert not waiting.is_alive()
    assert ended == []


def test_a_server_that_pings_and_does_not_read_is_let_go(by_hand):
    def talk(server):
        server.request()
        with contextlib.suppress(OSError):
            while True:
                server.say(frame(PING, SYN, 0, 1) * 10_000)

    with pytest.raises(ConnectionLost, match="does not read"):
        by_hand(talk).unary(SHOP["Echo"])(shop.Note(1, b""), LONG)


def test_all_calls_in_flight_end_with_the_connection(by_hand, together):
    def talk(server):
        for _ in range(16):
            server.request()
        server.connection.shutdown(socket.SHUT_RDWR)

    def use(user):
        with pytest.raises(ConnectionLost):
            list(count([Ask(user, "")], LONG))

    shared = by_hand(talk)
    count = shared.stream(ORACLE["Count"])
    together(16, use)
