"""The connections of a server, none of which outlives it."""

from __future__ import annotations

from typing import Protocol


class Connection(Protocol):
    """What a server has to be able to end."""

    def cut(self) -> None:
        """End at once."""
        ...


class Connections:
    """Those that are open, each of which adds and discards itself."""

    def __init__(self) -> None:
        """Start without any."""
        self._open: set[Connection] = set()
        self._ended = False

    def add(self, connection: Connection) -> None:
        """Keep an open connection; cuts it where the server has ended."""
        # The loop may have accepted a connection before the end and tell of it only now.
        if self._ended:
            connection.cut()
        else:
            self._open.add(connection)

    def discard(self, connection: Connection) -> None:
        """Let go of a connection that has ended."""
        self._open.discard(connection)

    def end(self) -> None:
        """Cut all of them, and those that come late."""
        self._ended = True
        for connection in tuple(self._open):
            connection.cut()
