"""Turns messages into the structs of the package ``thriftpy2``, and back, by compiled functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NoReturn, TypeVar, cast
from uuid import UUID

from thriftpy2.thrift import TPayload

from stacks import schema
from stacks.codecs import thrift_types
from stacks.codecs.compile import Members, Source, attribute, construction, guarded, number, within
from stacks.codecs.fault import malformed, refusal, wrong
from stacks.errors import ProtocolError
from stacks.schema import RANGE_32, Enumeration, List, Map, Message, Nested, Optional, Scalar, Shape

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INLINE = 2
"""Messages within messages that are handled in the same function, without a call of their own."""
_READ = frozenset({Scalar.INT, Scalar.FLOAT, Scalar.BOOL, Scalar.STR, Scalar.BYTES})
"""Scalars that a message takes as the library's struct has them."""
_WRITTEN = _READ | {Scalar.INT32}
"""Scalars that the library's struct takes as a message has them; it writes no i32 of more bits."""

unwritable = functools.partial(refusal, ints=range(-(2**63), 2**63))
"""Makes the error for a value that the library did not take; see `fault.refusal`."""


@dataclass(frozen=True)
class Conversion(Generic[T]):
    """Turns one message type into the library's struct and back."""

    message: Message
    struct: type[TPayload]
    to_struct: Callable[[T], Any]
    """Makes a struct, which may share lists and dicts with the value; raises `ProtocolError`."""
    from_struct: Callable[[Any], T]
    """Takes over a struct that was read; raises `ProtocolError`, also for fields that did not come."""


def conversion(message: type[T]) -> Conversion[T]:
    """Compile the conversion of `message`, once; raises `SchemaError` naming message and field."""
    return _compile(cast("Any", message))


@functools.cache
def _compile(cls: Any) -> Conversion[Any]:
    message = schema.describe(cls)
    types = thrift_types.struct_types(message)
    source = Source(f"thrift {message.package}.{message.name}")
    parts = {part.cls: f"{place}" for place, part in enumerate(message.parts())}
    writer, reader = _Writer(source, parts, types), _Reader(source, parts)
    for part in message.parts():
        writer.function(part)
        reader.function(part)
    with guarded(source, "to_struct", message, unwritable):
        source.line(f"return {writer.message(message, 'value', 0)}")
    with guarded(source, "from_struct", message, _unreadable(types)):
        source.line(f"return {reader.message(message, 'value', message.name, 0)}")
    return Conversion(message, types[cls], *source.functions("to_struct", "from_struct"))


class _Writer:
    """Writes statements that make the library's structs from our messages."""

    def __init__(self, source: Source, parts: dict[type, str], types: thrift_types.Types) -> None:
        self._source = source
        self._parts = parts
        self._types = types

    def function(self, message: Message) -> None:
        """Write the function of `message`."""
        with self._source.block(f"def write_{self._parts[message.cls]}(value):"):
            self._source.line(f"return {self.message(message, 'value', 0)}")

    def message(self, message: Message, value: str, depth: int) -> str:
        """Make a struct from the message in a variable; gives the struct's variable."""
        into = self._source.fresh()
        self._source.line(f"{into} = {self._source.name(self._types[message.cls])}()")
        for place, field in enumerate(message.fields, start=1):
            given, target = attribute(value, field.name), f"{into}.{thrift_types.attribute(place)}"
            if isinstance(field.shape, Optional) and not _kept(field.shape, _WRITTEN):
                variable = self._source.fresh()
                self._source.line(f"{variable} = {given}")
                with self._source.block(f"if {variable} is not None:"):
                    self._source.line(f"{target} = {self._value(field.shape.of, variable, depth)}")
            else:
                self._source.line(f"{target} = {self._value(field.shape, given, depth)}")
        return into

    def _value(self, shape: Shape, value: str, depth: int) -> str:
        """Give an expression for a value, after the statements that it needs."""
        match shape:
            case Nested() if depth < _INLINE:
                if not value.isidentifier():
                    variable = self._source.fresh()
                    self._source.line(f"{variable} = {value}")
                    value = variable
                return self.message(shape.message, value, depth + 1)
            case List(of) if isinstance(of, Nested):
                item, items = self._source.fresh(), self._source.fresh()
                self._source.line(f"{items} = []")
                with self._source.block(f"for {item} in {value}:"):
                    self._source.line(f"{items}.append({self._value(of, item, depth)})")
                return items
        return self._expression(shape, value)

    def _expression(self, shape: Shape, value: str) -> str:
        match shape:
            case _ if _kept(shape, _WRITTEN):
                return value
            case Enumeration():
                return number(self._source, shape, value)
            case List(of):
                item = self._source.fresh()
                return f"[{self._expression(of, item)} for {item} in {value}]"
            case Map(key, of):
                one, item = self._source.fresh(), self._source.fresh()
                pair = f"{self._expression(key, one)}: {self._expression(of, item)}"
                return f"{{{pair} for {one}, {item} in {value}.items()}}"
            case Nested(cls):
                return f"write_{self._parts[cls]}({value})"
        return f"{self._source.name(_micros)}({value})" if shape is Scalar.DATETIME else f"{value}.bytes"


class _Reader:
    """Writes expressions that make our messages from the library's structs."""

    def __init__(self, source: Source, parts: dict[type, str]) -> None:
        self._source = source
        self._parts = parts

    def function(self, message: Message) -> None:
        """Write the function of `message`."""
        with self._source.block(f"def read_{self._parts[message.cls]}(value):"):
            self._source.line(f"return {self.message(message, 'value', message.name, 0)}")

    def message(self, message: Message, value: str, where: str, depth: int) -> str:
        """Give the expression that makes a message of the struct in a variable."""
        values = []
        for place, field in enumerate(message.fields, start=1):
            given, inner = f"{value}.{thrift_types.attribute(place)}", f"{where}.{field.name}"
            match field.shape:
                case Optional() if _kept(field.shape, _READ):
                    values.append(given)
                case Optional(of):
                    values.append(self._unless(given, "None", of, inner, depth))
                case shape if field.default is not None:
                    default = f"{self._source.name(field.default)}()"
                    values.append(self._unless(given, default, shape, inner, depth))
                case shape:
                    values.append(self._value(shape, given, inner, depth))
        return construction(self._source, message, values)

    def _unless(self, given: str, missing: str, shape: Shape, where: str, depth: int) -> str:
        variable = self._source.fresh()
        value = self._value(shape, variable, where, depth)
        return f"{missing} if ({variable} := {given}) is None else {value}"

    def _value(self, shape: Shape, value: str, where: str, depth: int) -> str:
        match shape:
            case _ if _kept(shape, _READ):
                return value
            case Scalar() | Enumeration():
                return self._leaf(shape, value, where)
            case List(of):
                item = self._source.fresh()
                return f"[{self._item(of, item, where, depth)} for {item} in {value}]"
            case Map(key, of):
                one, item = self._source.fresh(), self._source.fresh()
                pair = f"{self._item(key, one, where, depth)}: {self._item(of, item, where, depth)}"
                return f"{{{pair} for {one}, {item} in {value}.items()}}"
            case Nested(cls):
                return f"read_{self._parts[cls]}({value})"
        raise AssertionError(shape)

    def _leaf(self, shape: Scalar | Enumeration, value: str, where: str) -> str:
        name = self._source.name
        if isinstance(shape, Enumeration):
            return f"{name(Members(where, shape))}[{value}]"
        if shape is Scalar.INT32:
            return within(RANGE_32, self._source, value, functools.partial(_large, where))
        return f"{name(_time if shape is Scalar.DATETIME else _uuid)}({value}, {where!r})"

    def _item(self, shape: Shape, variable: str, where: str, depth: int) -> str:
        if isinstance(shape, Nested) and depth < _INLINE:
            return self.message(shape.message, variable, where, depth + 1)
        return self._value(shape, variable, where, depth)


def _kept(shape: Shape, kinds: frozenset[Scalar]) -> bool:
    """Whether a value in a message and in a struct are the same object, where these `kinds` are."""
    return all(isinstance(part, Optional | List | Map) or part in kinds for part in schema.walk(shape))


def _unreadable(types: thrift_types.Types) -> Callable[[Message, Any, Exception], ProtocolError]:
    """Give what makes the error for a struct that is not to be read; it knows fields that did not come."""
    names: dict[tuple[type, str | None], str] = {
        (made, thrift_types.attribute(place)): f"{cls.__name__}.{field.name}"
        for cls, made in types.items()
        for place, field in enumerate(schema.describe(cls).fields, start=1)
    }

    def translate(message: Message, value: Any, error: Exception) -> ProtocolError:
        if value is None:
            return ProtocolError(f"{message.name} is missing")
        if isinstance(error, AttributeError) and (type(error.obj), error.name) in names:
            return ProtocolError(f"{names[type(error.obj), error.name]} is missing")
        return malformed(message, value, error)

    return translate


def _micros(value: datetime) -> int:
    since = value - _EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds


def _time(value: int, where: str) -> datetime:
    try:
        return _EPOCH + timedelta(0, 0, value)
    except OverflowError as error:
        raise wrong(where, "time that a datetime can hold", value) from error


def _large(where: str, value: int) -> NoReturn:
    raise wrong(where, "int of 32 bits", value)


def _uuid(value: bytes, where: str) -> UUID:
    try:
        return UUID(bytes=value)
    except ValueError as error:
        raise wrong(where, "UUID of 16 bytes", value) from error
