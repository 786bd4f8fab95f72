"""No wire at all: calls go to the handler in the caller's own process, with or without a codec."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from stacks.base import (
    MAX_MESSAGE,
    Address,
    Codec,
    Facts,
    Format,
    Kind,
    Method,
    Options,
    Q,
    R,
    Replies,
    Served,
    Service,
)
from stacks.errors import (
    AddressError,
    CallError,
    ConnectionLost,
    Refused,
    SchemaError,
    Timeout,
    Unavailable,
)
from stacks.transports import dispatch, secure, streams
from stacks.transports.sent import Sent

T = TypeVar("T")

_KINDS = frozenset(Kind)
_FIRST_PORT = 1
_LAST_PORT = 65535


class _Host:
    """A service that is being served."""

    def __init__(self, service: Service, options: Options) -> None:
        self.methods = {method.name: method for method in dispatch.carried(service, _KINDS)}
        self.delay = service.delay
        self.max_message = options.max_message
        self.open = True


_hosts: dict[Address, _Host] = {}
_changing = threading.Lock()


class MemoryStack:
    """The transport without a wire; `encoding` is None where objects go straight to the handler."""

    multiplexes = True
    wire = False
    tls = ""

    def __init__(self, encoding: Format | None = None) -> None:
        """Take the format that request and reply go through, if any."""
        self._format = encoding
        self.name = f"memory-{encoding.name}" if encoding else "memory"

    @property
    def kinds(self) -> frozenset[Kind]:
        """All of them."""
        return _KINDS

    @property
    def facts(self) -> Facts:
        """What the fairness sheet says."""
        return Facts(
            concurrency="each caller runs its own handler",
            threads="the caller's",
            nagle="no socket",
            compression="none",
            tls="no wire",
            deadline="kept by the caller",
            max_message=MAX_MESSAGE,
            abilities=("deadlines", "streams", "multiplexing"),
            versions=dict(self._format.versions) if self._format else {},
        )

    def codec(self, message: type[T]) -> Codec[T]:
        """Compile the format's codec; raises `SchemaError` where there is none."""
        if self._format is None:
            raise SchemaError(f"{self.name} has no bytes; choose a stack with a format")
        return self._format.codec(message)

    @contextmanager
    def serve(self, service: Service, address: Address, options: Options) -> Iterator[Served]:
        """Make `service` known in this process under `address`."""
        secure.refuse(options, self.name)
        host = _Host(service, options)
        with _changing:
            taken = _free(address)
            _hosts[taken] = host
        try:
            yield Served(taken, (os.getpid(),))
        finally:
            host.open = False
            with _changing:
                del _hosts[taken]

    def connect(self, address: Address, options: Options) -> MemoryClient:
        """Find who serves under `address`; raises `Unavailable` if nobody does."""
        secure.refuse(options, self.name)
        host = _hosts.get(address)
        if host is None:
            raise Unavailable(f"nobody serves {address} in this process")
        return MemoryClient(host, self._format, options)


def _free(address: Address) -> Address:
    """Give `address` with a port; the caller holds the lock."""
    if address.port:
        if address in _hosts:
            raise AddressError(f"cannot listen on {address}: it is taken; give port 0 to get a free one")
        return address
    ports = (Address(address.host, port) for port in range(_FIRST_PORT, _LAST_PORT + 1))
    found = next((candidate for candidate in ports if candidate not in _hosts), None)
    if found is None:
        raise AddressError(f"cannot listen on {address}: all ports are taken; end a server first")
    return found


class MemoryClient:
    """Calls handlers of a host in the caller's thread."""

    def __init__(self, host: _Host, encoding: Format | None, options: Options) -> None:
        """Bind to a host that is being served."""
        self._host = host
        self._format = encoding
        self._limit = options.max_message
        self._open = True

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`."""
        dispatch.check(method, dispatch.UNARY)
        host = self._host
        served = host.methods.get(method.name)
        if served is None:
            return _unknown(method.name)
        carry = self._encoded(method, served) if self._format else _afar(served.handler)

        def call(request: Q, timeout: float) -> R:
            if not (host.open and self._open):
                raise self._ended()
            reply: R = carry(request)
            if host.delay:
                _wait(host.delay, timeout, timeout)
            return reply

        return call

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], Replies[R]]:
        """Bind a method with streams; its handler runs whenever a reply is asked for."""
        dispatch.check(method, streams.STREAMS)
        served = self._host.methods.get(method.name)
        if served is None:
            return _unknown(method.name)
        out, back = self._carriers(method, served)

        def call(requests: Iterable[Q], timeout: float) -> Replies[R]:
            if not (self._host.open and self._open):
                raise self._ended()
            return self._replies(served, Sent(requests, out), back, timeout)

        return call

    def close(self) -> None:
        """Let go of the host."""
        self._open = False

    def _ended(self) -> CallError:
        if self._open:
            return ConnectionLost("the server has stopped")
        return Unavailable("the client is closed; connect again")

    def _carriers(
        self, method: Method[Any, Any], served: Method[Any, Any]
    ) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        """Give what a request goes through on its way out, and a reply on its way back."""
        if self._format is None:
            return (lambda request: request), (lambda reply: reply)
        limit = min(self._limit, self._host.max_message)
        out = _through(self._format, method.request, served.request, "request", limit)
        return out, _through(self._format, served.reply, method.reply, "reply", limit)

    def _replies(
        self, served: Method[Any, Any], sent: Sent[Any], back: Callable[[Any], Any], timeout: float
    ) -> Generator[Any, None, None]:
        end = time.monotonic() + timeout
        replies = streams.replies(served, sent)
        while True:
            try:
                reply = next(replies, None)
            except Exception as error:
                raise sent.failure or dispatch.failure(*dispatch.fault(error)) from error
            if not (self._host.open and self._open):
                raise self._ended()
            if sent.failure is not None:
                raise sent.failure
            if reply is None:
                return
            _wait(self._host.delay, end - time.monotonic(), timeout)
            yield back(reply)

    def _encoded(self, method: Method[Q, R], served: Method[Any, Any]) -> Callable[[Q], R]:
        assert self._format is not None
        requests, replies = self._format.codec(method.request), self._format.codec(method.reply)
        theirs, ours = self._format.codec(served.request), self._format.codec(served.reply)
        limit = self._limit
        server_limit = self._host.max_message
        answer = _afar(dispatch.answerer(theirs.decode, served.handler, ours.encode, server_limit))

        def carry(request: Q) -> R:
            data = requests.encode(request)
            if len(data) > limit or len(data) > server_limit:
                raise Refused(dispatch.oversize("request", len(data), min(limit, server_limit)))
            data = answer(data)
            if len(data) > limit:
                raise Refused(dispatch.oversize("reply", len(data), limit))
            return replies.decode(data)

        return carry


def _afar(serve: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let a handler's exceptions reach the caller as they would from another process."""

    def answer(request: Any) -> Any:
        try:
            return serve(request)
        except Exception as error:
            raise dispatch.failure(*dispatch.fault(error)) from error

    return answer


def _through(
    encoding: Format, ours: type[Any], theirs: type[Any], what: str, limit: int
) -> Callable[[Any], Any]:
    """Give what turns a message into bytes and those into a message of the other side."""
    encode, decode = encoding.codec(ours).encode, encoding.codec(theirs).decode

    def carry(message: Any) -> Any:
        data = encode(message)
        if len(data) > limit:
            raise Refused(dispatch.oversize(what, len(data), limit))
        return decode(data)

    return carry


def _wait(delay: float, left: float, timeout: float) -> None:
    if delay:
        time.sleep(max(0.0, min(delay, left)))
    if delay > left:
        raise Timeout(f"no reply within {timeout:g} s")


def _unknown(name: str) -> Callable[[Any, float], Any]:
    def call(_request: Any, _timeout: float) -> Any:
        dispatch.reject(name)

    return call


def plain() -> MemoryStack:
    """Make ``memory``: objects go straight to the handler."""
    return MemoryStack(None)
