"""Connects a blocking client to its server, with TLS or without."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack
from time import monotonic

from stacks.base import Address, Tls
from stacks.errors import Unavailable
from stacks.transports import secure, secure_socket
from stacks.transports.secure_socket import SecureSocket

Line = socket.socket | SecureSocket


def dial(address: Address, patience: float, tls: Tls | None, protocol: str = "") -> Line:
    """Connect within `patience` seconds, which is then the timeout; `protocol` is offered by ALPN.

    Raises `TimeoutError`, `Unavailable` with the reason, and `StackError` where `tls` cannot be used.
    """
    context = None if tls is None else secure.client(tls, protocol)
    deadline = monotonic() + patience
    try:
        made = socket.create_connection((address.host, address.port), timeout=patience)
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"cannot connect to {address}: {error}") from error
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is None or context is None:
        return made
    with ExitStack() as failing:
        failing.callback(made.close)
        try:
            line = secure_socket.client(made, context, tls.name or address.host, deadline)
            line.settimeout(patience)
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            raise Unavailable(f"cannot connect to {address} by TLS: {_reason(error)}") from error
        failing.pop_all()
    return line


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {error.verify_message}"
    reason = error.reason.lower().replace("_", " ") if isinstance(error, ssl.SSLError) else error
    return f"{reason}; perhaps it speaks no TLS"
