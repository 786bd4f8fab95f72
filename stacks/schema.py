"""Describes a message once, so that every format can derive its own form from it."""

from __future__ import annotations

import enum
import functools
import inspect
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NoReturn

import msgspec
from msgspec import inspect as reader

from stacks.errors import SchemaError

RANGE_32 = range(-(2**31), 2**31)
"""The ints of 32 bits with a sign."""
Int32 = Annotated[int, msgspec.Meta(ge=RANGE_32[0], le=RANGE_32[-1])]
"""An int of `RANGE_32`, for formats that tell ints by their width; one outside is refused both ways."""

ALLOWED = (
    "int, Int32, float, bool, str, bytes, datetime, UUID, Enum, a Struct, list[T], dict[K, V] and T | None "
    "(K: int, Int32, bool, str, UUID or Enum)"
)
"""What a field may be annotated with, as error texts state it."""

_DEEPEST = 5
"""Lists and maps within each other in one field; formats nest their loops as deep."""


class Scalar(enum.Enum):
    """A value without parts; each member's value is how a field is annotated with it."""

    INT = int
    INT32 = Int32
    FLOAT = float
    BOOL = bool
    STR = str
    BYTES = bytes
    DATETIME = datetime
    UUID = uuid.UUID

    @property
    def cls(self) -> type:
        """The Python type that holds it."""
        return int if self is Scalar.INT32 else self.value


@dataclass(frozen=True)
class Enumeration:
    """One of the members of an `enum.Enum`, known on the wire by a number."""

    cls: type[enum.Enum]

    @functools.cached_property
    def numbers(self) -> dict[Any, int]:
        """Member's value → number: the value itself if it is an int, else its position from 0."""
        values = [member.value for member in self.cls]
        plain = all(isinstance(value, int) for value in values)
        return {value: value if plain else position for position, value in enumerate(values)}

    @functools.cached_property
    def members(self) -> dict[int, enum.Enum]:
        """Number → member."""
        return {self.numbers[member.value]: member for member in self.cls}


@dataclass(frozen=True)
class Optional:
    """A value or None."""

    of: Shape


@dataclass(frozen=True)
class List:
    """Any number of values in order."""

    of: Shape


@dataclass(frozen=True)
class Map:
    """Values by key."""

    key: Scalar | Enumeration
    of: Shape


@dataclass(frozen=True)
class Nested:
    """A message inside a message; a class, so that messages may contain themselves."""

    cls: type[msgspec.Struct]

    @property
    def message(self) -> Message:
        """What the class describes; what is in it is checked where the whole is described."""
        return _describe(self.cls)


Shape = Scalar | Enumeration | Optional | List | Map | Nested

_LIMITS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern")
_INT32 = reader.IntType(ge=RANGE_32[0], le=RANGE_32[-1])
_KEYS = (Scalar.INT, Scalar.INT32, Scalar.BOOL, Scalar.STR, Scalar.UUID)
_SCALARS: dict[type[reader.Type], Scalar] = {
    reader.IntType: Scalar.INT,
    reader.FloatType: Scalar.FLOAT,
    reader.BoolType: Scalar.BOOL,
    reader.StrType: Scalar.STR,
    reader.BytesType: Scalar.BYTES,
    reader.DateTimeType: Scalar.DATETIME,
    reader.UUIDType: Scalar.UUID,
}


@dataclass(frozen=True)
class Field:
    """A field; its place in `Message.fields` is its place on the wire."""

    name: str
    shape: Shape
    default: Callable[[], Any] | None
    """Makes the value of a field that is left out; None where it must be given."""


@dataclass(frozen=True)
class Message:
    """A `msgspec.Struct` as formats see it."""

    cls: type[msgspec.Struct]
    package: str
    """``PACKAGE`` of the class's module where that has one, else the top module's name."""
    fields: tuple[Field, ...]

    @property
    def name(self) -> str:
        """The class's own name."""
        return self.cls.__name__

    def parts(self) -> tuple[Message, ...]:
        """Give this message and all that it contains, each once, in the order of their first mention."""
        found = {self.cls: self}
        waiting = [self]
        while waiting:
            for field in waiting.pop(0).fields:
                for shape in walk(field.shape):
                    if isinstance(shape, Nested) and shape.cls not in found:
                        found[shape.cls] = shape.message
                        waiting.append(shape.message)
        return tuple(found.values())


def walk(shape: Shape) -> tuple[Shape, ...]:
    """Give `shape` and the shapes in it, without entering messages."""
    match shape:
        case Optional(of) | List(of):
            return (shape, *walk(of))
        case Map(key, of):
            return (shape, key, *walk(of))
    return (shape,)


def describe(message: type[msgspec.Struct]) -> Message:
    """Read the fields of `message` and check all that it contains.

    Raises `SchemaError` that names message, field and what is allowed.
    """
    if not (inspect.isclass(message) and issubclass(message, msgspec.Struct)):
        raise SchemaError(f"{message!r} is no message; a msgspec.Struct is wanted")
    described = _describe(message)
    described.parts()
    return described


@functools.cache
def _describe(message: type[msgspec.Struct]) -> Message:
    module = message.__module__
    package = getattr(sys.modules.get(module), "PACKAGE", module.partition(".")[0])
    return Message(message, package, tuple(_field(message, found) for found in _read(message)))


def _read(message: type[msgspec.Struct]) -> tuple[reader.Field, ...]:
    try:
        info = reader.type_info(message)
    except Exception as error:
        where = ".".join([message.__name__, *_culprits(message)[:1]])
        raise SchemaError(f"{where}: {error}; allowed are: {ALLOWED}") from error
    assert isinstance(info, reader.StructType)
    return info.fields


def _culprits(message: type[msgspec.Struct]) -> list[str]:
    """Name the fields that cannot be read, by reading each alone."""
    culprits = []
    for cls in message.__mro__[:-1]:
        for name, hint in inspect.get_annotations(cls).items():
            try:
                reader.type_info(msgspec.defstruct("Alone", [(name, hint)], module=cls.__module__))
            except Exception:  # noqa: BLE001 -- whatever it is, the field is the one to name
                culprits.append(name)
    return culprits


def _field(message: type[msgspec.Struct], found: reader.Field) -> Field:
    where = f"{message.__name__}.{found.name}"
    shape = _shape(found.type, where)
    if sum(isinstance(part, List | Map) for part in walk(shape)) > _DEEPEST:
        raise SchemaError(f"{where} nests more than {_DEEPEST} lists and maps; put a Struct in between")
    return Field(found.name, shape, _default(found, where))


def _default(found: reader.Field, where: str) -> Callable[[], Any] | None:
    if found.default_factory is not msgspec.NODEFAULT:
        factory: Callable[[], Any] = found.default_factory
        return factory
    if found.required:
        return None
    value = found.default
    if value is msgspec.NODEFAULT:
        _refuse(where, "UNSET where it is left out")
    return lambda: value


def _shape(found: reader.Type, where: str) -> Shape:
    match found:
        case reader.Metadata(type=inner):
            return _shape(inner, where)
        case reader.EnumType(cls=cls):
            return _enumeration(cls, where)
        case reader.StructType(cls=cls) if inspect.isclass(cls):
            return Nested(cls)
        case reader.UnionType(types=types):
            return _optional(types, where)
    return _limitless(found, where)


def _limitless(found: reader.Type, where: str) -> Shape:
    """Read a type that may be limited by a `msgspec.Meta`, and must not be."""
    if found == _INT32:
        return Scalar.INT32
    limits = [name for name in _LIMITS if getattr(found, name, None) is not None]
    if limits:
        given = ", ".join(f"{name}={getattr(found, name)!r}" for name in limits)
        known = f"those of Int32, Meta(ge={RANGE_32[0]}, le={RANGE_32[-1]})"
        _refuse(where, f"limited by Meta({given}), and no limits are carried but {known}")
    if getattr(found, "tz", None) is False:
        _refuse(where, "a datetime without time zone")
    match found:
        case reader.ListType(item_type=item):
            return List(_shape(item, where))
        case reader.DictType(key_type=key, value_type=value):
            return Map(_key(key, where), _shape(value, where))
    return _SCALARS.get(type(found)) or _refuse(where, _name(found))


def _optional(types: tuple[reader.Type, ...], where: str) -> Shape:
    inner = [one for one in types if not isinstance(one, reader.NoneType)]
    if len(inner) != 1 or len(types) == 1:
        _refuse(where, "a union of " + ", ".join(map(_name, types)))
    return Optional(_shape(inner[0], where))


def _key(found: reader.Type, where: str) -> Scalar | Enumeration:
    key = _shape(found, where)
    if not isinstance(key, Enumeration) and key not in _KEYS:
        _refuse(where, f"a dict with keys of {_name(found)}")
    assert isinstance(key, Scalar | Enumeration)
    return key


def _enumeration(cls: type[enum.Enum], where: str) -> Enumeration:
    if issubclass(cls, enum.Flag):
        _refuse(where, f"the Flag {cls.__name__}")
    return Enumeration(cls)


def _name(found: reader.Type) -> str:
    cls = getattr(found, "cls", None)
    if isinstance(found, reader.StructType) and not inspect.isclass(cls):
        return f"the generic {cls}"
    return cls.__name__ if inspect.isclass(cls) else type(found).__name__.removesuffix("Type").lower()


def _refuse(where: str, what: str) -> NoReturn:
    raise SchemaError(f"{where} is {what}; allowed are: {ALLOWED}")
