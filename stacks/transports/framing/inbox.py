"""Cuts a byte stream into MessagePack messages, none of which may be over a limit."""

from __future__ import annotations

from typing import Any

import msgpack

from stacks.codecs.msgpack import ERRORS, unpacker
from stacks.errors import ProtocolError, Refused
from stacks.transports import dispatch

CHUNK = 256 * 1024
"""Bytes that may be fed at once; both asyncio's and uvloop's loops read no more."""
ENVELOPE = 2048
"""Bytes that a MessagePack-RPC message has around its payload: head, method's name, or an error."""


class Inbox:
    """What has arrived on one connection; after an error the connection is of no more use."""

    def __init__(self, limit: int, envelope: int = ENVELOPE) -> None:
        """Take messages with a payload of up to `limit` bytes, in an envelope."""
        self._limit = limit + envelope
        # Many small messages may come in one chunk, behind the last part of a large one.
        self._unpacker = unpacker(self._limit + CHUNK)
        self._fed = 0
        self._read = 0

    def read(self, data: bytes) -> list[Any]:
        """Give the messages that `data` completes.

        Raises `Refused` for a message over the limit, whether it is complete or not, and `ProtocolError`
        for bytes that are no MessagePack.
        """
        messages: list[Any] = []
        unpacker = self._unpacker
        self._fed += len(data)
        try:
            unpacker.feed(data)
            while self._read < self._fed:
                messages.append(unpacker.unpack())
                end = unpacker.tell()
                if end - self._read > self._limit:
                    raise self._refusal(end - self._read)
                self._read = end
        except msgpack.OutOfData:
            if self.pending > self._limit:
                raise self._refusal(self.pending) from None
        except ERRORS as error:
            raise ProtocolError(f"the peer sent no MessagePack: {error or type(error).__name__}") from error
        return messages

    @property
    def pending(self) -> int:
        """Bytes of a message whose end has not come."""
        return self._fed - self._read

    def _refusal(self, size: int) -> Refused:
        return Refused(dispatch.oversize("received", size, self._limit))
