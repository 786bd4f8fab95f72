"""Every codec, with messages of every kind of field and one that contains itself."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from typing import Any

import msgspec
from tally import Target

import stacks
from stacks.base import Codec
from stacks.codecs import graphql, thrift
from stacks.errors import ProtocolError
from stacks.shop import Order, Receipt, Shop, order
from stacks.testing.oracle import FULL, WIDE, Wide

PACKAGE = "fuzz"
_DEEP = ("nested too deeply", "Recursion limit")
"""What `encode` says of a tree that is deeper than it goes; some decoders go further."""
_DEPTHS = (10, 63, 64, 65, 100, 500, 1000, 5000, 20_000)


class Tree(msgspec.Struct):
    """A message that contains itself, in three ways."""

    label: str
    child: Tree | None = None
    children: list[Tree] = []
    named: dict[str, Tree] = {}


_TREES = (
    Tree("leaf"),
    Tree("a", Tree("b", Tree("c")), [Tree("d"), Tree("e", None, [Tree("f")])], {"g": Tree("h")}),
)
_VALUES: dict[type, tuple[Any, ...]] = {
    Order: (order("small"), order("medium", 7)),
    Receipt: (Shop().quote(order("small")), Shop().quote(order("medium"))),
    Wide: (WIDE, FULL),
    Tree: _TREES,
}


def targets() -> list[Target]:
    """Give a target for every format there is, and for those of single stacks."""
    made = {name: importlib.import_module(path).FORMAT.codec for name, path in stacks._FORMATS.items()}
    made |= {"thrift-binary": thrift.BINARY.codec, "thrift-compact": thrift.COMPACT.codec}
    made["graphql"] = graphql.FORMAT.codec
    return [
        target(f"codec {name} {message.__name__}", codec(message), values, message)
        for name, codec in made.items()
        for message, values in _VALUES.items()
    ]


def target(name: str, codec: Codec[Any], values: tuple[Any, ...], message: type) -> Target:
    """Make the target of one codec."""
    return Target(name, lambda: _right(codec, values), _attempt(codec, message))


def _right(codec: Codec[Any], values: tuple[Any, ...]) -> tuple[list[bytes], list[bytes]]:
    built = [*nests()]
    if isinstance(values[0], Tree):
        built += nested(codec.encode)
    return [codec.encode(value) for value in values], built


def _attempt(codec: Codec[Any], message: type) -> Callable[[bytes], str]:
    decode, encode = codec.decode, codec.encode
    views = itertools.cycle((False, True))

    def attempt(data: bytes) -> str:
        try:
            value = decode(memoryview(data) if next(views) else data)
        except ProtocolError:
            return "refused"
        if type(value) is not message:
            raise TypeError(f"{value!r:.100} was read instead of a {message.__name__}")
        try:
            once = encode(value)
            again = decode(once)
        except ProtocolError as error:
            if message is Tree and any(deep in str(error) for deep in _DEEP):
                return "too deep to write"
            raise
        if encode(again) != once and not same(value, again):
            raise ValueError(f"{value!r:.200} became something else on its way")
        return "accepted"

    return attempt


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal, where NaN is equal to itself."""
    if type(one) is not type(other):
        return False
    match one:
        case msgspec.Struct():
            return all(same(getattr(one, name), getattr(other, name)) for name in one.__struct_fields__)
        case list():
            return len(one) == len(other) and all(map(same, one, other))
        case dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124 -- so is NaN


def nests() -> list[bytes]:
    """Give what looks deeply nested to one format or the other, whatever its message is."""
    return [
        head * depth + tail * depth
        for depth in _DEPTHS
        for head, tail in (
            (b"[", b"]"),
            (b"[", b""),
            (b'{"child":', b"}"),
            (b'{"label":"","child":', b""),
            (b"\x91", b""),
            (b"\x81\xa1a", b"\xc0"),
            (b"\x81\x91", b""),
            (b"\xdd\xff\xff\xff\xff", b""),
            (b"\x0c\x00\x02", b"\x00"),
            (b"\x0f\x0c\x7f\xff\xff\xff", b""),
            (b"\x0d\x00\x01\x0d\x0d\x00\x00\x00\x01", b""),
            (b"\x1c", b"\x00"),
            (b"\x19\x19", b""),
            (b"\x04\x00\x00\x00\x00", b"\xff"),
            (b"\x13", b"\x14"),
        )
    ]


def nested(encode: Callable[[Any], bytes]) -> list[bytes]:
    """Give trees in trees, deeper than `encode` itself would go."""
    leaf = encode(Tree("leaf"))
    built = []
    for wrapped in (
        Tree("", Tree("leaf")),
        Tree("", None, [Tree("leaf")]),
        Tree("", None, [], {"k": Tree("leaf")}),
    ):
        head, found, tail = encode(wrapped).partition(leaf)
        if found:
            built += [head * depth + leaf + tail * depth for depth in _DEPTHS]
    return built + [_by_length(depth) for depth in _DEPTHS]


def _by_length(depth: int) -> bytes:
    """Nest as protobuf does, where each tree tells its length: field 2, wire type 2."""
    parts, size = [], 0
    for _ in range(depth):
        part = b"\x12" + _varint(size)
        size += len(part)
        parts.append(part)
    return b"".join(reversed(parts))


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])
