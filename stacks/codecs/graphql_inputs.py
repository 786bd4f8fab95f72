"""The types of requests in a GraphQL schema, which make the application's messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLDefaultInput,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
)

from stacks.codecs.graphql import FORMAT
from stacks.codecs.graphql_types import Convert, Names, described, entry_name, full_name, inside, typed
from stacks.errors import SchemaError
from stacks.schema import Field, List, Map, Message, Nested, Optional, Shape, walk

_INVALID = {"code": "INVALID_ARGUMENT"}


class Inputs:
    """Input object types by message, each made once for a schema."""

    def __init__(self, names: Names) -> None:
        """Start empty."""
        self.names = names
        self._types: dict[type, GraphQLInputObjectType] = {}

    def message(self, message: Message) -> GraphQLInputObjectType:
        """Give the type of a message; raises `SchemaError`."""
        found = self._types.get(message.cls)
        if found is not None:
            return found
        defaults = FORMAT.codec(message.cls).defaults
        name = self.names.claim(f"{message.name}Input", f"the input of {full_name(message.cls)}")
        fields: dict[str, GraphQLInputField] = {}
        made = GraphQLInputObjectType(
            name, lambda: fields, out_type=_maker(message), description=described(message.cls)
        )
        self._types[message.cls] = made
        for field in message.fields:
            fields[field.name] = GraphQLInputField(
                typed(field.shape, entry_name(message.name, field.name), self),
                default=_default(defaults.get(field.name), f"{message.name}.{field.name}"),
            )
        if not fields:
            fields["_"] = GraphQLInputField(GraphQLBoolean, description="Of no use; left out, as a rule.")
        return made

    def entry(self, key: Shape, of: Shape, place: str) -> GraphQLInputObjectType:
        """Give the type of a map's entries, which become pairs."""
        fields = {
            "key": GraphQLInputField(typed(key, place, self)),
            "value": GraphQLInputField(typed(of, f"{place}Entry", self)),
        }
        name = self.names.claim(f"{place}Input", f"a map's entry {place}")
        return GraphQLInputObjectType(name, fields, out_type=lambda entry: (entry["key"], entry.get("value")))


def _default(fill: Callable[[], Any] | None, where: str) -> GraphQLDefaultInput | None:
    """Give the default of a field, as long as it is always the same."""
    if fill is None:
        return None
    try:
        tree = fill()
        return GraphQLDefaultInput(tree) if fill() == tree else None
    except Exception as error:
        raise SchemaError(f"{where} has a default that GraphQL cannot carry: {error}") from error


def _maker(message: Message) -> Callable[[dict[str, Any]], Any]:
    """Give what makes a message of its fields; what may be null and is left out is None."""
    cls, count = message.cls, len(message.fields)
    if not message.fields:
        return lambda _fields: cls()
    nones = {field.name: None for field in message.fields if isinstance(field.shape, Optional)}
    steps = [(field.name, step) for field in message.fields if (step := _mapped(field.shape))]
    steps += [(field.name, _renewed(field.default)) for field in message.fields if _shared(field)]

    def make(fields: dict[str, Any]) -> Any:
        if len(fields) != count:
            fields = {**nones, **fields}
        for name, step in steps:
            fields[name] = step(fields[name])
        try:
            return cls(**fields)
        except Exception as error:
            raise GraphQLError(f"{cls.__name__}: {error}", extensions=_INVALID) from error

    return make


def _shared(field: Field) -> bool:
    """Whether the library would give the same mutable default to every message."""
    return field.default is not None and any(
        isinstance(part, List | Map | Nested) for part in walk(field.shape)
    )


def _renewed(default: Callable[[], Any] | None) -> Convert:
    assert default is not None
    known = default()
    return lambda value: default() if value == known else value


def _mapped(shape: Shape) -> Convert | None:
    """Give what turns the lists of pairs in a value into maps; None where there are none."""
    match shape:
        case Optional(of) | List(of):
            return inside(shape, _mapped(of))
        case Map(_, of):
            return _map(_mapped(of))
    return None


def _map(inner: Convert | None) -> Convert:
    def convert(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        found = {key: inner(value) for key, value in pairs} if inner else dict(pairs)
        if len(found) != len(pairs):
            raise GraphQLError("A map cannot have two entries with the same key.", extensions=_INVALID)
        return found

    return convert
