"""Messages as MessagePack arrays in field order, as MessagePack-CSharp writes classes with `[Key(n)]`.

Format: https://github.com/msgpack/msgpack/blob/master/spec.md. A datetime is the timestamp extension
(type −1), a UUID its text of 36 characters, an enum its number, None nil.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Generic, TypeVar, cast

import msgpack

from stacks import schema
from stacks.codecs.compile import Source, guarded
from stacks.codecs.fault import malformed, refusal
from stacks.codecs.tree_reader import Reader
from stacks.codecs.tree_writer import Writer, names
from stacks.schema import Message

T = TypeVar("T")

ERRORS = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)
"""What a packer or unpacker raises for data that it does not take."""
encoding_refusal = functools.partial(refusal, ints=range(-(2**63), 2**64))
"""Makes the error for a value that MessagePack has no bytes for."""


def packer() -> msgpack.Packer:
    """Make a packer of trees; `pack` gives bytes, or raises one of `ERRORS`. Not for two threads at once."""
    return msgpack.Packer(datetime=True)


def unpacker(limit: int) -> msgpack.Unpacker:
    """Make a streaming unpacker of trees: `feed` bytes, then iterate; either may raise one of `ERRORS`.

    It buffers at most `limit` bytes (`msgpack.BufferFull`). After an error it must not be used again.
    """
    return msgpack.Unpacker(timestamp=3, raw=False, strict_map_key=False, max_buffer_size=limit)


@dataclass(frozen=True)
class MsgpackCodec(Generic[T]):
    """Carries one message type; a tree is what packers take and unpackers give: lists, dicts, scalars."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes | memoryview], T]
    to_tree: Callable[[T], Any]
    """Makes a tree, which may share lists and dicts with the value; raises `ProtocolError`."""
    from_tree: Callable[[Any], T]
    """Takes over a tree; raises `ProtocolError` that names the message and, where it can, the field."""


class Msgpack:
    """MessagePack by the C extension of the package ``msgpack``."""

    name = "msgpack"

    @property
    def versions(self) -> Mapping[str, str]:
        """The library that does the work."""
        return {"msgpack": metadata.version("msgpack")}

    def codec(self, message: type[T]) -> MsgpackCodec[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _compile(cast("Any", message))


@functools.cache
def _compile(cls: Any) -> MsgpackCodec[Any]:
    return compiled(FORMAT.name, schema.describe(cls), Writer, Reader)


def compiled(name: str, message: Message, writing: type[Writer], reading: type[Reader]) -> MsgpackCodec[Any]:
    """Compile a codec of the format `name`, whose trees are as `writing` and `reading` have them."""
    source = Source(f"{name} {message.package}.{message.name}")
    parts = names(message)
    writer, reader = writing(source, parts), reading(source, parts)
    for part in message.parts():
        writer.function(part)
        writer.fills(part)
        reader.function(part)
    _border(source, message, writer, reader)
    return MsgpackCodec(*source.functions("encode", "decode", "to_tree", "from_tree"))


def _border(source: Source, message: Message, writer: Writer, reader: Reader) -> None:
    """Write the functions that callers see, in which every error becomes a `ProtocolError`."""
    spare: deque[msgpack.Packer] = deque()
    with guarded(source, "encode", message, encoding_refusal):
        # A packer is taken out for the call, as another thread may come in while it works.
        source.line(f"tree = {writer.whole(message, 'value')}")
        with source.block("try:"):
            source.line(f"packer = {source.name(spare.pop)}()")
        with source.block("except IndexError:"):
            source.line(f"packer = {source.name(packer)}()")
        source.line("data = packer.pack(tree)")
        source.line(f"{source.name(spare.append)}(packer)")
        source.line("return data")
    with guarded(source, "to_tree", message, encoding_refusal):
        source.line(f"return {writer.whole(message, 'value')}")
    with guarded(source, "decode", message, malformed):
        unpack = source.name(msgpack.unpackb)
        source.line(f"value = {unpack}(value, timestamp=3, raw=False, strict_map_key=False)")
        source.line(f"return {reader.fields(message, 'value', message.name, 0)}")
    with guarded(source, "from_tree", message, malformed):
        source.line(f"return {reader.fields(message, 'value', message.name, 0)}")


FORMAT = Msgpack()
"""The format, as `stacks.base.Format` wants it."""
