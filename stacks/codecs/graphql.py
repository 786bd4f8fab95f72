"""Messages as GraphQL carries them in JSON: enums by name, maps as lists of entries.

A message is an object by field name, ``{"key": …, "value": …}`` an entry of a map. Ints are plain numbers,
of 64 bits, as other languages read and write a ``Long``, or of 32; a datetime is RFC 3339 text, bytes are
base64 (RFC 4648, with padding), a UUID is its text of 36 characters.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from math import isfinite
from typing import Any, Generic, TypeVar, cast

from stacks import schema
from stacks.codecs import graphql_names
from stacks.codecs.compile import Source, guarded, outside, within
from stacks.codecs.fault import malformed, refusal, wrong
from stacks.codecs.graphql_values import FROM_TEXT, LONG, TO_TEXT, WANTED, Members, entry, parse, real, write
from stacks.codecs.tree_reader import MapReader
from stacks.codecs.tree_writer import MapWriter, kept, names
from stacks.schema import RANGE_32, Enumeration, Field, Map, Optional, Scalar, Shape

T = TypeVar("T")

_WRITTEN = frozenset({Scalar.FLOAT, Scalar.BOOL, Scalar.STR})
"""Scalars that are written as they are."""
_READ = frozenset({Scalar.INT, Scalar.INT32, Scalar.BOOL, Scalar.STR})
"""Scalars that are read as they are, once checked."""
_INTS = {Scalar.INT: (LONG, "int of 64 bits"), Scalar.INT32: (RANGE_32, "int of 32 bits")}

_refusal = functools.partial(refusal, ints=LONG, finite=True)


@dataclass(frozen=True)
class GraphqlCodec(Generic[T]):
    """Carries one message type; a tree is what `parse` gives."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes | memoryview], T]
    from_tree: Callable[[Any], T]
    """Raises `ProtocolError` that names the message and, where it can, the field."""
    defaults: Mapping[str, Callable[[], Any]]
    """Field that may be left out → what makes the tree of its default."""


class Graphql:
    """JSON by the module ``json``, as it stands in GraphQL's variables and data."""

    name = "graphql-json"

    @property
    def versions(self) -> Mapping[str, str]:
        """The libraries that do the work."""
        return {"python": platform.python_version(), "msgspec": metadata.version("msgspec")}

    def codec(self, message: type[T]) -> GraphqlCodec[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _compile(cast("Any", message))


@functools.cache
def _compile(cls: Any) -> GraphqlCodec[Any]:
    message = schema.describe(cls)
    for part in message.parts():
        graphql_names.check(part)
    source = Source(f"graphql {message.package}.{message.name}")
    parts = names(message)
    writer, reader = _Writer(source, parts), _Reader(source, parts)
    for part in message.parts():
        writer.function(part)
        writer.fills(part)
        reader.function(part)
    with guarded(source, "encode", message, _refusal):
        source.line(f"return {source.name(write)}({writer.whole(message, 'value')})")
    with guarded(source, "decode", message, malformed):
        source.line(f"value = {source.name(parse)}(value)")
        source.line(f"return {reader.fields(message, 'value', message.name, 0)}")
    with guarded(source, "from_tree", message, malformed):
        source.line(f"return {reader.fields(message, 'value', message.name, 0)}")
    encode, decode, from_tree, fills = source.functions(
        "encode", "decode", "from_tree", f"fills_{parts[cls]}"
    )
    made: dict[str, Any] = cast("Any", fills)
    defaults = {field.name: made[field.name] for field in message.fields if field.default is not None}
    return GraphqlCodec(encode, decode, from_tree, defaults)


class _Writer(MapWriter):
    """Messages become objects by field name."""

    def _fill(self, field: Field) -> str:
        if field.default is None and isinstance(field.shape, Optional):
            return "lambda: None"
        return super()._fill(field)

    def _kept(self, shape: Shape) -> bool:
        return _kept(shape, _WRITTEN)

    def _entries(self, key: str, item: str, loop: str) -> str:
        return f"[{{'key': {key}, 'value': {item}}} {loop}]"

    def _leaf(self, shape: Scalar | Enumeration, value: str) -> str:
        if isinstance(shape, Enumeration):
            return f"{value}._name_"
        if shape in _INTS:
            return within(_INTS[shape][0], self._source, value)
        return f"{self._source.name(TO_TEXT[shape])}({value})"


class _Reader(MapReader):
    """Messages come as objects by field name; GraphQL has seen that there is nothing else in them."""

    list_word = "list"
    dict_word = "object"

    def _kept(self, shape: Shape) -> bool:
        return _kept(shape, _READ)

    def _member(self, shape: Enumeration, tree: str, where: str) -> None:
        cls = shape.cls
        self._demand(tree, "str", f"name of {cls.__name__}", where)
        self._source.line(f"{tree} = {self._source.name(Members(where, cls))}[{tree}]")

    def _scalar(self, shape: Scalar, tree: str, where: str) -> None:
        source = self._source
        if shape in _INTS:
            ints, wanted = _INTS[shape]
            with source.block(f"if type({tree}) is not int or {outside(ints, tree)}:"):
                source.line(f"raise {source.name(wrong)}({where!r}, {wanted!r}, {tree})")
        elif shape is Scalar.FLOAT:
            with source.block(f"if type({tree}) is not float or not {source.name(isfinite)}({tree}):"):
                source.line(f"{tree} = {source.name(real)}({tree}, {where!r})")
        elif shape in FROM_TEXT:
            self._demand(tree, "str", WANTED[shape], where)
            with source.block("try:"):
                source.line(f"{tree} = {source.name(FROM_TEXT[shape])}({tree})")
            with source.block("except ValueError:"):
                source.line(f"raise {source.name(wrong)}({where!r}, {WANTED[shape]!r}, {tree}) from None")
        else:
            self._demand(tree, shape.cls.__name__, shape.cls.__name__, where)

    def _map(self, key: Shape, of: Shape, tree: str, where: str, depth: int) -> None:
        source = self._source
        self._demand(tree, "list", "list of entries", where)
        one, item, items = source.fresh(), source.fresh(), source.fresh()
        source.line(f"{items} = {{}}")
        with source.block(f"for {item} in {tree}:"):
            self._demand(item, "dict", "entry of a map", where)
            source.line(f"{one}, {item} = {source.name(entry)}({item}, {where!r})")
            self._read(key, one, where, depth)
            self._read(of, item, where, depth)
            with source.block(f"if {one} in {items}:"):
                source.line(f"raise {source.name(wrong)}({where!r}, 'key that comes once', {one})")
            source.line(f"{items}[{one}] = {item}")
        source.line(f"{tree} = {items}")


def _kept(shape: Shape, kinds: frozenset[Scalar]) -> bool:
    return kept(shape, kinds) and not any(isinstance(part, Map) for part in schema.walk(shape))


FORMAT = Graphql()
"""The format, as `stacks.base.Format` wants it."""
