"""Writes down what a client and a server say to each other, by standing between them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stacks.base import Address, Kind, Options, Service, Stack
from stacks.shop import Haul, order

PATIENCE = 20.0
_AT_ONCE = 64 * 1024


@dataclass
class Heard:
    """What went to and fro on one connection, in pieces as they came."""

    asked: list[bytes] = field(default_factory=list)
    told: list[bytes] = field(default_factory=list)


def conversations(stack: Stack, address: Address, offered: Service) -> list[Heard]:
    """Make calls of every kind that the stack carries, each on a connection of its own."""
    return [_heard(stack, address, talk) for talk in _talks(stack, offered)]


def _talks(stack: Stack, offered: Service) -> Iterator[Callable[[object], None]]:
    orders = [order("small"), order("medium", 3)]

    def unary(client) -> None:
        quote = client.unary(offered["Quote"])
        for each in orders:
            assert quote(each, PATIENCE) == offered["Quote"].handler(each)

    def stream(name: str, requests: list[object]) -> Callable[[object], None]:
        def talk(client) -> None:
            assert list(client.stream(offered[name])(requests, PATIENCE))

        return talk

    yield unary
    if Kind.SERVER in stack.kinds:
        yield stream("Quotes", [Haul(3, orders[0])])
    if Kind.CLIENT in stack.kinds:
        yield stream("Basket", orders)
    if Kind.BIDI in stack.kinds:
        yield stream("Haggle", orders)


def _heard(stack: Stack, address: Address, talk: Callable[[object], None]) -> Heard:
    heard = Heard()
    with _proxy(address, heard) as near:
        client = stack.connect(near, Options())
        try:
            talk(client)
        finally:
            client.close()
    return heard


@contextlib.contextmanager
def _proxy(address: Address, heard: Heard) -> Iterator[Address]:
    with socket.create_server((address.host, 0)) as listening:
        listening.settimeout(PATIENCE)
        thread = threading.Thread(target=_carry, args=(listening, address, heard), daemon=True)
        thread.start()
        yield Address(address.host, listening.getsockname()[1])
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a connection does not end"


def _carry(listening: socket.socket, address: Address, heard: Heard) -> None:
    """Carry one connection until both sides have ended."""
    near, _ = listening.accept()
    with near, socket.create_connection((address.host, address.port), PATIENCE) as far:
        back = threading.Thread(target=_pump, args=(far, near, heard.told), daemon=True)
        back.start()
        _pump(near, far, heard.asked)
        back.join(PATIENCE)


def _pump(source: socket.socket, sink: socket.socket, kept: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # one of both was quicker
        source.settimeout(PATIENCE)
        while data := source.recv(_AT_ONCE):
            kept.append(data)
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
