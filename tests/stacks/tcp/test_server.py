"""The server of MessagePack-RPC, called by hand."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading

import msgpack
import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.codecs.msgpack import unpacker

LONG = 20.0
OPTIONS = Options()
USERS = 16
TCP = stacks.find("tcp-msgpack")
SHOP = service.load("stacks.shop:Shop")


class Tally:
    """Counts what it gets."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def add(self, note: shop.Note) -> shop.Note:
        self.ids.append(note.id)
        return note


def messages(connection):
    unpack = unpacker(2**27)
    while data := connection.recv(65536):
        unpack.feed(data)
        yield from unpack


@pytest.fixture
def peer(opened):
    """A connection by hand to a server of ours; gives what to send on and what comes."""

    def peer(offered, options=OPTIONS):
        served = opened.enter_context(TCP.serve(offered, Address(), options))
        made = socket.create_connection((served.address.host, served.address.port), LONG)
        opened.enter_context(made)
        return made, messages(made)

    return peer


def test_the_wire_is_messagepack_rpc(peer):
    connection, incoming = peer(SHOP)
    connection.sendall(msgpack.packb([0, 2**32 - 1, "Echo", [[5, b"body"]]]))
    assert next(incoming) == [1, 2**32 - 1, None, [5, b"body"]]
    connection.sendall(msgpack.packb([0, 0, "Nothing", [[]]]))
    assert next(incoming) == [1, 0, ["UNIMPLEMENTED", "there is no method 'Nothing'"], None]
    for params in ([], [[5, b""], 6], {}, None, [["five", b""]], [[5]]):
        connection.sendall(msgpack.packb([0, 3, "Echo", params]))
        _, number, error, result = next(incoming)
        assert (number, error[0], result) == (3, "INTERNAL", None)
        assert error[1].startswith("cannot read the request: ")


def test_notifications_are_served_without_an_answer(peer):
    offered = service.read(Tally)
    connection, incoming = peer(offered)
    for message in ([2, "Add", [[1, b""]]], [2, "Nothing", [[2, b""]]], [2, "Add", []]):
        connection.sendall(msgpack.packb(message))
    connection.sendall(msgpack.packb([0, 9, "Add", [[3, b""]]]))
    assert next(incoming) == [1, 9, None, [3, b""]]
    assert offered["Add"].handler.__self__.ids == [1, 3]


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"\xc1", id="no messagepack"),
        pytest.param(b"\x91" * 5000, id="too deep"),
        pytest.param(msgpack.packb([0, 1, "Echo"]), id="too short"),
        pytest.param(msgpack.packb([1, 1, None, None]), id="a reply"),
        pytest.param(msgpack.packb([0, -1, "Echo", [[1, b""]]]), id="negative number"),
        pytest.param(msgpack.packb([0, 2**32, "Echo", [[1, b""]]]), id="number too large"),
        pytest.param(
            b"\x94\x00\xc3" + msgpack.packb("Echo") + b"\x91\x92\x01\xc4\x00", id="number is a bool"
        ),
        pytest.param(msgpack.packb("text"), id="no array"),
        pytest.param(b"\x94\x00\x01\xa4Echo\x91\x92\x01\xc6\x7f\xff\xff\xff" + bytes(70_000), id="too large"),
        pytest.param(b"\xdd\x7f\xff\xff\xff", id="an array too long"),
    ],
)
def test_a_peer_that_breaks_the_protocol_loses_its_connection(peer, junk):
    connection, incoming = peer(SHOP, Options(max_message=60_000))
    connection.sendall(msgpack.packb([0, 1, "Echo", [[1, b""]]]))
    assert next(incoming) == [1, 1, None, [1, b""]]
    connection.sendall(junk)
    with contextlib.suppress(ConnectionResetError):
        assert list(incoming) == []


def test_many_small_requests_in_one_piece_are_served_whatever_the_limit(peer):
    connection, incoming = peer(SHOP, Options(max_message=100))
    many = 20_000
    sender = threading.Thread(
        target=connection.sendall,
        args=(b"".join(msgpack.packb([0, k, "Echo", [[k, b"x" * 60]]]) for k in range(many)),),
    )
    sender.start()
    numbers = [next(incoming)[1] for _ in range(many)]
    sender.join(LONG)
    assert numbers == list(range(many))


@pytest.mark.parametrize("delay", [0.0, 0.01])
def test_a_client_that_does_not_take_its_replies_is_not_read(peer, delay):
    offered = dataclasses.replace(service.read(Tally), delay=delay)
    connection, incoming = peer(offered, Options(max_message=1_000_000))
    connection.settimeout(0.5)
    request = msgpack.packb([0, 1, "Add", [[7, bytes(900_000)]]])
    sent = 0
    with pytest.raises(TimeoutError):  # noqa: PT012 -- some call of many must be the first that blocks
        for _ in range(200):
            view = memoryview(request)
            while view:
                count = connection.send(view)
                view = view[count:]
            sent += 1
    served = len(offered["Add"].handler.__self__.ids)
    assert served <= sent < 60
    # Once the replies are taken, everything that was sent whole is answered.
    connection.settimeout(LONG)
    for _ in range(sent):
        assert next(incoming)[3][0] == 7
