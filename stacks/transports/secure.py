"""What TLS means to all stacks: version 1.3, one context for all connections, and no session resumed."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

from stacks.base import Options, Tls
from stacks.errors import StackError

_LIBRARY = " ".join(ssl.OPENSSL_VERSION.split()[:2])


def statement(protocol: str = "") -> str:
    """Say for the fairness sheet what `client` and `server` do with this protocol."""
    alpn = f", ALPN {protocol}" if protocol else ""
    return f"TLS 1.3 by {_LIBRARY}{alpn}; every connection makes a full handshake"


@functools.lru_cache(maxsize=16)
def client(tls: Tls, protocol: str = "") -> ssl.SSLContext:
    """Make the context of clients, who offer `protocol` by ALPN; files are read once a process.

    Raises `StackError` naming the file and the reason.
    """
    if not tls.ca:
        raise StackError("TLS needs the certificate of the CA that the client trusts; give its file as ca")
    context = _context(ssl.PROTOCOL_TLS_CLIENT, protocol)
    try:
        context.load_verify_locations(cafile=tls.ca)
    except OSError as error:
        raise _unusable("CA certificate", tls.ca, error) from error
    return context


@functools.lru_cache(maxsize=16)
def server(tls: Tls, protocol: str = "") -> ssl.SSLContext:
    """Make the context of a server, which takes `protocol` by ALPN; files are read once a process.

    Raises `StackError` naming the file and the reason.
    """
    if not tls.certificate or not tls.key:
        raise StackError("TLS needs the server's certificate and its key; give a file in PEM for each")
    context = _context(ssl.PROTOCOL_TLS_SERVER, protocol)
    for path in (tls.certificate, tls.key):
        readable(path)
    try:
        # Without a password given, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except OSError as error:
        raise _unusable("certificate and key", f"{tls.certificate}, {tls.key}", error) from error
    return context


def readable(path: str) -> bytes:
    """Give what is in a file; raises `StackError` naming it and the reason."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StackError(f"{path}: cannot be read: {error.strerror}") from error


def offered(options: Options, protocol: str = "") -> ssl.SSLContext | None:
    """Give the context of a server with these options; None for plaintext."""
    return None if options.tls is None else server(options.tls, protocol)


def refuse(options: Options, stack: str) -> None:
    """Raise `StackError` if TLS is asked of a stack that has none."""
    if options.tls is not None:
        raise StackError(f"{stack} has no TLS; leave tls off")


def _context(role: ssl._SSLMethod, protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(role)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if protocol:
        context.set_alpn_protocols([protocol])
    return context


def _unusable(what: str, path: str, error: OSError) -> StackError:
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    return StackError(f"the {what} ({path}) cannot be used: {reason}; give files in PEM, a key not encrypted")
