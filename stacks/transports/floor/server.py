"""The floor's server: one thread, one selector, and no more between receiving and sending than must be."""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import selectors
import socket
import struct
from collections.abc import Callable, Mapping
from time import monotonic

from stacks.codecs.msgpack import packer
from stacks.errors import ProtocolError
from stacks.transports import dispatch
from stacks.transports.memo import Memo

_LENGTH = struct.Struct(">I")
_ENVELOPE = 2048
_AT_ONCE = 64 * 1024
_WAITING = 64
"""Replies of one connection that may wait for their simulated work."""
_FINE, _FAILED = b"\0", b"\1"


class FloorServer:
    """Answers frames on all connections of a listening socket, which it closes at its end."""

    def __init__(
        self,
        listening: socket.socket,
        answers: Mapping[bytes, Callable[[bytes], bytes]],
        delay: float,
        limit: int,
    ) -> None:
        """Take the answers by method's name; nothing is accepted before `run`."""
        self.delay = delay
        self.limit = limit
        self.selector = selectors.DefaultSelector()
        self._answers = answers
        self._replies: Memo[bytes, bytes] = Memo()
        self._pack = packer().pack
        self._listening = listening
        self._wake, self._waker = socket.socketpair()
        self._due: list[tuple[float, int, _Peer, bytes]] = []
        self._order = itertools.count()
        self._peers: set[_Peer] = set()
        self._crowded = False

    def run(self) -> None:
        """Serve until `stop`; closes all sockets."""
        self._listening.settimeout(0)
        self._listen()
        self.selector.register(self._wake, selectors.EVENT_READ)
        try:
            self._serve()
        finally:
            self.selector.close()
            for sock in (self._listening, self._wake, self._waker, *(peer.socket for peer in self._peers)):
                sock.close()

    def stop(self) -> None:
        """Make `run` return, from another thread."""
        with contextlib.suppress(OSError):  # it has ended by itself
            self._waker.send(b"\0")

    def answer(self, frame: bytes) -> bytes:
        """Give the reply's frame; only good replies are remembered."""
        reply = self._replies.get(frame)
        if reply is not None:
            return reply
        name, body = _split(frame)
        try:
            handle = self._answers.get(name)
            if handle is None:
                dispatch.reject(name.decode(errors="replace"))
            reply = _frame(_FINE, handle(body))
        except Exception as error:  # noqa: BLE001 -- every failure of a handler is told to its caller
            return _frame(_FAILED, self._pack(dispatch.fault(error)))
        return self._replies.put(frame, reply, len(frame) + len(reply))

    def delayed(self, peer: _Peer, reply: bytes) -> None:
        """Send `reply` when the simulated work is done."""
        heapq.heappush(self._due, (monotonic() + self.delay, next(self._order), peer, reply))

    def forget(self, peer: _Peer) -> None:
        """Let go of a connection that has ended."""
        self._peers.discard(peer)
        if self._crowded:
            self._crowded = False
            self._listen()

    def _listen(self) -> None:
        self.selector.register(self._listening, selectors.EVENT_READ, self._accept)

    def _serve(self) -> None:
        select, due = self.selector.select, self._due
        while True:
            for key, events in select(max(0.0, due[0][0] - monotonic()) if due else None):
                if key.data is None:
                    return
                key.data(events)
            while due and due[0][0] <= monotonic():
                _, _, peer, reply = heapq.heappop(due)
                peer.send_late(reply)

    def _accept(self, _events: int) -> None:
        try:
            accepted, _ = self._listening.accept()
        except OSError as error:  # the client has gone again, or descriptors have run out
            if error.errno == errno.EMFILE and self._peers:
                self.selector.unregister(self._listening)
                self._crowded = True
            return
        accepted.settimeout(0)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers.add(_Peer(self, accepted))


class _Peer:
    """One client's connection, from the server's side.

    It is not read while the client does not take its replies, or while too many replies wait.
    """

    def __init__(self, server: FloorServer, accepted: socket.socket) -> None:
        self.socket = accepted
        self._server = server
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._waiting = 0
        self._waiting_bytes = 0
        self._events = 0
        self._open = True
        self._attend()

    def ready(self, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                del self._outbox[: self.socket.send(self._outbox)]
                self._work()
            if events & selectors.EVENT_READ and self._open:
                self._read()
        except BlockingIOError:
            pass
        except (OSError, ProtocolError):
            self._end()

    def send_late(self, reply: bytes) -> None:
        self._waiting -= 1
        self._waiting_bytes -= len(reply)
        if not self._open:
            return
        try:
            self._send(reply)
            self._work()
        except (OSError, ProtocolError):
            self._end()

    def _read(self) -> None:
        data = self.socket.recv(_AT_ONCE)
        if not data:
            self._end()
        elif (
            not self._inbox
            and len(data) > _LENGTH.size
            and _LENGTH.unpack_from(data)[0] == len(data) - _LENGTH.size
            and len(data) <= self._server.limit
        ):
            self._reply(data)
        else:
            self._inbox += data
            self._work()

    def _work(self) -> None:
        """Answer what has arrived, as far as replies may wait; then read on if they may."""
        inbox = self._inbox
        while len(inbox) >= _LENGTH.size and not self._full():
            size: int = _LENGTH.unpack_from(inbox)[0]
            if not 0 < size <= self._server.limit + _ENVELOPE:
                raise ProtocolError(f"a frame of {size} bytes")
            end = _LENGTH.size + size
            if len(inbox) < end:
                break
            frame = bytes(memoryview(inbox)[:end])
            del inbox[:end]
            self._reply(frame)
        self._attend()

    def _reply(self, frame: bytes) -> None:
        reply = self._server.answer(frame)
        if self._server.delay:
            self._waiting += 1
            self._waiting_bytes += len(reply)
            self._server.delayed(self, reply)
            self._attend()
        else:
            self._send(reply)

    def _send(self, reply: bytes) -> None:
        if self._outbox:
            self._outbox += reply
            return
        try:
            sent = self.socket.send(reply)
        except BlockingIOError:
            sent = 0
        if sent < len(reply):
            self._outbox += reply[sent:]
            self._attend()

    def _full(self) -> bool:
        waiting = self._waiting >= _WAITING or self._waiting_bytes >= 2 * self._server.limit
        return waiting or bool(self._outbox)

    def _attend(self) -> None:
        """Tell the selector what to look for."""
        read = 0 if self._full() else selectors.EVENT_READ
        events = read | (selectors.EVENT_WRITE if self._outbox else 0)
        if events == self._events:
            return
        selector = self._server.selector
        if not events:
            selector.unregister(self.socket)
        elif self._events:
            selector.modify(self.socket, events, self.ready)
        else:
            selector.register(self.socket, events, self.ready)
        self._events = events

    def _end(self) -> None:
        self._open = False
        if self._events:
            self._server.selector.unregister(self.socket)
        self._server.forget(self)
        self.socket.close()


def _split(frame: bytes) -> tuple[bytes, bytes]:
    start = _LENGTH.size + 1
    end = start + frame[_LENGTH.size]
    if end > len(frame):
        raise ProtocolError("a frame without a method")
    return frame[start:end], frame[end:]


def _frame(status: bytes, body: bytes) -> bytes:
    return _LENGTH.pack(1 + len(body)) + status + body
