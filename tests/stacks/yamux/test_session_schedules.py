"""yamux without a wire, under random schedules: bytes however they are cut, and two sessions that talk."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.errors import ProtocolError
from stacks.transports.yamux.session import (
    WINDOW,
)

sys.path.insert(0, str(Path(__file__).parent))

from sessions import ACK, DATA, FIN, PING, RST, SYN, UPDATE, client, frame, server

FRAMES = st.lists(
    st.one_of(
        st.tuples(st.just(DATA), st.sampled_from([0, SYN, FIN, SYN | FIN, RST]), st.binary(max_size=40)),
        st.tuples(st.just(UPDATE), st.sampled_from([0, SYN, ACK, FIN, RST]), st.integers(0, 2**32 - 1)),
        st.tuples(st.just(PING), st.sampled_from([SYN, ACK]), st.integers(0, 2**32 - 1)),
    ),
    max_size=12,
)


def history(pieces):
    """Feed a server; tell what it made of it, as one that reads at once would see it."""
    theirs, known = server(), {}
    try:
        for piece in pieces:
            for stream in theirs.receive(piece):
                known[id(stream)] = stream
        failure = None
    except ProtocolError as error:
        failure = str(error)
    seen = [
        (each.number, bytes(each.unread), each.received, each.granted, each.done_in, each.reset)
        for each in known.values()
    ]
    return seen, sorted(theirs.streams), bytes(theirs.control), failure


@settings(deadline=None)
@given(
    FRAMES, st.lists(st.integers(1, 3), min_size=12, max_size=12), st.lists(st.integers(1, 30), min_size=1)
)
def test_however_the_bytes_are_cut_the_outcome_is_the_same(frames, numbers, cuts):
    wire = b""
    for (kind, flags, body), number in zip(frames, numbers, strict=False):
        length = len(body) if kind == DATA else body
        wire += frame(kind, flags, number if kind != PING else 0, length, body if kind == DATA else b"")
    pieces, place = [], 0
    for size in itertools.cycle(cuts):
        if place >= len(wire):
            break
        pieces.append(wire[place : place + size])
        place += size
    whole, cut = history([wire]), history(pieces)
    # A violation ends both, but what came before it may have been told already.
    assert cut[1:] == whole[1:]
    if whole[3] is None:
        assert cut == whole


class Side:
    """A session under test, which wants to send on every stream, its own and the other's."""

    def __init__(self, session):
        self.session = session
        self.wire = bytearray()
        self.streams = {}
        self.left = {}
        self.sent = {}
        self.got = {}

    def adopt(self, stream, payload):
        self.streams[stream.number] = stream
        self.left[stream.number] = payload
        self.sent[stream.number] = payload
        self.got[stream.number] = b""

    def say(self, number, most):
        """Send up to `most` bytes, and the end with the last."""
        stream, left = self.streams[number], self.left[number]
        if stream.done_out:
            return
        piece = left[: min(most, stream.granted - stream.sent)]
        self.left[number] = left[len(piece) :]
        if piece or not left:
            self.wire += self.session.data(stream, piece, last=not self.left[number])
        assert stream.sent <= stream.granted

    def take(self, number, most):
        stream = self.streams[number]
        self.got[number] += self.session.take(stream, most)
        self.wire += self.session.widen(stream)

    def hear(self, data):
        news = self.session.receive(data)
        for stream in news:
            if stream.number not in self.streams:
                self.adopt(stream, bytes([stream.number % 251]) * (stream.number * 70_001 % 400_000))
            assert len(stream.unread) <= WINDOW
            assert stream.received <= stream.allowed
        self.wire += self.session.control
        self.session.control.clear()


SIZES = st.sampled_from([1, 11, 12, 13, 1000, 65_536, 200_000, 300_000])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "say", "take", "hear", "reset", "ping"]),
        st.booleans(),
        st.integers(0, 7),
        SIZES,
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_two_sessions_talk_whatever_the_schedule(steps):
    sides = Side(client()), Side(server())
    cut = set()
    for what, first, place, size in steps:
        side, other = sides if first else sides[::-1]
        number = sorted(side.streams)[place % len(side.streams)] if side.streams else None
        if what == "open":
            side.adopt(side.session.open(), bytes([place]) * size)
        elif what == "hear":
            piece = bytes(other.wire[:size])
            del other.wire[:size]
            side.hear(piece)
        elif what == "ping":
            side.wire += side.session.ping(size)
        elif number is not None and what == "say":
            side.say(number, size)
        elif number is not None and what == "take":
            side.take(number, size)
        elif number is not None and what == "reset":
            side.wire += side.session.reset(side.streams[number])
            cut.add(number)
    _finish(sides)
    for side, other in (sides, sides[::-1]):
        assert side.session.streams == {}
        for number in set(side.streams) & set(other.streams) - cut:
            assert other.got[number] == side.sent[number]


def _finish(sides):
    """Let both go on fairly until nothing moves."""
    moved = True
    while moved:
        moved = False
        for side, other in (sides, sides[::-1]):
            for number in sorted(side.streams):
                side.say(number, WINDOW)
                side.take(number, WINDOW)
            if other.wire:
                moved = True
                piece = bytes(other.wire)
                other.wire.clear()
                side.hear(piece)
        moved = moved or any(side.wire for side in sides)
