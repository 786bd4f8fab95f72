"""Messages as JSON objects, by orjson; the wire is that of `stacks.codecs.json`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from typing import Any, TypeVar, cast

import msgspec
import orjson

from stacks import schema
from stacks.codecs.checks import json_codec
from stacks.codecs.compile import Compiled, Source
from stacks.codecs.fault import refusal
from stacks.codecs.json import refuse_keys

T = TypeVar("T")

_refusal = functools.partial(refusal, ints=range(-(2**63), 2**64), finite=True)


class JsonOrjson:
    """JSON (RFC 8259) by orjson, from and into trees that msgspec makes, as orjson knows no structs.

    Ints are of 64 bits; NaN and infinities are refused both ways.
    """

    name = "json-orjson"

    @property
    def versions(self) -> Mapping[str, str]:
        """The libraries that do the work."""
        return {name: metadata.version(name) for name in ("orjson", "msgspec")}

    def codec(self, message: type[T]) -> Compiled[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _compile(cast("Any", message))


@functools.cache
def _compile(cls: Any) -> Compiled[Any]:
    message = schema.describe(cls)
    refuse_keys(message)
    return json_codec(FORMAT.name, message, _refusal, _write, lambda source: _read(source, cls))


def _write(source: Source) -> str:
    return f"{source.name(orjson.dumps)}({source.name(msgspec.to_builtins)}(value, str_keys=True))"


def _read(source: Source, cls: type) -> str:
    tree = f"{source.name(orjson.loads)}(value)"
    return f"{source.name(msgspec.convert)}({tree}, {source.name(cls)}, str_keys=True)"


FORMAT = JsonOrjson()
"""The format, as `stacks.base.Format` wants it."""
