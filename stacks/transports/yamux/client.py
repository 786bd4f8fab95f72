"""The client of calls over yamux: each of them has a stream of its own on one connection."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any, Generic

from stacks.base import Address, Kind, Method, Options, Q, R
from stacks.codecs.msgpack import packer
from stacks.errors import CallError, ConnectionLost, ProtocolError, Refused
from stacks.transports import dispatch, streams
from stacks.transports.framing.framing import TreeFormat
from stacks.transports.framing.inbox import Inbox
from stacks.transports.sent import Sent
from stacks.transports.yamux.link import YamuxLink
from stacks.transports.yamux.message import ENVELOPE, OK, message, only
from stacks.transports.yamux.relay import late
from stacks.transports.yamux.session import WINDOW, Stream


class YamuxClient:
    """One connection; thread-safe, and once it has ended it stays so."""

    def __init__(self, address: Address, encoding: TreeFormat, options: Options) -> None:
        """Connect; raises `Unavailable` when nobody answers within the connect timeout."""
        self._format = encoding
        self._limit = options.max_message
        self._link = YamuxLink(address, options)

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method`."""
        dispatch.check(method, dispatch.UNARY)
        replies = self._format.codec(method.reply)
        decode, from_tree = replies.decode, replies.from_tree
        encode, name = _encoder(method, self._format, self._limit), packer().pack(method.name)
        link, limit, ok = self._link, self._limit, OK
        most = limit + len(ok)
        frame, send, wait = link.session.data, link.send, link.wait

        def call(request: Q, timeout: float) -> R:
            payload = name + encode(request)
            deadline = monotonic() + timeout
            stream = link.open(deadline, timeout)
            number = stream.number
            try:
                if len(payload) <= WINDOW:
                    send(frame(stream, payload, last=True), deadline, timeout)
                else:
                    link.pour(stream, payload, deadline, timeout, last=True, key=number)
                wait(number, stream.complete, deadline, timeout)
                if not stream.done_in:
                    _gather(link, stream, limit, deadline, timeout)
            except BaseException:
                link.reset(stream)
                raise
            if stream.reset:
                raise _cut_short(stream)
            if not stream.done_out:
                link.reset(stream)
            data = stream.unread
            if data.startswith(ok) and len(data) <= most:
                return decode(memoryview(data)[2:])
            return from_tree(_unusual(data, limit))

        return call

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], YamuxReplies[R]]:
        """Bind a method with streams."""
        dispatch.check(method, streams.STREAMS)
        encode = _encoder(method, self._format, self._limit)
        decode = self._format.codec(method.reply).from_tree
        name = packer().pack(method.name)
        link, limit = self._link, self._limit

        def call(requests: Iterable[Q], timeout: float) -> YamuxReplies[R]:
            sent = Sent(requests, encode)
            deadline = monotonic() + timeout
            alone = method.kind is Kind.SERVER
            first = name + sent.only(method.name) if alone else name
            stream = link.open(deadline, timeout)
            replies = YamuxReplies(link, stream, sent, decode, Inbox(limit), deadline, timeout)
            try:
                link.pour(stream, first, deadline, timeout, last=alone, key=stream.number)
                if not alone:
                    threading.Thread(target=replies.send, name="yamux-requests", daemon=True).start()
            except BaseException:
                link.reset(stream)
                raise
            return replies

        return call

    def close(self) -> None:
        """Close the connection; calls in flight are lost."""
        self._link.close()


class YamuxReplies(Generic[R]):
    """The replies of a call with streams."""

    def __init__(
        self,
        link: YamuxLink,
        stream: Stream,
        sent: Sent[bytes],
        decode: Callable[[Any], R],
        inbox: Inbox,
        deadline: float,
        timeout: float,
    ) -> None:
        """Read what comes on `stream`."""
        self._link = link
        self._stream = stream
        self._sent = sent
        self._decode = decode
        self._inbox = inbox
        self._deadline = deadline
        self._timeout = timeout
        self._messages: deque[Any] = deque()
        self._over = False
        sent.stop = self._cut

    def __iter__(self) -> Iterator[R]:
        """Give itself."""
        return self

    def __next__(self) -> R:
        """Wait for a reply."""
        messages = self._messages
        try:
            while not messages and not self._over:
                self._fill()
            if messages:
                return self._decode(message(messages.popleft()))
        except BaseException as error:
            self.close()
            if self._sent.failure is not None and isinstance(error, CallError):
                raise self._sent.failure from None
            raise
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Cut the call short."""
        self._over = True
        self._messages.clear()
        self._cut()

    def send(self) -> None:
        """Send all requests; runs in a thread of its own, which ends with the call."""
        link, stream = self._link, self._stream
        try:
            for data in self._sent:
                link.pour(stream, data, self._deadline, self._timeout, last=False, key=-stream.number)
                if stream.done_in or stream.done_out:
                    return
            if self._sent.failure is None and not stream.done_out:
                link.post(link.session.finish(stream))
        except CallError:
            """Whoever reads the replies learns of it by reading."""

    def _fill(self) -> None:
        """Wait for a piece of the stream and cut it into messages."""
        link, stream = self._link, self._stream
        link.wait(stream.number, stream.readable, self._deadline, self._timeout)
        if monotonic() > self._deadline:
            raise late(self._timeout)
        if self._over:
            return
        if stream.unread:
            data = link.session.take(stream)
            link.post(link.session.widen(stream))
            self._messages.extend(self._inbox.read(data))
            return
        if stream.reset:
            raise _cut_short(stream)
        if self._sent.failure is not None:
            raise self._sent.failure
        if self._inbox.pending:
            raise ProtocolError(f"the server ended the call {self._inbox.pending} bytes into a reply")
        self._over = True

    def _cut(self) -> None:
        if not (self._stream.done_in and self._stream.done_out):
            self._link.reset(self._stream, rouse=True)


def _encoder(method: Method[Any, Any], encoding: TreeFormat, limit: int) -> Callable[[Any], bytes]:
    encode = encoding.codec(method.request).encode

    def write(request: Any) -> bytes:
        data = encode(request)
        if len(data) > limit:
            raise Refused(dispatch.oversize("request", len(data), limit))
        return data

    return write


def _gather(link: YamuxLink, stream: Stream, limit: int, deadline: float, timeout: float) -> None:
    """Let more of a large reply come until it is complete or over the limit."""
    while not stream.done_in:
        size = len(stream.unread)
        if size > limit + ENVELOPE:
            raise Refused(dispatch.oversize("reply", size, limit))
        stream.consumed = stream.received
        link.post(link.session.widen(stream))
        link.wait(stream.number, stream.complete, deadline, timeout)


def _unusual(data: bytearray, limit: int) -> Any:
    """Give the message of a reply that is large or not written as we do; raises where it has none."""
    size = len(data) - len(OK)
    if size > limit + ENVELOPE:
        raise Refused(dispatch.oversize("reply", size, limit))
    return only(data)


def _cut_short(stream: Stream) -> CallError:
    if stream.received:
        return ConnectionLost("the server cut the call short")
    return Refused("the server does not take the call: it has too many, or goes away")
