"""yamux on the wire, with the messages that rpcduel puts on its streams.

https://github.com/hashicorp/yamux/blob/master/spec.md and `stacks.transports.yamux.message`; what else stands
on a stream is all body.
"""

from __future__ import annotations

import struct

from stacks.hops.tap.script import ALL, BODY, CONTROL, FRAMING, Flow, Pass, Script, Side, Skip, Take
from stacks.hops.tap.value import Value

_HEAD = struct.Struct(">BBHII")
_DATA, _UPDATE, _PING, _AWAY = range(4)
_SYN, _FIN, _RST, _FLAGS = 1, 4, 8, 15
_STREAMS = 8192
_HIGH = 1 << 24
"""No connection begins with a stream of such a number, but other protocols have bytes of theirs there."""
_STRINGS = frozenset((*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB))
_FINE, _FAILED = b"\x92\x00", b"\x93\x01"


def matches(start: bytes) -> bool | None:
    """Tell whether a connection begins like this; None while it may."""
    if len(start) < _HEAD.size:
        return None if start[:1] in (b"", b"\0") else False
    version, kind, flags, number, _ = _HEAD.unpack_from(start)
    if version or flags & ~_FLAGS or number >= _HIGH:
        return False
    return bool(flags & _SYN and number % 2) if kind in (_DATA, _UPDATE) else kind <= _AWAY and not number


def scripts(out: Flow, back: Flow) -> tuple[Script, Script]:
    """Give the scripts of a connection's two directions."""
    ways: tuple[dict[int, Side], dict[int, Side]] = ({}, {})
    return _frames(out, ways, 0), _frames(back, ways, 1)


def _frames(flow: Flow, ways: tuple[dict[int, Side], dict[int, Side]], way: int) -> Script:
    mine = ways[way]
    while True:
        head = yield Take(_HEAD.size, None)
        version, kind, flags, number, length = _HEAD.unpack(head)
        if version or kind > _AWAY:
            return
        flow.parts[CONTROL if kind else FRAMING] += _HEAD.size
        flow.calls += bool(flags & _SYN and not way and kind in (_DATA, _UPDATE))
        if flags & _RST:
            for each in ways:
                each.pop(number, None)
        if kind == _DATA:
            side = mine.get(number)
            if side is None and len(mine) < _STREAMS:
                side = mine[number] = Side((_reply, _request)[not way](flow), flow)
            yield Pass(length, side) if side else Skip(length, BODY)
        if flags & _FIN:
            mine.pop(number, None)


def _request(flow: Flow) -> Script:
    """Read the method's name, then messages."""
    first = yield Take(1, None)
    if first[0] in _STRINGS:
        yield from _name(flow, first[0])
    else:
        flow.parts[BODY] += 1
    yield Skip(ALL, BODY)


def _name(flow: Flow, first: int) -> Script:
    flow.parts[FRAMING] += 1
    wide = {0xD9: 1, 0xDA: 2, 0xDB: 4}.get(first, 0)
    length = int.from_bytes((yield Take(wide)), "big") if wide else first & 0x1F
    yield Skip(length, FRAMING)


def _reply(flow: Flow) -> Script:
    """Read replies, each an array of two with its message; a failure's code and text are body."""
    while True:
        head = yield Take(2, None)
        if head == _FINE:
            flow.parts[FRAMING] += 2
            yield Value(BODY)
        elif head == _FAILED:
            flow.parts[FRAMING] += 2
            yield Value(BODY)
            yield Value(BODY)
        else:
            flow.parts[BODY] += 2
            yield Skip(ALL, BODY)
