"""How messages and failures stand in HTTP bodies: media types, and where one of a stream ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from stacks.base import Codec
from stacks.codecs.msgpack import packer
from stacks.errors import CallError, ProtocolError, Refused, SchemaError
from stacks.transports import dispatch
from stacks.transports.framing.inbox import CHUNK, Inbox

_END = b"\n"


class Splitter(Protocol):
    """Cuts a stream into messages."""

    def read(self, data: bytes) -> list[Any]:
        """Give the messages that `data` completes; raises `Refused` over the limit, and `ProtocolError`."""
        ...

    def end(self) -> None:
        """Take the end of the stream; raises `ProtocolError` in the midst of a message."""
        ...


@dataclass(frozen=True)
class Media:
    """A format as HTTP knows it."""

    one: str
    """Media type of a body that is a message."""
    many: str
    """Media type of a body that is a stream of them."""
    close: bytes
    """What stands behind each message of a stream."""
    splitter: Callable[[int], Splitter]
    """Takes the limit of a message in bytes."""
    reader: Callable[[Codec[Any]], Callable[[Any], Any]]
    """Gives what reads the messages that a splitter gives."""
    failure: Callable[[str, str], bytes]
    """Writes a code and a text as the last entry of a stream."""
    told: Callable[[Any], tuple[str, str] | None]
    """Reads what `failure` wrote; None for a message."""


def find(name: str) -> Media:
    """Give the media of a format; raises `SchemaError` for one that HTTP does not know."""
    try:
        return _MEDIA[name]
    except KeyError:
        raise SchemaError(f"format {name!r} has no media type here; there are: {', '.join(_MEDIA)}") from None


class Lines:
    """Newline-delimited JSON; empty lines are none. https://github.com/ndjson/ndjson-spec."""

    def __init__(self, limit: int) -> None:
        """Take lines of up to `limit` bytes."""
        self._limit = limit
        self._rest: list[bytes] = []
        self._size = 0

    def read(self, data: bytes) -> list[bytes]:
        """Give the lines that `data` completes."""
        lines = data.split(_END)
        if len(lines) > 1 and self._rest:
            self._rest.append(lines[0])
            lines[0] = b"".join(self._rest)
            self._rest.clear()
            self._size = 0
        last = lines.pop()
        if last:
            self._rest.append(last)
            self._size += len(last)
        largest = max(map(len, lines), default=0)
        if largest > self._limit or self._size > self._limit:
            raise Refused(dispatch.oversize("streamed", max(largest, self._size), self._limit))
        return [line for line in lines if line.strip()]

    def end(self) -> None:
        """Refuse half a line."""
        if self._rest:
            raise ProtocolError("the stream ended in the midst of a line")


class Trees:
    """MessagePack values one after the other, which tell their length themselves."""

    def __init__(self, limit: int) -> None:
        """Take values of up to `limit` bytes."""
        self._inbox = Inbox(limit, envelope=0)

    def read(self, data: bytes) -> list[Any]:
        """Give the values that `data` completes."""
        read = self._inbox.read
        if len(data) <= CHUNK:
            return read(data)
        return [tree for start in range(0, len(data), CHUNK) for tree in read(data[start : start + CHUNK])]

    def end(self) -> None:
        """Refuse half a value."""
        if self._inbox.pending:
            raise ProtocolError("the stream ended in the midst of a message")


def _failed_line(code: str, text: str) -> bytes:
    return json.dumps([code, text]).encode() + _END


def _told_line(line: bytes) -> tuple[str, str] | None:
    if not line.startswith(b"["):
        return None
    try:
        return _pair(json.loads(line))
    except ValueError:
        raise _mangled(line) from None


def _failed_tree(code: str, text: str) -> bytes:
    data: bytes = packer().pack({"code": code, "text": text})
    return data


def _told_tree(tree: Any) -> tuple[str, str] | None:
    if type(tree) is list:
        return None
    return _pair([tree.get("code"), tree.get("text")] if type(tree) is dict else tree)


def _pair(found: Any) -> tuple[str, str]:
    match found:
        case [str(code), str(text)]:
            return code, text
    raise _mangled(found)


def _mangled(found: object) -> CallError:
    return ProtocolError(f"a stream has neither a message nor a failure: {found!r:.100}")


_MEDIA = {
    "json": Media(
        one="application/json",
        many="application/x-ndjson",
        close=_END,
        splitter=Lines,
        reader=lambda codec: codec.decode,
        failure=_failed_line,
        told=_told_line,
    ),
    "msgpack": Media(
        one="application/vnd.msgpack",
        many="application/vnd.msgpack",
        close=b"",
        splitter=Trees,
        reader=lambda codec: codec.from_tree,  # type: ignore[attr-defined]
        failure=_failed_tree,
        told=_told_tree,
    ),
}
"""A message is an object in JSON and an array in MessagePack; so a failure is an array, or a map."""
