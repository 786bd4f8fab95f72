"""What of a call over TCP depends on the format: the bytes around messages, and where messages end."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from stacks.base import Codec, Format
from stacks.errors import Refused, StackError
from stacks.spans import Watch
from stacks.transports import dispatch

T = TypeVar("T")

_MODULES = {
    "msgpack": "stacks.transports.framing.msgpack",
    "json": "stacks.transports.framing.json",
}
"""Name of a format → the module whose ``FRAMING`` is for it."""


class TreeCodec(Codec[T], Protocol[T]):
    """A codec for messages that come inside of a larger one."""

    @property
    def from_tree(self) -> Callable[[Any], T]:
        """Makes a message of its part of what an `Inbox` gave; raises `ProtocolError`."""
        ...


class TreeFormat(Format, Protocol):
    """A format whose codecs take trees, too."""

    def codec(self, message: type[T]) -> TreeCodec[T]:
        """Compile the codec of `message`."""
        ...


class Inbox(Protocol):
    """What has arrived on one connection; after an error the connection is of no more use."""

    def read(self, data: bytes) -> list[Any]:
        """Give the trees of the messages that `data` completes.

        Raises `Refused` for a message over the limit, whether it is complete or not, and `ProtocolError`
        for bytes that are not of the format.
        """
        ...


@dataclass(frozen=True)
class Framing:
    """How messages of one format stand on the wire, none of which is encoded twice.

    A request is ``request(number) + named(method) + message + asked``, a reply
    ``reply(number) + fine + message + answered`` or ``reply(number) + failed(code, text)``.
    """

    request: Callable[[int], bytes]
    named: Callable[[str], bytes]
    asked: bytes
    reply: Callable[[int], bytes]
    fine: bytes
    answered: bytes
    failed: Callable[[tuple[str, str]], bytes]
    inbox: Callable[[int], Inbox]
    """Makes one that takes messages with a payload of up to so many bytes."""


def find(encoding: Format) -> Framing:
    """Load the framing for a format, timed as its codecs are; raises `StackError` where there is none."""
    if encoding.name not in _MODULES:
        raise StackError(f"tcp does not carry {encoding.name!r}; it carries: {', '.join(_MODULES)}")
    found = cast("Framing", importlib.import_module(_MODULES[encoding.name]).FRAMING)
    watch: Watch | None = getattr(encoding, "watch", None)
    return dataclasses.replace(found, inbox=watch.inbox(found.inbox)) if watch else found


def refusal(size: int, limit: int) -> Refused:
    """Make the error for a message that is, or is going to be, over the limit."""
    return Refused(dispatch.oversize("received", size, limit))
