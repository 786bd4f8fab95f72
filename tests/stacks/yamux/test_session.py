"""yamux without a wire: known bytes and hostile bytes."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from stacks.errors import ConnectionLost, ProtocolError, Unavailable
from stacks.transports.yamux.session import (
    BACKLOG,
    INTERNAL,
    NORMAL,
    STREAMS,
    VIOLATED,
    WINDOW,
    Session,
)

sys.path.insert(0, str(Path(__file__).parent))

from sessions import ACK, AWAY, DATA, FIN, PING, RST, SYN, UPDATE, client, frame, server


def opened(session, number=1, payload=b""):
    """Let the peer open a stream on `session`."""
    (stream,) = set(session.receive(frame(DATA, SYN, number, len(payload), payload)))
    return stream


def hexed(text):
    return bytes.fromhex(text)


def test_a_call_and_its_answer_are_two_frames_each():
    ours, theirs = client(), server()
    asked = ours.open()
    wire = ours.data(asked, b"hi", last=True)
    assert wire == hexed("00 00 0001 00000001 00000002 6869  00 01 0004 00000001 00000000")
    heard, again = theirs.receive(wire)
    assert heard is again
    assert (heard.number, bytes(heard.unread), heard.done_in, heard.reset) == (1, b"hi", True, False)
    assert theirs.take(heard) == b"hi"
    wire = theirs.data(heard, b"you", last=True)
    assert wire == hexed("00 00 0002 00000001 00000003 796f75  00 01 0004 00000001 00000000")
    assert ours.receive(wire) == [asked, asked]
    assert (bytes(asked.unread), asked.done_in) == (b"you", True)
    assert ours.streams == theirs.streams == {}


def test_an_end_may_come_with_the_data():
    """As the specification has it, though hashicorp's own never sends it so."""
    (stream,) = server().receive(hexed("00 00 0005 00000001 00000002 6869"))
    assert (bytes(stream.unread), stream.done_in) == (b"hi", True)


def test_numbers_are_odd_for_clients_and_even_for_servers():
    assert [client().open().number, server().open().number] == [1, 2]
    one = client()
    assert [one.open().number for _ in range(3)] == [1, 3, 5]


def test_half_close_leaves_the_other_half_open():
    ours = client()
    stream = ours.open()
    ours.data(stream, b"a", last=True)
    assert ours.receive(frame(DATA, ACK, 1, 2, b"bc")) == [stream]
    assert not stream.done_in
    assert ours.receive(frame(UPDATE, FIN, 1, 0)) == [stream]
    assert (bytes(stream.unread), stream.done_in, ours.streams) == (b"bc", True, {})


def test_every_flag_has_its_frame():
    theirs = server()
    stream = opened(theirs)
    assert theirs.accept(stream) == hexed("00 01 0002 00000001 00000000")
    assert theirs.accept(stream) == b""
    assert theirs.data(stream, b"x") == hexed("00 00 0000 00000001 00000001 78")
    assert theirs.finish(stream) == hexed("00 01 0004 00000001 00000000")
    assert theirs.streams == {1: stream}
    assert theirs.reset(stream) == hexed("00 01 0008 00000001 00000000")
    assert theirs.reset(stream) == b""
    assert theirs.streams == {}
    assert theirs.finish(opened(theirs, 3)) == hexed("00 01 0006 00000003 00000000")
    assert theirs.ping(0xDEADBEEF) == hexed("00 02 0001 00000000 deadbeef")
    ours = client()
    assert ours.finish(ours.open()) == hexed("00 01 0005 00000001 00000000")
    assert ours.reset(ours.open()) == b"", "the peer never knew of it"


def test_a_ping_is_answered_by_its_value():
    theirs = server()
    assert theirs.receive(hexed("00 02 0001 00000000 deadbeef")) == []
    assert theirs.control == hexed("00 02 0002 00000000 deadbeef")
    assert theirs.receive(hexed("00 02 0002 00000000 deadbeef")) == []
    assert len(theirs.control) == 12, "an answer is not answered"


@pytest.mark.parametrize("code", [NORMAL, VIOLATED, INTERNAL])
def test_a_go_away_has_a_code_and_refuses_streams(code):
    theirs = server()
    kept = opened(theirs)
    assert theirs.away(code) == frame(AWAY, 0, 0, code)
    assert theirs.receive(frame(DATA, SYN | FIN, 3, 1, b"x")) == []
    assert theirs.control == frame(UPDATE, RST, 3, 0)
    assert theirs.receive(frame(DATA, 0, 1, 1, b"y")) == [kept]


def test_after_a_normal_go_away_open_streams_go_on():
    ours = client()
    stream = ours.open()
    ours.data(stream, b"x")
    assert ours.receive(frame(AWAY, 0, 0, NORMAL)) == []
    with pytest.raises(Unavailable, match="goes away"):
        ours.open()
    assert ours.receive(frame(DATA, FIN, 1, 1, b"y")) == [stream]


@pytest.mark.parametrize(
    ("code", "text"), [(VIOLATED, "we broke the protocol"), (INTERNAL, "it failed"), (7, "its code is 7")]
)
def test_other_go_aways_end_the_session(code, text):
    with pytest.raises(ConnectionLost, match=text):
        client().receive(frame(AWAY, 0, 0, code))


def test_the_window_is_widened_once_half_of_it_was_taken():
    theirs = server()
    stream = opened(theirs, payload=bytes(WINDOW))
    assert theirs.take(stream, WINDOW // 2 - 1) == bytes(WINDOW // 2 - 1)
    assert theirs.widen(stream) == b""
    theirs.take(stream, 1)
    assert theirs.widen(stream) == hexed("00 01 0002 00000001 00020000")
    assert theirs.widen(stream) == b""
    assert theirs.receive(frame(DATA, 0, 1, WINDOW // 2, bytes(WINDOW // 2))) == [stream]
    with pytest.raises(ProtocolError, match="1 bytes on stream 1, more than the window of 0"):
        theirs.receive(frame(DATA, 0, 1, 1, b"x"))


def test_nothing_is_widened_after_the_end():
    theirs = server()
    (stream,) = theirs.receive(frame(DATA, SYN | FIN, 1, WINDOW, bytes(WINDOW)))
    theirs.take(stream)
    assert theirs.widen(stream) == b""


def test_an_update_lets_more_be_sent():
    ours = client()
    stream = ours.open()
    ours.data(stream, bytes(WINDOW))
    assert not stream.sendable()
    assert ours.receive(frame(UPDATE, ACK, 1, 0x20000)) == [stream]
    assert stream.sendable()
    assert stream.granted - stream.sent == 0x20000


def test_a_stream_may_be_opened_with_a_larger_window():
    theirs = server()
    (stream,) = theirs.receive(frame(UPDATE, SYN, 1, 1_000_000))
    assert stream.granted == WINDOW + 1_000_000


def test_data_and_updates_of_streams_that_are_not_open_are_skipped():
    theirs = server()
    stream = opened(theirs)
    theirs.reset(stream)
    strays = (
        frame(DATA, 0, 1, 3, b"abc"),
        frame(DATA, FIN, 9, 0),
        frame(UPDATE, 0, 1, 5),
        frame(UPDATE, RST, 11, 0),
        frame(DATA, ACK, 2, 300_000, bytes(300_000)),
    )
    assert theirs.receive(b"".join(strays)) == []
    assert theirs.streams == {}
    assert opened(theirs, 5).unread == b""


def test_a_reset_drops_what_its_frame_carries():
    theirs = server()
    stream = opened(theirs, payload=b"a")
    assert theirs.receive(frame(DATA, RST, 1, 3, b"xyz") + frame(PING, SYN, 0, 1)) == [stream]
    assert (bytes(stream.unread), stream.reset, theirs.streams) == (b"a", True, {})
    assert theirs.control == frame(PING, ACK, 0, 1)


def test_the_rest_of_a_frame_for_a_stream_that_was_reset_meanwhile_harms_nobody():
    theirs = server()
    (stream,) = theirs.receive(frame(DATA, SYN, 1, 3, b"x"))
    theirs.reset(stream)
    theirs.receive(b"yz")
    assert theirs.streams == {}
    assert opened(theirs, 1, b"new").unread == b"new"


def test_flags_that_nobody_knows_are_ignored():
    theirs = server()
    assert bytes(opened(theirs).unread) == b""
    (stream,) = theirs.receive(frame(DATA, 0xFFF0, 1, 1, b"x"))
    assert (bytes(stream.unread), stream.done_in) == (b"x", False)


@pytest.mark.parametrize(
    ("junk", "text"),
    [
        pytest.param(b"\1" + bytes(11), "version 1", id="version"),
        pytest.param(b"GET / HTTP/1.1\r\n", "version 71", id="HTTP"),
        pytest.param(frame(4, 0, 1, 0), "type 4", id="type"),
        pytest.param(frame(255, 0, 1, 0), "type 255", id="last type"),
        pytest.param(frame(DATA, SYN, 0, 0), "stream 0", id="stream 0"),
        pytest.param(frame(UPDATE, 0, 0, 5), "stream 0", id="update of stream 0"),
        pytest.param(frame(PING, SYN, 1, 0), "ping or go-away on stream 1", id="ping of a stream"),
        pytest.param(frame(AWAY, 0, 5, 0), "ping or go-away on stream 5", id="go-away of a stream"),
        pytest.param(frame(DATA, SYN, 2, 0), "a number of ours", id="even number"),
        pytest.param(frame(UPDATE, SYN, 1, 0), "which is open", id="opened twice"),
        pytest.param(frame(DATA, 0, 1, WINDOW + 1), "window of 262144", id="beyond the window"),
        pytest.param(frame(DATA, SYN, 3, WINDOW + 1), "window of 262144", id="at once beyond the window"),
        pytest.param(frame(DATA, 0, 1, 2**32 - 1), "window of 262144", id="huge"),
        pytest.param(frame(UPDATE, 0, 1, 2**32 - WINDOW), "over 2", id="a window too wide"),
        pytest.param(frame(UPDATE, FIN, 1, 0) * 2, "had finished", id="finished twice"),
        pytest.param(frame(DATA, FIN, 1, 0) + frame(DATA, 0, 1, 1), "had finished", id="data after the end"),
    ],
)
def test_a_violation_is_told(junk, text):
    theirs = server()
    opened(theirs)
    with pytest.raises(ProtocolError, match=text):
        theirs.receive(junk)


def test_the_widest_window_is_no_violation():
    theirs = server()
    stream = opened(theirs)
    theirs.receive(frame(UPDATE, 0, 1, 2**32 - 1 - WINDOW))
    assert stream.granted - stream.sent == 2**32 - 1


def test_a_flood_of_streams_is_refused_beyond_the_backlog():
    theirs = server()
    flood = b"".join(frame(UPDATE, SYN, number, 0) for number in range(1, 4 * BACKLOG, 2))
    streams = theirs.receive(flood)
    assert len(streams) == len(theirs.streams) == BACKLOG
    refused = range(2 * BACKLOG + 1, 4 * BACKLOG, 2)
    assert theirs.control == b"".join(frame(UPDATE, RST, number, 0) for number in refused)
    theirs.control.clear()
    theirs.accept(streams[0])
    assert opened(theirs, 4 * BACKLOG + 1).number == 4 * BACKLOG + 1


def test_accepted_streams_have_a_bound_too():
    theirs = server()
    for number in range(1, 2 * STREAMS, 2):
        theirs.accept(opened(theirs, number))
    assert theirs.receive(frame(UPDATE, SYN, 2 * STREAMS + 1, 0)) == []
    assert theirs.control == frame(UPDATE, RST, 2 * STREAMS + 1, 0)
    theirs.reset(theirs.streams[1])
    assert opened(theirs, 2 * STREAMS + 3)


def test_who_opens_keeps_to_the_backlog_and_the_bound():
    ours = client()
    streams = [ours.open() for _ in range(BACKLOG)]
    assert not ours.has_room()
    assert ours.open() is None
    ours.receive(frame(UPDATE, ACK, streams[0].number, 0))
    assert ours.has_room()
    streams.append(ours.open())
    while len(streams) < STREAMS:
        ours.receive(frame(UPDATE, ACK, streams[-BACKLOG].number, 0))
        streams.append(ours.open())
    ours.receive(b"".join(frame(UPDATE, ACK, each.number, 0) for each in streams))
    assert not ours.has_room()
    assert ours.open() is None
    ours.receive(frame(UPDATE, RST, streams[0].number, 0))
    assert ours.open() is not None


def test_a_client_takes_no_streams():
    ours = Session(client=True, backlog=0)
    assert ours.receive(frame(DATA, SYN | FIN, 2, 3, b"abc")) == []
    assert ours.control == frame(UPDATE, RST, 2, 0)


def test_numbers_end_where_hashicorps_do():
    ours = client()
    ours._numbers = itertools.count(2**32 - 5, 2)
    assert [ours.open().number, ours.open().number] == [2**32 - 5, 2**32 - 3]
    with pytest.raises(Unavailable, match="used up; connect again"):
        ours.open()
