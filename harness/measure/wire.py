"""What the conductor and a load process say to each other over the baton's socket pair."""

from __future__ import annotations

import select
import socket
import struct
from typing import Any

import msgspec

from scenarios.arm import Arm
from scenarios.load import Open
from stacks.base import Address, Facts, Tls
from stacks.spans import Span

_LENGTH = struct.Struct("!I")
_MOST = 256 * 1024 * 1024


class Setup(msgspec.Struct, frozen=True, tag=True):
    """First of all: what the load process plays."""

    arm: Arm
    service: str
    method: str
    sample: str
    users: int
    messages: int
    part: str
    timeout: float
    address: Address
    tls: Tls | None = None
    open: Open | None = None
    seed: int = 0
    """Of due times that are drawn by chance."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Users are connected and wait."""

    differs: str
    """Where a reply was not the right one; empty if none was."""
    facts: Facts
    """Of the stack as this process has it, whose libraries may not be the conductor's."""
    payload: tuple[int, int] | None
    """Bytes of a request and of a reply, encoded; None for a stack without bytes."""
    messages: int
    """Messages of a call: of its requests or of its replies, whichever are more."""


class Turn(msgspec.Struct, frozen=True, tag=True):
    """The baton: call for `length` ns; `block` is the histogram that takes the times, -1 for none.

    Calls are due `rate` times a second; where it is 0, users call as soon as they are free. `number` tells
    turns apart: all arms' turns of a round have the same.
    """

    length: int
    settle: int
    long: bool
    block: int
    rate: float = 0.0
    number: int = 0


class Played(msgspec.Struct, frozen=True, tag=True):
    """The baton comes back; times in ns, see `harness.results.Turns`."""

    calls: int
    failed: int
    done: int
    window: int
    busy: int
    p50: int
    max: int
    client: int
    """CPU of this process in the turn, garbage collection included, recording not."""
    recording: int
    """CPU of this process for recording the turn."""
    errors: dict[str, tuple[int, str]]
    """Failed calls by kind, and the first text of each."""
    differs: str
    broken: str
    scheduled: int = 0
    dropped: int = 0
    due: int = 0


class Finish(msgspec.Struct, frozen=True, tag=True):
    """No more turns."""


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The histograms of this fork: (long, figure, blocks as HdrHistogram V2)."""

    histograms: list[tuple[bool, str, list[str]]]
    out_of_range: int
    spans: dict[str, Span] = {}
    """Of a twin: what the load process has timed since it was warm, see `stacks.spans`."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The load process cannot go on."""

    reason: str


Message = Setup | Ready | Turn | Played | Finish | Finished | Failed


class Baton:
    """One end of the pair: whole messages, each a length and its MessagePack."""

    def __init__(self, end: socket.socket) -> None:
        """Speak over `end`, which this object closes."""
        self._end = end
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode: Any = msgspec.msgpack.Decoder(Message).decode

    def send(self, message: Message) -> None:
        """Send `message`; raises `OSError` when the other end is gone."""
        data = self._encode(message)
        self._end.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self, timeout: float | None = None) -> Message:
        """Wait for a message; raises `TimeoutError`, or `EOFError` when the other end is gone or confused."""
        self._end.settimeout(timeout)
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > _MOST:
            raise EOFError(f"a message of {length} bytes came over the baton")
        try:
            message: Message = self._decode(self._exactly(length))
        except msgspec.DecodeError as error:
            raise EOFError(f"what came over the baton is no message: {error}") from error
        return message

    def waits(self, seconds: float) -> bool:
        """Wait for a message for `seconds` at most, without taking it; tells whether one is there."""
        poll = select.poll()  # select() knows no descriptors above 1023
        poll.register(self._end, select.POLLIN)
        return bool(poll.poll(1000 * seconds))

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                part = self._end.recv(size - len(data))
            except ConnectionError:
                part = b""
            if not part:
                raise EOFError("the other end of the baton is closed")
            data += part
        return bytes(data)
