"""Thrift's framed transport over TCP with the binary or the compact protocol, a thread for each connection.

How messages and methods are mapped, and how errors travel, stands in `stacks.codecs.thrift_types`. Framing:
https://github.com/apache/thrift/blob/master/doc/specs/thrift-rpc.md
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from types import SimpleNamespace
from typing import Any, TypeVar

from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TCyFramedTransport

from stacks.base import MAX_MESSAGE, Address, Codec, Facts, Kind, Method, Options, Served, Service
from stacks.codecs import thrift
from stacks.codecs.thrift import Encoding
from stacks.codecs.thrift_struct import Conversion, conversion, unwritable
from stacks.codecs.thrift_types import Envelope, RpcError, envelope
from stacks.errors import ProtocolError, Remote
from stacks.transports import dispatch, listener, secure, secure_socket
from stacks.transports.entrance import HANDSHAKE
from stacks.transports.thrift import threads
from stacks.transports.thrift.client import ThriftClient, overhead
from stacks.transports.thrift.frames import Frames, OversizeError

T = TypeVar("T")


class ThriftStack:
    """Thrift over TCP."""

    multiplexes = False
    wire = True
    tls = secure.statement()

    def __init__(self, encoding: Encoding) -> None:
        """Take the protocol."""
        self._encoding = encoding
        self.name = encoding.name

    @property
    def kinds(self) -> frozenset[Kind]:
        """Unary alone: the protocol knows no streams."""
        return dispatch.UNARY

    @property
    def facts(self) -> Facts:
        """What the fairness sheet says."""
        return Facts(
            concurrency=f"a thread per connection, under one GIL; protocol in {self._encoding.made_in}",
            threads="server: one per connection; client: the caller's",
            nagle="off (TCP_NODELAY)",
            compression="none",
            tls="off",
            deadline="kept by the client; the server does not learn of it",
            max_message=MAX_MESSAGE,
            abilities=("deadlines",),
            versions=dict(self._encoding.versions),
        )

    def codec(self, message: type[T]) -> Codec[T]:
        """Write structs alone."""
        return self._encoding.codec(message)

    @contextmanager
    def serve(self, service: Service, address: Address, options: Options) -> Iterator[Served]:
        """Serve until the context ends; connections are then cut."""
        context = secure.offered(options)
        stopping = threading.Event()
        methods = [
            _served(method, service.delay, stopping, self._encoding)
            for method in dispatch.carried(service, dispatch.UNARY)
        ]
        offer = _Offer(methods, options.max_message)
        listening = listener.listen(address)
        found = listener.bound(listening, address)

        def talk(connection: socket.socket) -> None:
            receive: Callable[[int], bytes] = connection.recv
            send: Callable[[bytes], object] = connection.sendall
            if context is not None:
                line = secure_socket.server(connection, context, monotonic() + HANDSHAKE)
                line.settimeout(None)
                receive, send = line.read, line.sendall
            frames = Frames(receive, send, options.max_message, self._encoding.check)
            protocol = self._encoding.protocol(TCyFramedTransport(frames))
            process, expect = _Processor(offer, frames).process, frames.expect
            while True:
                expect()
                process(protocol, protocol)

        with threads.serve(listening, talk, stopping):
            yield Served(found, (os.getpid(),))

    def connect(self, address: Address, options: Options) -> ThriftClient:
        """Open a connection; raises `Unavailable`."""
        return ThriftClient(address, self._encoding, options)


@dataclass(frozen=True)
class _Method:
    name: str
    envelope: Envelope
    answer: Callable[[Any], Any]
    """Takes and gives the library's structs; raises `RpcError`."""
    reply: Conversion[Any]
    overhead: int
    """Bytes of a frame around the reply."""


class _Offer:
    """A service as thriftpy2's processor wants it: a module of classes, and a handler of methods."""

    def __init__(self, methods: list[_Method], max_message: int) -> None:
        self.methods = {method.name: method for method in methods}
        self.max_message = max_message
        self.module: Any = SimpleNamespace(thrift_services=frozenset(self.methods))
        for method in methods:
            setattr(self.module, f"{method.name}_args", method.envelope.args)
            setattr(self.module, f"{method.name}_result", method.envelope.result)
        self.handler = SimpleNamespace(**{method.name: method.answer for method in methods})


class _Processor(TProcessor):
    """thriftpy2's processor for one connection, which knows what to do when a reply cannot be sent."""

    def __init__(self, offer: _Offer, frames: Frames) -> None:
        super().__init__(offer.module, offer.handler)
        self._offer = offer
        self._frames = frames

    def send_result(self, oprot: Any, api: str, result: Any, seqid: int) -> None:
        method, limit = self._offer.methods[api], self._offer.max_message
        self._frames.largest = limit + method.overhead if result.error is None else self._frames.limit
        try:
            super().send_result(oprot, api, result, seqid)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 -- the library raises many kinds, and the caller is told
            thrift.renew(oprot)
            self._frames.largest = self._frames.limit
            failed = method.envelope.result()
            failed.error = RpcError(*dispatch.fault(_unsent(error, method, result.success, limit)))
            super().send_result(oprot, api, failed, seqid)


def _served(method: Method[Any, Any], delay: float, stopping: threading.Event, encoding: Encoding) -> _Method:
    requests, replies = conversion(method.request), conversion(method.reply)
    around = envelope(method.name, requests.struct, replies.struct)
    read, handle, write = requests.from_struct, method.handler, replies.to_struct

    def answer(given: Any) -> Any:
        try:
            try:
                request = read(given)
            except ProtocolError as error:
                raise Remote("INTERNAL", f"cannot read the request: {error}") from error
            reply = handle(request)
            try:
                return write(reply)
            except ProtocolError as error:
                raise Remote("INTERNAL", f"cannot write the reply: {error}") from error
        except Exception as error:
            raise RpcError(*dispatch.fault(error)) from error
        finally:
            if delay and stopping.wait(delay):
                raise ConnectionAbortedError("the server has stopped")

    surplus = overhead(encoding, method.name, around.result, "success")
    return _Method(method.name, around, answer, replies, surplus)


def _unsent(error: Exception, method: _Method, reply: Any, limit: int) -> Remote:
    """Say why a reply, or what is known of it, was not sent."""
    if isinstance(error, OversizeError):
        return Remote("RESOURCE_EXHAUSTED", dispatch.oversize("reply", error.size - method.overhead, limit))
    try:
        why = unwritable(method.reply.message, method.reply.from_struct(reply), error)
    except ProtocolError as other:
        why = other
    return Remote("INTERNAL", f"cannot write the reply: {why}")


def binary() -> ThriftStack:
    """Make ``thrift-binary``."""
    return ThriftStack(thrift.BINARY)


def compact() -> ThriftStack:
    """Make ``thrift-compact``."""
    return ThriftStack(thrift.COMPACT)
