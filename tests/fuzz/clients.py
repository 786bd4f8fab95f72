"""Clients of servers that answer with what is nearly right."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from declarations import declarations
from mutations import Mutator
from recording import Heard, conversations
from tally import SLOW, FindingError, Tally, measured

import stacks
from stacks import service
from stacks.base import Address, Client, Kind, Options, Stack
from stacks.errors import CallError
from stacks.shop import Haul, Shop, order

_TIMEOUT = 0.5
"""Seconds of a call; whoever gets no reply by then gets none."""
_LATE = 5.0
"""Seconds that a call may be late, on a machine that is busy."""
_MOST = 256
"""Replies that are taken of a stream."""


def fuzz(name: str, seed: int, goes_on: Callable[[Tally], bool]) -> Tally:
    """Call servers that answer wrongly for as long as `goes_on` says; raises `FindingError`."""
    stack, offered = stacks.find(name), service.read(Shop)
    with stack.serve(offered, Address(), Options()) as served:
        heard = conversations(stack, served.address, offered)
    tally = Tally(f"client {name}")
    random = Random(seed)
    mutators = [_mutator(random, each) for each in heard[: 1 + (Kind.SERVER in stack.kinds)]]
    calls = (_unary, _stream)
    with measured(tally), _liar() as (address, lie):
        while goes_on(tally):
            place = tally.tried % len(mutators)
            data = mutators[place].make()
            lie(data)
            _call(stack, address, calls[place], data, tally)
    return tally


def _mutator(random: Random, heard: Heard) -> Mutator:
    return Mutator(random, [b"".join(heard.told)], declarations(heard.told))


def _call(stack: Stack, address: Address, call: Callable[[Client], Any], data: bytes, tally: Tally) -> None:
    """Make one call to the liar; anything but a `CallError`, and in time, is a finding."""
    start, worked = time.monotonic(), time.thread_time()
    client: Client | None = None
    try:
        client = stack.connect(address, Options())
        call(client)
        outcome = "accepted"
    except CallError as error:
        outcome = type(error).__name__
    except Exception as error:
        raise FindingError(tally.target, f"{type(error).__name__}: {error}", data) from error
    finally:
        if client is not None:
            client.close()
    worked = time.thread_time() - worked
    if worked > SLOW or time.monotonic() - start > _TIMEOUT + _LATE:
        raise FindingError(tally.target, f"a call took {time.monotonic() - start:.1f} s", data)
    tally.outcomes[outcome] += 1
    tally.slowest = max(tally.slowest, worked)


def _unary(client: Client) -> None:
    client.unary(service.read(Shop)["Quote"])(order("small"), _TIMEOUT)


def _stream(client: Client) -> None:
    replies = client.stream(service.read(Shop)["Quotes"])([Haul(3, order("small"))], _TIMEOUT)
    try:
        for _, _ in zip(range(_MOST), replies, strict=False):
            pass
    finally:
        replies.close()


@contextlib.contextmanager
def _liar() -> Iterator[tuple[Address, Callable[[bytes], None]]]:
    """Listen, and answer the first thing that comes on any connection by what was given last."""
    said = [b""]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_lie, args=(listening, said), daemon=True)
        thread.start()
        try:
            yield Address(port=listening.getsockname()[1]), lambda data: said.__setitem__(0, data)
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _lie(listening: socket.socket, said: list[bytes]) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):  # the client was quicker
            connection.settimeout(_TIMEOUT)
            connection.recv(65536)
            connection.sendall(said[0])
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
