"""What tests of hops share: an upstream that answers in bytes, and the hop before it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from stacks.testing.fixtures import *  # noqa: F403 -- found by their names

LONG = 20.0


class Upstream(grpc.GenericRpcHandler):
    """A gRPC server of unencoded bytes, of the library's other implementation; notes what it sees."""

    def __init__(self, name=b"upstream"):
        self.name = name
        self.seen = []
        self.left = []
        self.over = threading.Event()
        self.written = 0

    def service(self, details):
        method = details.method.rpartition("/")[2]
        if method.startswith("Stream"):
            return grpc.stream_stream_rpc_method_handler(getattr(self, method))
        return grpc.unary_unary_rpc_method_handler(getattr(self, method))

    def Name(self, request, context):  # noqa: N802 -- named as methods are on the wire
        return self.name

    def Echo(self, request, context):  # noqa: N802
        self._note(context)
        context.send_initial_metadata((("first", "1"), ("first", "2"), ("first-bin", b"\0\xff")))
        context.set_trailing_metadata((("last", "1"), ("last", "2"), ("last-bin", b"\xfe\0")))
        return request

    def Fail(self, request, context):  # noqa: N802
        if request:
            context.send_initial_metadata((("first", "1"),))
        details = b"\x08\x03\x12\x04nope"
        context.set_trailing_metadata((("grpc-status-details-bin", details), ("last", "1")))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nope: Grüße 100 %")

    def Hang(self, request, context):  # noqa: N802
        self._note(context)
        context.add_callback(self.over.set)
        self.over.wait(LONG)
        return b""

    def StreamEcho(self, requests, context):  # noqa: N802
        self._note(context)
        context.send_initial_metadata((("first", "1"), ("first", "2"), ("first-bin", b"\0\xff")))
        context.set_trailing_metadata((("last", "1"), ("last", "2"), ("last-bin", b"\xfe\0")))
        yield from requests

    def StreamFail(self, requests, context):  # noqa: N802
        yield next(requests)
        self.Fail(None, context)

    def StreamHang(self, requests, context):  # noqa: N802
        self._note(context)
        context.add_callback(self.over.set)
        yield b"begun"
        self.over.wait(LONG)

    def StreamFlood(self, requests, context):  # noqa: N802
        for _ in range(5000):
            self.written += 1
            yield bytes(100_000)

    def _note(self, context):
        self.seen.append(list(map(tuple, context.invocation_metadata())))
        self.left.append(context.time_remaining())


@contextmanager
def serving(upstream, port=0):
    server = grpc.server(
        ThreadPoolExecutor(32),
        handlers=(upstream,),
        options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait(LONG)


@pytest.fixture
def served_in_bytes():
    return serving


@pytest.fixture
def upstream():
    return Upstream()


@pytest.fixture
def another_upstream():
    return Upstream


@pytest.fixture
def channel_to(opened):
    def channel_to(address):
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        return opened.enter_context(grpc.insecure_channel(str(address), options))

    return channel_to
