"""Messages as Thrift structs, in the binary or the compact protocol, by the package ``thriftpy2``."""

from __future__ import annotations

import contextlib
import functools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Generic, TypeVar, cast

from thriftpy2.protocol import TCyBinaryProtocol
from thriftpy2.thrift import TPayload
from thriftpy2.transport import TCyFramedTransport

from stacks.codecs import thrift_walk
from stacks.codecs.fault import malformed
from stacks.codecs.thrift_compact import Compact
from stacks.codecs.thrift_struct import conversion, unwritable
from stacks.errors import ProtocolError

T = TypeVar("T")

_HEAD = struct.Struct(">i").pack


@dataclass(frozen=True)
class ThriftCodec(Generic[T]):
    """Carries one message type."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes | memoryview], T]


@dataclass(frozen=True)
class Encoding:
    """One of Thrift's protocols, as a format of structs, without a message's head or a frame."""

    name: str
    protocol: Callable[[Any], Any]
    """Makes the library's protocol on one of its transports."""
    made_in: str
    check: Callable[[bytes], None] | None = None
    """Raises `ProtocolError` for a message that the protocol does not stand."""
    check_struct: Callable[[bytes], None] | None = None
    """The same for a struct alone."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The library that does the work."""
        return {"thriftpy2": metadata.version("thriftpy2")}

    def codec(self, message: type[T]) -> ThriftCodec[T]:
        """Compile the codec of `message`, once; raises `SchemaError` naming message and field."""
        return _codec(cast("Any", message), self)


BINARY = Encoding(
    "thrift-binary",
    functools.partial(TCyBinaryProtocol, strict_decode=True),
    "Cython",
    thrift_walk.check_message,
    thrift_walk.check_struct,
)
COMPACT = Encoding("thrift-compact", functools.partial(Compact, strict_decode=True), "pure Python")


def renew(protocol: Any) -> None:
    """Make a protocol and its transport forget a message that was given up half-way."""
    protocol.trans.clean()
    if isinstance(protocol, Compact):
        protocol.reset()


@functools.cache
def _codec(cls: Any, encoding: Encoding) -> ThriftCodec[Any]:
    found = conversion(cls)
    message = found.message

    def encode(value: Any) -> bytes:
        given = found.to_struct(value)
        sink = _Sink()
        transport = TCyFramedTransport(sink)
        try:
            encoding.protocol(transport).write_struct(given)
        except Exception as error:
            raise unwritable(message, value, error) from error
        transport.flush()
        return sink.frame[4:]

    def decode(data: bytes | memoryview) -> Any:
        given = found.struct()
        try:
            _read(given, bytes(data), encoding)
        except Exception as error:
            raise malformed(message, data, error) from error
        return found.from_struct(given)

    return ThriftCodec(encode, decode)


def _read(into: TPayload, data: bytes, encoding: Encoding) -> None:
    """Read a struct that is all of `data`; raises whatever the library raises."""
    if encoding.check_struct is not None:
        encoding.check_struct(data)
    transport = TCyFramedTransport(_Given(data))
    encoding.protocol(transport).read_struct(into)
    with contextlib.suppress(EOFError):
        raise ProtocolError(f"{transport.read(1)!r} stands after its end")


class _Sink:
    """Keeps the frame that a framed transport writes."""

    frame = b""

    def write(self, frame: bytes) -> None:
        self.frame = frame

    def flush(self) -> None:
        """Have nothing to do."""


class _Given:
    """Hands out one frame. The library's own buffer would read past its end, whatever lies there."""

    def __init__(self, data: bytes) -> None:
        self._frame = _HEAD(len(data)) + data
        self._at = 0 if data else len(self._frame)

    def read(self, most: int) -> bytes:
        data = self._frame[self._at : self._at + most]
        self._at += len(data)
        if not data:
            raise EOFError("it ends too early")
        return data
