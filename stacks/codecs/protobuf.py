"""Messages as Protocol Buffers (proto3), from descriptors that are made at run time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message as Library
from google.protobuf.message_factory import GetMessageClass

from stacks import schema
from stacks.codecs import descriptor
from stacks.codecs.compile import Members, Source, assignment, attribute, construction, guarded, number
from stacks.codecs.fault import malformed, refusal, wrong
from stacks.errors import SchemaError
from stacks.schema import Enumeration, List, Map, Message, Nested, Optional, Scalar, Shape

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000_000
_INLINE = 2
"""Messages within messages that are handled in the same function, without a call of their own."""
_refusal = functools.partial(refusal, ints=range(-(2**63), 2**63))


@dataclass(frozen=True)
class ProtobufCodec(Generic[T]):
    """Carries one message type."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes | memoryview], T]
    library: type[Library]
    """The library's own class of the message."""


class Protobuf:
    """Protocol Buffers by Google's package ``protobuf``.

    As proto3 has it, a field that is absent reads as its type's zero: 0, "", no items, the epoch, None; and
    of an int32 that comes with more bits, the lower 32 are read.
    """

    name = "protobuf"

    @property
    def versions(self) -> Mapping[str, str]:
        """The library that does the work."""
        return {"protobuf": metadata.version("protobuf")}

    def codec(self, message: type[T]) -> ProtobufCodec[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _compile(cast("Any", message))


def file_descriptor(message: type[Any]) -> FileDescriptorProto:
    """Describe `message` as a .proto file does; raises `SchemaError`. See `stacks.codecs.descriptor`."""
    return descriptor.file_descriptor(schema.describe(message))


@functools.cache
def _compile(cls: Any) -> ProtobufCodec[Any]:
    message = schema.describe(cls)
    library = _library(message)
    source = Source(f"protobuf {message.package}.{message.name}")
    parts = {part.cls: f"{place}" for place, part in enumerate(message.parts())}
    writer, reader = _Writer(source, parts, library), _Reader(source, parts, library)
    for part in message.parts():
        writer.function(part)
        reader.function(part)
    with guarded(source, "encode", message, _refusal):
        source.line(f"into = {source.name(library)}()")
        writer.fields(message, "into", "value", 0)
        source.line(f"return {source.name(library.SerializeToString)}(into)")
    with guarded(source, "decode", message, malformed):
        source.line(f"value = {source.name(library.FromString)}(value)")
        source.line(f"return {reader.message(message, 'value', message.name, 0)}")
    encode, decode = source.functions("encode", "decode")
    return ProtobufCodec(encode, decode, library)


def _library(message: Message) -> type[Library]:
    """Make the library's class, in a pool of its own so that equal names of others do not clash."""
    file = descriptor.file_descriptor(message)
    pool = DescriptorPool()
    try:
        pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
        pool.AddSerializedFile(file.SerializeToString())
    except TypeError as error:
        raise SchemaError(f"{message.name}: protobuf does not take its names: {error}") from error
    return GetMessageClass(pool.FindMessageTypeByName(f"{message.package}.{message.name}"))


class _Writer:
    """Writes statements that fill the library's objects from ours."""

    def __init__(self, source: Source, parts: dict[type, str], library: type[Library]) -> None:
        self._source = source
        self._parts = parts
        self._library = library

    def function(self, message: Message) -> None:
        """Write the function of `message`."""
        with self._source.block(f"def write_{self._parts[message.cls]}(into, value):"):
            self.fields(message, "into", "value", 0)
            self._source.line("return")

    def fields(self, message: Message, into: str, value: str, depth: int) -> None:
        """Set every field of the object in one variable from the message in another."""
        for field in message.fields:
            given = attribute(value, field.name)
            match field.shape:
                case Optional(of):
                    variable = self._source.fresh()
                    self._source.line(f"{variable} = {given}")
                    with self._source.block(f"if {variable} is not None:"):
                        self._set(of, into, field.name, variable, depth)
                case List(of):
                    self._extend(of, attribute(into, field.name), given, depth)
                case Map(_, of):
                    self._update(of, attribute(into, field.name), given, depth)
                case shape:
                    self._set(shape, into, field.name, given, depth)

    def _set(self, shape: Shape, into: str, name: str, value: str, depth: int) -> None:
        if not _is_message(shape):
            self._source.line(assignment(into, name, self._scalar(shape, value)))
            return
        inner = self._source.fresh()
        self._source.line(f"{inner} = {attribute(into, name)}")
        if isinstance(shape, Nested):
            self._source.line(f"{self._source.name(self._library.SetInParent)}({inner})")
        self._fill(shape, inner, value, depth)

    def _extend(self, of: Shape, into: str, value: str, depth: int) -> None:
        item = self._source.fresh()
        if not _is_message(of):
            converted = self._scalar(of, item)
            items = value if converted == item else f"[{converted} for {item} in {value}]"
            self._source.line(f"{into}.extend({items})")
            return
        add, inner = self._source.fresh(), self._source.fresh()
        self._source.line(f"{add} = {into}.add")
        with self._source.block(f"for {item} in {value}:"):
            self._source.line(f"{inner} = {add}()")
            self._fill(of, inner, item, depth)

    def _update(self, of: Shape, into: str, value: str, depth: int) -> None:
        items, key, item = self._source.fresh(), self._source.fresh(), self._source.fresh()
        self._source.line(f"{items} = {into}")
        with self._source.block(f"for {key}, {item} in {value}.items():"):
            if not _is_message(of):
                self._source.line(f"{items}[{key}] = {self._scalar(of, item)}")
                return
            inner = self._source.fresh()
            self._source.line(f"{inner} = {items}[{key}]")
            self._fill(of, inner, item, depth)

    def _fill(self, shape: Shape, into: str, value: str, depth: int) -> None:
        """Fill the object in a variable, which is a message's or a timestamp's."""
        source, given = self._source, self._source.fresh()
        match shape:
            case Nested() if depth < _INLINE and value.isidentifier():
                self.fields(shape.message, into, value, depth + 1)
            case Nested() if depth < _INLINE:
                source.line(f"{given} = {value}")
                self.fields(shape.message, into, given, depth + 1)
            case Nested(cls):
                source.line(f"write_{self._parts[cls]}({into}, {value})")
            case _:
                source.line(f"{given} = {value} - {source.name(_EPOCH)}")
                source.line(f"{into}.seconds = {given}.days * 86400 + {given}.seconds")
                source.line(f"{into}.nanos = {given}.microseconds * 1000")

    def _scalar(self, shape: Shape, value: str) -> str:
        if isinstance(shape, Enumeration):
            return number(self._source, shape, value)
        return f"{value}.bytes" if shape is Scalar.UUID else value


class _Reader:
    """Writes expressions that make our objects from the library's."""

    def __init__(self, source: Source, parts: dict[type, str], library: type[Library]) -> None:
        self._source = source
        self._parts = parts
        self._library = library

    def function(self, message: Message) -> None:
        """Write the function of `message`."""
        with self._source.block(f"def read_{self._parts[message.cls]}(value):"):
            self._source.line(f"return {self.message(message, 'value', message.name, 0)}")

    def message(self, message: Message, value: str, where: str, depth: int) -> str:
        """Give the expression that makes a message of the object in a variable."""
        values = []
        for field in message.fields:
            given, place = attribute(value, field.name), f"{where}.{field.name}"
            match field.shape:
                case Optional(of):
                    has = f"{self._source.name(self._library.HasField)}({value}, {field.name!r})"
                    values.append(f"{self._value(of, given, place)} if {has} else None")
                case List(of):
                    values.append(self._list(of, given, place, depth))
                case Map(_, of):
                    values.append(self._map(of, given, place, depth))
                case shape:
                    values.append(self._value(shape, given, place))
        return construction(self._source, message, values)

    def _list(self, of: Shape, value: str, where: str, depth: int) -> str:
        item = self._source.fresh()
        made = self._item(of, item, where, depth)
        return f"list({value})" if made == item else f"[{made} for {item} in {value}]"

    def _map(self, of: Shape, value: str, where: str, depth: int) -> str:
        key, item = self._source.fresh(), self._source.fresh()
        made = self._item(of, item, where, depth)
        return f"{{{key}: {made} for {key}, {item} in {value}.items()}}"

    def _item(self, shape: Shape, variable: str, where: str, depth: int) -> str:
        if isinstance(shape, Nested) and depth < _INLINE:
            return self.message(shape.message, variable, where, depth + 1)
        return self._value(shape, variable, where)

    def _value(self, shape: Shape, value: str, where: str) -> str:
        name = self._source.name
        match shape:
            case Scalar.DATETIME:
                return f"{name(_time)}({value}, {where!r})"
            case Scalar.UUID:
                return f"{name(_uuid)}({value}, {where!r})"
            case Enumeration():
                return f"{name(Members(where, shape))}[{value}]"
            case Nested(cls):
                return f"read_{self._parts[cls]}({value})"
        return value


def _is_message(shape: Shape) -> bool:
    return isinstance(shape, Nested) or shape is Scalar.DATETIME


def _time(value: Any, where: str) -> datetime:
    seconds, nanos = value.seconds, value.nanos
    if not 0 <= nanos < _SECOND:
        raise wrong(where, "number of nanoseconds", nanos)
    try:
        return _EPOCH + timedelta(0, seconds, nanos // 1000)
    except OverflowError as error:
        raise wrong(where, "time that a datetime can hold", seconds) from error


def _uuid(value: bytes, where: str) -> UUID:
    try:
        return UUID(bytes=value)
    except ValueError as error:
        raise wrong(where, "UUID of 16 bytes", value) from error


FORMAT = Protobuf()
"""The format, as `stacks.base.Format` wants it."""
