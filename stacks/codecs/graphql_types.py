"""What GraphQL's input and output types have in common: leaves, wrappers, and names that are given once."""

from __future__ import annotations

import enum
import inspect
import reprlib
from collections.abc import Callable
from typing import Any, Protocol

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
    specified_scalar_types,
)

from stacks.codecs.graphql_values import FROM_TEXT, LONG, TO_TEXT
from stacks.errors import SchemaError
from stacks.schema import Enumeration, List, Map, Message, Nested, Optional, Scalar, Shape
from stacks.service import wire_name

Convert = Callable[[Any], Any]
"""Turns a value as the application has it into one as graphql-core has it, or the other way round."""

_TAKEN = ("Query", "Mutation", "Subscription", *specified_scalar_types)


class Names:
    """The names of a schema's types, each of which has one owner, and the types that both ways share."""

    def __init__(self) -> None:
        """Keep what GraphQL and we ourselves need."""
        self._owners: dict[str, object] = dict.fromkeys(
            (*_TAKEN, *(scalar.name for scalar in _OWN)), "GraphQL"
        )
        self._enums: dict[type[enum.Enum], GraphQLEnumType] = {}

    def claim(self, name: str, owner: str) -> str:
        """Give `name`; raises `SchemaError` that names both owners if it has one."""
        if name in self._owners:
            raise SchemaError(f"{owner} and {self._owners[name]} are both {name} in GraphQL; rename one")
        self._owners[name] = owner
        return name

    def leaf(self, shape: Scalar | Enumeration) -> GraphQLScalarType | GraphQLEnumType:
        """Give the type of a value without parts."""
        if isinstance(shape, Scalar):
            return _SCALARS[shape]
        found = self._enums.get(shape.cls)
        if found is None:
            cls = shape.cls
            members = {member.name: member for member in cls}
            name = self.claim(cls.__name__, full_name(cls))
            found = self._enums[cls] = GraphQLEnumType(name, members, description=described(cls))
        return found


class Side(Protocol):
    """Makes the types of one direction: those of requests, or those of replies."""

    names: Names

    def message(self, message: Message) -> Any:
        """Give the type of a message."""
        ...

    def entry(self, key: Shape, of: Shape, place: str) -> Any:
        """Give the type of the entries of the map at `place`, which is their name."""
        ...


def typed(shape: Shape, place: str, side: Side) -> Any:
    """Give the type of a value, which is null only if it is optional; `place` names a map's entries in it."""
    if isinstance(shape, Optional):
        return _nullable(shape.of, place, side)
    return GraphQLNonNull(_nullable(shape, place, side))


def _nullable(shape: Shape, place: str, side: Side) -> Any:
    match shape:
        case Optional(of):
            return _nullable(of, place, side)
        case List(of):
            return GraphQLList(typed(of, place, side))
        case Map(key, of):
            return GraphQLList(GraphQLNonNull(side.entry(key, of, place)))
        case Nested():
            return side.message(shape.message)
        case Scalar() | Enumeration():
            return side.names.leaf(shape)


def inside(shape: Optional | List, inner: Convert | None) -> Convert | None:
    """Lift what converts a value to one that may be None, or to a list; None where nothing is to be done."""
    if inner is None:
        return None
    if isinstance(shape, List):
        return lambda values: [inner(value) for value in values]
    return lambda value: None if value is None else inner(value)


def full_name(cls: type) -> str:
    """Tell a class from others of the same name."""
    return f"{cls.__module__}.{cls.__qualname__}"


def described(thing: object) -> str | None:
    """Give the docstring of a class or function, if it has one of its own."""
    text = getattr(thing, "__doc__", None)
    return inspect.cleandoc(text) if text else None


def entry_name(message: str, field: str) -> str:
    """Name the entries of a map: ``Order.unit_prices`` → ``OrderUnitPricesEntry``."""
    return f"{message}{wire_name(field)}Entry"


def _long(value: Any) -> int:
    if isinstance(value, int) and value in LONG and not isinstance(value, bool):
        return value
    raise ValueError(f"Long cannot represent {reprlib.repr(value)}: an integer of 64 bits is wanted")


def _texts(scalar: Scalar, name: str, about: str, url: str) -> GraphQLScalarType:
    """Make a scalar that JSON has as text."""
    cls, write, read = scalar.value, TO_TEXT[scalar], FROM_TEXT[scalar]

    def coerce_output(value: Any) -> str:
        if not isinstance(value, cls):
            raise TypeError(f"{name} cannot represent {reprlib.repr(value)}: a {cls.__name__} is wanted")
        try:
            return write(value)
        except ValueError as error:
            raise ValueError(f"{name} cannot represent {reprlib.repr(value)}: {error}") from None

    def coerce_input(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError(f"{name} cannot represent {reprlib.repr(value)}: a text is wanted")
        try:
            return read(value)
        except ValueError as error:
            raise ValueError(f"{name} cannot represent {reprlib.repr(value)}: {error}") from None

    return _scalar(name, about, coerce_output, coerce_input, url)


def _scalar(
    name: str, about: str, out: Callable[[Any], Any], into: Callable[[Any], Any], url: str | None = None
) -> GraphQLScalarType:
    return GraphQLScalarType(
        name, coerce_output_value=out, coerce_input_value=into, description=about, specified_by_url=url
    )


_RFC = "https://www.rfc-editor.org/rfc/rfc"
_SCALARS: dict[Scalar, GraphQLScalarType] = {
    Scalar.INT: _scalar("Long", "An integer of 64 bits, with a sign, written as a number.", _long, _long),
    Scalar.INT32: GraphQLInt,
    Scalar.FLOAT: GraphQLFloat,
    Scalar.BOOL: GraphQLBoolean,
    Scalar.STR: GraphQLString,
    Scalar.BYTES: _texts(Scalar.BYTES, "Bytes", "Bytes in base64, with padding.", f"{_RFC}4648#section-4"),
    Scalar.DATETIME: _texts(
        Scalar.DATETIME, "DateTime", "An instant with its offset from UTC.", f"{_RFC}3339#section-5.6"
    ),
    Scalar.UUID: _texts(Scalar.UUID, "UUID", "A UUID in its form of 36 characters.", f"{_RFC}9562#section-4"),
}
_OWN = tuple(scalar for scalar in _SCALARS.values() if scalar.name not in specified_scalar_types)
