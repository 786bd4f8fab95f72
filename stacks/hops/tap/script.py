"""Reads one direction of a connection by a script that says what comes next, whatever the chunks are."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

BODY, FRAMING, HEADERS, CONTROL = range(4)
"""What a byte is: of a message, around messages, HTTP's headers, or about the connection itself."""

ALL = 1 << 63
"""Bytes to skip where everything up to the end is meant."""


class Flow:
    """What went one way: bytes in all, those of each kind, calls that began, and what became of them.

    `streams` are the most calls that were under way at once, `refused` those that this side did not take,
    where the protocol tells.
    """

    __slots__ = ("calls", "parts", "refused", "streams", "total")

    def __init__(self) -> None:
        """Start at nothing."""
        self.total = 0
        self.parts = [0, 0, 0, 0]
        self.calls = self.streams = self.refused = 0


class Step(Protocol):
    """What a script waits for."""

    def read(self, data: bytes, at: int, flow: Flow) -> tuple[int, Any]:
        """Use `data` from `at` on; gives where it stopped, and the answer, or None while it wants more.

        What is left behind `at` then is offered again with more behind it, so it must be little.
        """
        ...


Script = Generator[Step, Any, None]
"""Ends where it cannot follow: what comes then is of no kind."""


class Side:
    """A script at work."""

    __slots__ = ("_flow", "_rest", "_script", "_step")

    def __init__(self, script: Script, flow: Flow) -> None:
        """Take the script, and what its steps count into."""
        self._script = script
        self._flow = flow
        self._rest = b""
        self._step: Step | None = next(script, None)

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        step, flow = self._step, self._flow
        if self._rest:
            data = self._rest + data
        at = 0
        while step is not None:
            at, answer = step.read(data, at, flow)
            if answer is None:
                break
            try:
                step = self._script.send(answer)
            except StopIteration:
                step = None
        self._step = step
        self._rest = b"" if step is None else data[at:]


class Take:
    """So many bytes at once, which must be few; they are the answer. Without a kind they are not counted."""

    __slots__ = ("_kind", "_size")

    def __init__(self, size: int, kind: int | None = FRAMING) -> None:
        """Take the number of bytes, and what they are."""
        self._size = size
        self._kind = kind

    def read(self, data: bytes, at: int, flow: Flow) -> tuple[int, bytes | None]:
        """Wait for all of them."""
        end = at + self._size
        if len(data) < end:
            return at, None
        if self._kind is not None:
            flow.parts[self._kind] += self._size
        return end, data[at:end]


class Skip:
    """So many bytes, however many; the answer is their number."""

    __slots__ = ("_kind", "_left", "_size")

    def __init__(self, size: int, kind: int) -> None:
        """Take the number of bytes, and what they are."""
        self._size = self._left = size
        self._kind = kind

    def read(self, data: bytes, at: int, flow: Flow) -> tuple[int, int | None]:
        """Pass over what is there."""
        passed = min(self._left, len(data) - at)
        flow.parts[self._kind] += passed
        self._left -= passed
        return at + passed, None if self._left else self._size


class Until:
    """Bytes up to a mark and with it, which are the answer; or the first `most`, if it is not among them.

    They count as none yet.
    """

    __slots__ = ("_mark", "_most")

    def __init__(self, mark: bytes, most: int) -> None:
        """Take the mark, and how many bytes may be kept."""
        self._mark = mark
        self._most = most

    def read(self, data: bytes, at: int, flow: Flow) -> tuple[int, bytes | None]:
        """Look for the mark."""
        del flow
        found = data.find(self._mark, at, at + self._most)
        end = at + self._most if found < 0 else found + len(self._mark)
        return (end, data[at:end]) if end <= len(data) else (at, None)


class Past:
    """All bytes up to a mark of one byte and with it, however many; the answer is their number."""

    __slots__ = ("_kind", "_mark", "_size")

    def __init__(self, mark: bytes, kind: int) -> None:
        """Take the mark, and what the bytes are."""
        self._mark = mark
        self._kind = kind
        self._size = 0

    def read(self, data: bytes, at: int, flow: Flow) -> tuple[int, int | None]:
        """Pass over what is there."""
        found = data.find(self._mark, at)
        end = len(data) if found < 0 else found + 1
        flow.parts[self._kind] += end - at
        self._size += end - at
        return end, None if found < 0 else self._size


class Pass:
    """So many bytes that another script reads; the answer is their number."""

    __slots__ = ("_left", "_side", "_size")

    def __init__(self, size: int, side: Side) -> None:
        """Take the number of bytes, and who reads them."""
        self._size = self._left = size
        self._side = side

    def read(self, data: bytes, at: int, flow: Flow) -> tuple[int, int | None]:
        """Hand over what is there."""
        del flow
        passed = min(self._left, len(data) - at)
        if passed:
            self._side.feed(data[at : at + passed])
        self._left -= passed
        return at + passed, None if self._left else self._size
