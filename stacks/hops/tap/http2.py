"""HTTP/2 on the wire, with gRPC's messages on its streams.

https://www.rfc-editor.org/rfc/rfc9113#section-4.1, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

from stacks.hops.tap.script import ALL, BODY, CONTROL, FRAMING, HEADERS, Flow, Pass, Script, Side, Skip, Take

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_HEAD = 9
_DATA, _HEADERS, _RESET, _PROMISE, _CONTINUATION = 0, 1, 3, 5, 9
_END_STREAM, _PADDED = 1, 8
_CODE, _REFUSED = 4, 7
"""Length of an error code, and that of ``REFUSED_STREAM``."""
_BOTH = 3
_STREAMS = 8192
"""Streams with messages under way that are kept apart; of more the 5 bytes before messages are not told."""
_LOOK = 4096
"""Bytes of a block of headers that are looked into."""
_CODES = {
    "a": "00011",
    "p": "101011",
    "l": "101000",
    "i": "00110",
    "c": "00100",
    "t": "01001",
    "o": "00111",
    "n": "101010",
    "/": "011000",
    "g": "100110",
    "r": "101100",
}
"""From https://www.rfc-editor.org/rfc/rfc7541#appendix-B."""


def _huffman(text: str) -> bytes:
    """Write `text` in HPACK's code, as far as whole bytes of it say nothing about what follows."""
    bits = "".join(_CODES[each] for each in text)
    whole = len(bits) // 8
    return int(bits[: 8 * whole], 2).to_bytes(whole, "big")


_GRPC = (b"application/grpc", _huffman("application/grpc"))


class _Both:
    """What the two directions know of each other."""

    def __init__(self) -> None:
        self.grpc = False
        self.looking = True
        self.ways: tuple[dict[int, Side], dict[int, Side]] = ({}, {})
        self._open: dict[int, int] = {}
        """Streams under way, and by which directions they have been ended: 1, 2."""

    def begin(self, stream: int, flow: Flow) -> None:
        """Note that a stream was opened; of more than 8,192 at once the rest is not told."""
        if len(self._open) < _STREAMS:
            self._open[stream] = 0
            flow.streams = max(flow.streams, len(self._open))

    def end(self, stream: int, way: int) -> None:
        """Note that one direction has ended it: it is over when both have."""
        self.ways[way].pop(stream, None)
        if stream in self._open:
            self._open[stream] |= 1 << way
            if self._open[stream] == _BOTH:
                del self._open[stream]

    def reset(self, stream: int) -> None:
        """Note that it is over."""
        self._open.pop(stream, None)
        for each in self.ways:
            each.pop(stream, None)

    def side(self, way: int, stream: int, flow: Flow) -> Side | None:
        """Find who reads messages of a stream; None where they are not told apart."""
        if not self.grpc:
            return None
        mine = self.ways[way]
        side = mine.get(stream)
        if side is None:
            if len(mine) >= _STREAMS:
                self.grpc = False
                return None
            side = mine[stream] = Side(_messages(flow), flow)
        return side


def scripts(out: Flow, back: Flow) -> tuple[Script, Script]:
    """Give the scripts of a connection's two directions."""
    both = _Both()
    return _client(out, both), _frames(back, both, 1)


def _client(flow: Flow, both: _Both) -> Script:
    yield Take(len(PREFACE), CONTROL)
    yield from _frames(flow, both, 0)


def _frames(flow: Flow, both: _Both, way: int) -> Script:
    parts, last = flow.parts, 0
    while True:
        head = yield Take(_HEAD, None)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        parts[FRAMING if kind in (_DATA, _HEADERS, _CONTINUATION, _PROMISE) else CONTROL] += _HEAD
        if kind == _DATA:
            yield from _data(length, flags, both.side(way, stream, flow))
        elif kind in (_HEADERS, _CONTINUATION, _PROMISE):
            if kind == _HEADERS and not way and stream > last:
                last = stream
                flow.calls += 1
                both.begin(stream, flow)
            yield from _headers(length, both)
        elif kind == _RESET and length >= _CODE:
            code = yield Take(_CODE, CONTROL)
            flow.refused += int.from_bytes(code, "big") == _REFUSED
            yield Skip(length - _CODE, CONTROL)
        else:
            yield Skip(length, CONTROL)
        if kind == _RESET:
            both.reset(stream)
        elif kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            both.end(stream, way)


def _data(length: int, flags: int, side: Side | None) -> Script:
    padding = 0
    if flags & _PADDED and length:
        padding = min((yield Take(1))[0], length - 1)
        length -= 1
    content = length - padding
    yield Pass(content, side) if side else Skip(content, BODY)
    yield Skip(padding, FRAMING)


def _headers(length: int, both: _Both) -> Script:
    looked = 0
    if both.looking:
        looked = min(length, _LOOK)
        block = yield Take(looked, HEADERS)
        # Later calls may refer to what this one said, so that it is not said again.
        both.grpc = any(sign in block for sign in _GRPC)
        both.looking = not both.grpc
    yield Skip(length - looked, HEADERS)


def _messages(flow: Flow) -> Script:
    """Read a stream: messages, each behind 1 byte of flags and 4 of length; or what else stands on it."""
    first = yield Take(1, None)
    if first[0] > 1:
        flow.parts[BODY] += 1
        yield Skip(ALL, BODY)
    flow.parts[FRAMING] += 1
    while True:
        size = int.from_bytes((yield Take(4)), "big")
        yield Skip(size, BODY)
        yield Take(1)
