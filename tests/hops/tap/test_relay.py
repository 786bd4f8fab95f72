"""The tap as a relay: bytes, ends, resets and pressure pass as they are."""

from __future__ import annotations

import contextlib
import hashlib
import select
import socket
import struct
import sys
import threading
from pathlib import Path

import pytest

from stacks import hops
from stacks.base import Address, Route
from stacks.errors import AddressError, StackError
from stacks.hops.tap.counts import Bytes
from stacks.hops.tap.hop import TapHop
from stacks.hops.tap.relay import Wire

sys.path.insert(0, str(Path(__file__).parent))

from exchanges import EXCHANGES
from sockets import LONG, aside, read

MIB = 1 << 20


def pour(connection):
    while True:
        connection.sendall(bytes(1000))


def cut(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_passes_byte_for_byte_and_is_counted(ends, until, name):
    exchange = EXCHANGES[name]
    tap, client, server = ends()
    for way, data in exchange.steps:
        sender, receiver = ((client, server), (server, client))[way]
        sender.sendall(data)
        assert read(receiver, len(data)) == data
    until(lambda: tap.counts().back.total == exchange.back.total, "all is counted")
    until(lambda: tap.counts().out.total == exchange.out.total, "all is counted")
    counts = tap.counts()
    assert (counts.out, counts.back, counts.calls) == (exchange.out, exchange.back, exchange.calls)
    assert (counts.connections, counts.open, counts.most) == (1, 1, 1)
    (connection,) = tap.connections()
    assert (connection.protocol, connection.out) == (exchange.protocol, exchange.out)


def test_an_end_passes_and_the_other_direction_goes_on(ends, until):
    tap, client, server = ends()
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    assert read(server, 8) == b"question"
    assert server.recv(1) == b""
    for _ in range(3):
        server.sendall(b"answer")
        assert read(client, 6) == b"answer"
    assert tap.counts().open == 1
    server.close()
    assert client.recv(1) == b""
    until(lambda: tap.counts().open == 0, "the pair has ended")
    assert tap.counts().out == Bytes(8, other=8)


def test_the_servers_end_passes_and_the_client_may_go_on(ends, until):
    tap, client, server = ends()
    server.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    client.sendall(b"still here")
    assert read(server, 10) == b"still here"
    client.close()
    assert server.recv(1) == b""
    until(lambda: tap.counts().open == 0, "the pair has ended")


def test_an_end_comes_behind_all_data(ends):
    _, client, server = ends()
    data = bytes(range(256)) * 4 * 4096

    def send():
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    with aside(send):
        assert read(server, len(data)) == data
        assert server.recv(1) == b""


@pytest.mark.parametrize("way", ["out", "back"])
def test_a_reset_passes(ends, until, way):
    tap, client, server = ends()
    client.sendall(b"x")
    read(server, 1)
    mine, other = (client, server) if way == "out" else (server, client)
    cut(mine)
    with pytest.raises(ConnectionResetError):
        other.recv(1)
    until(lambda: tap.counts().open == 0, "the pair has ended")


@pytest.mark.parametrize("way", ["out", "back"])
def test_who_has_gone_is_noticed_by_who_writes(ends, until, way):
    tap, client, server = ends()
    client.sendall(b"x")
    read(server, 1)
    mine, other = (client, server) if way == "out" else (server, client)
    mine.close()
    assert other.recv(1) == b""
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        pour(other)
    until(lambda: tap.counts().open == 0, "the pair has ended")


@pytest.mark.parametrize("way", ["out", "back"])
def test_a_slow_reader_slows_the_writer_and_loses_nothing(ends, way):
    tap, client, server = ends()
    writer, reader = (client, server) if way == "out" else (server, client)
    size, sent, written, given = 96 * MIB, hashlib.sha256(), 0, bytes(range(251)) * 4096
    writer.settimeout(0)
    while select.select([], [writer], [], 0.5)[1]:
        part = writer.send(given)
        sent.update(given[:part])
        written += part
    # What the kernel keeps for two connections, and some of ours.
    assert written < size / 2
    writer.settimeout(LONG)

    def go_on():
        nonlocal written
        while written < size:
            part = writer.send(given)
            sent.update(given[:part])
            written += part
        writer.shutdown(socket.SHUT_WR)

    received, count = hashlib.sha256(), 0
    with aside(go_on):
        while data := reader.recv(1 << 16):
            received.update(data)
            count += len(data)
    assert (count, received.digest()) == (written, sent.digest())
    assert (tap.counts().out if way == "out" else tap.counts().back).total == written


def test_what_waits_in_the_tap_is_bounded(ends, monkeypatch):
    waiting, write = [], Wire.write

    def noted(wire, data):
        write(wire, data)
        waiting.append(wire._transport.get_write_buffer_size())

    monkeypatch.setattr(Wire, "write", noted)
    _, client, _ = ends()
    client.settimeout(0)
    while select.select([], [client], [], 0.5)[1]:
        client.send(bytes(MIB))
    # A writer is paused at 256 KiB; uvloop reads up to 256 KiB at once.
    assert 256 << 10 < max(waiting) <= 512 << 10


def test_both_directions_at_once(ends):
    _, client, server = ends()
    there, back = bytes(range(253)) * 40_000, bytes(range(251)) * 40_000
    got = []
    with (
        aside(lambda: client.sendall(there)),
        aside(lambda: server.sendall(back)),
        aside(lambda: got.append(read(client, len(back)))),
    ):
        assert read(server, len(there)) == there
    assert got == [back]


def test_small_writes_are_not_held_back(ends, monkeypatch):
    made, transports = Wire.connection_made, []

    def noted(wire, transport):
        made(wire, transport)
        transports.append(transport)

    monkeypatch.setattr(Wire, "connection_made", noted)
    _, client, server = ends()
    client.sendall(b"x")
    read(server, 1)
    sockets = [each.get_extra_info("socket") for each in transports]
    assert [each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in sockets] == [1, 1]


def test_where_nobody_listens_the_client_is_cut_and_that_is_counted(tapped, until):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    tap, address = tapped(Address(port=port))
    # The end may come as early as while the client still connects.
    with (
        contextlib.suppress(ConnectionResetError, BrokenPipeError),
        socket.create_connection((address.host, address.port), LONG) as client,
    ):
        client.sendall(b"x")
        assert client.recv(1) == b""
    until(lambda: tap.counts().unreached == 1, "it is given up")
    until(lambda: tap.counts().open == 0, "it is closed")
    assert (tap.counts().connections, tap.counts().unreached) == (1, 1)


def test_the_servers_first_words_are_not_lost(opened, tapped):
    listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    _, address = tapped(Address(port=listening.getsockname()[1]))

    def greet():
        accepted, _ = listening.accept()
        with accepted:
            accepted.sendall(b"220 welcome")

    for _ in range(20):
        with aside(greet), socket.create_connection((address.host, address.port), LONG) as client:
            assert read(client, 11) == b"220 welcome"
            assert client.recv(1) == b""


def test_the_clients_first_words_are_not_lost(opened, tapped):
    listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    listening.settimeout(LONG)
    tap, address = tapped(Address(port=listening.getsockname()[1]))
    for _ in range(20):
        with socket.create_connection((address.host, address.port), LONG) as client:
            client.sendall(b"all I say")
        accepted, _ = listening.accept()
        with accepted:
            accepted.settimeout(LONG)
            assert read(accepted, 9) == b"all I say"
            assert accepted.recv(1) == b""
    assert tap.counts().out.total == 180


def test_its_end_resets_both_sides_and_leaves_nothing(opened, descriptors, until):
    listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    upstream = Route("/", Address(port=listening.getsockname()[1]))
    with TapHop().serve([upstream], Address()):
        pass  # libraries open what they keep, once
    threads, before = set(threading.enumerate()), descriptors()
    tap, pairs = TapHop(), []
    with tap.serve([upstream], Address()) as served:
        where = (served.address.host, served.address.port)
        for _ in range(5):
            client = socket.create_connection(where, LONG)
            pairs.append((client, listening.accept()[0]))
            client.sendall(b"x")
            read(pairs[-1][1], 1)
    for connection in (each for pair in pairs for each in pair):
        connection.settimeout(LONG)
        with connection, pytest.raises(ConnectionResetError):
            connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, LONG)
    assert (tap.counts().connections, tap.counts().open, tap.counts().most) == (5, 0, 5)
    assert tap.counts().out.total == 5
    until(lambda: set(threading.enumerate()) <= threads, "no thread is left")
    until(lambda: descriptors() <= before, "no descriptor is left")


def test_connections_are_counted_one_by_one(opened, tapped, until):
    listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    tap, address = tapped(Address(port=listening.getsockname()[1]))
    for size in (1, 2, 3):
        with socket.create_connection((address.host, address.port), LONG) as client:
            client.sendall(bytes(size))
            with listening.accept()[0] as server:
                read(server, size)
        until(lambda: tap.counts().open == 0, "it has ended")
    assert [each.out.total for each in tap.connections()] == [1, 2, 3]
    assert (tap.counts().connections, tap.counts().most) == (3, 1)


def test_a_taken_port_is_named_with_a_remedy(ends, tapped):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=r"taken.*port 0"):
            tapped(Address(port=1), Address(port=port))


@pytest.mark.parametrize("ports", [[], [1, 2]])
def test_routes_to_several_places_are_refused(ports):
    routes = [Route(f"/{port}/", Address(port=port)) for port in ports]
    with (
        pytest.raises(StackError, match=f"not to {len(ports)}; give one route"),
        TapHop().serve(routes, Address()),
    ):
        pytest.fail("served")


def test_it_is_found_by_its_name_and_carries_everything():
    found = hops.find("tap")
    assert (found.name, found.carries) == ("tap", frozenset())
    assert set(found.facts) == {"version", "processes", "upstream"}
