"""The client's connection of yamux: a blocking socket on which callers send, and read for each other.

Of what may block, only calls of `socket`, `select` and `threading` are used, which gevent can patch.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections import deque
from time import monotonic

from stacks.base import Address, Options
from stacks.errors import CallError, ConnectionLost, ProtocolError, Unavailable
from stacks.transports.dial import dial
from stacks.transports.yamux.relay import Ready, Relay, late, left
from stacks.transports.yamux.session import NORMAL, VIOLATED, WINDOW, Session, Stream

_AT_ONCE = 64 * 1024
_SLACK = 0.001
"""Seconds by which a timeout may be late, so that not every call has to set the socket's timeout."""
_UNTAKEN = 1024 * 1024
"""Bytes in front of a server that does not read, beyond which it is let go: it lets us answer for nothing."""


class YamuxLink:
    """One connection; thread-safe, and once it has ended it stays so."""

    def __init__(self, address: Address, options: Options) -> None:
        """Connect; raises `Unavailable` when nobody answers within the connect timeout."""
        self._address = address
        try:
            self._reading = dial(address, options.connect_timeout, options.tls)
        except TimeoutError as error:
            raise Unavailable(f"cannot connect to {address}: {error}") from error
        # A second socket object for the same connection, so that who sends has its own timeout.
        self._writing = self._reading.dup()
        self._writing.settimeout(0)
        self._timeout = options.connect_timeout
        self.session = Session(client=True, backlog=0)
        self._relay = Relay(self._read)
        self.wait = self._relay.wait
        self._queue: dict[object, None] = {}
        self._sending = threading.Lock()
        self._rest = b""
        self._posted: deque[bytes] = deque()
        self._failure: CallError | None = None
        self._closed = False

    def open(self, deadline: float, timeout: float) -> Stream:
        """Make a stream; waits while the connection has too many."""
        if self._failure is not None:
            raise self._ended()
        stream = self.session.open()
        if stream is not None:
            return stream
        key = object()
        self._queue[key] = None
        try:
            while stream is None:
                self.wait(key, self.session.has_room, deadline, timeout)
                stream = self.session.open()
        finally:
            del self._queue[key]
        return stream

    def pour(
        self, stream: Stream, payload: bytes, deadline: float, timeout: float, *, last: bool, key: int
    ) -> None:
        """Send all of `payload` as windows allow, or as much as the server wants; waits as `key`."""
        view = memoryview(payload)
        while not stream.done_out:
            piece = view[: min(stream.granted - stream.sent, WINDOW)]
            view = view[len(piece) :]
            if piece:
                self.send(self.session.data(stream, piece, last=last and not view), deadline, timeout)
            if not view:
                return
            self.wait(key, stream.sendable, deadline, timeout)
            if stream.done_in:
                return

    def send(self, data: bytes, deadline: float, timeout: float) -> None:
        """Send all of `data` with nobody else's in between; raises `Timeout`.

        What the socket does not take in time goes out before whatever is sent next.
        """
        sending = self._sending
        if not sending.acquire(blocking=False) and not sending.acquire(timeout=left(deadline)):
            raise late(timeout)
        try:
            if self._failure is not None:
                raise self._ended()
            if self._rest or self._posted:
                self._send_rest(deadline, timeout)
            sent = self._try(data)
            if sent != len(data):
                self._rest = data[sent:]
                self._send_rest(deadline, timeout)
        except OSError as error:
            raise self._fail(ConnectionLost(f"{self._address} does not take the request: {error}")) from error
        finally:
            sending.release()
        if self._posted:
            self._send_posted()

    def post(self, frame: bytes) -> None:
        """Send a frame as soon as the socket takes it, without waiting; an empty one is none."""
        if frame:
            self._posted.append(frame)
            self._send_posted()

    def reset(self, stream: Stream, *, rouse: bool = False) -> None:
        """Cut a stream short; `rouse` where others may wait for its news."""
        frame = self.session.reset(stream)
        if rouse or self._queue:
            self._wake(stream)
            if self._relay.is_read():
                # Who reads may be one of them, or let them know: the server's answer to a ping makes it look.
                frame += self.session.ping(stream.number)
        self.post(frame)

    def close(self) -> None:
        """Close the connection; calls in flight are lost."""
        if self._closed:
            return
        self._closed = True
        self.post(self.session.away(NORMAL))
        self._fail(ConnectionLost("the client was closed"))
        # Whoever sends or reads now comes back at once with an error.
        self._relay.seize()
        with self._sending:
            self._writing.close()
        self._reading.close()
        self._relay.yield_up()

    def _try(self, data: bytes) -> int:
        try:
            return self._writing.send(data)
        except BlockingIOError:
            return 0

    def _send_rest(self, deadline: float, timeout: float) -> None:
        """Send what came before; the caller holds the lock."""
        self._flush()
        while self._rest:
            self._await(select.POLLOUT, deadline, timeout)
            self._flush()

    def _flush(self) -> None:
        """Send what the socket takes of what waits; the caller holds the lock."""
        while self._posted:
            self._rest += self._posted.popleft()
        self._rest = self._rest[self._try(self._rest) :]

    def _send_posted(self) -> None:
        # Who has the lock looks again after it gave it up, so nothing is left lying.
        while self._posted and self._failure is None and self._sending.acquire(blocking=False):
            try:
                self._flush()
            except OSError as error:
                self._fail(ConnectionLost(f"{self._address} does not take what we send: {error}"))
            finally:
                self._sending.release()
        if len(self._rest) > _UNTAKEN:
            self._fail(ConnectionLost(f"{self._address} does not read what it makes us send"))

    def _await(self, events: int, deadline: float, timeout: float) -> int:
        """Wait for one of these events of the socket; gives those that are."""
        remaining = deadline - monotonic()
        if remaining <= 0:
            raise late(timeout)
        poll = select.poll()
        poll.register(self._writing, events)
        found = poll.poll(1000 * remaining + 1)
        return found[0][1] if found else 0

    def _read(self, ready: Ready, deadline: float, timeout: float) -> None:
        """Read for everybody until `ready`."""
        while not ready():
            if self._failure is not None:
                raise self._fail(self._failure)
            remaining = deadline - monotonic()
            if remaining <= 0:
                raise late(timeout)
            if self._rest and not self._turn_to(deadline, timeout):
                continue
            if not remaining <= self._timeout <= remaining + _SLACK:
                self._timeout = remaining + _SLACK / 2
                self._reading.settimeout(self._timeout)
            try:
                data = self._reading.recv(_AT_ONCE)
            except TimeoutError:
                continue
            except OSError as error:
                raise self._fail(ConnectionLost(f"{self._address} broke the connection: {error}")) from error
            if not data:
                raise self._fail(ConnectionLost(f"{self._address} closed the connection"))
            try:
                self._deliver(data)
            except BaseException as error:
                # Whatever was in `data` is lost, so nobody can make sense of what follows.
                raise self._fail(self._broken(error)) from error

    def _turn_to(self, deadline: float, timeout: float) -> bool:
        """Wait until the socket gives something, which is told, or takes what is left to be sent."""
        found = self._await(select.POLLIN | select.POLLOUT, deadline, timeout)
        if found & select.POLLOUT and self._sending.acquire(blocking=False):
            try:
                self._flush()
            except OSError as error:
                raise self._fail(ConnectionLost(f"{self._address} broke the connection: {error}")) from error
            finally:
                self._sending.release()
        return bool(found & ~select.POLLOUT)

    def _deliver(self, data: bytes) -> None:
        session = self.session
        news = session.receive(data)
        if self._relay.waiters:
            for stream in news:
                self._wake(stream)
            self._admit()
        if session.control:
            self.post(bytes(session.control))
            session.control.clear()

    def _wake(self, stream: Stream) -> None:
        """Let go on who takes from a stream, and who sends on it."""
        self._relay.wake(stream.number)
        self._relay.wake(-stream.number)

    def _admit(self) -> None:
        """Let go on who waits for room."""
        for key in tuple(self._queue):
            self._relay.wake(key)

    def _broken(self, error: BaseException) -> CallError:
        if isinstance(error, ProtocolError):
            self.post(self.session.away(VIOLATED))
        if isinstance(error, CallError):
            return error
        return ConnectionLost(f"reading was interrupted: {error!r}")

    def _ended(self) -> Unavailable:
        return Unavailable(f"the connection to {self._address} has ended ({self._failure})")

    def _fail(self, failure: CallError) -> CallError:
        """End the connection for everybody; makes an error with the first reason for it."""
        if self._failure is None:
            self._failure = failure
            with contextlib.suppress(OSError):  # the peer was quicker
                self._reading.shutdown(socket.SHUT_RDWR)
        return type(self._failure)(*self._failure.args)
