"""Messages as Cysharp's MemoryPack writes C# classes with `[MemoryPackable]`, its defaults unchanged.

Format: https://github.com/Cysharp/MemoryPack#binary-wire-format-specification. int → long, Int32 → int,
float → double, bytes → byte[], datetime → DateTime of kind Utc, UUID → Guid, an enum → an enum on int, or on
long where a number of it needs that; ``T | None`` → ``T?``, list → List, dict → Dictionary.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from stacks import schema
from stacks.codecs.compile import Source, guarded
from stacks.codecs.fault import malformed, refusal
from stacks.codecs.memorypack_reader import Reader
from stacks.codecs.memorypack_values import NESTED, left_over
from stacks.codecs.memorypack_writer import Writer
from stacks.errors import SchemaError
from stacks.schema import Message

T = TypeVar("T")

_MEMBERS = 249
"""Members that an object can have; larger numbers in its header mean something else."""
_refusal = functools.partial(refusal, ints=range(-(2**63), 2**63))


@dataclass(frozen=True)
class MemorypackCodec(Generic[T]):
    """Carries one message type."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes | memoryview], T]


class Memorypack:
    """MemoryPack, written in Python here; texts are UTF-8, and UTF-16 is read too.

    As in MemoryPack, an object of fewer members is one of an older writer, whose last fields then get their
    defaults, and one of more is refused. Unlike there, a null is refused where the field is not optional.
    """

    name = "memorypack"

    @property
    def versions(self) -> Mapping[str, str]:
        """What does the work."""
        return {"python": platform.python_version()}

    def codec(self, message: type[T]) -> MemorypackCodec[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _compile(cast("Any", message))


@functools.cache
def _compile(cls: Any) -> MemorypackCodec[Any]:
    message = schema.describe(cls)
    parts = {part.cls: f"{place}_{part.name}" for place, part in enumerate(message.parts())}
    source = Source(f"memorypack {message.package}.{message.name}")
    writer, reader = Writer(source, parts), Reader(source, parts)
    for part in message.parts():
        _refuse(part)
        writer.function(part)
        reader.functions(part)
    with guarded(source, "encode", message, _refusal):
        source.line(f"parts, left = [], {NESTED}")
        source.line("put = parts.append")
        writer.message(message, "value", message.name, 0)
        writer.flush()
        source.line("return b''.join(parts)")
    with guarded(source, "decode", message, malformed):
        source.line(f"data, at, end, left = value, 0, len(value), {NESTED}")
        reader.message(message, "value", message.name, 0)
        with source.block("if at != end:"):
            source.line(f"raise {source.name(left_over)}({message.name!r}, end - at)")
        source.line("return value")
    return MemorypackCodec(*source.functions("encode", "decode"))


def _refuse(message: Message) -> None:
    """Raise `SchemaError` for what MemoryPack has no place for."""
    if len(message.fields) > _MEMBERS:
        raise SchemaError(
            f"{message.name} has {len(message.fields)} fields; memorypack takes at most {_MEMBERS}: "
            "put some of them into a Struct of their own"
        )


FORMAT = Memorypack()
"""The format, as `stacks.base.Format` wants it."""
