"""Messages as JSON objects by the standard library, with values as msgspec would write them."""

from __future__ import annotations

import functools
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Generic, NoReturn, TypeVar, cast

import msgspec

from stacks import schema
from stacks.codecs.checks import READ, WRITTEN, Checks
from stacks.codecs.compile import Source, guarded
from stacks.codecs.fault import malformed, refusal, wrong
from stacks.errors import SchemaError
from stacks.schema import Map, Message, Scalar

T = TypeVar("T")

_write = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode
_refusal = functools.partial(refusal, finite=True)


@dataclass(frozen=True)
class JsonCodec(Generic[T]):
    """Carries one message type."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes | memoryview], T]
    from_tree: Callable[[Any], T]
    """Takes over what `parse` gave; raises `ProtocolError` that names the message and, mostly, the field."""


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
    refuse_keys(message)
    source = Source(f"json {message.package}.{message.name}")
    name = source.name
    outward = Checks(source, message, "written", WRITTEN)
    inward = Checks(source, message, "read", {**READ, Scalar.FLOAT: wrong})
    with guarded(source, "encode", message, _refusal):
        outward.call(message, "value")
        source.line(f"return {name(_write)}({name(msgspec.to_builtins)}(value, str_keys=True)).encode()")
    for function, tree in (("decode", f"{name(parse)}(value)"), ("from_tree", "value")):
        with guarded(source, function, message, malformed):
            source.line(f"value = {name(msgspec.convert)}({tree}, {name(cls)}, str_keys=True)")
            inward.call(message, "value")
            source.line("return value")
    return JsonCodec(*source.functions("encode", "decode", "from_tree"))


def write(tree: Any) -> bytes:
    """Give the text of a tree, which is one line; raises `ValueError`, `TypeError` or `RecursionError`."""
    return _write(tree).encode()


def parse(data: bytes | bytearray | memoryview) -> Any:
    """Give the tree of a text; raises `ValueError` for what is no JSON, and `RecursionError`."""
    text = str(data, "utf-8")
    tree = _parse(text)
    if r"\u" in text:
        write(tree)  # half a surrogate pair is no text
    return tree


def refuse_keys(message: Message) -> None:
    """Raise `SchemaError` for a message with a dict whose keys JSON has no text for."""
    for part in message.parts():
        _refuse_keys(part)


def _refuse_keys(message: Message) -> None:
    for field in message.fields:
        for shape in schema.walk(field.shape):
            if isinstance(shape, Map) and shape.key is Scalar.BOOL:
                raise SchemaError(
                    f"{message.name}.{field.name}: json has no dict with keys of bool; "
                    "allowed are: int, str, UUID and Enum"
                )


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


_parse = json.JSONDecoder(parse_constant=_constant).decode

FORMAT = Json()
"""The format, as `stacks.base.Format` wants it."""
