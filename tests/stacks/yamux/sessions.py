"""Sessions of yamux and their frames by hand; no test."""

from __future__ import annotations

from stacks.transports.yamux.session import (
    BACKLOG,
    Session,
)


def frame(kind, flags, number, length, payload=b""):
    """Write a frame by hand, as the specification lays it out."""
    parts = ((0, 1), (kind, 1), (flags, 2), (number, 4), (length, 4))
    return b"".join(value.to_bytes(size, "big") for value, size in parts) + payload


DATA, UPDATE, PING, AWAY = 0, 1, 2, 3
SYN, ACK, FIN, RST = 1, 2, 4, 8


def client():
    return Session(client=True)


def server(backlog=BACKLOG):
    return Session(client=False, backlog=backlog)
