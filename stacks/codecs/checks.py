"""Writes functions that refuse what a library takes and the schema does not, in scalars of some kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from stacks import schema
from stacks.codecs.compile import Compiled, Source, attribute, guarded, outside
from stacks.codecs.fault import malformed, wrong
from stacks.errors import ProtocolError
from stacks.schema import RANGE_32, List, Map, Message, Nested, Optional, Scalar, Shape

Error = Callable[[str, str, object], Exception]
"""Makes what is raised, from the place, what is wanted there, and the value."""


def found_later(where: str, wanted: str, _: object) -> ValueError:
    """Make an error for `fault.refusal`, which finds the very place."""
    return ValueError(f"{where} is no {wanted}")


WRITTEN: Mapping[Scalar, Error] = {Scalar.DATETIME: found_later, Scalar.INT32: found_later}
"""Refuses these in what is written: datetimes without a time zone, and ints of more bits."""
READ: Mapping[Scalar, Error] = {Scalar.DATETIME: wrong}
"""Refuses these in what is read."""
_FINITE: Mapping[Scalar, Error] = {Scalar.FLOAT: found_later}


class Checks:
    """The functions for a message and all that it contains; those without such scalars get none."""

    def __init__(self, source: Source, message: Message, prefix: str, errors: Mapping[Scalar, Error]) -> None:
        """Write them, under names that begin with `prefix`, for scalars of the kinds in `errors`."""
        self._source = source
        self._errors = errors
        self._names: dict[type, str] = {}
        for place, part in enumerate(message.parts()):
            if any(self._concerns(shape) for inner in part.parts() for shape in _shapes(inner)):
                self._names[part.cls] = f"{prefix}_{place}"
        for part in message.parts():
            if part.cls in self._names:
                self._function(part)

    def concern(self, message: Message) -> bool:
        """Whether there is anything to check in a message."""
        return message.cls in self._names

    def call(self, message: Message, variable: str) -> None:
        """Write the check of a message in a variable, if it needs one."""
        if self.concern(message):
            self._source.line(f"{self._names[message.cls]}({variable})")

    def _function(self, message: Message) -> None:
        with self._source.block(f"def {self._names[message.cls]}(value):"):
            for field in message.fields:
                if any(self._concerns(shape) for shape in schema.walk(field.shape)):
                    variable = self._source.fresh()
                    self._source.line(f"{variable} = {attribute('value', field.name)}")
                    self._check(field.shape, variable, f"{message.name}.{field.name}")

    def _concerns(self, shape: Shape) -> bool:
        return shape.cls in self._names if isinstance(shape, Nested) else shape in self._errors

    def _check(self, shape: Shape, value: str, where: str) -> None:
        match shape:
            case Optional(of):
                with self._source.block(f"if {value} is not None:"):
                    self._check(of, value, where)
            case List(of):
                self._each(of, value, where)
            case Map(key, of):
                self._each(key, value, where)
                self._each(of, f"{value}.values()", where)
            case Nested():
                self.call(shape.message, value)
            case Scalar.DATETIME:
                self._refuse(shape, f"{value}.tzinfo is None", value, where, "datetime with a time zone")
            case Scalar.FLOAT:
                self._refuse(
                    shape, f"not {self._source.name(isfinite)}({value})", value, where, "finite float"
                )
            case Scalar.INT32:
                self._refuse(shape, outside(RANGE_32, value), value, where, "int of 32 bits")

    def _each(self, of: Shape, values: str, where: str) -> None:
        if any(self._concerns(shape) for shape in schema.walk(of)):
            item = self._source.fresh()
            with self._source.block(f"for {item} in {values}:"):
                self._check(of, item, where)

    def _refuse(self, shape: Scalar, condition: str, value: str, where: str, wanted: str) -> None:
        error = self._source.name(self._errors[shape])
        with self._source.block(f"if {condition}:"):
            self._source.line(f"raise {error}({where!r}, {wanted!r}, {value})")


def json_codec(
    name: str,
    message: Message,
    refuse: Callable[[Message, Any, Exception], ProtocolError],
    write: Callable[[Source], str],
    read: Callable[[Source], str],
) -> Compiled[Any]:
    """Compile a codec from a library's expressions that write and read a ``value``, without checks.

    The library reads no float that is no number, and writes ``null`` for one; so values are searched for them
    only where there is one.
    """
    source = Source(f"{name} {message.package}.{message.name}")
    outward, finite = Checks(source, message, "written", WRITTEN), Checks(source, message, "finite", _FINITE)
    inward = Checks(source, message, "read", READ)
    with guarded(source, "encode", message, refuse):
        outward.call(message, "value")
        source.line(f"data = {write(source)}")
        if finite.concern(message):
            with source.block("if b'null' in data:"):
                finite.call(message, "value")
        source.line("return data")
    with guarded(source, "decode", message, malformed):
        source.line(f"value = {read(source)}")
        inward.call(message, "value")
        source.line("return value")
    return Compiled(*source.functions("encode", "decode"))


def _shapes(message: Message) -> list[Shape]:
    return [shape for field in message.fields for shape in schema.walk(field.shape)]
