"""Writes statements that check trees and turn them into messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from stacks.codecs.compile import Members, Source, construction, outside
from stacks.codecs.fault import wrong
from stacks.codecs.tree_writer import WRITTEN, kept
from stacks.errors import ProtocolError
from stacks.schema import RANGE_32, Enumeration, List, Map, Message, Nested, Optional, Scalar, Shape

_Fills = dict[str, Callable[[], Any] | None]

_INLINE = 2
"""Messages within messages that are read in the same function, without a call of their own."""
_READ = WRITTEN - {Scalar.FLOAT} | {Scalar.INT32}
"""Scalars that an unpacker gives as they are wanted, once checked."""
_TYPES = {
    Scalar.INT: ("int", "int"),
    Scalar.BOOL: ("bool", "bool"),
    Scalar.STR: ("str", "str"),
    Scalar.BYTES: ("bytes", "bin"),
    Scalar.DATETIME: ("datetime", "timestamp"),
}
"""Scalar → its type in a tree, and how errors call it."""


class Reader:
    """Messages come as arrays in field order; the source has a `Writer`'s fills for each."""

    list_word: ClassVar = "array"
    dict_word: ClassVar = "map"
    """How errors call the two."""

    def __init__(self, source: Source, parts: dict[type, str]) -> None:
        """Write into `source`, for messages with these `tree_writer.names`."""
        self._source = source
        self._parts = parts

    def function(self, message: Message) -> None:
        """Write the function of `message`."""
        with self._source.block(f"def read_{self._parts[message.cls]}(value):"):
            self._source.line(f"return {self.fields(message, 'value', message.name, 0)}")

    def fields(self, message: Message, tree: str, where: str, depth: int) -> str:
        """Check the tree in a variable; give the expression that makes the message of it."""
        variables = [self._source.fresh() for _ in message.fields]
        self._take(message, tree, where, variables)
        for field, variable in zip(message.fields, variables, strict=True):
            self._read(field.shape, variable, f"{where}.{field.name}", depth)
        return construction(self._source, message, variables)

    def _take(self, message: Message, tree: str, where: str, variables: list[str]) -> None:
        """Put the trees of a message's fields into variables."""
        self._demand(tree, "list", self.list_word, where)
        with self._source.block(f"if len({tree}) != {len(variables)}:"):
            fills = f"fills_{self._parts[message.cls]}"
            self._source.line(f"{tree} = {self._source.name(_fit)}({tree}, {fills}, {where!r})")
        if variables:
            self._source.line(f"{', '.join(variables)}, = {tree}")

    def _read(self, shape: Shape, tree: str, where: str, depth: int) -> None:
        """Turn the tree in a variable into its value."""
        source = self._source
        match shape:
            case Scalar():
                self._scalar(shape, tree, where)
            case Enumeration():
                self._member(shape, tree, where)
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

    def _kept(self, shape: Shape) -> bool:
        return kept(shape, _READ)

    def _member(self, shape: Enumeration, tree: str, where: str) -> None:
        self._demand(tree, "int", f"number of {shape.cls.__name__}", where)
        self._source.line(f"{tree} = {self._source.name(Members(where, shape))}[{tree}]")

    def _scalar(self, shape: Scalar, tree: str, where: str) -> None:
        source = self._source
        match shape:
            case Scalar.FLOAT:
                with source.block(f"if type({tree}) is not float:"):
                    source.line(f"{tree} = {source.name(_real)}({tree}, {where!r})")
            case Scalar.UUID:
                source.line(f"{tree} = {source.name(_uuid)}({tree}, {where!r})")
            case Scalar.INT32:
                with source.block(f"if type({tree}) is not int or {outside(RANGE_32, tree)}:"):
                    source.line(f"raise {source.name(wrong)}({where!r}, 'int of 32 bits', {tree})")
            case _:
                self._demand(tree, *_TYPES[shape], where)

    def _list(self, of: Shape, tree: str, where: str, depth: int) -> None:
        source = self._source
        self._demand(tree, "list", self.list_word, where)
        item, items, append = source.fresh(), source.fresh(), source.fresh()
        if self._kept(of):
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
        self._demand(tree, "dict", self.dict_word, where)
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


class MapReader(Reader):
    """Messages come as maps by field name, in any order and with fields unknown to us."""

    def _take(self, message: Message, tree: str, where: str, variables: list[str]) -> None:
        """Put the trees of a message's fields into variables."""
        source = self._source
        self._demand(tree, "dict", self.dict_word, where)
        if not variables:
            return
        items = ", ".join(f"{tree}[{field.name!r}]" for field in message.fields)
        take = f"{', '.join(variables)}, = {items},"
        with source.block("try:"):
            source.line(take)
        with source.block("except KeyError:"):
            fills = f"fills_{self._parts[message.cls]}"
            source.line(f"{tree} = {source.name(_fill)}({tree}, {fills}, {where!r}, {self.dict_word!r})")
            source.line(take)


def _fit(tree: list[Any], fills: _Fills, where: str) -> list[Any]:
    """Cut an array of a newer writer; fill up one of an older writer with the trees of defaults."""
    fitted = tree[: len(fills)]
    for name, fill in list(fills.items())[len(tree) :]:
        if fill is None:
            raise ProtocolError(f"{where}.{name} is missing: the array has {len(tree)} elements")
        fitted.append(fill())
    return fitted


def _fill(tree: dict[Any, Any], fills: _Fills, where: str, word: str) -> dict[Any, Any]:
    """Add to a map what an older writer left out."""
    added = {}
    for name, fill in fills.items():
        if name not in tree:
            if fill is None:
                raise ProtocolError(f"{where}.{name} is missing: the {word} has {len(tree)} entries")
            added[name] = fill()
    return tree | added


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
