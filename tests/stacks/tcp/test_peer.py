"""`tcp-msgpack` against a MessagePack-RPC that is not ours, the package aio-msgpack-rpc, as either side."""

from __future__ import annotations

import asyncio
import contextlib

import aio_msgpack_rpc
import msgpack
import pytest
from aio_msgpack_rpc.error import RPCResponseError

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.errors import Remote
from stacks.testing.oracle import FULL, Ask, Oracle, Told, Wide
from stacks.transports import loop

LONG = 20.0
USERS = 16
TCP = stacks.find("tcp-msgpack")
SHOP = service.load("stacks.shop:Shop")


@pytest.fixture
def talk(opened):
    """Serve `offered` by our server, and let a foreign client talk to it."""

    def talk(offered, conversation):
        served = opened.enter_context(TCP.serve(offered, Address(), Options()))

        async def connected():
            reader, writer = await asyncio.open_connection(served.address.host, served.address.port)
            client = aio_msgpack_rpc.Client(
                reader, writer, packer=msgpack.Packer(datetime=True), unpacker=msgpack.Unpacker(timestamp=3)
            )
            try:
                return await asyncio.wait_for(conversation(client), LONG)
            finally:
                client.close()
                await writer.wait_closed()

        return asyncio.run(connected())

    return talk


@contextlib.contextmanager
def foreign(handler):
    """Serve `handler` by the foreign server in a thread; gives the address."""

    @contextlib.asynccontextmanager
    async def opened():
        rpc = aio_msgpack_rpc.Server(handler, packer=msgpack.Packer(datetime=True))

        async def converse(reader, writer):
            with contextlib.closing(writer):
                await rpc(reader, writer)

        async with await asyncio.start_server(converse, "127.0.0.1", 0) as server:
            yield Address(port=server.sockets[0].getsockname()[1])

    with loop.serve(opened) as served:
        yield served.address


@pytest.mark.parametrize("sample", shop.SAMPLES)
def test_a_foreign_client_is_answered(talk, sample):
    order = shop.order(sample)
    orders, receipts = TCP.codec(shop.Order), TCP.codec(shop.Receipt)
    reply = talk(SHOP, lambda client: client.call("Quote", orders.to_tree(order)))
    assert receipts.from_tree(reply) == SHOP["Quote"].handler(order)


def test_every_kind_of_field_comes_back_to_it(talk):
    codec = TCP.codec(Wide)
    reply = talk(service.read(Oracle), lambda client: client.call("Same", codec.to_tree(FULL)))
    assert codec.from_tree(reply) == FULL


def test_its_calls_side_by_side_get_their_own_replies(talk):
    async def conversation(client):
        return await asyncio.gather(*(client.call("Tell", [user, "x" * user]) for user in range(200)))

    assert talk(service.read(Oracle), conversation) == [[user, "x" * user] for user in range(200)]


def test_it_learns_of_errors_and_goes_on(talk):
    async def conversation(client):
        for name, params in (("Refuse", [1, "NOT_FOUND"]), ("Nothing", []), ("Tell", ["five", ""])):
            with pytest.raises(RPCResponseError) as caught:
                await client.call(name, params)
            yield caught.value.args[0]
        yield await client.call("Tell", [5, "on"])

    async def gathered(client):
        return [each async for each in conversation(client)]

    refused, missing, misfit, told = talk(service.read(Oracle), gathered)
    assert refused == ["NOT_FOUND", "refused no. 1"]
    assert missing == ["UNIMPLEMENTED", "there is no method 'Nothing'"]
    assert misfit == ["INTERNAL", "cannot read the request: Ask.id: 'five' is no int"]
    assert told == [5, "on"]


def test_its_notifications_are_served(talk):
    offered = service.read(Oracle)

    async def conversation(client):
        await client.notify("Tell", [7, ""])
        return await client.call("Tell", [8, ""])

    assert talk(offered, conversation) == [8, ""]
    assert offered["Tell"].handler.__self__.seen == {7: 1, 8: 1}


class Slow:
    """Answers when all users have asked, the last one first."""

    def __init__(self):
        self.waiting = []

    async def Tell(self, ask):  # noqa: N802 -- the name on the wire
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        if len(self.waiting) == USERS:
            for each in reversed(self.waiting):
                each.set_result(None)
        await turn
        return ask

    def Crash(self, ask):  # noqa: N802
        raise ValueError(ask[1])


def test_a_foreign_servers_replies_reach_their_callers_in_any_order(together):
    offered = service.read(Oracle)
    with foreign(Slow()) as address, contextlib.closing(TCP.connect(address, Options())) as shared:
        tell = shared.unary(offered["Tell"])
        told = together(USERS, lambda user: tell(Ask(user, "x" * user), LONG))
    assert told == [Told(user, "x" * user) for user in range(USERS)]


def test_a_foreign_servers_error_is_told():
    offered = service.read(Oracle)
    with foreign(Slow()) as address, contextlib.closing(TCP.connect(address, Options())) as client:
        with pytest.raises(Remote) as caught:
            client.unary(offered["Crash"])(Ask(1, "no such"), LONG)
        assert (caught.value.code, caught.value.text) == ("UNKNOWN", "'no such'")
        with pytest.raises(Remote, match="has no attribute 'Grow'"):
            client.unary(offered["Grow"])(Ask(1, ""), LONG)
