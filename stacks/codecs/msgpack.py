"""Messages as MessagePack arrays in field order, as MessagePack-CSharp writes classes with `[Key(n)]`.

Format: https://github.com/msgpack/msgpack/blob/master/spec.md. A datetime is the timestamp extension
(type −1), a UUID its text of 36 characters, an enum its number, None nil.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import msgpack

from stacks import schema
from stacks.codecs.compile import Members, Source, attribute, construction, guarded, number
from stacks.codecs.fault import malformed, refusal, wrong
from stacks.errors import ProtocolError
from stacks.schema import Enumeration, Field, List, Map, Message, Nested, Optional, Scalar, Shape

T = TypeVar("T")

ERRORS = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)
"""What a packer or unpacker raises for data that it does not take."""

_INLINE = 2
"""Messages within messages that are read in the same function, without a call of their own."""
_WRITTEN = frozenset(Scalar) - {Scalar.UUID}
"""Scalars that a packer takes as they are."""
_READ = _WRITTEN - {Scalar.FLOAT}
"""Scalars that an unpacker gives as they are wanted."""
_TYPES = {
    Scalar.INT: ("int", "int"),
    Scalar.BOOL: ("bool", "bool"),
    Scalar.STR: ("str", "str"),
    Scalar.BYTES: ("bytes", "bin"),
    Scalar.DATETIME: ("datetime", "timestamp"),
}
"""Scalar → its type in a tree, and how errors call it."""


_refusal = functools.partial(refusal, ints=range(-(2**63), 2**64))


def packer() -> msgpack.Packer:
    """Make a packer of trees; `pack` gives bytes, or raises one of `ERRORS`. Not for two threads at once."""
    return msgpack.Packer(datetime=True)


def unpacker(limit: int) -> msgpack.Unpacker:
    """Make a streaming unpacker of trees: `feed` bytes, then iterate; either may raise one of `ERRORS`.

    It buffers at most `limit` bytes (`msgpack.BufferFull`). After an error it must not be used again.
    """
    return msgpack.Unpacker(timestamp=3, raw=False, strict_map_key=False, max_buffer_size=limit)


@dataclass(frozen=True)
class MsgpackCodec(Generic[T]):
    """Carries one message type; a tree is what packers take and unpackers give: lists, dicts, scalars."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes | memoryview], T]
    to_tree: Callable[[T], list[Any]]
    """Makes a tree, which may share lists and dicts with the value; raises `ProtocolError`."""
    from_tree: Callable[[Any], T]
    """Takes over a tree; raises `ProtocolError` that names the message and, where it can, the field."""


class Msgpack:
    """MessagePack by the C extension of the package ``msgpack``."""

    name = "msgpack"

    @property
    def versions(self) -> Mapping[str, str]:
        """The library that does the work."""
        return {"msgpack": metadata.version("msgpack")}

    def codec(self, message: type[T]) -> MsgpackCodec[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _compile(cast("Any", message))


@functools.cache
def _compile(cls: Any) -> MsgpackCodec[Any]:
    message = schema.describe(cls)
    source = Source(f"msgpack {message.package}.{message.name}")
    parts = {part.cls: f"{place}_{part.name}" for place, part in enumerate(message.parts())}
    writer, reader = _Writer(source, parts), _Reader(source, parts)
    for part in message.parts():
        writer.function(part)
        reader.function(part)
    _border(source, message, writer, reader)
    return MsgpackCodec(*source.functions("encode", "decode", "to_tree", "from_tree"))


def _border(source: Source, message: Message, writer: _Writer, reader: _Reader) -> None:
    """Write the functions that callers see, in which every error becomes a `ProtocolError`."""
    spare: deque[msgpack.Packer] = deque()
    with guarded(source, "encode", message, _refusal):
        # A packer is taken out for the call, as another thread may come in while it works.
        source.line(f"tree = {writer.array(message, 'value')}")
        with source.block("try:"):
            source.line(f"packer = {source.name(spare.pop)}()")
        with source.block("except IndexError:"):
            source.line(f"packer = {source.name(packer)}()")
        source.line("data = packer.pack(tree)")
        source.line(f"{source.name(spare.append)}(packer)")
        source.line("return data")
    with guarded(source, "to_tree", message, _refusal):
        source.line(f"return {writer.array(message, 'value')}")
    with guarded(source, "decode", message, malformed):
        unpack = source.name(msgpack.unpackb)
        source.line(f"value = {unpack}(value, timestamp=3, raw=False, strict_map_key=False)")
        source.line(f"return {reader.fields(message, 'value', message.name, 0)}")
    with guarded(source, "from_tree", message, malformed):
        source.line(f"return {reader.fields(message, 'value', message.name, 0)}")


class _Writer:
    """Writes expressions that turn values into trees."""

    def __init__(self, source: Source, parts: dict[type, str]) -> None:
        self._source = source
        self._parts = parts

    def function(self, message: Message) -> None:
        """Write the function of `message`, and the trees of its fields' defaults."""
        with self._source.block(f"def write_{self._parts[message.cls]}(value):"):
            self._source.line(f"return {self.array(message, 'value')}")
        fills = ", ".join(f"{field.name!r}: {self._fill(field)}" for field in message.fields)
        self._source.line(f"fills_{self._parts[message.cls]} = {{{fills}}}")

    def array(self, message: Message, value: str) -> str:
        """Give the array of a message, which is a variable."""
        items = (self._tree(field.shape, attribute(value, field.name)) for field in message.fields)
        return f"[{', '.join(items)}]"

    def _fill(self, field: Field) -> str:
        if field.default is None:
            return "None"
        return f"lambda: (lambda x: {self._tree(field.shape, 'x')})({self._source.name(field.default)}())"

    def _tree(self, shape: Shape, value: str) -> str:
        match shape:
            case _ if _kept(shape, _WRITTEN):
                return value
            case Enumeration():
                return number(self._source, shape, value)
            case Optional(of):
                return f"None if {value} is None else {self._tree(of, value)}"
            case List(of):
                item = self._source.fresh()
                return f"[{self._item(of, item)} for {item} in {value}]"
            case Map(key, of):
                one, item = self._source.fresh(), self._source.fresh()
                pair = f"{self._tree(key, one)}: {self._item(of, item)}"
                return f"{{{pair} for {one}, {item} in {value}.items()}}"
        function = f"write_{self._parts[shape.cls]}" if isinstance(shape, Nested) else "str"
        return f"{function}({value})"

    def _item(self, shape: Shape, variable: str) -> str:
        """Give the tree of a variable; a message without messages in it needs no call."""
        if isinstance(shape, Nested) and not _contains(shape.message):
            return self.array(shape.message, variable)
        return self._tree(shape, variable)


class _Reader:
    """Writes statements that check trees and turn them into values."""

    def __init__(self, source: Source, parts: dict[type, str]) -> None:
        self._source = source
        self._parts = parts

    def function(self, message: Message) -> None:
        """Write the function of `message`."""
        with self._source.block(f"def read_{self._parts[message.cls]}(value):"):
            self._source.line(f"return {self.fields(message, 'value', message.name, 0)}")

    def fields(self, message: Message, tree: str, where: str, depth: int) -> str:
        """Check the array in a variable; give the expression that makes the message of it."""
        self._demand(tree, "list", "array", where)
        with self._source.block(f"if len({tree}) != {len(message.fields)}:"):
            fills = f"fills_{self._parts[message.cls]}"
            self._source.line(f"{tree} = {self._source.name(_fit)}({tree}, {fills}, {where!r})")
        variables = [self._source.fresh() for _ in message.fields]
        if variables:
            self._source.line(f"{', '.join(variables)}, = {tree}")
        for field, variable in zip(message.fields, variables, strict=True):
            self._read(field.shape, variable, f"{where}.{field.name}", depth)
        return construction(self._source, message, variables)

    def _read(self, shape: Shape, tree: str, where: str, depth: int) -> None:
        """Turn the tree in a variable into its value."""
        source = self._source
        match shape:
            case Scalar.FLOAT:
                with source.block(f"if type({tree}) is not float:"):
                    source.line(f"{tree} = {source.name(_real)}({tree}, {where!r})")
            case Scalar.UUID:
                source.line(f"{tree} = {source.name(_uuid)}({tree}, {where!r})")
            case Scalar():
                self._demand(tree, *_TYPES[shape], where)
            case Enumeration():
                self._demand(tree, "int", f"number of {shape.cls.__name__}", where)
                source.line(f"{tree} = {source.name(Members(where, shape))}[{tree}]")
            case Optional(of):
                with source.block(f"if {tree} is not None:"):
                    self._read(of, tree, where, depth)
            case List(of):
                self._list(of, tree, where, depth)
            case Map(key, of):
                self._map(key, of, tree, where, depth)
            case Nested(cls) if depth < _INLINE:
                source.line(f"{tree} = {self.fields(shape.message, tree, where, depth + 1)}")
            case Nested(cls):
                source.line(f"{tree} = read_{self._parts[cls]}({tree})")

    def _list(self, of: Shape, tree: str, where: str, depth: int) -> None:
        source = self._source
        self._demand(tree, "list", "array", where)
        item, items, append = source.fresh(), source.fresh(), source.fresh()
        if _kept(of, _READ):
            with source.block(f"for {item} in {tree}:"):
                self._read(of, item, where, depth)
            return
        source.line(f"{items} = []")
        source.line(f"{append} = {items}.append")
        with source.block(f"for {item} in {tree}:"):
            self._read(of, item, where, depth)
            source.line(f"{append}({item})")
        source.line(f"{tree} = {items}")

    def _map(self, key: Shape, of: Shape, tree: str, where: str, depth: int) -> None:
        source = self._source
        self._demand(tree, "dict", "map", where)
        one, item, items = source.fresh(), source.fresh(), source.fresh()
        source.line(f"{items} = {{}}")
        with source.block(f"for {one}, {item} in {tree}.items():"):
            self._read(key, one, where, depth)
            self._read(of, item, where, depth)
            source.line(f"{items}[{one}] = {item}")
        source.line(f"{tree} = {items}")

    def _demand(self, tree: str, cls: str, wanted: str, where: str) -> None:
        known = self._source.name(datetime) if cls == "datetime" else cls
        with self._source.block(f"if type({tree}) is not {known}:"):
            self._source.line(f"raise {self._source.name(wrong)}({where!r}, {wanted!r}, {tree})")


def _kept(shape: Shape, kinds: frozenset[Scalar]) -> bool:
    """Whether the value and its tree are the same object."""
    return all(
        isinstance(part, Optional | List | Map) or (isinstance(part, Scalar) and part in kinds)
        for part in schema.walk(shape)
    )


def _contains(message: Message) -> bool:
    return any(isinstance(part, Nested) for field in message.fields for part in schema.walk(field.shape))


def _fit(tree: list[Any], fills: dict[str, Callable[[], Any] | None], where: str) -> list[Any]:
    """Cut an array of a newer writer; fill up one of an older writer with the trees of defaults."""
    fitted = tree[: len(fills)]
    for name, fill in list(fills.items())[len(tree) :]:
        if fill is None:
            raise ProtocolError(f"{where}.{name} is missing: the array has {len(tree)} elements")
        fitted.append(fill())
    return fitted


def _real(tree: Any, where: str) -> float:
    """Take an int where a float is wanted: other writers shorten whole numbers."""
    if type(tree) is not int:
        raise wrong(where, "float", tree)
    return float(tree)


def _uuid(tree: Any, where: str) -> UUID:
    try:
        return UUID(tree)
    except (ValueError, TypeError, AttributeError) as error:
        raise wrong(where, "UUID", tree) from error


FORMAT = Msgpack()
"""The format, as `stacks.base.Format` wants it."""
