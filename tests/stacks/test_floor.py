"""The floor's frames by hand, what it remembers, and that it remembers no failure."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket
import struct
import threading

import msgpack
import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.errors import ConnectionLost, ProtocolError, Refused, Remote, Timeout, Unavailable
from stacks.transports import memo
from stacks.transports.floor.server import FloorServer
from stacks.transports.memo import Memo

LONG = 20.0
OPTIONS = Options()
FLOOR = stacks.find("floor")
SHOP = service.load("stacks.shop:Shop")


class Tally:
    """Counts what it gets; fails on odd ids."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def add(self, note: shop.Note) -> shop.Note:
        self.ids.append(note.id)
        if note.id % 2:
            raise Remote("ABORTED", "odd")
        return note


def frame(*parts):
    data = b"".join(parts)
    return struct.pack(">I", len(data)) + data


def echo(note):
    return frame(b"\x04Echo", msgpack.packb(note))


def frames(connection):
    with connection.makefile("rb") as stream:
        while head := stream.read(4):
            yield stream.read(struct.unpack(">I", head)[0])


@pytest.fixture
def peer(opened):
    def peer(offered, options=OPTIONS):
        served = opened.enter_context(FLOOR.serve(offered, Address(), options))
        made = opened.enter_context(
            socket.create_connection((served.address.host, served.address.port), LONG)
        )
        return made, frames(made)

    return peer


@contextlib.contextmanager
def by_hand(talk):
    """Serve one connection with `talk(connection)`; gives a client of ours."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            connection.settimeout(LONG)
            with connection, contextlib.suppress(ConnectionError):
                talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        client = FLOOR.connect(Address(port=listening.getsockname()[1]), Options(max_message=100_000))
        try:
            yield client
        finally:
            client.close()
            thread.join(LONG)
            assert not thread.is_alive()


def test_frames_are_as_documented(peer):
    connection, incoming = peer(SHOP)
    connection.sendall(echo([5, b"body"]))
    assert next(incoming) == b"\0" + msgpack.packb([5, b"body"])
    connection.sendall(frame(b"\x03Non", b""))
    assert next(incoming) == b"\1" + msgpack.packb(["UNIMPLEMENTED", "there is no method 'Non'"])


def test_frames_in_crumbs_and_lumps(peer):
    connection, incoming = peer(SHOP)
    for byte in echo([1, b"crumbs"]):
        connection.sendall(bytes([byte]))
    assert next(incoming) == b"\0" + msgpack.packb([1, b"crumbs"])
    connection.sendall(b"".join(echo([k, b"lump"]) for k in range(300)))
    assert [msgpack.unpackb(next(incoming)[1:])[0] for _ in range(300)] == list(range(300))


@pytest.mark.parametrize(
    "junk",
    [bytes(4), struct.pack(">I", 2**31), frame(b"\x09short"), struct.pack(">I", 150_000) + bytes(70_000)],
)
def test_a_peer_that_breaks_the_protocol_loses_its_connection(peer, junk):
    connection, incoming = peer(SHOP, Options(max_message=100_000))
    connection.sendall(junk)
    with contextlib.suppress(ConnectionResetError):
        assert list(incoming) == []


def test_the_same_request_is_handled_once_and_its_reply_is_the_same_object(opened):
    offered = service.read(Tally)
    served = opened.enter_context(FLOOR.serve(offered, Address(), Options()))
    clients = [FLOOR.connect(served.address, Options()) for _ in range(2)]
    calls = [client.unary(offered["Add"]) for client in clients]
    note = shop.Note(2, b"")
    replies = [call(note, LONG) for call in calls for _ in range(3)]
    for client in clients:
        client.close()
    assert replies == [note] * 6
    assert offered["Add"].handler.__self__.ids == [2]
    assert replies[0] is replies[1] is replies[2]


def test_failures_are_not_remembered(opened):
    offered = service.read(Tally)
    served = opened.enter_context(FLOOR.serve(offered, Address(), Options()))
    with contextlib.closing(FLOOR.connect(served.address, Options())) as client:
        add = client.unary(offered["Add"])
        for _ in range(3):
            with pytest.raises(Remote, match="ABORTED: odd"):
                add(shop.Note(1, b""), LONG)
    assert offered["Add"].handler.__self__.ids == [1, 1, 1]


def test_requests_of_equal_identity_are_not_mixed_up(opened):
    served = opened.enter_context(FLOOR.serve(SHOP, Address(), Options()))
    with contextlib.closing(FLOOR.connect(served.address, Options())) as client:
        call = client.unary(SHOP["Echo"])
        # Each note is gone before the next is made, which then often has its place.
        assert [call(shop.Note(k, b""), LONG).id for k in range(500)] == list(range(500))


def test_a_memo_forgets_the_oldest(monkeypatch):
    monkeypatch.setattr(memo, "_ENTRIES", 3)
    monkeypatch.setattr(memo, "_BYTES", 100)
    few = Memo()
    for key in range(5):
        assert few.put(key, str(key), 1) == str(key)
    assert [few.get(key) for key in range(5)] == [None, None, "2", "3", "4"]
    few.put(4, "four", 60)
    few.put(5, "5", 41)
    assert [few.get(key) for key in range(6)] == [None, None, None, None, None, "5"]
    few.put(6, "too large", 101)
    assert few.get(6) is None
    assert few._bytes == 0


def test_late_replies_are_skipped_even_in_parts():
    gate = threading.Event()

    def talk(connection):
        incoming = frames(connection)
        first = next(incoming)
        reply = frame(b"\0", first[5:])
        connection.sendall(reply[:7])
        gate.wait(LONG)
        connection.sendall(reply[7:])
        for request in incoming:
            connection.sendall(frame(b"\0", request[5:]))

    with by_hand(talk) as client:
        call = client.unary(SHOP["Echo"])
        with pytest.raises(Timeout):
            call(shop.Note(1, b"late"), 0.05)
        with pytest.raises(Timeout):
            call(shop.Note(2, b"later"), 0.05)
        gate.set()
        assert call(shop.Note(3, b"own"), LONG) == shop.Note(3, b"own")
        assert call(shop.Note(4, b"own"), LONG) == shop.Note(4, b"own")


@pytest.mark.parametrize(
    ("junk", "error"),
    [
        (b"", ConnectionLost),
        (b"\0\0", ConnectionLost),
        (bytes(5), ProtocolError),
        (struct.pack(">IB", 200_000, 0), Refused),
        (frame(b"\1", b"\xc1"), ProtocolError),
        (frame(b"\0", b"\xc1"), ProtocolError),
    ],
)
def test_what_is_no_reply(junk, error):
    def talk(connection):
        next(frames(connection))
        connection.sendall(junk)

    with by_hand(talk) as client:
        call = client.unary(SHOP["Echo"])
        with pytest.raises(error):
            call(shop.Note(1, b""), LONG)
        with pytest.raises((Unavailable, ConnectionLost)):
            call(shop.Note(2, b""), LONG)


def test_a_request_that_is_not_taken_ends_the_connection():
    gate = threading.Event()
    with by_hand(lambda _connection: gate.wait(LONG)) as client:
        client._limit = 2**26
        call = client.unary(SHOP["Echo"])
        with pytest.raises(Timeout, match="not taken"):
            call(shop.Note(1, bytes(2**25)), 0.1)
        with pytest.raises(Unavailable, match="has ended"):
            call(shop.Note(2, b""), LONG)
        gate.set()


@pytest.mark.parametrize("delay", [0.0, 0.01])
def test_a_client_that_does_not_take_its_replies_is_not_read(peer, delay):
    connection, incoming = peer(dataclasses.replace(SHOP, delay=delay), Options(max_message=1_000_000))
    connection.settimeout(0.5)
    sent = 0
    with pytest.raises(TimeoutError):  # noqa: PT012 -- some call of many must be the first that blocks
        for k in range(200):
            rest = memoryview(echo([k, bytes(900_000)]))
            while rest:
                rest = rest[connection.send(rest) :]
            sent += 1
    assert 0 < sent < 60
    connection.settimeout(LONG)
    assert [msgpack.unpackb(next(incoming)[1:])[0] for _ in range(sent)] == list(range(sent))


def test_simulated_work_is_waited_for_on_each_call_even_if_remembered(opened):
    served = opened.enter_context(FLOOR.serve(dataclasses.replace(SHOP, delay=0.1), Address(), Options()))
    with contextlib.closing(FLOOR.connect(served.address, Options())) as client:
        call, note = client.unary(SHOP["Echo"]), shop.Note(1, b"")
        assert call(note, LONG) == note
        with pytest.raises(Timeout):
            call(note, 0.01)
        assert call(note, LONG) == note


def test_both_sides_send_without_delay(opened):
    served = opened.enter_context(FLOOR.serve(SHOP, Address(), Options()))
    with contextlib.closing(FLOOR.connect(served.address, Options())) as client:
        assert client._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class Scarce:
    """A listening socket that accepts only while there are descriptors."""

    def __init__(self, real):
        self._real = real
        self.left = 1
        self.refused = 0

    def accept(self):
        if not self.left:
            self.refused += 1
            raise OSError(errno.EMFILE, "too many open files")
        self.left -= 1
        return self._real.accept()

    def __getattr__(self, name):
        return getattr(self._real, name)


def test_who_comes_when_no_descriptor_is_left_waits_until_somebody_leaves(opened, until):
    real = socket.create_server(("127.0.0.1", 0))
    listening = Scarce(real)
    server = FloorServer(listening, {b"Echo": bytes}, 0.0, 1000)
    thread = threading.Thread(target=server.run)
    thread.start()
    opened.callback(thread.join)
    opened.callback(server.stop)

    def connect():
        made = opened.enter_context(socket.create_connection(real.getsockname(), LONG))
        return made, frames(made)

    def ask(place):
        connection, replies = pairs[place]
        connection.sendall(frame(b"\x04Echo", b"%d" % place))
        return next(replies)

    pairs = [connect()]
    assert ask(0) == b"\x000"
    pairs.append(connect())
    until(lambda: listening.refused, "the server finds out that it has no descriptor left")
    for _ in range(20):
        assert ask(0) == b"\x000"
    assert listening.refused == 1
    listening.left = 1
    pairs[0][0].shutdown(socket.SHUT_RDWR)
    assert ask(1) == b"\x001"
