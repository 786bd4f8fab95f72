"""Calls as MessagePack-RPC: arrays, one after the other without a length in front.

https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md
"""

from __future__ import annotations

import functools
import struct
from typing import Any

import msgpack

from stacks.codecs.msgpack import ERRORS, packer, unpacker
from stacks.errors import ProtocolError
from stacks.transports.framing import Framing, refusal

CHUNK = 256 * 1024
"""Bytes that may be fed at once; both asyncio's and uvloop's loops read no more."""
ENVELOPE = 2048
"""Bytes that a MessagePack-RPC message has around its payload: head, method's name, or an error."""
_HEAD = struct.Struct(">BBBI").pack
"""An array of four, the kind of message, and its number as uint 32."""
_NIL = b"\xc0"


class MsgpackInbox:
    """Finds the ends of messages by unpacking them as they come."""

    def __init__(self, limit: int) -> None:
        """Take messages with a payload of up to `limit` bytes."""
        self._limit = limit + ENVELOPE
        # Many small messages may come in one chunk, behind the last part of a large one.
        self._unpacker = unpacker(self._limit + CHUNK)
        self._fed = 0
        self._read = 0

    def read(self, data: bytes) -> list[Any]:
        """Give the messages that `data` completes."""
        messages: list[Any] = []
        unpacker = self._unpacker
        self._fed += len(data)
        try:
            unpacker.feed(data)
            while self._read < self._fed:
                messages.append(unpacker.unpack())
                end = unpacker.tell()
                if end - self._read > self._limit:
                    raise refusal(end - self._read, self._limit)
                self._read = end
        except msgpack.OutOfData:
            if self._fed - self._read > self._limit:
                raise refusal(self._fed - self._read, self._limit) from None
        except ERRORS as error:
            raise ProtocolError(f"the peer sent no MessagePack: {error or type(error).__name__}") from error
        return messages


def _packed(tree: Any) -> bytes:
    packed: bytes = packer().pack(tree)
    return packed


FRAMING = Framing(
    request=functools.partial(_HEAD, 0x94, 0, 0xCE),
    named=lambda name: _packed(name) + b"\x91",
    asked=b"",
    reply=functools.partial(_HEAD, 0x94, 1, 0xCE),
    fine=_NIL,
    answered=b"",
    failed=lambda told: _packed(told) + _NIL,
    inbox=MsgpackInbox,
)
