"""The server of Thrift, called by Apache's own library and by hand."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import struct
import sys
import threading
from pathlib import Path

import pytest

import stacks
from stacks.base import Address, Options
from stacks.errors import ConnectionLost, Remote, StackError
from stacks.testing.oracle import FULL, LONG, Ask, Told, Wide
from stacks.transports.thrift import threads
from stacks.transports.thrift.frames import ENVELOPE

sys.path.insert(0, str(Path(__file__).parent))
import apache
from apache import TMessageType, call_frame, length

BOTH = ("thrift-binary", "thrift-compact")
CALL, REPLY, EXCEPTION = TMessageType.CALL, TMessageType.REPLY, TMessageType.EXCEPTION


@pytest.fixture(params=BOTH)
def stack(request):
    return stacks.find(request.param)


@pytest.fixture
def dial(opened):
    """Open a connection by hand to a server."""

    def dial(served):
        where = (served.address.host, served.address.port)
        return opened.enter_context(socket.create_connection(where, LONG))

    return dial


def test_apache_calls_it(stack, serve, offered, dial):
    protocol = apache.framed(dial(serve(offered)), stack.name)
    full = apache.wide(FULL)
    for number in (0, 1, 2**31 - 1):
        assert apache.call(protocol, "Same", number, full).success == full
    found = apache.call(protocol, "Refuse", 5, apache.Ask(id=7, text="NOT_FOUND"))
    assert found.success is None
    assert (found.error.code, found.error.text) == ("NOT_FOUND", "refused no. 7")
    found = apache.call(protocol, "Crash", 6, apache.Ask(id=8, text="x"))
    assert (found.error.code, found.error.text) == ("UNKNOWN", "ValueError: x")
    with pytest.raises(apache.TApplicationException) as caught:
        apache.call(protocol, "Nothing", 7, full)
    assert caught.value.type == apache.TApplicationException.UNKNOWN_METHOD
    assert apache.call(protocol, "Tell", 8, apache.Ask(id=9, text="on")).success.text == "on"


def test_a_request_that_does_not_fit_the_schema_is_told(stack, serve, offered, dial, seen):
    protocol = apache.framed(dial(serve(offered)), stack.name)
    for request, text in (
        (apache.Ask(id=1), "Ask.text is missing"),
        (apache.wide(FULL), "Ask.text is missing"),
        (None, "Ask is missing"),
    ):
        apache.send(protocol, "Tell", CALL, 3, apache.args(type(request or apache.Ask()))(request=request))
        assert protocol.readMessageBegin() == ("Tell", REPLY, 3)
        found = apache.result(apache.Ask)()
        found.read(protocol)
        assert (found.error.code, found.error.text) == (
            "INTERNAL", f"cannot read the request: {text}",
        )  # fmt: skip
    assert not seen


def test_a_reply_that_cannot_be_written_is_told(stack, serve, connect, offered):
    bad = dataclasses.replace(offered["Tell"], handler=lambda ask: Told("one" if ask.id else 0, ""))
    worse = dataclasses.replace(offered["Same"], handler=lambda wide: Wide(*[None] * 13))
    client = connect(serve(dataclasses.replace(offered, methods=(bad, worse))))
    for _ in range(2):
        with pytest.raises(Remote, match=r"cannot write the reply: Told\.id: 'one' is no int$") as caught:
            client.unary(bad)(Ask(1, ""), LONG)
        assert caught.value.code == "INTERNAL"
        assert client.unary(bad)(Ask(0, ""), LONG) == Told(0, "")
    with pytest.raises(Remote, match=r"cannot write the reply: Wide\.\w+: None is no "):
        client.unary(worse)(FULL, LONG)


def test_calls_in_one_piece_are_answered_in_order(stack, serve, offered, dial):
    connection = dial(serve(offered))
    frames = b"".join(call_frame(stack.name, "Tell", number, Ask(number, "x" * 50)) for number in range(300))
    sender = threading.Thread(target=connection.sendall, args=(frames,))
    sender.start()
    protocol = apache.framed(connection, stack.name)
    for number in range(300):
        assert protocol.readMessageBegin() == ("Tell", REPLY, number)
        found = apache.result(apache.Ask)()
        found.read(protocol)
        assert found.success.id == number
    sender.join(LONG)


def test_a_call_byte_by_byte_is_answered(stack, serve, offered, dial):
    connection = dial(serve(offered))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(12):  # those of a stranger, and those after
        for byte in call_frame(stack.name, "Tell", 1, Ask(5, "slow")):
            connection.sendall(bytes([byte]))
        protocol = apache.framed(connection, stack.name)
        assert protocol.readMessageBegin() == ("Tell", REPLY, 1)
        found = apache.result(apache.Ask)()
        found.read(protocol)
        assert found.success.text == "slow"


@pytest.mark.timeout(30)
@pytest.mark.parametrize("used", [0, 3, 9], ids=["at once", "soon", "later"])
@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(lambda _: bytes(4), id="an empty frame"),
        pytest.param(lambda _: b"\xff\xff\xff\xff", id="a negative frame"),
        pytest.param(lambda _: struct.pack(">i", 60_001 + ENVELOPE), id="a frame too large, announced"),
        pytest.param(lambda _: b"\x7f\xff\xff\xff" + bytes(70_000), id="a frame too large"),
        pytest.param(lambda good: b"\0\0\0\x20" + bytes(32), id="no message"),
        pytest.param(lambda good: length(good[4:-3]), id="cut short"),
        pytest.param(lambda good: length(good[4:-3]) + good, id="cut short, and more"),
        pytest.param(lambda good: length(good[4:] + b"\0") + good, id="more in the frame"),
        pytest.param(lambda good: length(good[4:] + good[4:]) + good, id="two in a frame"),
        pytest.param(lambda good: length(good[4:].replace(b"hello", b"\xff" * 5)), id="no text"),
    ],
)
def test_a_peer_that_breaks_the_protocol_loses_its_connection(
    stack, serve, connect, offered, dial, junk, used
):
    served = serve(offered, Options(max_message=60_000))
    other = connect(served).unary(offered["Tell"])
    connection = dial(served)
    protocol = apache.framed(connection, stack.name)
    for number in range(used):
        apache.call(protocol, "Tell", number, apache.Ask(id=1, text="good"))
    connection.sendall(junk(call_frame(stack.name, "Tell", 1, Ask(1, "hello"))))
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65_536):
            pass
    assert other(Ask(2, ""), LONG) == Told(2, "")


DECLARED = {
    "thrift-binary": (4 * b"\0", b"\x7f\xff\xff\xff", (b"\x0b\0\x09", b"\x0f\0\x09\x0b", b"\x0f\0\x09\0")),
    "thrift-compact": (b"", b"\xff\xff\xff\xff\x07", (b"\x98", b"\x99\xf8", b"\x99\xf0", b"\x9b")),
}
"""What stands between a method's name and its arguments, 2³¹ − 1, and what it is the length of."""


@pytest.mark.timeout(30)
def test_a_declared_length_is_no_reason_to_wait_or_to_hold_memory(stack, serve, connect, offered, dial):
    served = serve(offered)
    number, count, fields = DECLARED[stack.name]
    head = call_frame(stack.name, "Tell", 1, Ask(1, ""))[4:].partition(b"Tell")[0] + b"Tell" + number
    for field in fields:
        connection = dial(served)
        connection.sendall(length(head + field + count + b"\0\0"))
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(65_536) == b""
    assert connect(served).unary(offered["Tell"])(Ask(2, ""), LONG) == Told(2, "")


def test_a_client_that_does_not_take_its_reply_holds_up_nobody(stack, serve, connect, offered, dial):
    served = serve(offered)
    connection = dial(served)
    connection.sendall(call_frame(stack.name, "Grow", 1, Ask(8_000_000, "")) * 3)
    assert connect(served).unary(offered["Tell"])(Ask(1, ""), LONG) == Told(1, "")


def test_a_handler_that_never_returns_is_told_of(stack, offered, opened, monkeypatch):
    monkeypatch.setattr(threads, "_LAST_CALLS", 0.2)
    gate, at_work = threading.Event(), threading.Event()
    opened.callback(gate.set)

    def handle(ask):
        at_work.set()
        gate.wait(LONG)
        return Told(ask.id, "")

    held = dataclasses.replace(offered, methods=(dataclasses.replace(offered["Tell"], handler=handle),))

    def stop_at_work():
        with stack.serve(held, Address(), Options()) as served:
            where = (served.address.host, served.address.port)
            connection = opened.enter_context(socket.create_connection(where))
            connection.sendall(call_frame(stack.name, "Tell", 1, Ask(1, "")))
            assert at_work.wait(LONG)

    with pytest.raises(StackError, match=r"did not stop within 0\.2 s"):
        stop_at_work()


def test_a_system_without_threads_costs_the_newcomer_its_connection(
    stack, serve, connect, offered, monkeypatch
):
    served = serve(offered)
    tell = connect(served).unary(offered["Tell"])
    tell(Ask(1, ""), LONG)
    start = threading.Thread.start

    def fail(thread):
        if thread.name == "stacks-connection":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        with pytest.raises(ConnectionLost):
            connect(served).unary(offered["Tell"])(Ask(2, ""), LONG)
    assert tell(Ask(3, ""), LONG) == Told(3, "")
    assert connect(served).unary(offered["Tell"])(Ask(4, ""), LONG) == Told(4, "")
