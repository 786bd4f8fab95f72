"""What a tap counted for calls of one arm, and what that is by call; pure."""

from __future__ import annotations

import msgspec

from stacks.hops.tap.counts import Bytes, Counts


class Part(msgspec.Struct, frozen=True):
    """Some of the calls, and the bytes that passed one point for them."""

    calls: int
    bytes_out: int
    bytes_in: int
    payload_out: int
    """Bytes of all requests, as the format encodes them."""
    payload_in: int
    kinds_out: Bytes
    kinds_in: Bytes

    @property
    def overhead_out(self) -> float:
        """Bytes by call, besides the payload; in a closing nobody calls, so that it is 0 there."""
        return (self.bytes_out - self.payload_out) / self.calls if self.calls else 0.0

    @property
    def overhead_in(self) -> float:
        """As `overhead_out`, of what comes back."""
        return (self.bytes_in - self.payload_in) / self.calls if self.calls else 0.0


class Point(msgspec.Struct, frozen=True):
    """One place between client and service."""

    before: str
    """Who connects here: ``client``, or a hop."""
    behind: str
    """Who accepts: a hop, or ``server``."""
    protocols: tuple[str, ...]
    connections: int
    """TCP connections that were opened for all calls."""
    most: int
    """Most that were open at once."""
    seen: int | None
    """Calls that the tap has seen begin; None where the protocol does not tell."""
    first: Part
    """The first call of every connection of the client, with what opening it takes."""
    steady: Part | None
    """Calls on connections that have carried one; None where each has a connection of its own."""
    closing: Part
    """What was said when the connections were closed, beside all calls."""
    streams: int | None = None
    """Most of them under way at once on one connection; None where the protocol has no streams that tell."""
    refused: int = 0
    """Calls that were not taken (``REFUSED_STREAM``)."""

    @property
    def total(self) -> Part:
        """All of them together."""
        return add(add(self.first, self.steady), self.closing)


class Tapped(msgspec.Struct, frozen=True):
    """Calls of one arm, counted."""

    stack: str
    hops: tuple[str, ...]
    channel: str
    method: str
    sample: str
    users: int
    calls: int
    messages: int
    """Of a call with streams: its requests, or its replies where it has only one request."""
    points: tuple[Point, ...]
    """From the client to the server."""
    failed: int = 0
    """Calls that failed because the server limits the streams of a connection; any other failure ends it."""


def part(before: Counts, after: Counts, calls: int, payload: tuple[int, int]) -> Part:
    """Give what came in between; `payload` is that of one call, out and in."""
    out, back = after.out - before.out, after.back - before.back
    return Part(calls, out.total, back.total, calls * payload[0], calls * payload[1], out, back)


def add(one: Part, other: Part | None) -> Part:
    """Put two parts together."""
    if other is None:
        return one
    return Part(
        one.calls + other.calls,
        one.bytes_out + other.bytes_out,
        one.bytes_in + other.bytes_in,
        one.payload_out + other.payload_out,
        one.payload_in + other.payload_in,
        one.kinds_out + other.kinds_out,
        one.kinds_in + other.kinds_in,
    )
