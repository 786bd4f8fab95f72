"""A blocking HTTP/1.1 client with keep-alive, for plain threads and for gevent's greenlets alike.

Its sockets are the standard library's, so that gevent can patch them, and its parser is httptools'.
geventhttpclient leaves descriptors behind in each thread that gevent does not run, limits single reads
instead of calls, and does not look for a response before the last of a request has gone out.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from stacks.base import Address, Options
from stacks.errors import Unavailable
from stacks.transports.web.connection import Connection, late

Response = tuple[int, dict[bytes, bytes], bytes]
"""Status, headers with names in lower case, body."""

_FRESH = 1.0
"""Seconds for which an idle connection is believed to be open without a look."""


class HttpClient:
    """One connection, which carries a call at a time; calls beside it open another each.

    A connection serves again after a response that allows it, and is closed after any failure. The next call
    then opens a new one; no request is ever sent twice.
    """

    def __init__(self, address: Address, options: Options) -> None:
        """Connect; raises `Unavailable` when nobody answers within the connect timeout."""
        self._address = address
        self.limit = options.max_message
        """Bytes of a body that are taken."""
        self._connect_timeout = options.connect_timeout
        self._tls = options.tls
        self._closed = False
        self._all: set[Connection] = set()
        self._idle: list[Connection] = []
        self._idle.append(self._connect(options.connect_timeout))

    def head(self, path: str, media: str) -> bytes:
        """Write the start of a POST's head; what tells the body's length must follow."""
        return f"POST {path} HTTP/1.1\r\nhost: {self._address}\r\ncontent-type: {media}\r\n".encode()

    def poster(self, path: str, media: str) -> Callable[[bytes, float], Response]:
        """Bind a path and the media type of requests; the result is `post` with what is left."""
        head = self.head(path, media) + b"content-length: "
        take, give, drop, limit = self.take, self.give, self.drop, self.limit

        def post(body: bytes, timeout: float) -> Response:
            deadline = monotonic() + timeout
            connection = take(deadline, timeout)
            incoming = connection.incoming
            try:
                incoming.expect(limit)
                connection.send(b"%b%d\r\n\r\n%b" % (head, len(body), body), deadline, timeout)
                while not incoming.complete:
                    connection.receive(deadline, timeout)
            except BaseException:
                drop(connection)
                raise
            parts = incoming.parts
            response = (
                incoming.status,
                incoming.headers,
                parts[0] if len(parts) == 1 else b"".join(parts),
            )
            give(connection)
            return response

        return post

    def post(self, path: str, body: bytes, media: str, timeout: float) -> Response:
        """Send a body and give the response, whatever its status; `timeout` is for the whole call.

        Raises `Timeout`, `Unavailable`, `ConnectionLost`, `ProtocolError` for what is no response, and
        `Refused` for a body over the limit, of which no more is read.
        """
        return self.poster(path, media)(body, timeout)

    def take(self, deadline: float, timeout: float) -> Connection:
        """Give a connection to whoever calls, who must `give` it back or `drop` it."""
        if self._closed:
            raise Unavailable(f"the client of {self._address} was closed")
        left = deadline - monotonic()
        if left <= 0:
            raise late(timeout)
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            connection.at_rest = False
            if monotonic() - connection.rested < _FRESH or not connection.stale():
                return connection
            self.drop(connection)
        try:
            connection = self._connect(min(left, self._connect_timeout))
        except TimeoutError:
            raise late(timeout) from None
        connection.at_rest = False
        return connection

    def give(self, connection: Connection) -> None:
        """Take back a connection after its call; one is kept, for the next."""
        if not connection.reusable or self._idle:
            self.drop(connection)
            return
        connection.rested = monotonic()
        connection.at_rest = True
        self._idle.append(connection)
        if self._closed:
            self.close()

    def drop(self, connection: Connection) -> None:
        """Close a connection whose call failed, or was cut short."""
        self._all.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close what is idle, and break what is in use; may be called twice."""
        self._closed = True
        self._idle.clear()
        for connection in tuple(self._all):
            connection.cut()
            self._all.discard(connection)

    def _connect(self, patience: float) -> Connection:
        try:
            connection = Connection(self._address, patience, self._tls)
        except TimeoutError as error:
            if patience < self._connect_timeout:
                raise
            raise Unavailable(f"cannot connect to {self._address} within {patience:g} s") from error
        self._all.add(connection)
        return connection
