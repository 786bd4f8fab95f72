"""Writes expressions that turn messages into trees: lists, dicts and the scalars that a packer takes."""

from __future__ import annotations

from typing import ClassVar

from stacks import schema
from stacks.codecs.compile import Source, attribute, number, within
from stacks.schema import RANGE_32, Enumeration, Field, List, Map, Message, Nested, Optional, Scalar, Shape

WRITTEN = frozenset(Scalar) - {Scalar.INT32, Scalar.UUID}
"""Scalars that MessagePack's packer takes as they are, and refuses where they are wrong."""


def kept(shape: Shape, kinds: frozenset[Scalar]) -> bool:
    """Whether a value and its tree are the same object, where these `kinds` of scalars are."""
    return all(
        isinstance(part, Optional | List | Map) or (isinstance(part, Scalar) and part in kinds)
        for part in schema.walk(shape)
    )


def names(message: Message) -> dict[type, str]:
    """Give each message in `message` the end of its functions' names."""
    return {part.cls: f"{place}_{part.name}" for place, part in enumerate(message.parts())}


class Writer:
    """Messages become arrays in field order."""

    prefix: ClassVar = "write"
    """Begins the names of the functions."""

    def __init__(self, source: Source, parts: dict[type, str]) -> None:
        """Write into `source`, for messages with these `names`."""
        self._source = source
        self._parts = parts

    def function(self, message: Message) -> None:
        """Write the function of `message`."""
        with self._source.block(f"def {self._name(message.cls)}(value):"):
            self._source.line(f"return {self.whole(message, 'value')}")

    def fills(self, message: Message) -> None:
        """Write the dict of the trees of fields' defaults, which a reader puts in where they are missing."""
        fills = ", ".join(f"{field.name!r}: {self._fill(field)}" for field in message.fields)
        self._source.line(f"fills_{self._parts[message.cls]} = {{{fills}}}")

    def whole(self, message: Message, value: str) -> str:
        """Give the tree of a message, which is a variable."""
        items = (self._tree(field.shape, attribute(value, field.name)) for field in message.fields)
        return f"[{', '.join(items)}]"

    def _name(self, cls: type) -> str:
        return f"{self.prefix}_{self._parts[cls]}"

    def _fill(self, field: Field) -> str:
        if field.default is None:
            return "None"
        return f"lambda: (lambda x: {self._tree(field.shape, 'x')})({self._source.name(field.default)}())"

    def _kept(self, shape: Shape) -> bool:
        return kept(shape, WRITTEN)

    def _tree(self, shape: Shape, value: str) -> str:
        match shape:
            case _ if self._kept(shape):
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
                loop = f"for {one}, {item} in {value}.items()"
                return self._entries(self._tree(key, one), self._item(of, item), loop)
            case Nested(cls):
                return f"{self._name(cls)}({value})"

    def _entries(self, key: str, item: str, loop: str) -> str:
        """Give the tree of a map, over whose entries there is a loop."""
        return f"{{{key}: {item} {loop}}}"

    def _leaf(self, shape: Scalar | Enumeration, value: str) -> str:
        if isinstance(shape, Enumeration):
            return number(self._source, shape, value)
        return within(RANGE_32, self._source, value) if shape is Scalar.INT32 else f"str({value})"

    def _item(self, shape: Shape, variable: str) -> str:
        """Give the tree of a variable; a message without messages in it needs no call."""
        if isinstance(shape, Nested) and not _contains(shape.message):
            return self.whole(shape.message, variable)
        return self._tree(shape, variable)


class MapWriter(Writer):
    """Messages become maps by field name."""

    def whole(self, message: Message, value: str) -> str:
        """Give the tree of a message, which is a variable."""
        pairs = (
            f"{field.name!r}: {self._tree(field.shape, attribute(value, field.name))}"
            for field in message.fields
        )
        return f"{{{', '.join(pairs)}}}"


def _contains(message: Message) -> bool:
    return any(isinstance(part, Nested) for field in message.fields for part in schema.walk(field.shape))
