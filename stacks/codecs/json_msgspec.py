"""Messages as JSON objects, written and read by msgspec itself; the wire is that of `stacks.codecs.json`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from typing import Any, TypeVar, cast

import msgspec

from stacks import schema
from stacks.codecs.checks import json_codec
from stacks.codecs.compile import Compiled
from stacks.codecs.fault import refusal
from stacks.codecs.json import refuse_keys

T = TypeVar("T")

_refusal = functools.partial(refusal, finite=True)


class JsonMsgspec:
    """JSON (RFC 8259) by msgspec, straight from and into the application's structs.

    Ints may be of any size; NaN and infinities are refused both ways.
    """

    name = "json-msgspec"

    @property
    def versions(self) -> Mapping[str, str]:
        """The library that does the work."""
        return {"msgspec": metadata.version("msgspec")}

    def codec(self, message: type[T]) -> Compiled[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _compile(cast("Any", message))


@functools.cache
def _compile(cls: Any) -> Compiled[Any]:
    message = schema.describe(cls)
    refuse_keys(message)
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(cls).decode
    return json_codec(
        FORMAT.name,
        message,
        _refusal,
        lambda source: f"{source.name(encode)}(value)",
        lambda source: f"{source.name(decode)}(value)",
    )


FORMAT = JsonMsgspec()
"""The format, as `stacks.base.Format` wants it."""
