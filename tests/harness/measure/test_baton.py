import os
import socket
import struct
import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.wire import Baton, Failed, Finish, Finished, Played, Ready, Setup, Turn
from scenarios.arm import Arm
from stacks import find
from stacks.base import Address

READY = Ready("no", find("memory").facts, (90, 77), 1)

PATIENCE = 20.0
integers = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=20)
floats = st.floats(0, 1e6)
counts = st.dictionaries(texts, st.tuples(integers, texts), max_size=3)
messages = st.one_of(
    st.builds(
        Setup,
        arm=st.builds(
            Arm, name=texts, stack=texts, channel=texts, server=st.lists(texts, max_size=3).map(tuple)
        ),
        service=texts,
        method=texts,
        sample=texts,
        users=integers,
        messages=integers,
        part=texts,
        timeout=floats,
        address=st.builds(Address, host=texts, port=st.integers(0, 65535)),
    ),
    st.builds(
        Ready,
        differs=texts,
        facts=st.just(READY.facts),
        payload=st.none() | st.tuples(integers, integers),
        messages=integers,
    ),
    st.builds(Turn, length=integers, settle=integers, long=st.booleans(), block=integers),
    st.builds(
        Played,
        **dict.fromkeys(
            ["calls", "failed", "done", "window", "busy", "p50", "max", "client", "recording"], integers
        ),
        errors=counts,
        differs=texts,
        broken=texts,
    ),
    st.just(Finish()),
    st.builds(
        Finished,
        histograms=st.lists(st.tuples(st.booleans(), texts, st.lists(texts, max_size=3)), max_size=3),
        out_of_range=integers,
    ),
    st.builds(Failed, reason=texts),
)


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Baton(ours), theirs


def pair():
    ours, theirs = socket.socketpair()
    return Baton(ours), Baton(theirs)


@given(st.lists(messages, max_size=5))
def test_messages_come_as_they_went_and_in_order(sent):
    ours, theirs = pair()
    try:
        for message in sent:
            ours.send(message)
        assert [theirs.receive(PATIENCE) for _ in sent] == sent
        for message in sent:
            theirs.send(message)
        assert [ours.receive(None) for _ in sent] == sent
    finally:
        ours.close()
        theirs.close()


def test_a_message_larger_than_the_sockets_buffer_comes_whole(ends):
    ours, theirs = ends
    message = Failed("x" * 3_000_000)
    writer = threading.Thread(target=Baton(theirs).send, args=[message])
    writer.start()
    assert ours.receive(PATIENCE) == message
    writer.join(PATIENCE)
    assert not writer.is_alive()


def test_a_message_in_single_bytes_comes_whole(ends):
    ours, theirs = ends
    data = msgspec.msgpack.encode(READY)

    def trickle():
        for byte in struct.pack("!I", len(data)) + data:
            theirs.send(bytes([byte]))

    writer = threading.Thread(target=trickle)
    writer.start()
    assert ours.receive(PATIENCE) == READY
    writer.join(PATIENCE)


def test_silence_is_a_timeout(ends):
    ours, _ = ends
    with pytest.raises(TimeoutError):
        ours.receive(0.01)


def test_half_a_message_is_a_timeout_too(ends):
    ours, theirs = ends
    theirs.send(struct.pack("!I", 10) + b"abc")
    with pytest.raises(TimeoutError):
        ours.receive(0.01)


@pytest.mark.parametrize("begun", [b"", b"\0\0", struct.pack("!I", 10), struct.pack("!I", 10) + b"abc"])
def test_an_other_end_that_goes_is_an_end_of_file(ends, begun):
    ours, theirs = ends
    theirs.send(begun)
    theirs.close()
    with pytest.raises(EOFError, match="the other end of the baton is closed"):
        ours.receive(PATIENCE)


def test_an_other_end_that_goes_with_unread_messages_is_an_end_of_file(ends):
    ours, theirs = ends
    ours.send(Finish())
    theirs.close()
    with pytest.raises(EOFError, match="the other end of the baton is closed"):
        ours.receive(PATIENCE)


def test_sending_to_an_end_that_is_gone_is_an_os_error(ends):
    ours, theirs = ends
    theirs.close()
    with pytest.raises(OSError, match="Broken pipe"):
        ours.send(Finish())


def test_a_message_that_claims_to_be_huge_is_refused_before_it_is_read(ends):
    ours, theirs = ends
    theirs.send(struct.pack("!I", 256 * 1024 * 1024 + 1))
    with pytest.raises(EOFError, match="a message of 268435457 bytes came over the baton"):
        ours.receive(PATIENCE)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"{}", msgspec.msgpack.encode({"type": "Ready"}), msgspec.msgpack.encode({"type": "Run"})],
)
def test_what_is_no_message_is_refused(ends, data):
    ours, theirs = ends
    theirs.send(struct.pack("!I", len(data)) + data)
    with pytest.raises(EOFError, match="what came over the baton is no message: "):
        ours.receive(PATIENCE)


def test_close_closes_the_socket():
    end, other = socket.socketpair()
    with other:
        descriptor = end.fileno()
        Baton(end).close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
