"""What a server's connections come in by: with TLS, their handshake comes first, and does not outlive it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from stacks.transports.listener import BACKLOG

HANDSHAKE = 10.0
"""Seconds in which a client's handshake must be complete, once it has connected, and its farewell too."""
_AT_ONCE = 64
_PAUSE = 0.05
"""Seconds after which a server that cannot take a connection tries again."""


class Entrance:
    """Gives every connection a protocol, as soon as it is secured where it is to be.

    A server of the event loop that makes handshakes has connections of which nobody knows until those are
    done, and which are left when it ends. So with TLS, connections are accepted here.
    """

    def __init__(self, make: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None) -> None:
        """Take what makes a protocol, and the context for TLS, if any."""
        self._make = make
        self._context = context
        self._server: asyncio.Server | None = None
        self._listening: socket.socket | None = None
        self._waiting: dict[asyncio.Task[None], socket.socket] = {}

    async def open(self, listening: socket.socket) -> None:
        """Accept what comes to a listening socket, which is then closed in the end."""
        loop = asyncio.get_running_loop()
        if self._context is None:
            self._server = await loop.create_server(self._make, sock=listening, backlog=BACKLOG)
            return
        listening.settimeout(0)
        self._listening = listening
        self._resume()

    async def close(self) -> None:
        """Accept no more, and cut those whose handshake is not done."""
        if self._server is not None:
            self._server.close()
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        for connection in self._waiting.values():
            with contextlib.suppress(OSError):  # the peer was quicker
                connection.shutdown(socket.SHUT_RDWR)
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def wait_closed(self) -> None:
        """Wait for what the event loop has to do yet; its connections must have ended."""
        if self._server is not None:
            await self._server.wait_closed()

    def _resume(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        assert self._listening is not None
        loop = asyncio.get_running_loop()
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # Descriptors have run out until somebody leaves; the socket stays readable meanwhile.
                loop.remove_reader(self._listening)
                loop.call_later(_PAUSE, self._resume)
                return
            connection.settimeout(0)
            task = loop.create_task(self._secure(connection))
            self._waiting[task] = connection
            task.add_done_callback(self._waiting.pop)

    async def _secure(self, connection: socket.socket) -> None:
        # Whatever a peer has done concerns its own connection alone.
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE,
                ssl_shutdown_timeout=HANDSHAKE,
            )
