"""The client of Thrift: one call at a time on a blocking socket, and a new one after whatever went wrong."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, ClassVar

from thriftpy2.thrift import TApplicationException, TMessageType, TPayload
from thriftpy2.transport import TCyFramedTransport

from stacks.base import Address, Method, Options, Q, R, Replies
from stacks.codecs import thrift
from stacks.codecs.thrift import Encoding
from stacks.codecs.thrift_struct import conversion, unwritable
from stacks.codecs.thrift_types import RpcError, envelope
from stacks.errors import CallError, ConnectionLost, ProtocolError, Refused, Remote, Timeout, Unavailable
from stacks.transports import dispatch
from stacks.transports.dial import Line, dial
from stacks.transports.secure_socket import SecureSocket
from stacks.transports.thrift.frames import Frames, OversizeError

_SLACK = 0.001
"""Seconds by which a timeout may be late, so that not every call has to set the socket's timeout."""
_NUMBERS = 127
"""Sequence numbers in use: all take one byte in the compact protocol."""
_CODES = {
    TApplicationException.UNKNOWN_METHOD: "UNIMPLEMENTED",
    TApplicationException.INTERNAL_ERROR: "INTERNAL",
    TApplicationException.PROTOCOL_ERROR: "INTERNAL",
}


class ThriftClient:
    """One connection for one call at a time, which is opened again by the call after one that broke it."""

    def __init__(self, address: Address, encoding: Encoding, options: Options) -> None:
        """Connect; raises `Unavailable` when nobody answers within the connect timeout."""
        self._address = address
        self._encoding = encoding
        self._options = options
        self._closed = False
        # Whoever calls takes the token. No lock: under gevent, that would cost a microsecond a call.
        self._token = [True]
        self._line: _Line | None = self._open(options.connect_timeout)

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`."""
        dispatch.check(method, dispatch.UNARY)
        requests, replies = conversion(method.request), conversion(method.reply)
        name, limit = method.name, self._options.max_message
        write, read = requests.to_struct, replies.from_struct
        around = envelope(name, requests.struct, replies.struct)
        args, make_result = around.args(), around.result
        surplus = overhead(self._encoding, name, around.args, "request")
        take, give = self._token.pop, self._token.append

        def call(request: Q, timeout: float) -> R:
            try:
                take()
            except IndexError:
                raise Refused(f"a call to {self._address} is in flight; give every user a client") from None
            try:
                args.request = write(request)
                line = self._line or self._reach(timeout)
                result = make_result()
                try:
                    line.exchange(name, args, result, timeout, limit + surplus)
                except _UnwritableError as error:
                    raise _unsent(error.cause, surplus, limit) or unwritable(
                        requests.message, request, error.cause
                    ) from error
                except Remote:
                    raise
                except BaseException:
                    self._drop()
                    raise
            finally:
                give(True)  # noqa: FBT003 -- a list's own method
                if self._closed:
                    self.close()
            if result.success is None:
                raise _told(result.error)
            return read(result.success)

        return call

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], Replies[R]]:
        """Raise `SchemaError`: Thrift has no streams."""
        dispatch.refuse(method)

    def close(self) -> None:
        """Close the connection; a call in flight is lost, and closes it."""
        self._closed = True
        line = self._line
        if line is not None:
            line.cut()
        with contextlib.suppress(IndexError):
            self._token.pop()
            self._drop()
            self._token.append(True)

    def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _reach(self, timeout: float) -> _Line:
        """Open the connection again, for a call that has its own timeout."""
        if self._closed:
            raise Unavailable(f"the client of {self._address} is closed; connect again")
        self._line = self._open(min(timeout, self._options.connect_timeout))
        return self._line

    def _open(self, timeout: float) -> _Line:
        if timeout <= 0:
            raise _late(timeout)
        try:
            made = dial(self._address, timeout, self._options.tls)
        except TimeoutError as error:
            raise Unavailable(f"cannot connect to {self._address}: {error}") from error
        return _Line(made, self._address, timeout, self._encoding, self._options.max_message)


class _Line:
    """A connection with the library's protocol on it; of no more use after most errors of `exchange`."""

    def __init__(
        self, made: Line, address: Address, timeout: float, encoding: Encoding, max_message: int
    ) -> None:
        self._socket = made
        self._take = made.read if isinstance(made, SecureSocket) else made.recv
        self._address = address
        self._timeout = timeout
        self._deadline = 0.0
        self._frames = Frames(self._receive, self._send, max_message, encoding.check)
        self._transport = TCyFramedTransport(self._frames)
        self._protocol = encoding.protocol(self._transport)
        self._number = 0

    def exchange(self, name: str, args: Any, result: Any, timeout: float, largest: int) -> None:
        """Send a call and read what comes into `result`.

        Raises a `CallError`. After `Remote`, and after `_UnwritableError`, the connection is as before.
        """
        self._deadline = monotonic() + timeout
        self._number = number = self._number % _NUMBERS + 1
        self._frames.largest = largest
        protocol = self._protocol
        try:
            protocol.write_message_begin(name, TMessageType.CALL, number)
            protocol.write_struct(args)
        except Exception as error:
            thrift.renew(protocol)
            raise _UnwritableError(error) from error
        try:
            self._transport.flush()
            self._frames.expect()
            answered, kind, told = protocol.read_message_begin()
            if kind != TMessageType.REPLY or told != number or answered != name:
                self._refuse(answered == name and told == number and kind)
            protocol.read_struct(result)
        except OversizeError as error:
            thrift.renew(protocol)
            raise _UnwritableError(error) from error
        except TimeoutError:
            raise _late(timeout) from None
        except OSError as error:
            raise ConnectionLost(f"{self._address} broke the connection: {error}") from error
        except CallError:
            raise
        except Exception as error:
            raise ProtocolError(f"{self._address} sent something else than a reply: {error}") from error

    def cut(self) -> None:
        """Wake whoever waits for a reply."""
        with contextlib.suppress(OSError):  # the peer was quicker, or the socket is closed
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()

    def _refuse(self, kind: object) -> None:
        """Raise what a message that is no reply to the call means."""
        if kind != TMessageType.EXCEPTION:
            raise ProtocolError(f"{self._address} answered a call that was not made")
        error = TApplicationException()
        self._protocol.read_struct(error)
        raise Remote(_CODES.get(error.type, "UNKNOWN"), str(error))

    def _send(self, frame: bytes) -> None:
        self._set_timeout()
        self._socket.sendall(frame)

    def _receive(self, most: int) -> bytes:
        while True:
            self._set_timeout()
            try:
                return self._take(most)
            except TimeoutError:
                continue

    def _set_timeout(self) -> None:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        if not left <= self._timeout <= left + _SLACK:
            self._timeout = left + _SLACK / 2
            self._socket.settimeout(self._timeout)


class _UnwritableError(Exception):
    """A call was not sent, and the connection is as before; `cause` is the library's error or ours."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Nothing(TPayload):
    """A struct without fields, of one byte."""

    thrift_spec: ClassVar[dict[int, Any]] = {}


def overhead(encoding: Encoding, name: str, around: type[Any], field: str) -> int:
    """Count the bytes of a frame around the message in the `field` of a method's args or result."""
    sizes: list[int] = []
    frames = Frames(bytes, lambda frame: sizes.append(len(frame)), 0)
    protocol = encoding.protocol(TCyFramedTransport(frames))
    value = around()
    setattr(value, field, _Nothing())
    protocol.write_message_begin(name, TMessageType.CALL, 1)
    protocol.write_struct(value)
    protocol.trans.flush()
    return sizes[0] - 1


def _unsent(error: Exception, surplus: int, limit: int) -> Refused | None:
    if isinstance(error, OversizeError):
        return Refused(dispatch.oversize("request", error.size - surplus, limit))
    return None


def _told(error: RpcError | None) -> CallError:
    if error is None:
        return ProtocolError("the server sent neither a reply nor an error")
    return dispatch.failure(error.code, error.text)


def _late(timeout: float) -> Timeout:
    return Timeout(f"no reply within {timeout:g} s")
