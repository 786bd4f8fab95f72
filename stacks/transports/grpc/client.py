"""The client of gRPC: a channel with one connection, blocking, and cooperative under gevent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic

import grpc

from stacks.base import Address, Format, Kind, Method, Options, Q, R
from stacks.errors import CallError, ConnectionLost, SchemaError, Timeout, Unavailable
from stacks.transports import dispatch, streams
from stacks.transports.grpc.secure import secure_channel
from stacks.transports.sent import Sent

HANDLED = (("rpcduel-handler", "1"),)
"""Trailing metadata by which a status that a handler gave is told from one that gRPC made up on the way."""
_NO_CONNECTION = (
    "failed to connect",
    "connections to all backends failing",
    "errors resolving",
    "DNS resolution",
)


def limits(options: Options) -> list[tuple[str, int]]:
    """Give the arguments that channels and servers share."""
    return [
        ("grpc.max_send_message_length", options.max_message),
        ("grpc.max_receive_message_length", options.max_message),
        ("grpc.enable_retries", 0),
    ]


class GrpcClient:
    """A channel with one TCP connection, opened at the first call, and again after it was lost."""

    def __init__(self, address: Address, encoding: Format, options: Options) -> None:
        """Make the channel; nothing is sent yet."""
        self._format = encoding
        arguments = [
            *limits(options),
            # Otherwise channels with equal arguments share one connection.
            ("grpc.use_local_subchannel_pool", 1),
            # gRPC gives an attempt to connect this long, too; its own default is 20 s.
            ("grpc.min_reconnect_backoff_ms", max(1, round(options.connect_timeout * 1000))),
        ]
        if options.tls is None:
            self._channel = grpc.insecure_channel(str(address), arguments)
        else:
            self._channel = secure_channel(str(address), options.tls, arguments)

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`, whose path is ``/package.Service/Method``."""
        dispatch.check(method, dispatch.UNARY)
        # Encoding and decoding out here costs the same as inside of gRPC, which would swallow their errors.
        encode = self._format.codec(method.request).encode
        decode = self._format.codec(method.reply).decode
        invoke = self._channel.unary_unary(_path(method), None, None)

        def call(request: Q, timeout: float) -> R:
            data = encode(request)
            try:
                reply = invoke(data, timeout)
            except grpc.RpcError as error:
                raise _translated(error, timeout) from error
            except ValueError as error:  # what gRPC raises for a closed channel
                raise Unavailable(f"the channel cannot be used: {error}") from error
            return decode(reply)

        return call

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], GrpcReplies[R]]:
        """Bind a method with streams."""
        dispatch.check(method, streams.STREAMS)
        encode = self._format.codec(method.request).encode
        decode = self._format.codec(method.reply).decode
        kind, path, channel = method.kind, _path(method), self._channel
        if kind is Kind.SERVER:
            invoke: Any = channel.unary_stream(path, None, None)
        else:
            # One reply is taken from a stream, too: only streams can be cancelled while requests go out.
            invoke = channel.stream_stream(path, None, None)

        def call(requests: Iterable[Q], timeout: float) -> GrpcReplies[R]:
            sent = Sent(requests, encode)
            given = sent if kind is not Kind.SERVER else sent.only(method.name)
            try:
                streaming = invoke(given, timeout)
            except ValueError as error:
                raise Unavailable(f"the channel cannot be used: {error}") from error
            return GrpcReplies(streaming, sent, decode, timeout)

        return call

    def close(self) -> None:
        """Close the channel; calls in flight are lost.

        gRPC closes the socket in a thread of its own, within some milliseconds, and cannot be asked about it.
        """
        self._channel.close()


class GrpcReplies(Generic[R]):
    """The replies of a call with streams."""

    def __init__(self, call: Any, sent: Sent[bytes], decode: Callable[[bytes], R], timeout: float) -> None:
        """Read what `call` receives."""
        self._call = call
        self._next = call.__next__
        self._sent = sent
        self._decode = decode
        self._timeout = timeout
        self._closed = False
        sent.stop = call.cancel
        if sent.failure is not None:
            call.cancel()

    def __iter__(self) -> Iterator[R]:
        """Give itself."""
        return self

    def __next__(self) -> R:
        """Wait for a reply."""
        try:
            data = self._next()
        except StopIteration:
            if self._sent.failure is not None:
                raise self._sent.failure from None
            raise
        except grpc.RpcError as error:
            if self._closed:
                raise StopIteration from error
            raise self._sent.failure or _translated(error, self._timeout) from error
        return self._decode(data)

    def close(self) -> None:
        """Cancel the call."""
        self._closed = True
        self._call.cancel()


def _path(method: Method[Any, Any]) -> str:
    if not method.service:
        raise SchemaError(f"method {method.name} belongs to no service; read it by stacks.service.read")
    return f"/{method.service}/{method.name}"


def _translated(error: Any, timeout: float) -> CallError:
    """Make our error from gRPC's.

    gRPC has UNAVAILABLE both for a connection that could not be made and for one that broke under the
    call; only the text tells which. Where a handler chose the status, the trailing metadata say so.
    """
    code, text = error.code(), error.details() or ""
    if any(entry in HANDLED for entry in map(tuple, error.trailing_metadata() or ())):
        return dispatch.failure(code.name, text)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Timeout(f"no reply within {timeout:g} s")
    if code is grpc.StatusCode.UNAVAILABLE and any(sign in text for sign in _NO_CONNECTION):
        return Unavailable(text)
    # CANCELLED comes from a channel that is closed under a call, by us or by a server that stops.
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return ConnectionLost(text)
    return dispatch.failure(code.name, text)
