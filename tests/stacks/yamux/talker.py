"""A peer of yamux that says what it likes; no test."""

from __future__ import annotations

import struct

import msgpack

import stacks
from stacks import service
from stacks.testing.oracle import Oracle
from stacks.transports.yamux.session import DATA, FIN, HEAD

LONG = 20.0
WINDOW = 262_144
YAMUX = stacks.find("yamux-msgpack")
SHOP = service.load("stacks.shop:Shop")
ORACLE = service.read(Oracle)


def frame(kind, flags, number, length=0, payload=b""):
    return HEAD.pack(0, kind, flags, number, length or len(payload)) + payload


def reply(number, message, flags=FIN):
    """Write a reply with the end in the same frame, as the specification allows."""
    return frame(DATA, flags, number, payload=msgpack.packb([0, message]))


class YamuxTalker:
    """One side of yamux that says what it likes, frame by frame."""

    def __init__(self, connection):
        self.connection = connection
        self._reading = connection.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._reading.close()

    def say(self, *frames):
        self.connection.sendall(b"".join(frames))

    def ask(self, number, *parts, flags=5):
        """Send messages on a stream in one frame; with SYN and FIN unless told otherwise."""
        payload = b"".join(map(msgpack.packb, parts))
        self.say(struct.pack(">BBHII", 0, 0, flags, number, len(payload)), payload)

    def read(self, size):
        return self._reading.read(size)

    def hear(self):
        """Read one frame: type, flags, stream, length and payload; None at the end."""
        head = self.read(12)
        if not head:
            return None
        version, kind, flags, number, length = struct.unpack(">BBHII", head)
        assert version == 0
        return kind, flags, number, length, self.read(length if kind == 0 else 0)

    def request(self):
        """Read the data of a call and its end, in a frame each: the stream's number and the data."""
        kind, flags, number, _, payload = self.hear()
        assert (kind, flags) == (0, 1)
        assert self.hear() == (1, 4, number, 0, b"")
        return number, payload

    def reply(self, number):
        """Read one reply of one frame and the end of its stream; an ACK may come with it."""
        kind, flags, found, _, payload = self.hear()
        assert (kind, flags & ~2, found) == (0, 0, number)
        assert self.hear() == (1, 4, number, 0, b"")
        return msgpack.unpackb(payload)
