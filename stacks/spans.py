"""Times the parts of calls that a process does: its codecs and handlers, two readings of the clock a span."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import msgspec

from stacks.base import Format, Kind, Method, Service

CLIENT_ENCODE = "client_encode"
CLIENT_DECODE = "client_decode"
SERVER_DECODE = "server_decode"
HANDLER = "handler"
SERVER_ENCODE = "server_encode"
SPANS = (CLIENT_ENCODE, CLIENT_DECODE, SERVER_DECODE, HANDLER, SERVER_ENCODE)

_READINGS = 1001


class Span(msgspec.Struct, frozen=True):
    """What one part of calls took in a process, all calls together."""

    ns: int
    """By the clock on the wall, with what reading it adds."""
    count: int
    """How often it was timed."""
    clock: int
    """What reading the clock adds each time in this process, in ns."""


class _Piece(NamedTuple):
    """What is timed: a span, or half of one where bytes become a tree first, and that a message."""

    span: str
    half: str = ""


class Watch:
    """Sums the spans of one process, for users who don't call at the same time as each other.

    Made by `of_client`, `of_server` or `of_both`.
    """

    def __init__(self, names: Callable[[object], tuple[str, str]]) -> None:
        """Take what tells the spans of encoding and decoding a message; an empty one is not timed."""
        self._names = names
        self._sums: dict[_Piece, list[int]] = {}

    def format(self, encoding: Format) -> Format:
        """Give `encoding` with codecs that are timed."""
        return cast("Format", _Format(encoding, self))

    def codec(self, codec: Any, message: object) -> Any:
        """Give a codec of `message`, a dataclass, whose functions are timed."""
        encode, decode = self._names(message)
        timed = {
            "encode": self._timed(codec.encode, _Piece(encode)),
            "decode": self._timed(codec.decode, _Piece(decode)),
        }
        if hasattr(codec, "from_tree"):
            timed["from_tree"] = self._timed(codec.from_tree, _Piece(decode, "tree"))
        return dataclasses.replace(codec, **timed)

    def inbox(self, make: Callable[[int], Any]) -> Callable[[int], Any]:
        """Give what makes inboxes whose reading, which is the first half of decoding, is timed."""
        piece = _Piece(self._names(None)[1], "bytes")
        return lambda limit: SimpleNamespace(read=self._timed(make(limit).read, piece))

    def service(self, service: Service) -> Service:
        """Give `service` with handlers that are timed; those with streams wait within, and are not."""
        methods = tuple(
            dataclasses.replace(method, handler=self._timed(method.handler, _Piece(HANDLER)))
            if method.kind is Kind.UNARY
            else method
            for method in service.methods
        )
        return dataclasses.replace(service, methods=methods)

    def told(self) -> dict[str, Span]:
        """Give what was timed since the last time, and begin anew; call it while nobody calls.

        A span is left out that was not timed, or of which one half was not.
        """
        clock = _reading()
        pieces = {piece: sums for piece, sums in self._sums.items() if sums[1]}
        found = {}
        for name in SPANS:
            own = {piece.half: sums for piece, sums in pieces.items() if piece.span == name}
            if own and ("tree" in own) == ("bytes" in own):
                found[name] = Span(sum(ns for ns, _ in own.values()), sum(n for _, n in own.values()), clock)
        self.clear()
        return found

    def clear(self) -> None:
        """Begin anew."""
        for sums in self._sums.values():
            sums[:] = [0, 0]

    def _timed(self, function: Callable[[Any], Any], piece: _Piece) -> Callable[[Any], Any]:
        if not piece.span:
            return function
        sums, clock = self._sums.setdefault(piece, [0, 0]), perf_counter_ns

        def timed(value: Any) -> Any:
            began = clock()
            result = function(value)
            sums[0] += clock() - began
            sums[1] += 1
            return result

        return timed


class _Format:
    """A format whose codecs are timed; `watch` is there for those who read messages before codecs do."""

    def __init__(self, encoding: Format, watch: Watch) -> None:
        self.name = encoding.name
        self.watch = watch
        self._encoding = encoding

    @property
    def versions(self) -> Mapping[str, str]:
        return self._encoding.versions

    def codec(self, message: type[Any]) -> Any:
        return self.watch.codec(self._encoding.codec(message), message)


def of_client() -> Watch:
    """Watch a process that calls and does not serve."""
    return Watch(lambda _message: (CLIENT_ENCODE, CLIENT_DECODE))


def of_server() -> Watch:
    """Watch a process that serves and does not call."""
    return Watch(lambda _message: (SERVER_ENCODE, SERVER_DECODE))


def of_both(method: Method[Any, Any]) -> Watch:
    """Watch a process that calls and serves `method` itself: the message tells whose codec it is.

    Where request and reply are of one type it does not, and codecs are not timed.
    """
    sides: dict[object, tuple[str, str]] = {}
    if method.request is not method.reply:
        sides = {method.request: (CLIENT_ENCODE, SERVER_DECODE), method.reply: (SERVER_ENCODE, CLIENT_DECODE)}
    return Watch(lambda message: sides.get(message, ("", "")))


def _reading() -> int:
    """Give what reading the clock adds to a span: the median of spans of nothing."""
    clock, found = perf_counter_ns, []
    for _ in range(_READINGS):
        began = clock()
        found.append(clock() - began)
    return sorted(found)[_READINGS // 2]
