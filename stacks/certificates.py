"""Certificates for one run: a CA of its own, and what it issued for servers on this machine."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from stacks.base import LOOPBACK, Tls
from stacks.errors import MissingPackageError

KIND = "ECDSA P-256 certificate"
"""What `made` makes, for the fairness sheet."""
_NAMES = ("localhost", LOOPBACK, "::1")


def check() -> None:
    """Raise `MissingPackageError` if `made` cannot work."""
    if importlib.util.find_spec("trustme") is None:
        raise MissingPackageError(
            "certificates need the package 'trustme', which is not installed; try: pip install 'rpcduel[tls]'"
        )


def made(directory: Path) -> Tls:
    """Write new certificates for localhost into `directory`, which the caller removes.

    Files can be read by their owner alone; the CA's own key is never written. Raises
    `MissingPackageError` without trustme.
    """
    check()
    import trustme  # noqa: PLC0415 -- an extra, which takes some 100 ms to load

    ca = trustme.CA()
    server = ca.issue_cert(*_NAMES)
    chain = b"".join(pem.bytes() for pem in server.cert_chain_pems)
    return Tls(
        ca=_written(directory / "ca.pem", ca.cert_pem.bytes()),
        certificate=_written(directory / "server.pem", chain),
        key=_written(directory / "server.key", server.private_key_pem.bytes()),
    )


def _written(path: Path, data: bytes) -> str:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return str(path)
