"""Messages as JSON objects by the standard library, with values as msgspec would write them."""

from __future__ import annotations

import functools
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from math import isfinite
from typing import Any, Generic, NoReturn, TypeVar, cast

import msgspec

from stacks import schema
from stacks.codecs.compile import Source, attribute, guarded
from stacks.codecs.fault import malformed, refusal, wrong
from stacks.errors import SchemaError
from stacks.schema import List, Map, Message, Nested, Optional, Scalar, Shape

T = TypeVar("T")

_Error = Callable[[str, str, object], Exception]
_write = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode
_refusal = functools.partial(refusal, finite=True)


@dataclass(frozen=True)
class JsonCodec(Generic[T]):
    """Carries one message type."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes | memoryview], T]


class Json:
    """JSON (RFC 8259) in UTF-8, without spaces, by the module ``json``.

    A datetime is RFC 3339 text, bytes are base64, an enum its value, map keys are strings. Ints may be of
    any size; NaN and infinities are refused both ways.
    """

    name = "json"

    @property
    def versions(self) -> Mapping[str, str]:
        """The libraries that do the work."""
        return {"python": platform.python_version(), "msgspec": metadata.version("msgspec")}

    def codec(self, message: type[T]) -> JsonCodec[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _compile(cast("Any", message))


@functools.cache
def _compile(cls: Any) -> JsonCodec[Any]:
    message = schema.describe(cls)
    for part in message.parts():
        _refuse_keys(part)
    source = Source(f"json {message.package}.{message.name}")
    name = source.name
    outward = _Checks(source, message, "written", {Scalar.DATETIME: _found_later})
    inward = _Checks(source, message, "read", {Scalar.DATETIME: wrong, Scalar.FLOAT: wrong})
    with guarded(source, "encode", message, _refusal):
        outward.call(message, "value")
        source.line(f"return {name(_write)}({name(msgspec.to_builtins)}(value, str_keys=True)).encode()")
    with guarded(source, "decode", message, malformed):
        source.line("text = str(value, 'utf-8')")
        source.line(f"tree = {name(_parse)}(text)")
        with source.block(r"if '\\u' in text:"):
            source.line(f"{name(_write)}(tree).encode()  # half a surrogate pair is no text")
        source.line(f"value = {name(msgspec.convert)}(tree, {name(cls)}, str_keys=True)")
        inward.call(message, "value")
        source.line("return value")
    return JsonCodec(*source.functions("encode", "decode"))


def _refuse_keys(message: Message) -> None:
    for field in message.fields:
        for shape in schema.walk(field.shape):
            if isinstance(shape, Map) and shape.key is Scalar.BOOL:
                raise SchemaError(
                    f"{message.name}.{field.name}: json has no dict with keys of bool; "
                    "allowed are: int, str, UUID and Enum"
                )


class _Checks:
    """Writes functions that refuse what msgspec takes and the schema does not, in scalars of some kinds."""

    def __init__(self, source: Source, message: Message, prefix: str, errors: dict[Scalar, _Error]) -> None:
        self._source = source
        self._errors = errors
        self._names: dict[type, str] = {}
        for place, part in enumerate(message.parts()):
            if any(self._concerns(shape) for inner in part.parts() for shape in _shapes(inner)):
                self._names[part.cls] = f"{prefix}_{place}"
        for part in message.parts():
            if part.cls in self._names:
                self._function(part)

    def call(self, message: Message, variable: str) -> None:
        """Write the check of a message in a variable, if it needs one."""
        if message.cls in self._names:
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
                item = self._source.fresh()
                with self._source.block(f"for {item} in {value}:"):
                    self._check(of, item, where)
            case Map(_, of):
                item = self._source.fresh()
                with self._source.block(f"for {item} in {value}.values():"):
                    self._check(of, item, where)
            case Nested():
                self.call(shape.message, value)
            case Scalar.DATETIME:
                self._refuse(shape, f"{value}.tzinfo is None", value, where, "datetime with a time zone")
            case Scalar.FLOAT:
                self._refuse(
                    shape, f"not {self._source.name(isfinite)}({value})", value, where, "finite float"
                )

    def _refuse(self, shape: Scalar, condition: str, value: str, where: str, wanted: str) -> None:
        error = self._source.name(self._errors[shape])
        with self._source.block(f"if {condition}:"):
            self._source.line(f"raise {error}({where!r}, {wanted!r}, {value})")


def _found_later(where: str, wanted: str, _: object) -> ValueError:
    """Make an error for `refusal`, which finds the very place."""
    return ValueError(f"{where} is no {wanted}")


def _shapes(message: Message) -> list[Shape]:
    return [shape for field in message.fields for shape in schema.walk(field.shape)]


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


_parse = json.JSONDecoder(parse_constant=_constant).decode

FORMAT = Json()
"""The format, as `stacks.base.Format` wants it."""
