"""Messages as MessagePack arrays in field order, by msgspec; the wire is that of `stacks.codecs.msgpack`.

msgspec writes structs as maps, so values go out as tuples of their fields; and they come in as tuples whose
types it checks, of which the structs are made. A message that this does not fit, such as one of a newer
writer with more elements, is read once more by the reader of `stacks.codecs.msgpack`, which says what is
wrong or fills in defaults.

Beyond that reader, msgspec takes RFC 3339 text for a datetime, and it rounds a timestamp to microseconds,
where the package ``msgpack`` cuts off the rest. It would also take 16 bytes for a UUID, but not in the
order in which .NET writes them; so a message with a UUID and, anywhere, a bin of 16 bytes is left to that
reader, which takes none.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from itertools import starmap
from types import GenericAlias
from typing import Annotated, Any, NoReturn, TypeVar, cast

import msgspec
from msgspec.structs import astuple

from stacks import schema
from stacks.codecs import msgpack
from stacks.codecs.compile import Compiled, Members, Source, attribute, construction, guarded
from stacks.codecs.fault import malformed
from stacks.codecs.tree_writer import Writer, names
from stacks.schema import Enumeration, List, Map, Message, Nested, Optional, Scalar, Shape

T = TypeVar("T")

_CHECKED = (Scalar.DATETIME, Scalar.INT32)
"""Scalars that msgspec would also write where they are wrong."""
_BIN_16 = b"\xc4\x10"


class MsgpackMsgspec:
    """MessagePack by msgspec."""

    name = "msgpack-msgspec"

    @property
    def versions(self) -> Mapping[str, str]:
        """The library that does the work."""
        return {"msgspec": metadata.version("msgspec")}

    def codec(self, message: type[T]) -> Compiled[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _compile(cast("Any", message))


@functools.cache
def _compile(cls: Any) -> Compiled[Any]:
    message = schema.describe(cls)
    source = Source(f"msgpack-msgspec {message.package}.{message.name}")
    name, parts = source.name, names(message)
    writer, reader = _Writer(source, parts), _Reader(source, parts)
    for part in message.parts():
        writer.function(part)
        reader.function(part)
    pack, unpack = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(_tuple(message)).decode
    with guarded(source, "encode", message, msgpack.encoding_refusal):
        source.line(f"return {name(pack)}({writer.whole(message, 'value')})")
    again = f"return {name(_again(cls))}({name(msgspec.msgpack.decode)}(value))"
    with guarded(source, "decode", message, malformed):
        if Scalar.UUID in _shapes(message):
            source.line("value = bytes(value)")
            with source.block(f"if {_BIN_16!r} in value:"):
                source.line(again)
        with source.block("try:"):
            source.line(f"tree = {name(unpack)}(value)")
        with source.block(f"except {name(msgspec.ValidationError)}:"):
            source.line(again)
        source.line(f"return {reader.message(message, 'tree')}")
    return Compiled(*source.functions("encode", "decode"))


class _Writer(Writer):
    """Messages become tuples, and msgspec writes UUIDs and enums that are numbers as they are."""

    def whole(self, message: Message, value: str) -> str:
        if self._is_plain(message):
            return f"{self._source.name(astuple)}({value})"
        items = (self._tree(field.shape, attribute(value, field.name)) for field in message.fields)
        return f"({''.join(f'{item}, ' for item in items)})"

    def _is_plain(self, message: Message) -> bool:
        """Whether the tuple of a message's values is its tree."""
        return all(self._kept(field.shape) for field in message.fields)

    def _kept(self, shape: Shape) -> bool:
        return all(
            isinstance(part, Optional | List | Map)
            or (isinstance(part, Scalar) and part not in _CHECKED)
            or (isinstance(part, Enumeration) and _is_by_value(part))
            for part in schema.walk(shape)
        )

    def _tree(self, shape: Shape, value: str) -> str:
        if isinstance(shape, List) and isinstance(shape.of, Nested) and self._is_plain(shape.of.message):
            return f"[*map({self._source.name(astuple)}, {value})]"
        if shape is not Scalar.DATETIME:
            return super()._tree(shape, value)
        moment = self._source.fresh()
        refuse = f"{self._source.name(_refuse_naive)}({moment})"
        return f"{moment} if ({moment} := {value}).tzinfo is not None else {refuse}"


class _Reader:
    """Writes expressions that make messages from the tuples that msgspec has checked."""

    def __init__(self, source: Source, parts: dict[type, str]) -> None:
        self._source = source
        self._parts = parts

    def function(self, message: Message) -> None:
        """Write the function of `message`, if one is needed."""
        if self._is_plain(message):
            return
        with self._source.block(f"def make_{self._parts[message.cls]}(value):"):
            variables = [self._source.fresh() for _ in message.fields]
            if variables:
                self._source.line(f"{', '.join(variables)}, = value")
            values = [
                self._value(field.shape, variable, f"{message.name}.{field.name}")
                for field, variable in zip(message.fields, variables, strict=True)
            ]
            self._source.line(f"return {construction(self._source, message, values)}")

    def message(self, message: Message, tree: str) -> str:
        """Give the expression that makes a message of the tuple in a variable."""
        if self._is_plain(message):
            return f"{self._source.name(message.cls)}(*{tree})"
        return f"make_{self._parts[message.cls]}({tree})"

    def _is_plain(self, message: Message) -> bool:
        """Whether a message can be called with its tuple's items as they are."""
        in_order = tuple(field.name for field in message.fields) == message.cls.__match_args__
        return bool(message.fields) and in_order and all(_made(field.shape) for field in message.fields)

    def _value(self, shape: Shape, tree: str, where: str) -> str:
        made = tree
        match shape:
            case _ if _made(shape):
                pass
            case Enumeration():
                made = f"{self._source.name(Members(where, shape))}[{tree}]"
            case Optional(of):
                made = f"None if {tree} is None else {self._value(of, tree, where)}"
            case List(of):
                made = self._list(of, tree, where)
            case Map(key, of):
                one, item = self._source.fresh(), self._source.fresh()
                pair = f"{self._value(key, one, where)}: {self._value(of, item, where)}"
                made = f"{{{pair} for {one}, {item} in {tree}.items()}}"
            case Nested(cls) if _contains_itself(shape.message):
                made = f"{self._source.name(_again(cls))}({tree})"
            case Nested():
                made = self.message(shape.message, tree)
        return made

    def _list(self, of: Shape, tree: str, where: str) -> str:
        if isinstance(of, Nested) and not _contains_itself(of.message) and self._is_plain(of.message):
            return f"[*{self._source.name(starmap)}({self._source.name(of.cls)}, {tree})]"
        item = self._source.fresh()
        return f"[{self._value(of, item, where)} for {item} in {tree}]"


def _type(shape: Shape) -> Any:
    """Give the type that msgspec is to check the tree of a value against."""
    known: Any = int
    match shape:
        case Scalar.DATETIME:
            known = Annotated[datetime, msgspec.Meta(tz=True)]
        case Scalar(value=hint):
            known = hint
        case Enumeration(cls) if _is_by_value(shape):
            known = cls
        case Optional(of):
            known = _type(of) | None
        case List(of):
            known = GenericAlias(list, (_type(of),))
        case Map(key, of):
            known = GenericAlias(dict, (_type(key), _type(of)))
        case Nested():
            # No tuple can be said to contain itself.
            known = Any if _contains_itself(shape.message) else _tuple(shape.message)
    return known


def _tuple(message: Message) -> Any:
    return GenericAlias(tuple, tuple(_type(field.shape) for field in message.fields))


def _again(cls: type) -> Any:
    """Give the function that reads a tree without types, with all checks and defaults."""
    return msgpack.FORMAT.codec(cls).from_tree


def _made(shape: Shape) -> bool:
    """Whether msgspec makes the value itself."""
    return all(
        isinstance(part, Scalar | Optional | List | Map)
        or (isinstance(part, Enumeration) and _is_by_value(part))
        for part in schema.walk(shape)
    )


def _is_by_value(shape: Enumeration) -> bool:
    """Whether members are known on the wire by their values, as msgspec has it."""
    return all(value == number for value, number in shape.numbers.items())


def _contains_itself(message: Message) -> bool:
    return any(isinstance(part, Nested) and part.cls is message.cls for part in _shapes(message))


def _shapes(message: Message) -> list[Shape]:
    """Give all that is in a message, at any depth."""
    fields = [field for part in message.parts() for field in part.fields]
    return [shape for field in fields for shape in schema.walk(field.shape)]


def _refuse_naive(moment: datetime) -> NoReturn:
    raise ValueError(f"{moment} has no time zone")


FORMAT = MsgpackMsgspec()
"""The format, as `stacks.base.Format` wants it."""
