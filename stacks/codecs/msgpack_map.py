"""Messages as MessagePack maps by field name, as MessagePack-CSharp writes classes with `keyAsPropertyName`.

Keys are the fields' names as Python has them. A reader takes them in any order, passes over those that it
does not know, and puts a field's default where it is missing. All values are as in `stacks.codecs.msgpack`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from stacks import schema
from stacks.codecs import msgpack
from stacks.codecs.msgpack import MsgpackCodec
from stacks.codecs.tree_reader import MapReader
from stacks.codecs.tree_writer import MapWriter

T = TypeVar("T")


class MsgpackMap:
    """MessagePack with names, by the C extension of the package ``msgpack``."""

    name = "msgpack-map"

    @property
    def versions(self) -> Mapping[str, str]:
        """The library that does the work."""
        return msgpack.FORMAT.versions

    def codec(self, message: type[T]) -> MsgpackCodec[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _compile(cast("Any", message))


@functools.cache
def _compile(cls: Any) -> MsgpackCodec[Any]:
    return msgpack.compiled(FORMAT.name, schema.describe(cls), MapWriter, MapReader)


FORMAT = MsgpackMap()
"""The format, as `stacks.base.Format` wants it."""
