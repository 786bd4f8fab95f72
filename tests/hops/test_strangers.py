"""Gateways that strangers talk to: what a good client sees meanwhile, and that nobody has to restart them."""

from __future__ import annotations

import random
import socket
import struct
import threading
from contextlib import ExitStack, closing, contextmanager

import grpc
import psutil
import pytest

import stacks
from stacks import hops, service, shop
from stacks.base import Address, Options, Route
from stacks.testing.oracle import LONG

SHOP = service.load("stacks.shop:Shop")
ORDER = shop.order("small")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
METADATA = 16 * 1024 * 1024
REQUEST = b"POST /rpcduel.Shop/Quote HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n"
CROWD = 32


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + struct.pack(">I", stream) + payload


STRANGERS = {
    "half a preface": PREFACE[:11],
    "a preface and no settings": PREFACE,
    "half a frame": PREFACE + SETTINGS + frame(1, 4, 1, bytes(100))[:40],
    "half a request of HTTP/1": REQUEST,
    "half a body": REQUEST + b"\r\n{",
    "nothing": b"",
    "garbage": random.Random(7).randbytes(300),
    "garbage in lines": b"GARBAGE\r\n\r\nMORE\r\n\r\n",
    "garbage behind the preface": PREFACE + SETTINGS + random.Random(8).randbytes(300),
    "a client of TLS": bytes.fromhex("16030100a5010000a10303") + bytes(154),
}


@pytest.fixture(scope="module", params=["python", "envoy", "nginx", "caddy"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def gateway(name):
    """Start the hop before a server of gRPC, once: whatever strangers did must not show afterwards."""
    stack = stacks.find("grpc-protobuf")
    with (
        stack.serve(SHOP, Address(), Options()) as behind,
        hops.find(name).serve([Route("/", behind.address, "grpc")], Address()) as served,
    ):
        yield served


def quote(address, timeout=LONG):
    with closing(stacks.find("grpc-protobuf").connect(address, Options())) as client:
        return client.unary(SHOP["Quote"])(ORDER, timeout)


@contextmanager
def strangers(address, said, number=CROWD):
    with ExitStack() as stay:
        for _ in range(number):
            stranger = stay.enter_context(socket.create_connection((address.host, address.port), LONG))
            stranger.sendall(said)
        yield


@pytest.mark.parametrize("said", STRANGERS.values(), ids=STRANGERS)
def test_strangers_keep_nobody_from_calling(gateway, said):
    expected = SHOP["Quote"].handler(ORDER)
    assert quote(gateway.address) == expected
    with strangers(gateway.address, said):
        assert quote(gateway.address) == expected
    assert quote(gateway.address) == expected
    assert all(psutil.pid_exists(pid) for pid in gateway.pids)


def test_one_who_says_a_request_byte_by_byte_keeps_nobody_from_calling(gateway):
    expected, stop = SHOP["Quote"].handler(ORDER), threading.Event()
    said = PREFACE + SETTINGS + frame(1, 4, 1, bytes(60))
    address = gateway.address

    def drip():
        with socket.create_connection((address.host, address.port), LONG) as stranger:
            for byte in said:
                if stop.wait(0.02):
                    return
                stranger.sendall(bytes((byte,)))

    slow = [threading.Thread(target=drip) for _ in range(8)]
    for each in slow:
        each.start()
    try:
        assert [quote(address) for _ in range(20)] == [expected] * 20
    finally:
        stop.set()
        for each in slow:
            each.join(LONG)


def test_16_mib_of_metadata_end_with_a_code_of_grpc_and_the_next_call_is_served(gateway):
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(str(gateway.address), options) as channel:
        call = channel.unary_unary("/rpcduel.Shop/Quote", None, None)
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=[("key", "x" * METADATA)], timeout=LONG)
    assert caught.value.code() in {
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
    }
    assert quote(gateway.address) == SHOP["Quote"].handler(ORDER)
    assert all(psutil.pid_exists(pid) for pid in gateway.pids)
