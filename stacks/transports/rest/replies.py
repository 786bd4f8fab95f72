"""What REST's calls with streams give: the replies as they come, or the one reply after all requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from stacks.base import R
from stacks.errors import CallError
from stacks.transports import dispatch
from stacks.transports.rest.media import Media
from stacks.transports.sent import Sent
from stacks.transports.web import problem
from stacks.transports.web.client import HttpClient
from stacks.transports.web.connection import Connection, Incoming, late

_OK = 200
_LOOK = 0.001
"""Seconds between looks for a response that comes before the last request has gone out."""


class _Call(Iterator[R]):
    """One call, which has a connection to itself until it ends."""

    def __init__(self, http: HttpClient, head: bytes, timeout: float) -> None:
        self._http = http
        self._head = head
        self._timeout = timeout
        self._deadline = monotonic() + timeout
        self._connection: Connection | None = None
        self._closed = False

    def close(self) -> None:
        """Close the connection, which tells the server that nobody waits any more."""
        self._closed = True
        connection = self._connection
        if connection is None:
            return
        connection.cut()
        if connection.at_rest:
            self._drop()

    def __del__(self) -> None:
        """Close."""
        self.close()

    def _take(self) -> Connection:
        self._connection = self._http.take(self._deadline, self._timeout)
        return self._connection

    def _give(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._http.give(connection)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._http.drop(connection)


def _failure(incoming: Incoming) -> CallError:
    media = incoming.headers.get(b"content-type", b"")
    return problem.told(incoming.status, media, b"".join(incoming.parts))


class Download(_Call[R]):
    """The replies of a server stream."""

    def __init__(
        self,
        http: HttpClient,
        head: bytes,
        body: bytes,
        timeout: float,
        decode: Callable[[Any], R],
        media: Media,
    ) -> None:
        """Send the request; raises as `HttpClient.post` does."""
        super().__init__(http, head, timeout)
        self._decode = decode
        self._told = media.told
        self._splitter = media.splitter(http.limit)
        self._entries: deque[Any] = deque()
        connection = self._take()
        try:
            connection.incoming.expect(http.limit, streamed=True)
            connection.send(
                b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body), self._deadline, timeout
            )
        except BaseException:
            self._drop()
            raise
        connection.at_rest = True

    def __next__(self) -> R:
        """Wait for a reply."""
        try:
            while not self._entries:
                self._more()
            entry = self._entries.popleft()
            failed = self._told(entry)
            if failed is None:
                return self._decode(entry)
        except StopIteration:
            raise
        except BaseException as error:
            self._entries.clear()
            self._drop()
            if self._closed and isinstance(error, CallError):
                raise StopIteration from error
            raise
        self._end()
        raise dispatch.failure(*failed)

    def close(self) -> None:
        """End the call, and forget what has come of it."""
        super().close()
        self._entries.clear()

    def _more(self) -> None:
        """Take what comes next; raises `StopIteration` after the last of it."""
        connection = self._connection
        if connection is None:
            raise StopIteration
        if connection.incoming.complete:
            self._splitter.end()
            self._end()
            raise StopIteration
        connection.at_rest = False
        try:
            connection.receive(self._deadline, self._timeout)
        finally:
            connection.at_rest = True
        incoming = connection.incoming
        if incoming.status == _OK:
            parts = incoming.parts
            if parts:
                self._entries.extend(self._splitter.read(parts[0] if len(parts) == 1 else b"".join(parts)))
                parts.clear()
        elif incoming.complete:
            error = _failure(incoming)
            self._end()
            raise error

    def _end(self) -> None:
        self._entries.clear()
        self._give()


class Upload(_Call[R]):
    """The reply of a client stream, whose requests go out when it is asked for."""

    def __init__(
        self,
        http: HttpClient,
        head: bytes,
        requests: Sent[bytes],
        timeout: float,
        decode: Callable[[Any], R],
        media: Media,
    ) -> None:
        """Send nothing yet."""
        super().__init__(http, head, timeout)
        self._requests = requests
        self._decode = decode
        self._close = media.close
        self._begun = False

    def __next__(self) -> R:
        """Send all requests, unless the reply comes before that, and give it."""
        if self._begun:
            raise StopIteration
        self._begun = True
        connection = self._take()
        incoming = connection.incoming
        try:
            incoming.expect(self._http.limit)
            self._send(connection)
            while not incoming.complete:
                connection.receive(self._deadline, self._timeout)
        except BaseException as error:
            self._drop()
            if self._closed and isinstance(error, CallError):
                raise StopIteration from error
            raise
        status, data = incoming.status, b"".join(incoming.parts)
        failure = _failure(incoming) if status != _OK else None
        self._give()
        if failure is not None:
            raise failure
        return self._decode(data)

    def close(self) -> None:
        """End the call, and send nothing where nothing was sent yet."""
        self._begun = True
        super().close()

    def _send(self, connection: Connection) -> None:
        deadline, timeout, close = self._deadline, self._timeout, self._close
        connection.unblock()
        head = self._head + b"transfer-encoding: chunked\r\n\r\n"
        due = monotonic() + _LOOK
        for data in self._requests:
            now = monotonic()
            if now >= deadline:
                raise late(timeout)
            if now >= due:
                if connection.look():
                    break
                due = now + _LOOK
            size = len(data) + len(close)
            connection.send(b"%b%x\r\n%b%b\r\n" % (head, size, data, close), deadline, timeout)
            if not connection.intact:
                return
            head = b""
        if self._requests.failure is not None:
            raise self._requests.failure
        connection.send(head + b"0\r\n\r\n", deadline, timeout)
