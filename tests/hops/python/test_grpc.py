"""gRPC through the hop in Python: what is seen at either end."""

from __future__ import annotations

import itertools
import socket
import threading

import grpc
import pytest

from stacks.base import Address, Route

LONG = 20.0
SENT = (("key", "value"), ("key", "other"), ("key-bin", bytes(range(256))))
FIRST = [("first", "1"), ("first", "2"), ("first-bin", b"\0\xff")]
LAST = [("last", "1"), ("last", "2"), ("last-bin", b"\xfe\0")]
WAYS = {
    "one port": {},
    "gRPC alone": {"kind": "grpc"},
    "kinds known": {"kind": "grpc", "unary": ("/t.T/Echo", "/t.T/Fail", "/t.T/Hang", "/t.T/Name")},
}


@pytest.fixture(params=WAYS)
def channel(request, upstream, served_in_bytes, opened, pass_on, channel_to):
    upstream.port = opened.enter_context(served_in_bytes(upstream))
    return channel_to(pass_on(Route("/", Address(port=upstream.port), **WAYS[request.param])))


def unary(channel, method):
    return channel.unary_unary(f"/t.T/{method}", None, None)


def stream(channel, method):
    return channel.stream_stream(f"/t.T/{method}", None, None)


def call_to(channel, method, timeout):
    """Make a call that is unary, or has streams as its name says, and give what comes last."""
    if method.startswith("Stream"):
        return list(stream(channel, method)(iter([b"x"]), timeout=timeout))[-1]
    return unary(channel, method)(b"x", timeout=timeout)


def ours(metadata):
    return sorted(map(tuple, metadata))


def test_a_unary_calls_metadata_reach_the_other_end(channel, upstream):
    reply, call = unary(channel, "Echo").with_call(b"\0\xff", metadata=SENT, timeout=LONG)
    assert reply == b"\0\xff"
    assert ours(call.initial_metadata()) == FIRST
    assert ours(call.trailing_metadata()) == LAST
    [seen] = upstream.seen
    assert [each for each in seen if each[0].startswith("key")] == list(SENT)
    assert [name for name, _ in seen].count("user-agent") == 1


def test_a_streams_metadata_reach_the_other_end(channel, upstream):
    call = stream(channel, "StreamEcho")(iter([b"a", b"", b"c"]), metadata=SENT, timeout=LONG)
    assert list(call) == [b"a", b"", b"c"]
    assert ours(call.initial_metadata()) == FIRST
    assert ours(call.trailing_metadata()) == LAST
    [seen] = upstream.seen
    assert [each for each in seen if each[0].startswith("key")] == list(SENT)


def test_initial_metadata_come_before_any_reply(channel):
    said = threading.Event()

    def requests():
        assert said.wait(LONG)
        yield b"on"

    call = stream(channel, "StreamEcho")(requests(), timeout=LONG)
    assert ours(call.initial_metadata()) == FIRST
    said.set()
    assert list(call) == [b"on"]


@pytest.mark.parametrize("method", ["Fail", "StreamFail"])
def test_a_status_comes_with_text_and_details(channel, method):
    with pytest.raises(grpc.RpcError) as caught:
        call_to(channel, method, LONG)
    error = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "nope: Grüße 100 %")
    assert ours(error.trailing_metadata()) == [
        ("grpc-status-details-bin", b"\x08\x03\x12\x04nope"),
        ("last", "1"),
    ]
    if method == "Fail":
        assert ours(error.initial_metadata()) == [("first", "1")]


def test_replies_before_a_failure_arrive(channel):
    call = stream(channel, "StreamFail")(iter([b"1"]), timeout=LONG)
    assert next(call) == b"1"
    with pytest.raises(grpc.RpcError):
        next(call)


@pytest.mark.parametrize("timeout", [LONG, None])
def test_the_deadline_travels(channel, upstream, timeout):
    unary(channel, "Echo")(b"", timeout=timeout)
    list(stream(channel, "StreamEcho")(iter([b""]), timeout=timeout))
    for left in upstream.left:
        assert 10 < left <= LONG + 1 if timeout else left > 1e6


@pytest.mark.parametrize("method", ["Hang", "StreamHang"])
def test_the_upstream_is_left_at_the_deadline(channel, upstream, method):
    with pytest.raises(grpc.RpcError) as caught:
        call_to(channel, method, 0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert upstream.over.wait(LONG)


@pytest.mark.parametrize("method", ["Hang", "StreamHang"])
def test_who_cancels_is_not_waited_for_upstream(channel, upstream, until, method):
    if method == "Hang":
        call = unary(channel, method).future(b"", timeout=LONG)
        until(lambda: upstream.seen, "the call has reached the upstream")
    else:
        call = stream(channel, method)(itertools.repeat(b"x"), timeout=LONG)
        assert next(call) == b"begun"
    assert not upstream.over.is_set()
    call.cancel()
    assert upstream.over.wait(LONG)


def test_a_slow_reader_holds_the_upstream_back(channel, upstream):
    call = stream(channel, "StreamFlood")(iter([b""]), timeout=LONG)
    next(call)
    for _ in range(50):  # gives the upstream time to run ahead
        unary(channel, "Name")(b"", timeout=LONG)
    assert upstream.written < 1000
    call.cancel()


def test_compressed_messages_arrive(channel):
    body = bytes(100_000)
    call = channel.unary_unary("/t.T/Echo", None, None)
    assert call(body, timeout=LONG, compression=grpc.Compression.Gzip) == body
    replies = stream(channel, "StreamEcho")(iter([body]), timeout=LONG, compression=grpc.Compression.Deflate)
    assert list(replies) == [body]


def test_a_message_larger_than_grpcs_own_limit_passes(channel):
    assert len(unary(channel, "Echo")(bytes(6_000_000), timeout=LONG)) == 6_000_000


def test_metadata_that_are_too_large_are_refused_with_a_code(channel, upstream):
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, "Echo")(b"", metadata=[("key", "x" * 20_000)], timeout=LONG)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not upstream.seen
    assert unary(channel, "Name")(b"", timeout=LONG) == b"upstream"


def test_the_longest_prefix_decides(opened, served_in_bytes, another_upstream, pass_on, channel_to):
    ports = [opened.enter_context(served_in_bytes(another_upstream(name))) for name in (b"a", b"b")]
    prefixes = ["/t.", "/t.Two/"]
    routes = [Route(prefix, Address(port=port), "grpc") for prefix, port in zip(prefixes, ports, strict=True)]
    channel = channel_to(pass_on(*routes))
    for path, name in {"/t.T/Name": b"a", "/t.Two/Name": b"b", "/t.Two2/Name": b"a"}.items():
        assert channel.unary_unary(path, None, None)(b"", timeout=LONG) == name
    with pytest.raises(grpc.RpcError, match=r"no route for '/u\.T/Name'") as caught:
        channel.unary_unary("/u.T/Name", None, None)(b"", timeout=LONG)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("carries", ["", "grpc"])
def test_an_upstream_that_is_not_there_is_unavailable_until_it_is(
    upstream, served_in_bytes, pass_on, channel_to, until, carries
):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    name = unary(channel_to(pass_on(Route("/", Address(port=port), carries))), "Name")

    def reached():
        try:
            return name(b"", timeout=LONG) == b"upstream"
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 -- both are right here
            return False

    assert not reached()
    for _ in range(2):
        with served_in_bytes(upstream, port):
            until(reached, "the upstream is reached once it is there")
        until(lambda: not reached(), "its end is noticed")


def test_all_calls_share_one_connection_upstream(channel, upstream, leading, together):
    names = together(16, lambda _: [unary(channel, "Name")(b"", timeout=LONG) for _ in range(10)])
    assert names == [[b"upstream"] * 10] * 16
    assert len(leading(upstream.port)) == 1
