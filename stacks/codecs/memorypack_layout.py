"""How C# lays out values that hold no references: MemoryPack copies these as they stand in memory.

Sources: README "Unmanaged struct", NullableFormatter.cs, KeyValuePairFormatter.cs, UnmanagedFormatter.cs and
(for padding) TypeScriptRuntime.cs of https://github.com/Cysharp/MemoryPack. `Nullable<T>` is a bool and a T,
a pair its key and its value, each as a sequential struct, padding included; so it is with a DateTime in it
too, since .NET 7. A null is all zeros.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from stacks.codecs.compile import Members, Source, number
from stacks.codecs.memorypack_values import moment, ticks
from stacks.schema import RANGE_32, Enumeration, Optional, Scalar, Shape

_BITS = {True: True, False: False}
"""A bool as it is written; anything else is not found."""


@dataclass(frozen=True)
class Layout:
    """The bytes of a type; `codes` are those of `struct`, little-endian, with the padding in them."""

    codes: str
    align: int
    """Its address in memory is a multiple of this."""

    @functools.cached_property
    def struct(self) -> struct.Struct:
        """What packs and unpacks it."""
        return struct.Struct("<" + self.codes)

    @property
    def size(self) -> int:
        """Bytes of one, as in a list."""
        return self.struct.size


BYTE = Layout("B", 1)
BOOL = Layout("?", 1)
INT32 = Layout("i", 4)
INT64 = Layout("q", 8)
DOUBLE = Layout("d", 8)
DATETIME = Layout("Q", 8)
GUID = Layout("16s", 4)
"""A Guid begins with an int and has nothing larger in it."""

_SCALARS = {
    Scalar.INT: INT64,
    Scalar.INT32: INT32,
    Scalar.FLOAT: DOUBLE,
    Scalar.BOOL: BOOL,
    Scalar.DATETIME: DATETIME,
    Scalar.UUID: GUID,
}


def sequence(*members: Layout) -> Layout:
    """Lay out a sequential struct: members in order, each aligned, and its own size a multiple of the widest.

    Source: ECMA-335, II.10.1.2, and the C ABI that it follows.
    """
    codes, at = "", 0
    align = max(member.align for member in members)
    for member in members:
        codes += "x" * (-at % member.align) + member.codes
        at = struct.calcsize("<" + codes)
    return Layout(codes + "x" * (-at % align), align)


def nullable(of: Layout) -> Layout:
    """Lay out a ``Nullable<T>``."""
    return sequence(BOOL, of)


def layout(shape: Shape) -> Layout | None:
    """Lay out what C# has for `shape`; None where that holds references, as strings and lists do.

    An enum is an int, or a long where a number of it has more than 32 bits.
    """
    match shape:
        case Scalar():
            return _SCALARS.get(shape)
        case Enumeration():
            return INT32 if all(one in RANGE_32 for one in shape.members) else INT64
        case Optional(of):
            inner = layout(of)
            return inner and nullable(inner)
    return None


def taken(source: Source, shape: Shape, value: str, where: str) -> list[str]:
    """Write what a layout's struct packs for a value; an optional one must be a variable."""
    match shape:
        case Optional(of):
            (inner,) = taken(source, of, value, where)
            nothing = "b''" if of is Scalar.UUID else "0"
            return [f"{value} is not None", f"{nothing} if {value} is None else {inner}"]
        case Enumeration():
            return [number(source, shape, value)]
        case Scalar.BOOL:
            return [f"{source.name(_BITS)}[{value}]"]
        case Scalar.DATETIME:
            return [f"{source.name(ticks)}({value}, {where!r})"]
        case Scalar.UUID:
            return [f"{value}.bytes_le"]
    return [value]


def names(source: Source, shape: Shape) -> list[str]:
    """Name the variables for what a layout's struct unpacks."""
    return [source.fresh() for _ in range(2 if isinstance(shape, Optional) else 1)]


def made(source: Source, shape: Shape, unpacked: Sequence[str], where: str) -> str:
    """Write the value of what was unpacked."""
    *given, value = unpacked
    match shape:
        case Optional(of):
            return f"{made(source, of, [value], where)} if {given[0]} else None"
        case Enumeration():
            return f"{source.name(Members(where, shape))}[{value}]"
        case Scalar.DATETIME:
            return f"{source.name(moment)}({value}, {where!r})"
        case Scalar.UUID:
            return f"{source.name(UUID)}(bytes_le={value})"
    return value
