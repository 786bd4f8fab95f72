"""What the tap has counted."""

from __future__ import annotations

from typing import Any

import msgspec

from stacks.hops.tap.script import BODY, CONTROL, FRAMING, HEADERS, Flow


class Bytes(msgspec.Struct, frozen=True):
    """What went one way, in bytes; the parts add up to `total`."""

    total: int = 0
    body: int = 0
    """Of messages, as the protocol delimits them: a message of gRPC, a body of HTTP, a struct of Thrift."""
    framing: int = 0
    """Around messages: heads of frames and chunks, lengths, names of methods."""
    headers: int = 0
    """Of HTTP, with those behind a body."""
    control: int = 0
    """About the connection: settings, windows, pings, handshakes."""
    other: int = 0
    """What cannot be told: a protocol nobody knows, data under TLS, what is not whole yet."""

    @classmethod
    def of(cls, flow: Flow) -> Bytes:
        """Read what has been counted up to now."""
        parts = flow.parts
        other = flow.total - sum(parts)
        return cls(flow.total, parts[BODY], parts[FRAMING], parts[HEADERS], parts[CONTROL], other)

    def __add__(self, more: Bytes) -> Bytes:
        """Add part by part."""
        return Bytes(*(a + b for a, b in zip(_values(self), _values(more), strict=True)))

    def __sub__(self, before: Bytes) -> Bytes:
        """Give what came after `before`."""
        return Bytes(*(a - b for a, b in zip(_values(self), _values(before), strict=True)))


class Connection(msgspec.Struct, frozen=True):
    """One TCP connection, seen from the side that opened it."""

    protocol: str
    """Such as ``HTTP/2``, ``HTTP/1``, ``Thrift`` or ``TLS``; ``unknown`` where it cannot be told."""
    calls: int
    """Calls that began, as far as the protocol tells; 0 where it does not."""
    out: Bytes
    back: Bytes
    streams: int = 0
    """Most calls that were under way at once; 0 where the protocol does not tell."""
    refused: int = 0
    """Calls that the other side did not take: HTTP/2's ``REFUSED_STREAM``."""


class Counts(msgspec.Struct, frozen=True):
    """All connections together, since the tap was opened."""

    connections: int = 0
    """TCP connections that were opened to the tap."""
    open: int = 0
    """Those that are open now."""
    most: int = 0
    """Most that were open at once."""
    unreached: int = 0
    """Those that were cut because the tap could not connect upstream."""
    calls: int = 0
    protocols: dict[str, int] = {}
    """Protocol → connections that speak it; none of those that have not said enough."""
    out: Bytes = Bytes()
    """From those who connect."""
    back: Bytes = Bytes()
    streams: int = 0
    """Most calls that were under way at once on one connection; 0 where no protocol tells."""
    refused: int = 0
    """Calls that were not taken."""


def _values(found: Bytes) -> tuple[Any, ...]:
    return msgspec.structs.astuple(found)
