"""Walks over bytes of Thrift's binary protocol, so that the library is spared what it does not stand.

thriftpy2's Cython protocol reads over an element of a type that it does not know without taking a byte. So
a list of nine bytes that declares 2³¹ such elements keeps it, and the whole process, busy for seconds, and
bits that flipped by accident are enough for it. Format:
https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
"""

from __future__ import annotations

import struct

from thriftpy2.thrift import TType

from stacks.errors import ProtocolError

_SIZES = {
    TType.BOOL: 1,
    TType.BYTE: 1,
    TType.I16: 2,
    TType.I32: 4,
    TType.I64: 8,
    TType.DOUBLE: 8,
}
_DEEPEST = 64
"""Structs, lists and maps within each other, as thriftpy2 has it."""
_HEAD = 12
"""Bytes of a message's head beside its method's name: version, the name's length, sequence number."""
_length = struct.Struct(">i").unpack_from


def check_message(data: bytes) -> None:
    """Raise `ProtocolError` for a message that is none; what its struct means is not looked at."""
    try:
        check_struct(data, _HEAD + _length(data, 4)[0])
    except struct.error as error:
        raise ProtocolError("a message ends too early") from error


def check_struct(data: bytes, at: int = 0) -> None:
    """Raise `ProtocolError` unless a struct goes from `at` to the end of `data`."""
    try:
        end = _struct(data, at, _DEEPEST)
    except (struct.error, IndexError) as error:
        raise ProtocolError("a struct ends too early") from error
    if end != len(data):
        raise ProtocolError(f"a struct ends at byte {end} of {len(data)}")


def _struct(data: bytes, at: int, depth: int) -> int:
    """Give the end of a struct."""
    while (kind := data[at]) != TType.STOP:
        at = _value(kind, data, at + 3, depth)
    return at + 1


def _value(kind: int, data: bytes, at: int, depth: int) -> int:
    """Give the end of a value, which may be after that of `data`."""
    size = _SIZES.get(kind)
    if size is not None:
        return at + size
    if kind == TType.STRING:
        return at + 4 + _natural(data, at)
    if not depth:
        raise ProtocolError(f"more than {_DEEPEST} structs, lists and maps are within each other")
    match kind:
        case TType.STRUCT:
            return _struct(data, at, depth - 1)
        case TType.LIST | TType.SET:
            return _items(data[at : at + 1], _natural(data, at + 1), data, at + 5, depth - 1)
        case TType.MAP:
            return _items(data[at : at + 2], _natural(data, at + 2), data, at + 6, depth - 1)
    raise ProtocolError(f"there is no type {kind}")


def _items(kinds: bytes, count: int, data: bytes, at: int, depth: int) -> int:
    """Give the end of `count` times a value of each of `kinds`."""
    if count and all(kind in _SIZES for kind in kinds):
        return at + count * sum(_SIZES[kind] for kind in kinds)
    for _ in range(count):
        for kind in kinds:
            at = _value(kind, data, at, depth)
    return at


def _natural(data: bytes, at: int) -> int:
    size: int = _length(data, at)[0]
    if size < 0:
        raise ProtocolError(f"a length of {size} is none")
    return size
