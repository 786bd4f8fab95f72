"""The server of yamux-msgpack, called by hand."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import socket
import sys
from pathlib import Path

import msgpack
import pytest

from stacks import service
from stacks.base import Address, Kind, Options
from stacks.testing.oracle import Oracle
from stacks.transports.connections import Connections
from stacks.transports.yamux import server
from stacks.transports.yamux.server import Offer, YamuxConnection
from stacks.transports.yamux.session import ACK, AWAY, DATA, FIN, HEAD, PING, RST, SYN, UPDATE

sys.path.insert(0, str(Path(__file__).parent))

from talker import LONG, SHOP, WINDOW, YAMUX, YamuxTalker, frame

OPTIONS = Options()


@pytest.fixture
def peer(opened):
    def peer(offered, options=OPTIONS):
        served = opened.enter_context(YAMUX.serve(offered, Address(), options))
        made = opened.enter_context(socket.socket())
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        made.settimeout(LONG)
        made.connect((served.address.host, served.address.port))
        return opened.enter_context(YamuxTalker(made))

    return peer


def test_a_unary_call_is_answered_by_one_frame_and_its_end(peer):
    caller = peer(SHOP)
    caller.say(bytes.fromhex("00 00 0005 00000001 0000000d a4 4563686f 92 05 c4 04 626f6479"))
    assert caller.read(12 + 10 + 12) == bytes.fromhex(
        "00 00 0002 00000001 0000000a 92 00 92 05 c4 04 626f6479 00 01 0004 00000001 00000000"
    )


def test_a_failure_is_told_by_code_and_text(peer):
    caller = peer(SHOP)
    caller.ask(1, "Nothing", [])
    assert caller.reply(1) == [1, "UNIMPLEMENTED", "there is no method 'Nothing'"]
    for number, junk in enumerate([[], ["five", b""], None, {}], 2):
        caller.ask(2 * number + 1, "Echo", junk)
        kind, code, text = caller.reply(2 * number + 1)
        assert (kind, code, text[:24]) == (1, "INTERNAL", "cannot read the request:")
    for number, parts in enumerate([(), (5,), ("Echo",), ("Echo", [1, b""], [2, b""]), ("x" * 300,)], 20):
        caller.ask(2 * number + 1, *parts)
        assert caller.reply(2 * number + 1)[0] == 1
    caller.ask(99, "Echo", [5, b"on"])
    assert caller.reply(99) == [0, [5, b"on"]]


def test_a_call_may_come_in_crumbs(peer):
    caller = peer(SHOP)
    body = msgpack.packb("Echo") + msgpack.packb([5, b"body"])
    caller.say(frame(UPDATE, SYN, 1))
    for byte in body:
        for crumb in frame(DATA, 0, 1, payload=bytes([byte])):
            caller.say(bytes([crumb]))
    caller.say(frame(UPDATE, FIN, 1))
    assert caller.reply(1) == [0, [5, b"body"]]


@pytest.mark.parametrize("head", [b"\xd9\x04", b"\xda\x00\x04", b"\xdb\x00\x00\x00\x04"])
def test_a_name_may_be_written_longer_than_need_be(peer, head):
    caller = peer(SHOP)
    payload = head + b"Echo" + msgpack.packb([5, b"body"])
    for cut in range(1, len(head) + 5):
        number = 2 * cut + 1
        caller.say(frame(DATA, SYN, number, payload=payload[:cut]))
        caller.say(frame(PING, SYN, 0, cut))
        assert caller.hear() == (PING, ACK, 0, cut, b"")
        caller.say(frame(DATA, FIN, number, payload=payload[cut:]))
        assert caller.reply(number) == [0, [5, b"body"]]


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="HTTP"),
        pytest.param(frame(DATA, SYN, 2), id="a number of ours"),
        pytest.param(frame(UPDATE, SYN, 3) * 2, id="opened twice"),
        pytest.param(frame(DATA, SYN, 3, WINDOW + 1), id="beyond the window"),
        pytest.param(frame(DATA, SYN, 3, 2**32 - 1), id="huge"),
        pytest.param(frame(UPDATE, SYN, 3, 2**32 - 1), id="a window too wide"),
        pytest.param(frame(7, 0, 0), id="type"),
    ],
)
def test_a_violation_is_answered_by_go_away(peer, junk):
    caller = peer(SHOP)
    caller.ask(1, "Echo", [1, b""])
    assert caller.reply(1) == [0, [1, b""]]
    caller.say(junk)
    assert caller.hear() == (AWAY, 0, 0, 1, b"")
    assert caller.hear() is None


def test_an_error_of_the_peer_ends_the_connection(peer):
    caller = peer(SHOP)
    caller.say(frame(AWAY, 0, 0, 2))
    with contextlib.suppress(ConnectionResetError):
        assert caller.hear() is None


def test_after_a_normal_go_away_calls_are_still_answered(peer):
    caller = peer(SHOP)
    caller.say(frame(AWAY, 0, 0, 0))
    caller.ask(1, "Echo", [1, b""])
    assert caller.reply(1) == [0, [1, b""]]


def test_what_comes_before_any_work_is_accepted_at_once(peer):
    offered = dataclasses.replace(service.read(Oracle), delay=0.05)
    caller = peer(offered)
    caller.ask(1, "Tell", [5, ""])
    caller.ask(3, "Count", [1, "c"])
    assert caller.hear() == (UPDATE, ACK, 1, 0, b"")
    assert caller.hear() == (UPDATE, ACK, 3, 0, b"")
    rest = [caller.hear() for _ in range(4)]
    assert [each for each in rest if each[2] == 1] == [
        (DATA, 0, 1, 5, b"\x92\x00\x92\x05\xa0"),
        (UPDATE, FIN, 1, 0, b""),
    ]
    assert [each for each in rest if each[2] == 3] == [
        (DATA, 0, 3, 6, b"\x92\x00\x92\x00\xa1c"),
        (UPDATE, FIN, 3, 0, b""),
    ]


def test_a_call_that_waits_for_requests_is_accepted(peer):
    caller = peer(service.read(Oracle))
    caller.ask(1, "Converse", flags=SYN)
    assert caller.hear() == (UPDATE, ACK, 1, 0, b"")
    caller.ask(1, [5, ""], flags=FIN)
    assert caller.reply(1) == [0, [5, ""]]


def test_replies_come_as_far_as_the_window_goes(peer):
    caller = peer(service.read(Oracle))
    caller.ask(1, "Grow", [600_000, ""])
    kind, flags, _, length, first = caller.hear()
    assert (kind, flags, length) == (DATA, ACK, WINDOW)
    caller.ask(3, "Tell", [1, ""])
    assert caller.reply(3) == [0, [1, ""]], "others go on"
    caller.say(frame(UPDATE, 0, 1, 100))
    kind, flags, _, length, second = caller.hear()
    assert (kind, flags, length) == (DATA, 0, 100)
    caller.say(frame(UPDATE, 0, 1, 1_000_000))
    data = first + second
    while not (heard := caller.hear())[1] & FIN:
        assert heard[3] <= WINDOW, "large frames would keep others waiting"
        data += heard[4]
    assert msgpack.unpackb(data) == [0, [600_000, "x" * 600_000]]


def test_a_large_request_is_let_in_as_it_comes(peer):
    caller = peer(SHOP)
    rest = msgpack.packb("Echo") + msgpack.packb([1, bytes(2 * WINDOW)])
    caller.say(frame(UPDATE, SYN, 1, 4 * WINDOW))
    window, flags = WINDOW, []
    while len(rest) > window:
        caller.say(frame(DATA, 0, 1, payload=rest[:window]))
        rest = rest[window:]
        kind, flag, _, window, _ = caller.hear()
        assert kind == UPDATE
        assert window >= WINDOW // 2
        flags.append(flag)
    caller.say(frame(DATA, FIN, 1, payload=rest))
    assert flags == [ACK, *[0] * (len(flags) - 1)]
    while (heard := caller.hear())[0] == UPDATE:
        continue
    assert answer(caller, heard[4]) == [0, [1, bytes(2 * WINDOW)]]


def answer(caller, got=b""):
    """Hear one reply of many frames, the beginning of which may be known."""
    while not (heard := caller.hear())[1] & FIN:
        got += heard[4]
    return msgpack.unpackb(got)


@pytest.mark.parametrize("method", ["Tell", "Gather"])
def test_a_request_over_the_limit_is_refused_before_it_is_complete(peer, method):
    caller = peer(service.read(Oracle), Options(max_message=10_000))
    body = msgpack.packb(method) + msgpack.packb([1, "x" * 100_000])
    caller.say(frame(DATA, SYN, 1, payload=body[:50_000]))
    kind, code, text = answer(caller)
    assert (kind, code) == (1, "RESOURCE_EXHAUSTED")
    assert "larger than max" in text
    # What still comes is dropped, and no more of it let in than a window.
    caller.say(frame(DATA, 0, 1, payload=bytes(200_000)), frame(UPDATE, FIN, 1))
    caller.ask(3, "Tell", [2, ""])
    assert caller.reply(3) == [0, [2, ""]]


def test_a_stream_that_is_reset_ends_its_handler(peer, until):
    offered = service.read(Oracle)
    seen = offered["Tell"].handler.__self__.seen
    caller = peer(offered)
    caller.ask(1, "Swell", [1000, ""])
    caller.hear()
    caller.say(frame(UPDATE, RST, 1))
    until(lambda: seen[-1] == 1, "the handler has ended")


def test_a_call_that_is_reset_while_it_works_gets_no_reply(peer):
    caller = peer(dataclasses.replace(SHOP, delay=0.05))
    caller.ask(1, "Echo", [1, b""])
    assert caller.hear() == (UPDATE, ACK, 1, 0, b"")
    caller.say(frame(UPDATE, RST, 1))
    caller.ask(3, "Echo", [3, b""])
    assert caller.hear() == (UPDATE, ACK, 3, 0, b"")
    assert caller.reply(3) == [0, [3, b""]]


def test_a_request_cut_off_in_the_middle_is_told(peer):
    caller = peer(service.read(Oracle))
    caller.say(frame(DATA, SYN | FIN, 1, payload=msgpack.packb("Gather") + msgpack.packb([1, "xyz"])[:-1]))
    assert caller.reply(1) == [1, "INTERNAL", "the last request ends after 5 bytes"]


def test_a_flood_of_unfinished_calls_is_refused_beyond_the_backlog(peer):
    caller = peer(SHOP)
    caller.say(*(frame(UPDATE, SYN, number) for number in range(1, 601, 2)))
    assert [caller.hear() for _ in range(44)] == [(UPDATE, RST, n, 0, b"") for n in range(513, 601, 2)]
    caller.ask(1, "Echo", [1, b""], flags=FIN)
    assert caller.reply(1) == [0, [1, b""]]


def test_who_pings_and_does_not_read_is_cut(peer):
    caller = peer(SHOP)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        caller.say(*itertools.repeat(frame(PING, SYN, 0, 7), 2_500_000))


@pytest.mark.parametrize("delay", [0.0, 0.01])
def test_replies_that_nobody_reads_wait_and_are_not_lost(peer, delay):
    """Calls are heard while replies stand still, so what is held has the bounds of streams and windows."""
    counted = itertools.count()

    def handle(note):
        next(counted)
        return note

    counting = dataclasses.replace(SHOP["Echo"], handler=handle)
    caller = peer(dataclasses.replace(SHOP, methods=(counting,), delay=delay), Options(max_message=1_000_000))
    body = msgpack.packb("Echo") + msgpack.packb([1, bytes(200_000)])
    numbers = range(1, 201, 2)
    caller.say(*(frame(DATA, SYN | FIN, number, payload=body) for number in numbers))
    assert next(counted) < 60, "replies are made for who does not read"
    done = []
    while len(done) < 100:
        kind, flags, number, _, _ = caller.hear()
        if kind == UPDATE and flags & FIN:
            done.append(number)
    assert sorted(done) == list(numbers)
    assert next(counted) == 101


class Deaf:
    """A transport whose peer does not read."""

    def __init__(self, connected):
        self.connected = connected
        self.written = bytearray()

    def get_extra_info(self, name):
        return self.connected

    def write(self, data):
        self.written += data

    def get_write_buffer_size(self):
        return len(self.written)

    def is_closing(self):
        return False

    def frames(self):
        """Give what was written, as it would be read: type, flags, stream and length of each frame."""
        heads = []
        while self.written:
            _, kind, flags, number, length = HEAD.unpack_from(self.written)
            del self.written[: HEAD.size + (length if kind == DATA else 0)]
            heads.append((kind, flags, number, length))
        return heads


@pytest.fixture
def deaf(opened):
    """A connection of a server without a wire, and its transport."""
    offers = {b"Echo": Offer(Kind.UNARY, bytes, None)}
    connection = YamuxConnection(offers, 0.0, 8_000_000, Connections())
    transport = Deaf(opened.enter_context(socket.socket()))
    connection.connection_made(transport)
    return connection, transport


def test_calls_that_are_reset_while_replies_stand_still_leave_nothing(deaf):
    connection, transport = deaf
    connection.pause_writing()
    for number in range(1, 5001, 2):
        connection.data_received(frame(DATA, SYN | FIN, number, payload=b"\xa4Echo123"))
        connection.data_received(frame(UPDATE, RST, number))
    assert (connection._postponed, connection.session.streams) == ({}, {})
    connection.resume_writing()
    assert transport.frames() == []


def test_no_more_calls_start_while_too_many_replies_stand(deaf, monkeypatch):
    connection, transport = deaf
    monkeypatch.setattr(server, "_STANDING", 3_000_000)
    connection._offers[b"Echo"] = Offer(Kind.UNARY, lambda _: bytes(1_000_000), None)
    for number in range(1, 21, 2):
        connection.data_received(frame(DATA, SYN | FIN, number, payload=b"\xa4Echo"))
    assert transport.frames() == [(DATA, ACK, number, WINDOW) for number in range(1, 11, 2)]
    connection.pause_writing()
    connection.data_received(frame(UPDATE, 0, 3, 1_000_000))
    connection.data_received(frame(UPDATE, RST, 1))
    assert transport.frames() == []
    connection.resume_writing()
    heads = transport.frames()
    assert {each[2] for each in heads} == {3, 11, 13}
    assert (UPDATE, FIN, 3, 0) in heads
    connection.data_received(frame(UPDATE, RST, 5))
    assert transport.frames() == [(DATA, ACK, 15, WINDOW)]
    for number in range(7, 21, 2):
        connection.data_received(frame(UPDATE, RST, number))
    assert connection.standing == 0
    assert connection._postponed == connection._stalled == {}


def test_what_comes_after_the_reply_is_dropped(opened):
    async def first(requests):
        async for _ in requests:
            yield b"\x07"

    async def talk():
        offers = {b"Enough": Offer(Kind.CLIENT, None, first)}
        connection = YamuxConnection(offers, 0.0, 1000, Connections())
        transport = Deaf(opened.enter_context(socket.socket()))
        connection.connection_made(transport)
        connection.data_received(frame(DATA, SYN, 1, payload=b"\xa6Enough\x01"))
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        stream = connection.session.streams[1]
        connection.data_received(frame(DATA, 0, 1, payload=bytes(1000)))
        assert transport.frames() == [(DATA, ACK, 1, 3), (UPDATE, FIN, 1, 0)]
        assert len(stream.unread) == 0
        connection.data_received(frame(UPDATE, FIN, 1))
        assert connection.session.streams == {}

    asyncio.run(talk())


def test_a_stream_that_stands_keeps_calls_from_starting_until_it_ends(opened, monkeypatch):
    async def large(requests):
        async for _ in requests:
            yield bytes(2 * WINDOW)

    async def talk():
        offers = {b"Large": Offer(Kind.BIDI, None, large), b"Echo": Offer(Kind.UNARY, bytes, None)}
        connection = YamuxConnection(offers, 0.0, 1_000_000, Connections())
        transport = Deaf(opened.enter_context(socket.socket()))
        connection.connection_made(transport)
        connection.data_received(frame(DATA, SYN, 1, payload=b"\xa5Large\x01"))
        await asyncio.sleep(0)
        connection.data_received(frame(DATA, SYN | FIN, 3, payload=b"\xa4Echo"))
        assert transport.frames() == [(DATA, ACK, 1, WINDOW)]
        connection.data_received(frame(UPDATE, RST, 1))
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
        assert transport.frames() == [(DATA, ACK, 3, 2), (UPDATE, FIN, 3, 0)]
        assert connection.standing == 0

    monkeypatch.setattr(server, "_STANDING", 1000)
    asyncio.run(talk())


def test_a_call_that_is_reset_frees_what_it_held_for_its_work(opened):
    async def talk():
        offers = {b"Echo": Offer(Kind.UNARY, bytes, None)}
        connection = YamuxConnection(offers, 3600.0, 1000, Connections())
        connection.connection_made(Deaf(opened.enter_context(socket.socket())))
        for number in range(1, 21, 2):
            connection.data_received(frame(DATA, SYN | FIN, number, payload=b"\xa4Echo" + bytes(900)))
        held = connection._waiting
        for number in range(1, 21, 2):
            connection.data_received(frame(UPDATE, RST, number))
        assert held == 3 * 902, "the others wait until those have been sent"
        assert (connection._waiting, connection._postponed) == (0, {})

    asyncio.run(talk())


def test_only_the_oldest_of_unfinished_requests_grows_beyond_the_bound(deaf, monkeypatch):
    connection, transport = deaf
    monkeypatch.setattr(server, "_UNFINISHED", 300_000)
    piece = b"\xa4Echo".ljust(WINDOW, b"x")
    for number in (1, 3, 5):
        connection.data_received(frame(DATA, SYN, number, payload=piece))
    assert transport.frames() == [(UPDATE, ACK, 1, WINDOW)]
    connection.data_received(frame(DATA, 0, 1, payload=piece))
    assert transport.frames() == [(UPDATE, 0, 1, WINDOW)], "one of them gets done, whatever the others hold"
    connection.data_received(frame(UPDATE, RST, 1))
    assert transport.frames() == [(UPDATE, ACK, 3, WINDOW)]
    connection.data_received(frame(UPDATE, FIN, 3))
    heads = transport.frames()
    assert heads[0] == (UPDATE, ACK, 5, WINDOW)
    assert heads[1] == (DATA, 0, 3, WINDOW - 5 + 2)
    connection.data_received(frame(UPDATE, FIN, 5))
    assert connection._held == 0
    assert connection._unfinished == {}
