"""The types of replies in a GraphQL schema, with the resolvers that read the application's messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLBoolean, GraphQLField, GraphQLObjectType

from stacks.codecs.graphql import FORMAT
from stacks.codecs.graphql_types import Convert, Names, described, entry_name, full_name, inside, typed
from stacks.schema import List, Map, Message, Optional, Shape


class Outputs:
    """Object types by message, each made once for a schema."""

    def __init__(self, names: Names) -> None:
        """Start empty."""
        self.names = names
        self._types: dict[type, GraphQLObjectType] = {}

    def message(self, message: Message) -> GraphQLObjectType:
        """Give the type of a message; raises `SchemaError`."""
        found = self._types.get(message.cls)
        if found is not None:
            return found
        FORMAT.codec(message.cls)
        name = self.names.claim(message.name, full_name(message.cls))
        fields: dict[str, GraphQLField] = {}
        made = GraphQLObjectType(name, lambda: fields, description=described(message.cls))
        self._types[message.cls] = made
        for field in message.fields:
            fields[field.name] = GraphQLField(
                typed(field.shape, entry_name(name, field.name), self),
                resolve=_getter(field.name, _unmapped(field.shape)),
            )
        if not fields:
            fields["_"] = GraphQLField(GraphQLBoolean, resolve=_nothing, description="Always null.")
        return made

    def entry(self, key: Shape, of: Shape, place: str) -> GraphQLObjectType:
        """Give the type of a map's entries, which are pairs."""
        fields = {
            "key": GraphQLField(typed(key, place, self), resolve=lambda entry, _info: entry[0]),
            "value": GraphQLField(typed(of, f"{place}Entry", self), resolve=lambda entry, _info: entry[1]),
        }
        return GraphQLObjectType(self.names.claim(place, f"a map's entry {place}"), fields)


def _getter(name: str, convert: Convert | None) -> Callable[..., Any]:
    if convert is None:
        return lambda message, _info: getattr(message, name)
    return lambda message, _info: convert(getattr(message, name))


def _nothing(_message: Any, _info: Any) -> None:
    return None


def _unmapped(shape: Shape) -> Convert | None:
    """Give what turns the maps in a value into lists of pairs; None where there are none."""
    match shape:
        case Optional(of) | List(of):
            return inside(shape, _unmapped(of))
        case Map(_, of):
            return _pairs(_unmapped(of))
    return None


def _pairs(inner: Convert | None) -> Convert:
    if inner is None:
        return lambda entries: list(entries.items())
    return lambda entries: [(key, inner(value)) for key, value in entries.items()]
