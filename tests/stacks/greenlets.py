"""Calls a server from greenlets, as the load process does: ``greenlets.py STACK PORT MODE [CA]``; no test."""

# ruff: noqa: E402 -- gevent must have patched the library before anything else is imported

from gevent import monkey

monkey.patch_all()

import sys
from pathlib import Path

import gevent
from grpc.experimental import gevent as grpc_gevent

grpc_gevent.init_gevent()

import stacks
from stacks import service, shop
from stacks.base import Address, Options, Tls
from stacks.errors import Timeout
from stacks.testing.oracle import Ask, Oracle

USERS, TURNS, LONG = 16, 20, 20.0
SHOP = service.load("stacks.shop:Shop")
ORACLE = service.read(Oracle)


def main(name: str, port: str, mode: str, ca: str = "") -> None:
    options = Options(tls=Tls(ca=ca) if ca else None)
    stack, address = stacks.find(name), Address(port=int(port))
    shared = stack.connect(address, options) if mode != "own" else None

    def use(user: int) -> list[int]:
        client = shared or stack.connect(address, options)
        echo = client.unary(SHOP["Echo"])
        turns = 1 if mode == "reversed" else TURNS
        ids = [echo(shop.Note(1000 * user + k, b"x" * 1000 * user), LONG).id for k in range(turns)]
        if not shared:
            client.close()
        assert ids == [1000 * user + k for k in range(turns)], ids
        return ids

    def time_out(_user: int) -> None:
        echo = shared.unary(SHOP["Echo"])
        try:
            echo(shop.Note(1, b""), 0.01)
        except Timeout:
            return
        raise AssertionError("no timeout")

    def stream(user: int) -> None:
        asks = (Ask(1000 * user + k, "x" * 100 * user) for k in range(TURNS))
        told = [reply.id for reply in shared.stream(ORACLE["Converse"])(asks, LONG)]
        assert told == [1000 * user + k for k in range(TURNS)], told
        endless = shared.stream(ORACLE["Swell"])([Ask(1000, "")], LONG)
        assert [next(endless).id for _ in range(3)] == [0, 1, 2]
        endless.close()

    work = {"late": time_out, "streams": stream}.get(mode, use)
    users = [gevent.spawn(work, user) for user in range(USERS)]
    gevent.joinall(users, timeout=2 * LONG, raise_error=True)
    assert all(user.successful() for user in users), "a greenlet hangs"
    if mode == "late":
        assert shared.unary(SHOP["Echo"])(shop.Note(7, b"in time"), LONG).id == 7
    if shared:
        before = descriptors()
        shared.close()
        with gevent.Timeout(LONG, AssertionError("the socket is open")):
            while descriptors() >= before:
                gevent.sleep(0.001)
    sys.stdout.write("fine\n")


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


main(*sys.argv[1:])
