"""Thrift's framed transport on the wire, with the binary or the compact protocol.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-rpc.md; a message is a struct of arguments or of
the result, and its body here is the struct that stands in that struct's only field.
"""

from __future__ import annotations

from stacks.hops.tap.script import BODY, FRAMING, Flow, Script, Skip, Take

_LENGTH = 4
_LOOK = 512
"""Bytes of a frame that are looked into; a method's name must end in them."""
_BINARY, _COMPACT = b"\x80\x01", 0x82
_CALLS = (1, 4)
_EXCEPTION = 3
_STOP = 0


def matches(start: bytes) -> bool | None:
    """Tell whether a connection begins like this; None while it may."""
    if start[:1] not in (b"", b"\0"):
        return False
    if len(start) < _LENGTH + 2:
        return None if start[_LENGTH : _LENGTH + 1] in (b"", b"\x80", b"\x82") else False
    return start[4:6] == _BINARY or (start[4] == _COMPACT and start[5] & 0x1F == 1)


def scripts(out: Flow, back: Flow) -> tuple[Script, Script]:
    """Give the scripts of a connection's two directions."""
    return _frames(out), _frames(back)


def _frames(flow: Flow) -> Script:
    parts = flow.parts
    while True:
        length = int.from_bytes((yield Take(_LENGTH)), "big")
        start = yield Take(min(length, _LOOK), None)
        kind, front, behind = _around(start)
        flow.calls += kind in _CALLS
        parts[FRAMING] += front
        if length <= _LOOK:
            behind = min(behind, length - front)
            parts[BODY] += length - front - behind
            parts[FRAMING] += behind
        else:
            parts[BODY] += _LOOK - front
            yield Skip(length - _LOOK - behind, BODY)
            yield Skip(behind, FRAMING)


def _around(start: bytes) -> tuple[int, int, int]:
    """Give the kind of a message and the bytes before and behind its body, or nothing."""
    try:
        if start[:2] == _BINARY:
            kind, end, field = _binary(start)
        elif start[0] == _COMPACT:
            kind, end, field = _compact(start)
        else:
            return 0, 0, 0
    except IndexError:
        return 0, 0, 0
    if end + field > len(start):
        return 0, 0, 0
    return (kind, end, 0) if kind == _EXCEPTION else (kind, end + field, 1 if field else 0)


def _binary(start: bytes) -> tuple[int, int, int]:
    """Read a head: its kind, its length, and that of the field's head behind it."""
    end = 12 + int.from_bytes(start[4:8], "big")
    field = 0 if start[end] == _STOP else 3
    return start[3], end, field


def _compact(start: bytes) -> tuple[int, int, int]:
    kind = start[1] >> 5
    _, at = _varint(start, 2)
    size, at = _varint(start, at)
    end = at + size
    first = start[end]
    # A field whose number is not a little above the last one's says it in bytes of its own.
    field = 0 if first == _STOP else 1 if first >> 4 else _varint(start, end + 1)[1] - end
    return kind, end, field


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
