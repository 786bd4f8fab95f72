"""hashicorp's yamux without any I/O: bytes tell which streams have news, actions give bytes to send.

https://github.com/hashicorp/yamux/blob/master/spec.md; where that is silent, hashicorp's own Go code decides:
frames of streams that are not open are skipped, flags that nobody knows are ignored, an open stream's number
must not be opened again, nothing may come after a FIN but window updates. A FIN is taken with data, as the
specification has it, but never sent with some: hashicorp's reader may then see the end before the data.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable

from stacks.errors import ConnectionLost, ProtocolError, Unavailable

HEAD = struct.Struct(">BBHII")
"""Head of a frame: version 0, type, flags, stream, and a length whose meaning depends on the type."""
DATA, UPDATE, PING, AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
WINDOW = 256 * 1024
"""Bytes that may be sent on a new stream before its reader has taken any."""
BACKLOG = 256
"""Streams that may have been opened without being accepted yet; both sides of hashicorp's assume it."""
STREAMS = 1024
"""Streams that a session has open at once. Not from the specification, which has no bound."""
NORMAL, VIOLATED, INTERNAL = range(3)
"""What a go-away says: we open no more streams, you broke the protocol, we have failed."""

_REASONS = {VIOLATED: "we broke the protocol", INTERNAL: "it failed"}
_HALF = WINDOW // 2
_LARGEST = 2**32 - 1
_LAST_NUMBER = 2**32 - 3
"""hashicorp's last stream; behind it, numbers would start again."""


class Stream:
    """One stream as one side sees it.

    Every attribute is written by whoever receives, or by whoever sends or takes, never by both: a thread may
    call `Session.receive` while others act on its streams, one of them sending and one taking from each.
    """

    owner: Callable[[], object] | None = None
    """For whoever acts on news; not used here."""
    received = consumed = sent = 0
    """Bytes of data so far; `consumed` ones have left the window."""
    allowed = granted = WINDOW
    """Bytes that may ever be received or sent, as of now."""
    done_in = done_out = reset = False
    """The peer has sent its FIN, we have, and one of us has cut the stream short: then all are set."""

    def __init__(self, number: int, owed: int, waiting: dict[int, None]) -> None:
        """Take the flags that the first frame to be sent has to carry, and join those without an ACK."""
        self.number = number
        self.owed = owed
        self.waiting = waiting
        self.unread = bytearray()
        waiting[number] = None

    def readable(self) -> bool:
        """Whether there is something to take, or never will be."""
        return bool(self.unread) or self.done_in

    def complete(self) -> bool:
        """Whether all has come, or so much of it that the window should be widened."""
        return self.done_in or self.received - self.consumed >= _HALF

    def sendable(self) -> bool:
        """Whether a byte may be sent, or none is wanted any more."""
        return self.granted > self.sent or self.done_in


class Session:
    """All streams of one connection; of no more use after it raised an error."""

    def __init__(self, *, client: bool, backlog: int = BACKLOG) -> None:
        """Take the side, and how many of the peer's streams may wait to be accepted."""
        self.streams: dict[int, Stream] = {}
        self.control = bytearray()
        """What has to be sent because of what was received; its owner takes it out."""
        self._numbers = itertools.count(1 if client else 2, 2)
        self._theirs = 0 if client else 1
        self._backlog = backlog
        self._opening: dict[int, None] = {}
        self._arrived: dict[int, None] = {}
        self._leaving = self._left = False
        self._head = b""
        self._ahead = 0
        self._into: Stream | None = None
        self._ends = False

    def open(self) -> Stream | None:
        """Make a stream, which the peer learns of by its first frame; None while too many are open.

        Raises `Unavailable` where the peer takes no more, or no number is left.
        """
        if self._leaving:
            raise Unavailable("the peer goes away and takes no more calls; connect again")
        number = next(self._numbers)
        if number > _LAST_NUMBER:
            raise Unavailable("all stream numbers of this connection are used up; connect again")
        stream = self.streams[number] = Stream(number, SYN, self._opening)
        if len(self._opening) > BACKLOG or len(self.streams) > STREAMS:
            self._forget(stream)
            return None
        return stream

    def has_room(self) -> bool:
        """Whether `open` would give a stream."""
        return len(self._opening) < BACKLOG and len(self.streams) < STREAMS

    def data(self, stream: Stream, payload: bytes | memoryview, *, last: bool = False) -> bytes:
        """Write a frame of data, kept within the window by the caller; and the end, if it is the last."""
        size = len(payload)
        stream.sent += size
        frame = HEAD.pack(0, DATA, self._flags(stream), stream.number, size) + payload
        return frame + self.finish(stream) if last else frame

    def finish(self, stream: Stream) -> bytes:
        """Write the end of what we send on a stream."""
        flags = self._flags(stream) if stream.owed else 0
        stream.done_out = True
        if stream.done_in:
            self._forget(stream)
        return HEAD.pack(0, UPDATE, flags | FIN, stream.number, 0)

    def reset(self, stream: Stream) -> bytes:
        """Cut a stream short, both ways; gives nothing where the peer does not know it or knows its end."""
        known = self.streams.get(stream.number) is stream and stream.owed != SYN
        self._cut(stream)
        return HEAD.pack(0, UPDATE, RST, stream.number, 0) if known else b""

    def accept(self, stream: Stream) -> bytes:
        """Tell the peer that its stream is in good hands, unless it knows."""
        flags = self._flags(stream)
        return HEAD.pack(0, UPDATE, flags, stream.number, 0) if flags else b""

    def take(self, stream: Stream, most: int = WINDOW) -> bytes:
        """Take out what has arrived, up to `most` bytes."""
        taken = bytes(stream.unread[:most])
        del stream.unread[: len(taken)]
        stream.consumed += len(taken)
        return taken

    def widen(self, stream: Stream) -> bytes:
        """Write the update for what was consumed, as soon as that is half of a window; else nothing."""
        delta = stream.consumed + WINDOW - stream.allowed
        if delta < _HALF or stream.done_in:
            return b""
        stream.allowed += delta
        return HEAD.pack(0, UPDATE, self._flags(stream), stream.number, delta)

    def away(self, code: int) -> bytes:
        """Write a go-away; streams that the peer opens from now on are refused."""
        self._left = True
        return HEAD.pack(0, AWAY, 0, 0, code)

    def ping(self, value: int) -> bytes:
        """Write a ping, which the peer answers."""
        return HEAD.pack(0, PING, SYN, 0, value)

    def receive(self, data: bytes) -> list[Stream]:
        """Read a piece of the connection; gives the streams that have news, perhaps more than once.

        Raises `ProtocolError` for what the peer must not send, which the caller answers by a go-away, and
        `ConnectionLost` when the peer sends such a go-away itself.
        """
        news: list[Stream] = []
        if self._head:
            data, self._head = self._head + data, b""
        place, end = 0, len(data)
        while place < end:
            ahead = self._ahead
            if ahead:
                piece = data[place : place + ahead]
                place += len(piece)
                self._ahead = ahead - len(piece)
                self._deliver(piece, news)
            elif end - place < HEAD.size:
                self._head = data[place:]
                break
            else:
                version, kind, flags, number, length = HEAD.unpack_from(data, place)
                self._begin(version, kind, flags, number, length, news)
                place += HEAD.size
        return news

    def _begin(  # noqa: C901 -- calls would take longer than what they do, twice a call and side
        self, version: int, kind: int, flags: int, number: int, length: int, news: list[Stream]
    ) -> None:
        if version or kind > UPDATE or not number:
            self._whole(version, kind, flags, number, length)
            return
        if flags & SYN:
            self._arrive(number)
        stream = self.streams.get(number)
        if kind == DATA:
            self._ahead, self._into, self._ends = length, stream, False
        if stream is None:
            return
        if flags & ACK:
            self._opening.pop(number, None)
        if flags & RST:
            self._into = None
            self._cut(stream)
            news.append(stream)
            return
        if stream.done_in and (flags & FIN or (kind == DATA and length)):
            raise ProtocolError(f"the peer sent data on stream {number}, which it had finished")
        if kind == DATA:
            if length > stream.allowed - stream.received:
                raise _beyond(stream, length)
        elif length:
            self._grant(stream, length)
        if self._ahead:
            self._ends = flags & FIN != 0
            return
        if flags & FIN:
            self._end(stream)
        news.append(stream)

    def _grant(self, stream: Stream, delta: int) -> None:
        if stream.granted + delta - stream.sent > _LARGEST:
            raise ProtocolError(f"the peer widened the window of stream {stream.number} over 2**32 - 1")
        stream.granted += delta

    def _deliver(self, piece: bytes, news: list[Stream]) -> None:
        stream = self._into
        if stream is None:
            return
        stream.unread += piece
        stream.received += len(piece)
        if self._ends and not self._ahead:
            self._end(stream)
        news.append(stream)

    def _arrive(self, number: int) -> None:
        if number % 2 != self._theirs:
            raise ProtocolError(f"the peer opened stream {number}, a number of ours")
        if number in self.streams:
            raise ProtocolError(f"the peer opened stream {number}, which is open")
        if self._left or len(self._arrived) >= self._backlog or len(self.streams) >= STREAMS:
            self.control += HEAD.pack(0, UPDATE, RST, number, 0)
            return
        self.streams[number] = Stream(number, ACK, self._arrived)

    def _whole(self, version: int, kind: int, flags: int, number: int, length: int) -> None:
        """Take a frame that is about the session as a whole, or none at all."""
        if version or kind > AWAY:
            raise ProtocolError(f"the peer sent a frame of version {version} and type {kind}, not of yamux")
        if kind <= UPDATE:
            raise ProtocolError("the peer sent data on stream 0, which stands for the session")
        if number:
            raise ProtocolError(f"the peer sent a ping or go-away on stream {number} instead of 0")
        if kind == PING:
            if flags & SYN:
                self.control += HEAD.pack(0, PING, ACK, 0, length)
        elif length == NORMAL:
            self._leaving = True
        else:
            raise ConnectionLost(
                f"the peer ended the session: {_REASONS.get(length, f'its code is {length}')}"
            )

    def _flags(self, stream: Stream) -> int:
        """Take the flags that the next frame has to carry."""
        flags, stream.owed = stream.owed, 0
        if flags == ACK:
            self._arrived.pop(stream.number, None)
        return flags

    def _end(self, stream: Stream) -> None:
        stream.done_in = True
        if stream.done_out:
            self._forget(stream)

    def _cut(self, stream: Stream) -> None:
        stream.reset = stream.done_in = stream.done_out = True
        self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        number = stream.number
        if self.streams.get(number) is stream:
            self.streams.pop(number, None)
            stream.waiting.pop(number, None)


def _beyond(stream: Stream, length: int) -> ProtocolError:
    window = stream.allowed - stream.received
    return ProtocolError(
        f"the peer sent {length} bytes on stream {stream.number}, more than the window of {window}"
    )
