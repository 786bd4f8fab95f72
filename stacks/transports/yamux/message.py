"""What stands on a yamux stream that carries a call; every part is MessagePack, one after the other.

The caller sends the method's name as a str, then each request message, then FIN. The server sends
``[0, message]`` for each reply, then FIN; or, once it has failed, ``[1, code, text]``, then FIN. Either side
may cut the call short by RST. A unary call and a client stream have one reply, a unary call and a server
stream one request. Code is the name of a gRPC status.
"""

from __future__ import annotations

from typing import Any

import msgpack

from stacks.codecs.msgpack import ERRORS, packer
from stacks.errors import CallError, ProtocolError
from stacks.transports import dispatch

OK = b"\x92\x00"
"""What stands before a message in a reply, as we write it."""
ENVELOPE = 2048
"""Bytes that may stand on a stream besides the payload of a message."""

_FIXED = range(0xA0, 0xC0)
_SIZED = {0xD9: 1, 0xDA: 2, 0xDB: 4}
"""First byte of a str → bytes of its length."""
_LONGEST = 255


def name(data: bytearray) -> tuple[bytes, int]:
    """Read the method's name; gives it with the bytes that it takes, which are 0 while it is not complete.

    Raises `Remote` for what is no name or too long for one.
    """
    first = data[0] if data else 0xA0
    if first in _FIXED:
        start, length = 1, first & 0x1F
    elif first in _SIZED:
        start = 1 + _SIZED[first]
        length = int.from_bytes(data[1:start], "big") if len(data) >= start else 0
    else:
        dispatch.reject(f"byte {first:#x} instead of a str")
    if length > _LONGEST:
        dispatch.reject(f"{bytes(data[start : start + 20])!r}… of {length} bytes")
    end = start + length
    if not data or len(data) < end:
        return b"", 0
    return bytes(data[start:end]), end


def told(error: Exception) -> bytes:
    """Write the reply by which the caller learns of a failure."""
    data: bytes = packer().pack([1, *dispatch.fault(error)])
    return data


def message(tree: Any) -> Any:
    """Give the message of a reply; raises the `CallError` that the reply tells, or `ProtocolError`."""
    if type(tree) is list:
        if len(tree) == 2 and tree[0] == 0:  # noqa: PLR2004 -- as this module's docstring has it
            return tree[1]
        if len(tree) == 3 and tree[0] == 1:  # noqa: PLR2004
            raise _failure(tree[1], tree[2])
    raise ProtocolError(f"the server sent something else than a reply: {tree!r:.100}")


def only(data: bytearray) -> Any:
    """Give the message of the one reply that `data` is; raises as `message`."""
    try:
        tree = msgpack.unpackb(data, timestamp=3, raw=False, strict_map_key=False)
    except ERRORS as error:
        raise ProtocolError(f"the server sent no reply: {error or type(error).__name__}") from error
    return message(tree)


def _failure(code: Any, text: Any) -> CallError:
    if type(code) is str and type(text) is str:
        return dispatch.failure(code, text)
    return dispatch.failure("UNKNOWN", f"{[code, text]!r:.1000}")
