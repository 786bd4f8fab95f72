"""Clients and servers from their start to their end: what they say, and what they leave behind."""

from __future__ import annotations

import dataclasses
import os
import platform
import socket
import threading
from importlib import metadata

import psutil
import pytest

import stacks
from stacks.base import Address, Kind, Options
from stacks.errors import AddressError, ConnectionLost, SchemaError, Unavailable
from stacks.testing.needs import needs
from stacks.testing.oracle import LONG, Ask, Told, lose, one_call


def test_a_closed_client_takes_no_calls(serve, connect, offered, seen):
    client = connect(serve(offered))
    tell = client.unary(offered["Tell"])
    tell(Ask(1, ""), LONG)
    client.close()
    client.close()
    with pytest.raises(Unavailable):
        tell(Ask(2, ""), LONG)
    assert seen == {1: 1}


@needs("wire")
def test_close_closes_the_socket(stack, serve, offered, leading, until):
    served = serve(offered)
    for _ in range(10):
        client = stack.connect(served.address, Options())
        client.unary(offered["Tell"])(Ask(1, ""), LONG)
        assert leading(served.address.port)
        client.close()
        until(lambda: not leading(served.address.port), "the socket is closed")


def test_nothing_is_left_of_closed_clients(stack, serve, offered, descriptors, until):
    served = serve(offered)
    one_call(stack, served.address, offered)  # libraries start threads of their own, once

    threads, before = set(threading.enumerate()), descriptors()
    for _ in range(50):
        one_call(stack, served.address, offered)
    until(lambda: set(threading.enumerate()) <= threads, "no thread is left, of the server's either")
    until(lambda: descriptors() <= before, "the server has closed its ends, too")


def test_nothing_is_left_of_a_stopped_server(stack, offered, descriptors, until):
    with stack.serve(offered, Address(), Options()) as served:
        one_call(stack, served.address, offered)
    threads, before = set(threading.enumerate()), descriptors()
    for _ in range(5):
        with stack.serve(offered, Address(), Options()) as served:
            one_call(stack, served.address, offered)
            idle = stack.connect(served.address, Options())
        idle.close()
    until(lambda: set(threading.enumerate()) <= threads, "no thread of the servers is left")
    until(lambda: descriptors() <= before, "no descriptor of the servers is left")


@needs("wire")
def test_a_server_stops_though_connections_come_in_just_then(stack, offered, opened, monkeypatch):
    at_work, gate = threading.Event(), threading.Event()

    def handle(ask):
        at_work.set()
        gate.wait(LONG)
        return Told(ask.id, "")

    held = dataclasses.replace(offered, methods=(dataclasses.replace(offered["Tell"], handler=handle),))
    failures = []
    with stack.serve(held, Address(), Options()) as served:
        call = threading.Thread(target=lose, args=(1, stack, served.address, offered, failures))
        opened.callback(call.join, LONG)
        call.start()
        assert at_work.wait(LONG)
        # The server is at work: what comes now, and that it is to stop, it sees at once and afterwards.
        where = (served.address.host, served.address.port)
        for _ in range(8):
            opened.enter_context(socket.create_connection(where, LONG))
        join = threading.Thread.join

        def let_go(thread, timeout=None):
            gate.set()
            join(thread, timeout)

        monkeypatch.setattr(threading.Thread, "join", let_go)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, LONG)


def test_a_stopped_servers_port_can_be_had_again(stack, offered):
    with stack.serve(offered, Address(), Options()) as first:
        one_call(stack, first.address, offered)
    with stack.serve(offered, first.address, Options()) as second:
        assert second.address == first.address
        one_call(stack, second.address, offered)


@needs("wire")
def test_a_server_that_was_started_again_is_reached(stack, connect, offered, until):
    with stack.serve(offered, Address(), Options()) as first:
        old = connect(first).unary(offered["Tell"])
        old(Ask(1, ""), LONG)
    with pytest.raises((ConnectionLost, Unavailable)):
        old(Ask(2, ""), LONG)
    with stack.serve(offered, first.address, Options()) as second:
        assert connect(second).unary(offered["Tell"])(Ask(3, "new"), LONG) == Told(3, "new")

        def reached():
            # A client may come back by itself, or say for good that its connection has ended.
            try:
                return old(Ask(4, "old"), LONG) == Told(4, "old")
            except Unavailable as error:
                return "connect" in str(error)

        until(reached, "the old client reaches the new server, or says why not")


def test_a_taken_port_is_named_with_a_remedy(stack, serve, offered, descriptors, until):
    served = serve(offered)
    one_call(stack, served.address, offered)  # what is opened at the first call is open now
    threads, before = set(threading.enumerate()), descriptors()
    with (
        pytest.raises(AddressError, match=f"{served.address}.*taken.*port 0"),
        stack.serve(offered, served.address, Options()),
    ):
        pytest.fail("two servers on one port")
    assert set(threading.enumerate()) <= threads
    until(lambda: descriptors() <= before, "no more descriptors are open than before")
    one_call(stack, served.address, offered)


@needs("wire")
@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "", "a" * 300])
def test_a_host_that_is_not_ours_is_named_with_a_remedy(stack, offered, host):
    address = Address(host, 0)
    with (
        pytest.raises(AddressError, match=f"cannot listen on {address}"),
        stack.serve(offered, address, Options()),
    ):
        pytest.fail(f"a server on {address}")


@needs("wire")
@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_cannot_be_is_named(stack, offered, port):
    with pytest.raises(AddressError, match="65535"), stack.serve(offered, Address(port=port), Options()):
        pytest.fail(f"a server on port {port}")


@needs("wire")
def test_servers_listen_on_loopback_alone(serve, offered):
    served = serve(offered)
    processes = [psutil.Process(pid) for pid in {os.getpid(), *served.pids}]
    sockets = [each for process in processes for each in process.net_connections("tcp")]
    listening = [each.laddr for each in sockets if each.status == psutil.CONN_LISTEN]
    assert served.address.port in {where.port for where in listening}
    # An IPv6 socket may take IPv4 connections; its address is then written like this.
    assert {where.ip.removeprefix("::ffff:") for where in listening} == {"127.0.0.1"}


def test_a_kind_that_is_not_carried_is_named(stack, serve, connect, offered):
    client = connect(serve(offered))
    for kind in set(Kind) - stack.kinds:
        with pytest.raises(SchemaError, match=f"Tell is a {kind} call, which is not applicable"):
            client.stream(dataclasses.replace(offered["Tell"], kind=kind))
        alone = dataclasses.replace(offered, methods=(dataclasses.replace(offered["Tell"], kind=kind),))
        with (
            pytest.raises(SchemaError, match=r"contract\.Oracle has no unary.* method"),
            stack.serve(alone, Address(), Options()),
        ):
            pytest.fail("served without a method")


def test_unary_and_stream_are_not_mixed_up(serve, connect, offered):
    client = connect(serve(offered))
    with pytest.raises(SchemaError, match="Tell is a unary call"):
        client.stream(offered["Tell"])
    with pytest.raises(SchemaError, match="Converse is a bidi call"):
        client.unary(offered["Converse"])


@needs("bytes")
def test_its_codec_says_what_counts_as_payload(stack):
    codec = stack.codec(Told)
    assert codec.decode(codec.encode(Told(1, "a"))) == Told(1, "a")
    assert len(codec.encode(Told(1, "x" * 1000))) - len(codec.encode(Told(1, "x" * 900))) in (100, 102)


def test_facts_are_there_and_versions_true(stack):
    facts = stack.facts
    assert all([facts.concurrency, facts.threads, facts.nagle, facts.compression, facts.tls, facts.deadline])
    assert facts.max_message == Options().max_message
    for name, version in facts.versions.items():
        assert version == (platform.python_version() if name == "python" else metadata.version(name))
    assert ("multiplexing" in facts.abilities) == stack.multiplexes


def test_a_stack_is_found_by_its_own_name(stack):
    assert type(stacks.find(stack.name)) is type(stack)
    assert stacks.find(stack.name).name == stack.name
