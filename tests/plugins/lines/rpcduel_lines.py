"""A stack of one's own: over TCP go a method's name and its request as JSON, and back comes a line, too.

``Quote {"id":1}`` is answered by ``+{"order":1}``, or by ``-NOT_FOUND "no such order"``.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager, suppress
from importlib import metadata
from time import monotonic

from stacks.base import MAX_MESSAGE, Facts
from stacks.codecs.json import FORMAT
from stacks.errors import ConnectionLost, ProtocolError, Refused, Remote, Timeout, Unavailable
from stacks.transports import dispatch, listener, loop

ENVELOPE = 8192
"""Bytes that a line may have besides its message: a method's name, or an error."""


class LinesStack:
    name = "lines-json"
    multiplexes = False
    wire = True
    kinds = dispatch.UNARY
    facts = Facts(
        concurrency="asyncio protocol on uvloop, handlers one after the other",
        threads="server: one loop; client: the caller's",
        nagle="off (TCP_NODELAY)",
        compression="none",
        tls="off",
        deadline="kept by the client; the server does not learn of it",
        max_message=MAX_MESSAGE,
        abilities=("deadlines",),
        versions={"uvloop": metadata.version("uvloop"), **FORMAT.versions},
    )

    def codec(self, message):
        return FORMAT.codec(message)

    def serve(self, service, address, options):
        answers = {
            method.name.encode(): dispatch.answerer(
                FORMAT.codec(method.request).decode,
                method.handler,
                FORMAT.codec(method.reply).encode,
                options.max_message,
            )
            for method in dispatch.carried(service, dispatch.UNARY)
        }
        talks = set()

        @asynccontextmanager
        async def opened():
            listening = listener.listen(address)
            found = listener.bound(listening, address)
            server = await asyncio.get_running_loop().create_server(
                lambda: Talk(answers, service.delay, options.max_message, talks),
                sock=listening,
                backlog=listener.BACKLOG,
            )
            try:
                yield found
            finally:
                server.close()
                for talk in [*talks]:
                    talk.transport.abort()
                talks.add(None)
                await server.wait_closed()

        return loop.serve(opened)

    def connect(self, address, options):
        return LinesClient(address, options)


class Talk(asyncio.Protocol):
    """A connection, from the server's side; nothing is read while a reply waits or is not taken."""

    def __init__(self, answers, delay, limit, talks):
        self.answers, self.delay, self.limit, self.talks = answers, delay, limit, talks
        self.rest = bytearray()
        self.holds = 0

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if None in self.talks:
            transport.abort()
        else:
            self.talks.add(self)

    def connection_lost(self, _error):
        self.talks.discard(self)
        self.rest.clear()

    def data_received(self, data):
        self.rest += data
        self.work()

    def work(self):
        while not self.holds and (end := self.rest.find(b"\n")) >= 0:
            line = bytes(self.rest[:end])
            del self.rest[: end + 1]
            reply = self.answer(line)
            if self.delay:
                self.pause_writing()
                asyncio.get_running_loop().call_later(self.delay, self.answer_late, reply)
            else:
                self.transport.write(reply)
        if len(self.rest) > self.limit + ENVELOPE:
            self.transport.abort()

    def answer(self, line):
        name, _, body = line.partition(b" ")
        try:
            if name not in self.answers:
                dispatch.reject(name.decode(errors="replace"))
            self.weigh(body)
            return b"+" + self.answers[name](body) + b"\n"
        except Exception as error:  # noqa: BLE001 -- every failure of a handler is told to its caller
            code, text = dispatch.fault(error)
            return f"-{code} {json.dumps(text)}\n".encode()

    def weigh(self, body):
        if len(body) > self.limit:
            raise Remote("RESOURCE_EXHAUSTED", dispatch.oversize("request", len(body), self.limit))

    def answer_late(self, reply):
        if not self.transport.is_closing():
            self.transport.write(reply)
            self.resume_writing()

    def pause_writing(self):
        self.holds += 1
        self.transport.pause_reading()

    def resume_writing(self):
        self.holds -= 1
        if not self.holds and not self.transport.is_closing():
            self.transport.resume_reading()
            self.work()


class LinesClient:
    """A connection for one call at a time, which is opened anew after a call that failed half-way."""

    def __init__(self, address, options):
        self.address, self.options = address, options
        self.closed = False
        self.connection = self.opened()

    def opened(self):
        where = (self.address.host, self.address.port)
        try:
            connection = socket.create_connection(where, timeout=self.options.connect_timeout)
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"cannot connect to {self.address}: {error}") from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def unary(self, method):
        dispatch.check(method, dispatch.UNARY)
        encode, decode = FORMAT.codec(method.request).encode, FORMAT.codec(method.reply).decode
        name, limit = method.name.encode() + b" ", self.options.max_message

        def call(request, timeout):
            body = encode(request)
            if len(body) > limit:
                raise Refused(dispatch.oversize("request", len(body), limit))
            reply = self.exchange(name + body + b"\n", timeout)
            if reply.startswith(b"+"):
                return decode(reply[1:])
            code, _, text = reply[1:].partition(b" ")
            with suppress(ValueError):
                raise dispatch.failure(code.decode(), str(json.loads(text)))
            raise ProtocolError(f"{self.address} sent {reply[:50]!r}, which is no reply")

        return call

    def stream(self, method):
        dispatch.refuse(method)

    def close(self):
        self.closed = True
        self.drop()

    def drop(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def exchange(self, line, timeout):
        if self.closed:
            raise Unavailable("the client is closed; connect again")
        if self.connection is None:
            self.connection = self.opened()
        deadline = monotonic() + timeout
        try:
            self.until(deadline).sendall(line)
            return self.receive(deadline)
        except TimeoutError:
            self.drop()
            raise Timeout(f"no reply within {timeout:g} s") from None
        except OSError as error:
            self.drop()
            raise ConnectionLost(f"{self.address} broke the connection: {error}") from error
        except BaseException:
            self.drop()
            raise

    def receive(self, deadline):
        reply = bytearray()
        while not reply.endswith(b"\n"):
            data = self.until(deadline).recv(65536)
            if not data:
                raise ConnectionLost(f"{self.address} closed the connection")
            reply += data
            if len(reply) > self.options.max_message + ENVELOPE:
                raise Refused(dispatch.oversize("reply", len(reply), self.options.max_message))
        return bytes(reply[:-1])

    def until(self, deadline):
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        return self.connection
