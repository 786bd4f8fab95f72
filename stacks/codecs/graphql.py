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
from stacks.codecs.compile import Source, attribute, construction, guarded, outside, within
from stacks.codecs.fault import malformed, refusal, wrong
from stacks.codecs.graphql_values import FROM_TEXT, LONG, TO_TEXT, WANTED, Members, entry, parse, real, write
from stacks.errors import ProtocolError
from stacks.schema import RANGE_32, Enumeration, Field, List, Map, Message, Nested, Optional, Scalar, Shape

T = TypeVar("T")

_INLINE = 2
"""Messages within messages that are read in the same function, without a call of their own."""
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
    parts = {part.cls: f"{place}_{part.name}" for place, part in enumerate(message.parts())}
    writer, reader = _Writer(source, parts), _Reader(source, parts)
    for part in message.parts():
        writer.function(part)
        reader.function(part)
    with guarded(source, "encode", message, _refusal):
        source.line(f"return {source.name(write)}({writer.tree_of(message, 'value')})")
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


class _Writer:
    """Writes expressions that turn values into trees."""

    def __init__(self, source: Source, parts: dict[type, str]) -> None:
        self._source = source
        self._parts = parts

    def function(self, message: Message) -> None:
        """Write the function of `message`, and the trees of what stands for fields that are left out."""
        with self._source.block(f"def write_{self._parts[message.cls]}(value):"):
            self._source.line(f"return {self.tree_of(message, 'value')}")
        fills = ", ".join(f"{field.name!r}: {self._fill(field)}" for field in message.fields)
        self._source.line(f"fills_{self._parts[message.cls]} = {{{fills}}}")

    def tree_of(self, message: Message, value: str) -> str:
        """Give the object of a message, which is a variable."""
        items = (
            f"{field.name!r}: {self._tree(field.shape, attribute(value, field.name))}"
            for field in message.fields
        )
        return f"{{{', '.join(items)}}}"

    def _fill(self, field: Field) -> str:
        if field.default is not None:
            return f"lambda: (lambda x: {self._tree(field.shape, 'x')})({self._source.name(field.default)}())"
        return "lambda: None" if isinstance(field.shape, Optional) else "None"

    def _tree(self, shape: Shape, value: str) -> str:
        match shape:
            case _ if _kept(shape, _WRITTEN):
                return value
            case Scalar() | Enumeration():
                return self._leaf(shape, value)
            case Optional(of):
                return f"None if {value} is None else {self._tree(of, value)}"
            case List(of):
                item = self._source.fresh()
                return f"[{self._item(of, item)} for {item} in {value}]"
            case Map(key, of):
                one, item = self._source.fresh(), self._source.fresh()
                pair = f"{{'key': {self._tree(key, one)}, 'value': {self._item(of, item)}}}"
                return f"[{pair} for {one}, {item} in {value}.items()]"
            case Nested(cls):
                return f"write_{self._parts[cls]}({value})"

    def _leaf(self, shape: Scalar | Enumeration, value: str) -> str:
        if isinstance(shape, Enumeration):
            return f"{value}._name_"
        if shape in _INTS:
            return within(_INTS[shape][0], self._source, value)
        return f"{self._source.name(TO_TEXT[shape])}({value})"

    def _item(self, shape: Shape, variable: str) -> str:
        """Give the tree of a variable; a message without messages in it needs no call."""
        if isinstance(shape, Nested) and not _contains(shape.message):
            return self.tree_of(shape.message, variable)
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
        """Check the object in a variable; give the expression that makes the message of it."""
        source = self._source
        self._demand(tree, "dict", "object", where)
        variables = [source.fresh() for _ in message.fields]
        if variables:
            targets = ", ".join(variables) + ","
            with source.block("try:"):
                source.line(
                    f"{targets} = {', '.join(f'{tree}[{field.name!r}]' for field in message.fields)},"
                )
            with source.block("except KeyError:"):
                fills = f"fills_{self._parts[message.cls]}"
                source.line(f"{targets} = {source.name(_fit)}({tree}, {fills}, {where!r})")
        for field, variable in zip(message.fields, variables, strict=True):
            self._read(field.shape, variable, f"{where}.{field.name}", depth)
        return construction(source, message, variables)

    def _read(self, shape: Shape, tree: str, where: str, depth: int) -> None:
        """Turn the tree in a variable into its value."""
        source = self._source
        match shape:
            case Scalar() | Enumeration():
                self._leaf(shape, tree, where)
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

    def _leaf(self, shape: Scalar | Enumeration, tree: str, where: str) -> None:
        source = self._source
        match shape:
            case Scalar.INT | Scalar.INT32:
                ints, wanted = _INTS[shape]
                with source.block(f"if type({tree}) is not int or {outside(ints, tree)}:"):
                    source.line(f"raise {source.name(wrong)}({where!r}, {wanted!r}, {tree})")
            case Scalar.FLOAT:
                with source.block(f"if type({tree}) is not float or not {source.name(isfinite)}({tree}):"):
                    source.line(f"{tree} = {source.name(real)}({tree}, {where!r})")
            case Scalar() if shape in FROM_TEXT:
                self._demand(tree, "str", WANTED[shape], where)
                with source.block("try:"):
                    source.line(f"{tree} = {source.name(FROM_TEXT[shape])}({tree})")
                with source.block("except ValueError:"):
                    source.line(f"raise {source.name(wrong)}({where!r}, {WANTED[shape]!r}, {tree}) from None")
            case Scalar(cls=cls):
                self._demand(tree, cls.__name__, cls.__name__, where)
            case Enumeration(cls):
                self._demand(tree, "str", f"name of {cls.__name__}", where)
                source.line(f"{tree} = {source.name(Members(where, cls))}[{tree}]")

    def _list(self, of: Shape, tree: str, where: str, depth: int) -> None:
        source = self._source
        self._demand(tree, "list", "list", where)
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

    def _demand(self, tree: str, cls: str, wanted: str, where: str) -> None:
        with self._source.block(f"if type({tree}) is not {cls}:"):
            self._source.line(f"raise {self._source.name(wrong)}({where!r}, {wanted!r}, {tree})")


def _kept(shape: Shape, kinds: frozenset[Scalar]) -> bool:
    """Whether the value and its tree are the same object."""
    return all(
        isinstance(part, Optional | List) or (isinstance(part, Scalar) and part in kinds)
        for part in schema.walk(shape)
    )


def _contains(message: Message) -> bool:
    return any(isinstance(part, Nested) for field in message.fields for part in schema.walk(field.shape))


def _fit(tree: dict[str, Any], fills: dict[str, Callable[[], Any] | None], where: str) -> list[Any]:
    """Give the trees of all fields, where some are left out."""
    fitted = []
    for name, fill in fills.items():
        if name not in tree and fill is None:
            raise ProtocolError(f"{where}.{name} is missing")
        fitted.append(tree[name] if name in tree or fill is None else fill())
    return fitted


FORMAT = Graphql()
"""The format, as `stacks.base.Format` wants it."""
