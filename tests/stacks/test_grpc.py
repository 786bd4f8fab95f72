"""What is particular to gRPC: foreign peers, paths, deadlines, and how its errors are told apart."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading

import grpc
import grpc.aio
import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.codecs.protobuf import FORMAT
from stacks.errors import (
    AddressError,
    ConnectionLost,
    ProtocolError,
    Remote,
    SchemaError,
    Timeout,
    Unavailable,
)
from stacks.transports import listener, loop

LONG = 20.0
OPTIONS = Options()
SHOP = service.load("stacks.shop:Shop")
GRPC = stacks.find("grpc-protobuf")


@contextlib.contextmanager
def foreign(handle):
    """Serve ``/rpcduel.Shop/Quote`` by gRPC alone, without anything of ours."""

    @contextlib.asynccontextmanager
    async def opened():
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        method = grpc.unary_unary_rpc_method_handler(handle)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("rpcduel.Shop", {"Quote": method, "Echo": method}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield Address(port=port)
        finally:
            await server.stop(0)

    with loop.serve(opened) as served:
        yield served.address


@contextlib.contextmanager
def channel(address):
    with grpc.insecure_channel(str(address), [("grpc.use_local_subchannel_pool", 1)]) as made:
        yield made


@contextlib.contextmanager
def client(address, options=OPTIONS):
    made = GRPC.connect(address, options)
    try:
        yield made
    finally:
        made.close()


def test_a_foreign_client_finds_the_service_under_its_full_name():
    order = shop.order("small")
    with GRPC.serve(SHOP, Address(), Options()) as served, channel(served.address) as made:
        reply = made.unary_unary("/rpcduel.Shop/Quote")(FORMAT.codec(shop.Order).encode(order), timeout=LONG)
    assert FORMAT.codec(shop.Receipt).decode(reply) == SHOP["Quote"].handler(order)


def test_bytes_that_are_no_request_are_internal_and_logged_nowhere(caplog, capfd):
    with (
        GRPC.serve(SHOP, Address(), Options()) as served,
        channel(served.address) as made,
        pytest.raises(grpc.RpcError) as caught,
    ):
        made.unary_unary("/rpcduel.Shop/Quote")(b"\xff\xff", timeout=LONG)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details().startswith("cannot read the request: Order")
    assert not caplog.records
    assert "Traceback" not in capfd.readouterr().err


def test_a_foreign_server_is_called_under_the_full_name_with_the_deadline():
    seen = {}

    async def handle(data, context):
        seen.update(data=data, left=context.time_remaining(), metadata=dict(context.invocation_metadata()))
        return data

    note = shop.Note(3, b"body")
    with foreign(handle) as address, client(address) as ours:
        assert ours.unary(SHOP["Echo"])(note, LONG) == note
    assert FORMAT.codec(shop.Note).decode(seen["data"]) == note
    # gRPC rounds what it writes into the header up.
    assert LONG / 2 < seen["left"] < 1.1 * LONG
    assert not any(key.startswith("grpc-previous-rpc-attempts") for key in seen["metadata"])


def test_bytes_that_are_no_reply_are_a_protocol_error(caplog):
    async def handle(_data, _context):
        return b"\xff\xff"

    with foreign(handle) as address, client(address) as ours, pytest.raises(ProtocolError, match="Note"):
        ours.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)
    assert not caplog.records


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNAVAILABLE", ConnectionLost),
        ("CANCELLED", ConnectionLost),
        ("DEADLINE_EXCEEDED", Timeout),
        ("RESOURCE_EXHAUSTED", Remote),
        ("NOT_FOUND", Remote),
    ],
)
def test_statuses_of_foreign_servers_and_gateways(code, kind):
    calls = []

    async def handle(data, context):
        calls.append(data)
        await context.abort(grpc.StatusCode[code], "said afar")

    with foreign(handle) as address, client(address) as ours, pytest.raises(kind) as caught:
        ours.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)
    assert type(caught.value) is kind
    assert len(calls) == 1


def test_the_server_learns_when_the_deadline_has_passed():
    ended = threading.Event()

    async def handle(_data, _context):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.set()
            raise

    with foreign(handle) as address, client(address) as ours:
        with pytest.raises(Timeout):
            ours.unary(SHOP["Echo"])(shop.Note(1, b""), 0.05)
        assert ended.wait(LONG)


def test_channels_share_no_connection_and_each_has_one(leading):
    with GRPC.serve(SHOP, Address(), Options()) as served, contextlib.ExitStack() as opened:
        for users in range(1, 4):
            ours = opened.enter_context(client(served.address))
            for _ in range(3):
                ours.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)
            assert len(leading(served.address.port)) == users


def test_a_closed_channel_closes_its_own_socket_only(leading, until):
    with GRPC.serve(SHOP, Address(), Options()) as served, client(served.address) as other:
        other.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)
        with client(served.address) as ours:
            ours.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)
        until(lambda: len(leading(served.address.port)) == 1, "one of two sockets is left")
        assert other.unary(SHOP["Echo"])(shop.Note(2, b""), LONG).id == 2


def test_a_channel_finds_a_server_that_came_back(until):
    with contextlib.ExitStack() as opened:
        with GRPC.serve(SHOP, Address(), Options()) as served:
            echo = opened.enter_context(client(served.address)).unary(SHOP["Echo"])
            echo(shop.Note(1, b""), LONG)
        opened.enter_context(GRPC.serve(SHOP, served.address, Options()))

        def answered():
            with contextlib.suppress(Unavailable, ConnectionLost):  # not noticed yet
                return echo(shop.Note(2, b""), LONG).id == 2

        until(answered, "the channel has connected again")


def test_a_method_without_a_service_has_no_path():
    with client(Address(port=1)) as ours, pytest.raises(SchemaError, match="Echo belongs to no service"):
        ours.unary(dataclasses.replace(SHOP["Echo"], service=""))


def test_a_privileged_or_broken_bind_is_explained(monkeypatch):
    def refuse(_socket, _where):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(listener.socket.socket, "bind", refuse)
    with (
        pytest.raises(AddressError, match=r"127\.0\.0\.1:80: the port needs privileges; .*1024"),
        GRPC.serve(SHOP, Address(port=80), Options()),
    ):
        pytest.fail("bound")


def test_grpc_says_what_it_cannot_bind_after_all(monkeypatch):
    monkeypatch.setattr(listener, "listen", lambda _address: contextlib.ExitStack())
    with listener.socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address(port=taken.getsockname()[1])
        with (
            pytest.raises(AddressError, match=f"cannot listen on {address}"),
            GRPC.serve(SHOP, address, Options()),
        ):
            pytest.fail("bound")
