"""The client of Thrift, and what it makes of servers of many kinds."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from pathlib import Path

import pytest

import stacks
from stacks.base import Address, Options
from stacks.errors import ConnectionLost, ProtocolError, Refused, Remote, Timeout, Unavailable
from stacks.testing.oracle import FULL, LONG, Ask, Told

sys.path.insert(0, str(Path(__file__).parent))
import apache
from apache import TMessageType, length

BOTH = ("thrift-binary", "thrift-compact")
CALL, REPLY, EXCEPTION = TMessageType.CALL, TMessageType.REPLY, TMessageType.EXCEPTION


@pytest.fixture(params=BOTH)
def stack(request):
    return stacks.find(request.param)


@contextlib.contextmanager
def by_hand(*talks):
    """Serve a connection with each of `talks(connection)` in turn; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(LONG)
        failed = []

        def serve():
            try:
                for talk in talks:
                    connection, _ = listening.accept()
                    connection.settimeout(LONG)
                    with connection:
                        talk(connection)
            except Exception as error:  # noqa: BLE001 -- the test's own thread looks at it
                failed.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Address(port=listening.getsockname()[1])
        finally:
            thread.join(LONG)
            assert not thread.is_alive()
            assert not failed, failed


def replying(stack, *replies):
    """Give a talk that answers as many calls, and waits for the end."""

    def talk(connection):
        protocol = apache.framed(connection, stack.name)
        for reply in replies:
            apache.answer(protocol, reply)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b"", "the client should have left"

    return talk


def fine(name, number, ask):
    return name, REPLY, number, apache.result(apache.Ask)(success=ask)


def failing(code, text):
    error = apache.RpcError(code=code, text=text)
    return lambda name, number, ask: (name, REPLY, number, apache.result(apache.Ask)(error=error))


def rejecting(code, text):
    return lambda name, number, ask: (name, EXCEPTION, number, apache.TApplicationException(code, text))


def test_it_calls_apache(stack, offered):
    def same(name, number, wide):
        return name, REPLY, number, apache.result(apache.Wide)(success=wide)

    def talk(connection):
        protocol = apache.framed(connection, stack.name)
        for _ in range(200):
            apache.answer(protocol, same, apache.Wide)

    with by_hand(talk) as address, contextlib.closing(stack.connect(address, Options())) as client:
        call = client.unary(offered["Same"])
        for _ in range(200):
            assert call(FULL, LONG) == FULL


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (failing("NOT_FOUND", "none"), Remote, "^NOT_FOUND: none$"),
        (failing(None, None), Remote, "^UNKNOWN: "),
        (failing("RESOURCE_EXHAUSTED", "larger than max"), Refused, "larger than max"),
        (rejecting(1, "who?"), Remote, r"^UNIMPLEMENTED: who\?$"),
        (rejecting(1, None), Remote, "^UNIMPLEMENTED: Unknown method$"),
        (rejecting(6, "oh"), Remote, "^INTERNAL: oh$"),
        (rejecting(99, "oh"), Remote, "^UNKNOWN: oh$"),
        (lambda name, number, ask: (name, REPLY, number, apache.result(apache.Ask)()), ProtocolError,
         "neither a reply nor an error"),
        (lambda name, number, ask: fine(name, number, apache.Ask(id=1)), ProtocolError,
         r"^Told\.text is missing$"),
    ],
)  # fmt: skip
def test_errors_leave_the_connection_as_it_is(stack, offered, reply, kind, text):
    with by_hand(replying(stack, reply, fine)) as address:
        client = stack.connect(address, Options())
        tell = client.unary(offered["Tell"])
        with pytest.raises(kind, match=text):
            tell(Ask(1, "x"), LONG)
        assert tell(Ask(2, "y"), LONG) == Told(2, "y")
        client.close()


@pytest.mark.parametrize(
    "reply",
    [
        lambda name, number, ask: (name, REPLY, number + 1, apache.result(apache.Ask)(success=ask)),
        lambda name, number, ask: ("Other", REPLY, number, apache.result(apache.Ask)(success=ask)),
        lambda name, number, ask: (name, CALL, number, apache.result(apache.Ask)(success=ask)),
        lambda name, number, ask: (name, EXCEPTION, number + 1, apache.TApplicationException(1)),
    ],
)
def test_a_reply_to_another_call_ends_the_connection(stack, offered, reply):
    with by_hand(replying(stack, reply), replying(stack, fine)) as address:
        client = stack.connect(address, Options())
        tell = client.unary(offered["Tell"])
        with pytest.raises(ProtocolError, match="a call that was not made"):
            tell(Ask(1, ""), LONG)
        assert tell(Ask(2, ""), LONG) == Told(2, "")
        client.close()


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ConnectionLost),
        (b"\0\0", ConnectionLost),
        (b"\0\0\0\x05ab", ConnectionLost),
        (bytes(4), ProtocolError),
        (b"\x80\0\0\0", ProtocolError),
        (b"\x7f\xff\xff\xff", Refused),
        (b"HTTP/1.1 200 OK\r\n\r\n", Refused),
        (b"\0\0\0\x04abcd", ProtocolError),
        (b"\0\0\x01\0" + b"\xff" * 256, ProtocolError),
        (b"\0\0\x01\0" + b"\x80\x01\x00\x02" + b"\x7f\xff\xff\xff" + bytes(248), ProtocolError),
        (b"\0\0\x01\0" + b"\x82\x41" + b"\xff" * 254, ProtocolError),
    ],
)
def test_a_server_that_breaks_the_protocol_is_left(stack, offered, data, kind):
    def talk(connection):
        connection.recv(65_536)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""

    with by_hand(talk, replying(stack, fine)) as address:
        client = stack.connect(address, Options())
        tell = client.unary(offered["Tell"])
        with pytest.raises(kind):
            tell(Ask(1, ""), LONG)
        assert tell(Ask(2, ""), LONG) == Told(2, "")
        client.close()


def test_the_timeout_is_for_the_whole_call(stack, offered, opened):
    end = threading.Event()

    def talk(connection):
        connection.recv(65_536)
        with contextlib.suppress(OSError):
            for byte in length(bytes(1000)):
                connection.sendall(bytes([byte]))
                end.wait(0.02)

    with by_hand(talk) as address:
        client = stack.connect(address, Options())
        opened.callback(client.close)
        with pytest.raises(Timeout, match=r"within 0\.3 s"):
            client.unary(offered["Tell"])(Ask(1, ""), 0.3)
        end.set()


def test_the_timeout_is_for_a_request_that_is_not_taken_too(stack, offered):
    gate = threading.Event()
    with by_hand(lambda connection: gate.wait(LONG)) as address:
        client = stack.connect(address, Options(max_message=2**28))
        with pytest.raises(Timeout):
            client.unary(offered["Tell"])(Ask(1, "x" * 50_000_000), 0.2)
        client.close()
        gate.set()


def test_a_request_that_cannot_be_written_leaves_the_connection_as_it_is(stack, offered):
    with by_hand(replying(stack, fine, fine)) as address:
        client = stack.connect(address, Options(max_message=100))
        tell = client.unary(offered["Tell"])
        for number in range(2):
            with pytest.raises(ProtocolError, match=r"^Ask\.id: 9223372036854775808 is no int of 64 bits"):
                tell(Ask(2**63, ""), LONG)
            with pytest.raises(Refused, match="request message larger than max"):
                tell(Ask(1, "x" * 101), LONG)
            assert tell(Ask(number, "y"), LONG) == Told(number, "y")
        client.close()


def test_the_limit_is_that_of_the_struct_to_the_byte(stack, serve, connect, offered):
    most = len(stack.codec(Ask).encode(Ask(1, "x" * 900)))
    served = serve(offered)
    tell = connect(served, Options(max_message=most)).unary(offered["Tell"])
    assert tell(Ask(1, "x" * 900), LONG) == Told(1, "x" * 900)
    with pytest.raises(Refused, match=f"{most + 1} vs. {most} bytes"):
        tell(Ask(1, "x" * 901), LONG)


def test_a_second_call_at_once_is_refused_and_a_close_ends_the_first(stack, offered, together):
    at_work = threading.Event()

    def talk(connection):
        connection.recv(65_536)
        at_work.set()
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""

    with by_hand(talk) as address:
        client = stack.connect(address, Options())
        tell = client.unary(offered["Tell"])

        def use(user):
            if not user:
                with pytest.raises(ConnectionLost):
                    tell(Ask(1, ""), LONG)
                return
            assert at_work.wait(LONG)
            with pytest.raises(Refused, match="in flight; give every user a client"):
                tell(Ask(2, ""), LONG)
            client.close()

        together(2, use)
        with pytest.raises(Unavailable, match="closed; connect again"):
            tell(Ask(3, ""), LONG)


def test_a_name_that_does_not_exist_is_told_when_connecting(stack):
    with pytest.raises(Unavailable, match=r"cannot connect to nowhere\.invalid:1"):
        stack.connect(Address("nowhere.invalid", 1), Options())
