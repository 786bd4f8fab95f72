"""Waits for sockets that a library closes later, in a thread of its own."""

from __future__ import annotations

import _socket
import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable

from stacks.base import Address

_FOLDER = "/proc/self/fd"
_PATIENCE = 1.0
"""Seconds until a socket that stays open is left alone."""
_BRISK = 0.005
"""Seconds of looking without a pause: it usually takes a tenth of a millisecond."""

_clients: Counter[Address] = Counter()
_counting = threading.Lock()


def opened(address: Address) -> None:
    """Note that one more client of `address` may have a connection."""
    with _counting:
        _clients[address] += 1


def close(address: Address, shut: Callable[[], None]) -> None:
    """Call `shut`, and return when no more sockets lead to `address` than it has clients left.

    A library that keeps its sockets to itself cannot be asked about one of them, but when its last
    client is closed, none may be left. Where the system shows no descriptors there is no waiting.
    """
    before = _leading_to(address.port)
    shut()
    with _counting:
        _clients[address] -= 1
        if not _clients[address]:
            del _clients[address]
    end = time.monotonic() + _PATIENCE
    brisk = end - _PATIENCE + _BRISK
    while len(before.intersection(_open().values())) > _clients[address]:
        now = time.monotonic()
        if now > end:
            return
        time.sleep(0 if now < brisk else 0.001)


def _open() -> dict[int, str]:
    """Find descriptors of sockets, with the socket's inode as text."""
    found = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(_FOLDER) as entries:
        for entry in entries:
            try:
                link = os.readlink(entry.path)  # noqa: PTH115 -- a Path takes several times as long
            except OSError:  # closed meanwhile
                continue
            if link.startswith("socket:"):
                found[int(entry.name)] = link
    return found


def _leading_to(port: int) -> set[str]:
    return {link for descriptor, link in _open().items() if _peer(descriptor) == port}


def _peer(descriptor: int) -> int | None:
    """Find the port at the other end."""
    # Not `socket.socket`, which under gevent asks for the event loop.
    try:
        probe = _socket.socket(fileno=descriptor)
    except OSError:
        return None
    try:
        name = probe.getpeername()
    except OSError:
        return None
    finally:
        probe.detach()
    return name[1] if isinstance(name, tuple) else None
