"""Just enough of HTTP/2 over plaintext to ask one question, and to say who was asked."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from stacks.base import Address
from stacks.errors import ConnectionLost, ProtocolError, Timeout, Unavailable
from stacks.transports import listener

Headers = Sequence[tuple[str, str]]
_AT_ONCE = 65_536
_MOST = 1 << 20
"""Bytes that an answer may have in all."""


def ask(address: Address, headers: Headers, body: bytes, timeout: float) -> dict[str, str]:
    """Send one request on a connection of its own; gives the headers of its response, and its trailers.

    `headers` begin with ``:method`` and the like. Raises `Timeout`, `Unavailable`, `ConnectionLost` where the
    stream is reset, too, and `ProtocolError`.
    """
    try:
        connection = socket.create_connection((address.host, address.port), timeout)
    except OSError as error:
        raise Unavailable(f"cannot connect to {address}: {error}") from error
    with connection:
        try:
            return _asked(connection, headers, body, time.monotonic() + timeout)
        except TimeoutError as error:
            raise Timeout(f"no answer within {timeout:g} s") from error
        except OSError as error:
            raise ConnectionLost(f"{address} broke the connection: {error}") from error
        except h2.exceptions.H2Error as error:
            raise ProtocolError(f"{address} does not keep HTTP/2: {error}") from error


def _asked(connection: socket.socket, headers: Headers, body: bytes, end: float) -> dict[str, str]:
    state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    state.initiate_connection()
    stream = state.get_next_available_stream_id()
    state.send_headers(stream, headers, end_stream=not body)
    if body:
        state.send_data(stream, body, end_stream=True)
    answer: dict[str, str] = {}
    size = 0
    while True:
        connection.sendall(state.data_to_send())
        connection.settimeout(max(0.001, end - time.monotonic()))
        data = connection.recv(_AT_ONCE)
        size += len(data)
        if not data or size > _MOST:
            raise ConnectionLost("the connection ended" if not data else f"more than {_MOST} bytes came")
        for event in state.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                answer.update((str(name), str(value)) for name, value in event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                return answer
            elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                raise ConnectionLost(f"ended with the code {event.error_code}")


@contextmanager
def answering(headers: Headers, trailers: Headers) -> Iterator[Address]:
    """Answer every request on a free port with the same, until the context ends."""
    with listener.listen(Address()) as listening:
        open_ones: set[socket.socket] = set()

        def accept() -> None:
            with suppress(OSError):  # the end of the context
                while True:
                    connection, _ = listening.accept()
                    open_ones.add(connection)
                    thread = Thread(target=_serve, args=(connection, headers, trailers), daemon=True)
                    threads.append(thread)
                    thread.start()

        threads = [Thread(target=accept, daemon=True)]
        threads[0].start()
        try:
            yield listener.bound(listening, Address())
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            threads[0].join()
            for connection in open_ones:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads[1:]:
                thread.join()


def _serve(connection: socket.socket, headers: Headers, trailers: Headers) -> None:
    state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    state.initiate_connection()
    with connection, suppress(OSError, h2.exceptions.H2Error):
        connection.sendall(state.data_to_send())
        while data := connection.recv(_AT_ONCE):
            for event in state.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    stream = event.stream_id
                    assert stream is not None
                    state.send_headers(stream, headers)
                    state.send_headers(stream, trailers, end_stream=True)
            connection.sendall(state.data_to_send())
