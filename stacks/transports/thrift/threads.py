"""Serves each connection in a thread of its own, none of which outlives the server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic

from stacks.errors import StackError

_LAST_CALLS = 10.0
"""Seconds that handlers at work get when the server stops."""
_PAUSE = 0.05
"""Seconds after which a server that cannot take a connection tries again."""


@contextlib.contextmanager
def serve(
    listening: socket.socket, talk: Callable[[socket.socket], object], stopping: threading.Event
) -> Iterator[None]:
    """Run ``talk(connection)`` for all that connect until the context ends; then cut the connections.

    An exception of `talk` ends its own connection alone. Whoever waits in `talk` for anything but the
    connection waits for `stopping`, too. Closes `listening`. Raises `StackError` when a handler never
    returns.
    """
    acceptor = _Acceptor(listening, talk, stopping)
    thread = threading.Thread(target=acceptor.run, name="stacks-acceptor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stuck = acceptor.stop(thread)
    if stuck:
        raise StackError(
            f"the server did not stop within {_LAST_CALLS:g} s; most likely a handler is still at work"
        )


class _Acceptor:
    """Takes connections in, each into a thread."""

    def __init__(
        self, listening: socket.socket, talk: Callable[[socket.socket], object], stopping: threading.Event
    ) -> None:
        self._listening = listening
        self._talk = talk
        self._stopping = stopping
        self._changing = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                # Either the server stops, or descriptors have run out until somebody leaves.
                self._stopping.wait(_PAUSE)
                continue
            self._take(connection)

    def stop(self, acceptor: threading.Thread) -> bool:
        """Cut all connections; tells whether a thread is still at work."""
        end = monotonic() + _LAST_CALLS
        self._stopping.set()
        _cut(self._listening)
        acceptor.join(_LAST_CALLS)
        self._listening.close()
        with self._changing:
            threads = list(self._open)
            for connection in self._open.values():
                _cut(connection)
        for thread in threads:
            thread.join(max(0.0, end - monotonic()))
        return any(thread.is_alive() for thread in (acceptor, *threads))

    def _take(self, connection: socket.socket) -> None:
        thread = threading.Thread(
            target=self._work, args=(connection,), name="stacks-connection", daemon=True
        )
        with self._changing:
            self._open[thread] = connection
        try:
            thread.start()
        except RuntimeError:
            # The system has no thread left; whoever is connected already goes on.
            self._leave(thread, connection)
            self._stopping.wait(_PAUSE)

    def _work(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._talk(connection)
        except Exception:  # noqa: BLE001, S110 -- whatever a peer has done concerns its own connection alone
            pass
        finally:
            self._leave(threading.current_thread(), connection)

    def _leave(self, thread: threading.Thread, connection: socket.socket) -> None:
        # Under the lock, so that the descriptor is not another's when `stop` cuts it.
        with self._changing:
            del self._open[thread]
            connection.close()


def _cut(connection: socket.socket) -> None:
    """Wake whoever waits for this socket."""
    with contextlib.suppress(OSError):  # the peer was quicker
        connection.shutdown(socket.SHUT_RDWR)
