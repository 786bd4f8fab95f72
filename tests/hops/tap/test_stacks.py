"""Real stacks through the tap: what it counts is what the kernel and the codecs say."""

from __future__ import annotations

import dataclasses
import os
import socket
import struct
import sys
from pathlib import Path

import msgpack
import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Kind, Options
from stacks.errors import Remote
from stacks.transports import streams

sys.path.insert(0, str(Path(__file__).parent))

from sockets import LONG

SHOP = service.load("stacks.shop:Shop")
CALLS = 5
PROTOCOLS = {
    "grpc-protobuf": "HTTP/2",
    "grpc-msgpack": "HTTP/2",
    "rest-json": "HTTP/1",
    "rest-msgpack": "HTTP/1",
    "thrift-binary": "Thrift",
    "thrift-compact": "Thrift",
    "tcp-msgpack": "MessagePack-RPC",
    "tcp-json": "JSON lines",
    "yamux-msgpack": "yamux",
}
STREAMING = [name for name in PROTOCOLS if Kind.BIDI in stacks.find(name).kinds]


def payload(stack, method, requests):
    asked, replied = stack.codec(method.request), stack.codec(method.reply)
    replies = (
        [method.handler(*requests)] if method.kind is Kind.UNARY else streams.replies(method, iter(requests))
    )
    return (
        sum(len(asked.encode(each)) for each in requests),
        sum(len(replied.encode(each)) for each in replies),
    )


@pytest.fixture
def through(opened, tapped):
    """Serve a stack behind a tap; gives the stack, the tap and a client."""

    def through(name):
        stack = stacks.find(name)
        served = opened.enter_context(stack.serve(SHOP, Address(), Options()))
        tap, address = tapped(served.address)
        tap.port = address.port
        client = stack.connect(address, Options())
        opened.callback(client.close)
        return stack, tap, client

    return through


@pytest.mark.parametrize("sample", ["small", "large"])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_bodies_are_the_codecs_bytes_and_calls_are_counted(through, until, name, sample):
    stack, tap, client = through(name)
    quote, order = client.unary(SHOP["Quote"]), shop.order(sample)
    for _ in range(CALLS):
        quote(order, LONG)
    out, back = payload(stack, SHOP["Quote"], [order])
    until(lambda: tap.counts().back.body == CALLS * back, "the last reply is counted, too")
    counts = tap.counts()
    assert (counts.out.body, counts.back.body) == (CALLS * out, CALLS * back)
    assert (counts.calls, counts.connections, counts.protocols) == (CALLS, 1, {PROTOCOLS[name]: 1})
    assert (counts.out.other, counts.back.other) == (0, 0)


@pytest.mark.parametrize("name", STREAMING)
def test_bodies_of_streams_are_the_codecs_bytes(through, until, name):
    haggle = SHOP["Haggle"]
    stack, tap, client = through(name)
    orders = [shop.order("medium", k) for k in range(20)]
    assert len(list(client.stream(haggle)(orders, LONG))) == 20
    bodies = payload(stack, haggle, orders)
    until(lambda: (tap.counts().out.body, tap.counts().back.body) == bodies, "all bodies are counted")
    assert tap.counts().calls == 1


def test_a_failures_text_is_body(through, until):
    _, tap, client = through("tcp-msgpack")
    missing = dataclasses.replace(SHOP["Quote"], name="Missing")
    with pytest.raises(Remote) as caught:
        client.unary(missing)(shop.order("small"), LONG)
    told = len(msgpack.packb([caught.value.code, caught.value.text]))
    until(lambda: tap.counts().back.body == told, "the failure is counted")
    assert tap.counts().back.framing == 2 + 5 + 1


def test_totals_are_what_the_kernel_counted(through, until, leading):
    _, tap, client = through("grpc-protobuf")
    quote, order = client.unary(SHOP["Quote"]), shop.order("medium")
    for _ in range(CALLS):
        quote(order, LONG)
    (ours,) = leading(tap.port)
    with socket.socket(fileno=os.dup(ours.fd)) as same:
        until(lambda: kernel(same) == (tap.counts().out.total, tap.counts().back.total), "they agree")
    out, back = payload(stacks.find("grpc-protobuf"), SHOP["Quote"], [order])
    assert tap.counts().out.total > CALLS * out
    assert tap.counts().back.total > CALLS * back


def kernel(connection):
    """Read bytes acknowledged, without the SYN that counts as one, and received (Linux: struct tcp_info)."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
    acknowledged, received = struct.unpack_from("=QQ", info, 120)
    return acknowledged - 1, received
