"""Calls a REST server from greenlets, as the load process does: ``greenlets.py PORT SLOW``; no test."""

# ruff: noqa: E402 -- gevent must have patched the library before anything else is imported

from gevent import monkey

monkey.patch_all()

import contextlib
import itertools
import socket
import sys
import time

import gevent

import stacks
from stacks import service
from stacks.base import Address, Options
from stacks.errors import ConnectionLost, Timeout, Unavailable
from stacks.testing.oracle import LONG, Ask, Oracle, Told
from stacks.transports.web import client as http
from stacks.transports.web.client import HttpClient

ORACLE = service.read(Oracle)
USERS = 16


@contextlib.contextmanager
def alive():
    """Require that other greenlets get on meanwhile."""
    ticks = []

    def tick():
        while True:
            ticks.append(None)
            gevent.sleep(0.001)

    ticker = gevent.spawn(tick)
    yield
    ticker.kill()
    assert len(ticks) > 5, "nobody else gets on"


def use(address, user):
    client = stacks.find("rest-json").connect(address, Options())
    tell, count, gather = (
        client.unary(ORACLE["Tell"]),
        *map(client.stream, (ORACLE["Count"], ORACLE["Gather"])),
    )
    for turn in range(10):
        assert tell(Ask(turn, "x" * user), LONG) == Told(turn, "x" * user)
        assert [told.id for told in count([Ask(user, "y" * 1000)], LONG)] == list(range(user))
        assert next(gather([Ask(user, "z" * 100_000)] * turn, LONG)).id == user * turn
    client.close()


def give_up(address):
    client = stacks.find("rest-json").connect(address, Options())
    with alive():
        start = time.monotonic()
        try:
            client.unary(ORACLE["Tell"])(Ask(1, ""), 0.1)
        except Timeout:
            assert time.monotonic() - start >= 0.1
        else:
            raise AssertionError("no timeout")
    client.close()


def upload():
    """Be heard though the server takes nothing, and let others go on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            connection.recv(1000)
            gevent.sleep(0.1)
            connection.sendall(b"HTTP/1.1 413 X\r\ncontent-length: 3\r\n\r\nbig")
            gevent.sleep(0.1)
            connection.close()

        server = gevent.spawn(answer)
        client = HttpClient(Address(port=listening.getsockname()[1]), Options())
        with alive():
            assert client.post("/", bytes(50_000_000), "text/plain", LONG)[::2] == (413, b"big")
        server.get(timeout=LONG)
        client.close()


def endless(address):
    """Stop sending when the reply has come."""
    client = stacks.find("rest-json").connect(address, Options())
    asks = (Ask(number, "z" * 1000) for number in itertools.count())
    assert list(client.stream(ORACLE["Enough"])(asks, LONG)) == [Told(0, "enough")]
    client.close()


def closed(address):
    """Lose a call whose client another greenlet closes, and a stream that rests."""
    client = stacks.find("rest-json").connect(address, Options())
    replies = client.stream(ORACLE["Swell"])([Ask(10, "")], LONG)
    next(replies)
    call = gevent.spawn(lose, client.unary(ORACLE["Tell"]))
    gevent.sleep(0.01)
    client.close()
    assert call.get(timeout=LONG)
    try:
        list(replies)
    except ConnectionLost:
        return
    raise AssertionError("the stream goes on")


def lose(call):
    try:
        call(Ask(1, ""), LONG)
    except (ConnectionLost, Unavailable):
        return True
    return False


def stale(address):
    """Replace a connection that has ended while it was idle."""
    client = stacks.find("rest-json").connect(address, Options())
    http._FRESH = 0.0
    for connection in client._http._all:
        connection._socket.shutdown(socket.SHUT_RDWR)
    assert client.unary(ORACLE["Tell"])(Ask(1, "on"), LONG) == Told(1, "on")
    client.close()


def main(port: str, slow_port: str) -> None:
    address, slow = Address(port=int(port)), Address(port=int(slow_port))
    gevent.joinall(
        [gevent.spawn(use, address, user) for user in range(USERS)], timeout=2 * LONG, raise_error=True
    )
    for work in (endless, stale):
        work(address)
    for work in (give_up, closed):
        work(slow)
    upload()
    sys.stdout.write("fine\n")


main(*sys.argv[1:])
