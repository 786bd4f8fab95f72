"""Opens the socket that a server listens on, and explains why it cannot."""

from __future__ import annotations

import errno
import socket

from stacks.base import LOOPBACK, Address
from stacks.errors import AddressError

BACKLOG = 1024
_LAST_PORT = 65535

_REMEDIES = {
    errno.EADDRINUSE: "the port is taken; stop what listens there, or give port 0 to get a free one",
    errno.EACCES: "the port needs privileges; take one from 1024 up, or port 0 to get a free one",
    errno.EADDRNOTAVAIL: f"this machine has no such address; take {LOOPBACK}",
}


def listen(address: Address) -> socket.socket:
    """Open a listening TCP socket at `address`; port 0 gets a free port.

    Raises `AddressError` naming host:port, the reason and the remedy.
    """
    if not address.host or not 0 <= address.port <= _LAST_PORT:
        raise AddressError(f"cannot listen on {address}: a host and a port up to {_LAST_PORT} are wanted")
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressError(f"cannot listen on {address}: no such host ({error}); take {LOOPBACK}") from error
    family, kind, protocol, _, where = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise AddressError(f"cannot listen on {address}: {_remedy(error)}") from error
    return listening


def bound(listening: socket.socket, asked: Address) -> Address:
    """Give the address that was asked for with the port that it got."""
    return Address(asked.host, listening.getsockname()[1])


def _remedy(error: OSError) -> str:
    return _REMEDIES.get(error.errno or 0, f"{error.strerror}; take {LOOPBACK} and port 0")
