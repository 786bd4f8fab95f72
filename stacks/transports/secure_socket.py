"""TLS on a blocking socket, for threads and greenlets alike.

OpenSSL works on memory here, under a lock that nobody holds while he waits. The standard library's own
`SSLSocket` must not be used from two threads at once, so that nobody could send while somebody reads.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from math import inf
from time import monotonic

_AT_ONCE = 64 * 1024
_RECORD = 16 * 1024
"""Bytes that a record of TLS holds at most. https://www.rfc-editor.org/rfc/rfc8446#section-5.1"""
_PIECE = 256 * 1024
"""Bytes that are encrypted before they are sent."""


class _Session:
    """OpenSSL's state of one connection."""

    def __init__(self, context: ssl.SSLContext, name: str | None) -> None:
        """Be a client that wants the server to be `name`, or a server where there is none."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=name is None, server_hostname=name
        )
        self._lock = threading.Lock()
        self.unread = False
        """Whether there may be something to read without more having come."""

    def shake_hands(self, raw: socket.socket, deadline: float) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._say(raw, deadline)
            except ssl.SSLError:
                with contextlib.suppress(OSError):  # the peer need not hear why
                    self._say(raw, deadline)
                raise
            else:
                self._say(raw, deadline)
                self.unread = self._incoming.pending > 0
                return
            raw.settimeout(_left(deadline))
            data = raw.recv(_AT_ONCE)
            if not data:
                raise ConnectionAbortedError("it closed the connection in the handshake")
            self._incoming.write(data)

    def _say(self, raw: socket.socket, deadline: float) -> None:
        if self._outgoing.pending:
            raw.settimeout(_left(deadline))
            raw.sendall(self._outgoing.read())

    def opened(self, data: bytes) -> bytes | None:
        """Decrypt what has come; None if that is nothing yet, and empty at the end."""
        incoming, read = self._incoming, self._tls.read
        with self._lock:
            incoming.write(data)
            try:
                plain = read(_RECORD)
                if not incoming.pending:
                    self.unread = not plain
                    return plain
            except ssl.SSLWantReadError:
                return None
            parts = [plain]
            with contextlib.suppress(ssl.SSLWantReadError):
                while plain:
                    plain = read(_RECORD)
                    parts.append(plain)
            # The end, which is told by what is empty, can be read again and again.
            self.unread = not plain
        return b"".join(parts)

    def sealed(self, data: bytes | memoryview) -> bytes:
        write = self._tls.write
        with self._lock:
            done = write(data)
            while done < len(data):
                done += write(data[done:])
            return self._outgoing.read()


class SecureSocket:
    """The part of a socket's interface that our clients use, with TLS beneath it.

    One thread may send on it and another receive on its `dup`.
    """

    def __init__(self, raw: socket.socket, session: _Session) -> None:
        """Take a connection whose handshake is done."""
        self._raw = raw
        self._session = session
        self._opened, self._sealed = session.opened, session.sealed
        self._receive, self._send = raw.recv, raw.send
        self._owed = 0
        self._rest: bytes | memoryview = b""
        self._kept = b""
        self.settimeout = raw.settimeout
        self.shutdown = raw.shutdown
        self.fileno = raw.fileno
        self.close = raw.close

    def dup(self) -> SecureSocket:
        """Make another one for the same connection, with a timeout of its own."""
        return SecureSocket(self._raw.dup(), self._session)

    def recv(self, _size: int, _flags: int = 0) -> bytes:
        """Give all that has come, even if it is more than asked for, so that `poll` knows of what is left.

        Where there is a timeout, raises `TimeoutError`, or `BlockingIOError` if it is 0, also if what has
        come is not enough to be decrypted, or holds nothing: who has time left asks again.
        """
        plain = self._take()
        while plain is None:
            timeout = self._raw.gettimeout()
            if timeout is not None:
                raise TimeoutError if timeout else BlockingIOError
            plain = self._take()
        return plain

    def read(self, most: int) -> bytes:
        """Give up to `most` bytes, and keep the others, which `poll` does not see; otherwise like `recv`."""
        data = self._kept or self.recv(most)
        data, self._kept = data[:most], data[most:]
        return data

    def _take(self) -> bytes | None:
        session = self._session
        if session.unread:
            session.unread = False
            return self._opened(b"")
        data = self._receive(_AT_ONCE)
        if not data:
            raise ConnectionAbortedError("it was cut")
        return self._opened(data)

    def send(self, data: bytes | memoryview) -> int:
        """Send some of `data` and tell how many bytes are on their way.

        What is encrypted must be sent. So where that is 0, `data` must come again, with or without more
        behind it; unless the caller, who changes his mind, calls `forget`.
        """
        if not data:
            return 0
        if not self._owed:
            if self._rest and not self._flush():
                return 0
            self._owed = min(len(data), _PIECE)
            self._rest = self._sealed(data if len(data) <= _PIECE else memoryview(data)[:_PIECE])
        if not self._flush():
            return 0
        done, self._owed = self._owed, 0
        return done

    def forget(self) -> None:
        """Let `send` take other data next, before which it sends the rest of what it has begun."""
        self._owed = 0

    def sendall(self, data: bytes) -> None:
        """Send all of `data`; raises `TimeoutError`, after which the connection is of no more use."""
        timeout = self._raw.gettimeout()
        end = inf if timeout is None else monotonic() + timeout
        rest = memoryview(data)
        while rest:
            rest = rest[self.send(rest) :]
            if rest and monotonic() > end:
                raise TimeoutError

    def _flush(self) -> bool:
        rest = self._rest
        sent = self._send(rest)
        if sent == len(rest):
            self._rest = b""
            return True
        self._rest = memoryview(rest)[sent:]
        return False


def client(raw: socket.socket, context: ssl.SSLContext, name: str, deadline: float) -> SecureSocket:
    """Make a client's side of TLS with a server that must be `name`, by `deadline` on the monotonic clock.

    Raises `TimeoutError`, and `OSError` for a server that is somebody else or speaks no TLS.
    """
    session = _Session(context, name)
    session.shake_hands(raw, deadline)
    return SecureSocket(raw, session)


def server(raw: socket.socket, context: ssl.SSLContext, deadline: float) -> SecureSocket:
    """Make a server's side of TLS, as `client` does."""
    session = _Session(context, None)
    session.shake_hands(raw, deadline)
    return SecureSocket(raw, session)


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("timed out in the handshake")
    return left
