"""Calls as lines of JSON: the arrays of MessagePack-RPC, each with a newline behind it.

A JSON text may have newlines between its tokens, and then means the same without them; inside of strings
it has them only as escapes (RFC 8259, section 7). So who writes none between tokens can end a message with
one: newline-delimited JSON. What is read may also end in a carriage return and a newline.
"""

from __future__ import annotations

from typing import Any

from stacks.codecs.json import parse, write
from stacks.errors import ProtocolError
from stacks.transports.framing.framing import Framing, refusal

ENVELOPE = 8192
"""Bytes that a message has around its payload; of an error's text, one byte may be written as six."""


class JsonInbox:
    """Finds the ends of messages by their newlines."""

    def __init__(self, limit: int) -> None:
        """Take messages with a payload of up to `limit` bytes."""
        self._limit = limit + ENVELOPE
        self._rest = bytearray()

    def read(self, data: bytes) -> list[Any]:
        """Give the messages that `data` completes."""
        lines = data.split(b"\n")
        last = lines.pop()
        rest = self._rest
        if rest and lines:
            rest += lines[0]
            lines[0] = bytes(rest)
            rest.clear()
        messages = [self._message(line) for line in lines]
        if last:
            rest += last
            if len(rest) > self._limit:
                raise refusal(len(rest), self._limit)
        return messages

    def _message(self, line: bytes) -> Any:
        if len(line) > self._limit:
            raise refusal(len(line), self._limit)
        try:
            return parse(line)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"the peer sent no JSON: {error or type(error).__name__}") from error


FRAMING = Framing(
    request=b"[0,%d,".__mod__,
    named=lambda name: write(name) + b",[",
    asked=b"]]\n",
    reply=b"[1,%d,".__mod__,
    fine=b"null,",
    answered=b"]\n",
    failed=lambda told: write(told) + b",null]\n",
    inbox=JsonInbox,
)
