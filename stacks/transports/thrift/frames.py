"""What a framed transport of thriftpy2 reads from and writes to: one frame a message, none over a limit."""

from __future__ import annotations

import struct
from collections.abc import Callable

from stacks.errors import ConnectionLost, ProtocolError, Refused
from stacks.transports import dispatch

ENVELOPE = 2048
"""Bytes that a frame may have around its payload: head, method's name, or an error."""
_LENGTH = struct.Struct(">i")
_AT_ONCE = 64 * 1024
_STRANGE = 8
"""Messages after which a peer is no stranger any more."""


class OversizeError(Exception):
    """A frame was not sent because it is too large; `size` is its length in bytes."""

    def __init__(self, size: int) -> None:
        """Keep the length."""
        super().__init__(f"a frame of {size} bytes")
        self.size = size


class Frames:
    """A connection as a transport: a frame is a length of 4 bytes, big-endian, of the message after it.

    thriftpy2 itself takes a frame of any length, and looks into the next one where a message ends early. Here
    a length over `limit` is refused before anything is buffered, and nothing is read that has not been asked
    for by `expect`. `largest` is the size of the largest frame that is sent, with its length.

    The first messages of a peer go to `check` before the library sees them. To do so with all would take too
    long, but who speaks another protocol, has another schema or damages bytes shows it soon.
    """

    def __init__(
        self,
        receive: Callable[[int], bytes],
        send: Callable[[bytes], object],
        max_message: int,
        check: Callable[[bytes], None] | None = None,
    ) -> None:
        """Take how to receive up to so many bytes (none at the end), how to send all, and how to check."""
        self._receive = receive
        self._send = send
        self.limit = max_message + ENVELOPE
        self.largest = self.limit
        self._left = 0
        self._rest = b""
        self._expected = False
        self._check = check
        self._unchecked = _STRANGE if check else 0

    def expect(self) -> None:
        """Let the next frame be read; raises `ProtocolError` if the last one was not needed."""
        if self._expected:
            raise ProtocolError("a frame has more in it than its message")
        self._expected = True

    def read(self, most: int) -> bytes:
        """Give some of the present frame, or the beginning of the next.

        Raises `ConnectionLost` at the connection's end, `Refused` for a frame over the limit and
        `ProtocolError` at a frame's end, or if there is something wrong with it.
        """
        if self._left:
            data = self._more(min(most, self._left))
            self._left -= len(data)
            return data
        if not self._expected:
            raise ProtocolError("a message ends too early")
        self._expected = False
        if self._unchecked:
            self._look()
        data = self._draw(min(most, _AT_ONCE)) if self._rest else self._receive(min(most, _AT_ONCE))
        if len(data) < _LENGTH.size:
            data += self._more(_LENGTH.size - len(data))
        end = self._end(data)
        self._left = end - len(data)
        if self._left < 0:
            self._left = 0
            self._rest = data[end:] + self._rest
            return data[:end]
        return data

    def write(self, frame: bytes) -> None:
        """Send a frame, or raise `OversizeError`."""
        if len(frame) > self.largest:
            raise OversizeError(len(frame))
        self._send(frame)

    def flush(self) -> None:
        """Have nothing to do: thriftpy2 calls this after each frame."""

    def _look(self) -> None:
        """Receive the next frame as a whole, check it, and keep it to be read."""
        assert self._check is not None
        self._unchecked -= 1
        data = self._draw(_AT_ONCE)
        if len(data) < _LENGTH.size:
            data += self._more(_LENGTH.size - len(data))
        end = self._end(data)
        if len(data) < end:
            data += self._more(end - len(data))
        self._rest = data + self._rest
        self._check(data[_LENGTH.size : end])

    def _draw(self, most: int) -> bytes:
        if not self._rest:
            return self._receive(most)
        data, self._rest = self._rest[:most], self._rest[most:]
        return data

    def _more(self, size: int) -> bytes:
        """Receive some bytes, or all of a large piece, as thriftpy2 would copy what it has for every bit."""
        pieces = []
        while size:
            data = self._draw(min(size, _AT_ONCE))
            if not data:
                raise ConnectionLost("the peer closed the connection")
            pieces.append(data)
            size -= len(data)
        return b"".join(pieces)

    def _end(self, data: bytes) -> int:
        """Tell where the frame ends that begins with `data`."""
        length: int = _LENGTH.unpack_from(data)[0]
        if length > self.limit:
            raise Refused(dispatch.oversize("received", length, self.limit))
        if length <= 0:
            raise ProtocolError(f"a frame cannot have a length of {length}")
        return _LENGTH.size + length
