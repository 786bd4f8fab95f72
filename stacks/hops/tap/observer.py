"""Tells what a TCP connection speaks and splits its bytes by what they are, without any I/O."""

from __future__ import annotations

from collections.abc import Callable

from stacks.hops.tap import http1, http2, msgpack, thrift, tls, yamux
from stacks.hops.tap.counts import Bytes, Connection
from stacks.hops.tap.script import Flow, Script, Side

UNKNOWN = "unknown"
_AHEAD = 64 * 1024
"""Bytes that are kept until it is told what the connection speaks."""

_Matches = Callable[[bytes], "bool | None"]
_Scripts = Callable[[Flow, Flow], tuple[Script, Script]]


def _begins(*starts: bytes) -> _Matches:
    def matches(start: bytes) -> bool | None:
        if start.startswith(starts):
            return True
        return None if any(each.startswith(start) for each in starts) else False

    return matches


_PROTOCOLS: tuple[tuple[str, _Matches, _Scripts], ...] = (
    ("HTTP/2", _begins(http2.PREFACE), http2.scripts),
    ("HTTP/1", _begins(*(method + b" " for method in http1.METHODS)), http1.scripts),
    ("TLS", _begins(*(bytes((22, 3, minor)) for minor in range(5))), tls.scripts),
    ("MessagePack-RPC", _begins(b"\x94\x00", b"\x93\x02"), msgpack.scripts),
    ("JSON lines", _begins(b"[0,", b"[2,"), msgpack.line_scripts),
    ("yamux", yamux.matches, yamux.scripts),
    ("Thrift", thrift.matches, thrift.scripts),
)
"""Name → whether what a client sends first is this, and the scripts of both directions."""


class Observer:
    """Sees both directions of one connection, each in order, and a request before its reply."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self._out, self._back = Flow(), Flow()
        self._ahead: tuple[bytearray, bytearray] | None = (bytearray(), bytearray())
        self._sides: tuple[Side, Side] | None = None
        self.protocol = ""
        """Empty while it cannot be told."""

    def sent(self, data: bytes) -> None:
        """See what went from the side that connected."""
        self._out.total += len(data)
        self._see(0, data)

    def answered(self, data: bytes) -> None:
        """See what went to it."""
        self._back.total += len(data)
        self._see(1, data)

    def counted(self) -> Connection:
        """Give what there is up to now."""
        return Connection(
            self.protocol or UNKNOWN,
            self._out.calls,
            Bytes.of(self._out),
            Bytes.of(self._back),
            self._out.streams,
            self._out.refused + self._back.refused,
        )

    def _see(self, way: int, data: bytes) -> None:
        if self._sides is not None:
            self._sides[way].feed(data)
        elif self._ahead is not None:
            self._ahead[way].extend(data)
            self._decide(self._ahead)

    def _decide(self, ahead: tuple[bytearray, bytearray]) -> None:
        """Find the protocol by what the client has sent first, if it has said enough."""
        start = bytes(ahead[0][: len(http2.PREFACE)])
        waiting = len(ahead[0]) + len(ahead[1]) < _AHEAD
        for name, matches, scripts in _PROTOCOLS:
            found = matches(start)
            if found:
                self.protocol = name
                ours, theirs = scripts(self._out, self._back)
                self._sides = Side(ours, self._out), Side(theirs, self._back)
                break
            if found is None and waiting:
                return
        else:
            self.protocol = UNKNOWN
        self._ahead = None
        for side, data in zip(self._sides or (), ahead, strict=False):
            side.feed(bytes(data))
