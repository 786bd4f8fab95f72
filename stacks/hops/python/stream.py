"""One request of an HTTP/2 connection and its response, as ASGI has them."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import h2.connection
import h2.exceptions

from stacks.transports.web.app import Gone


class Carrier(Protocol):
    """The connection that a stream belongs to."""

    state: h2.connection.H2Connection
    moved: asyncio.Event
    """Is set when there may be more room to send."""

    def acknowledge(self, size: int, number: int) -> None:
        """Let the client send as much as has been taken."""
        ...

    async def room(self, number: int) -> int:
        """Wait until a stream may send some bytes, and give how many; raises `Gone`."""
        ...

    def flush(self) -> None:
        """Send what is to be sent."""
        ...


class Stream:
    """A request from its head to the end of its response."""

    def __init__(self, connection: Carrier, number: int, *, ended: bool) -> None:
        """Wait for the body, unless the request has ended already."""
        self.number = number
        self.ended = ended
        """Whether all of the request is here."""
        self.complete = False
        """Whether all of the response has been sent."""
        self.task: asyncio.Task[None] | None = None
        self._connection = connection
        self._parts: list[bytes] = []
        self._size = 0
        self._told = False
        self._lost = False
        self._moved = asyncio.Event()
        if ended:
            self._moved.set()

    def push(self, data: bytes, size: int, *, last: bool = False) -> None:
        """Take a part of the body, for which `size` bytes of the window are used."""
        self._parts.append(data)
        self._size += size
        self.ended = self.ended or last
        self._moved.set()

    def lose(self) -> None:
        """Note that nobody wants the response any more."""
        self._lost = True
        self._moved.set()
        self._connection.moved.set()

    def drop(self) -> None:
        """Give back the window of what nobody has read."""
        self._connection.acknowledge(self._size, self.number)
        self._size = 0

    async def receive(self) -> dict[str, Any]:
        """Wait for more of the body, or for the end of the client."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            if self._lost or self.complete:
                return {"type": "http.disconnect"}
            if not self._told and (self._parts or self.ended):
                break
        data, size = b"".join(self._parts), self._size
        self._parts.clear()
        self._size = 0
        self._told = self.ended
        self._connection.acknowledge(size, self.number)
        return {"type": "http.request", "body": data, "more_body": not self.ended}

    async def send(self, message: Any) -> None:
        """Send the head, or a part of the body, as fast as the client takes it; raises `Gone`."""
        if self._lost:
            raise Gone
        try:
            await self._send(message)
        except h2.exceptions.ProtocolError as error:
            raise Gone from error

    async def _send(self, message: Any) -> None:
        connection, number = self._connection, self.number
        if message["type"] == "http.response.start":
            head = [(b":status", b"%d" % message["status"]), *message["headers"]]
            connection.state.send_headers(number, head)
            # What of the body is there already goes out with it.
            asyncio.get_running_loop().call_soon(connection.flush)
            return
        data, last = memoryview(message["body"]), not message.get("more_body", False)
        while data:
            size = await connection.room(number)
            connection.state.send_data(number, bytes(data[:size]), end_stream=last and size >= len(data))
            data = data[size:]
            connection.flush()
        if last and not message["body"]:
            connection.state.end_stream(number)
        self.complete = last
        connection.flush()
