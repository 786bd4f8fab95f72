"""Whether an arm can have TLS, said before anything starts."""

from __future__ import annotations

from pathlib import Path

from scenarios.arm import Arm, SpecError
from stacks import certificates, hops
from stacks.base import Stack


def check(arm: Arm, stack: Stack) -> None:
    """Raise `SpecError`, or `MissingPackageError`, for an arm over TLS that cannot be."""
    if not arm.tls:
        return
    if not stack.tls:
        raise SpecError(f"arm {arm.name!r}: {arm.stack} has no TLS; leave tls off")
    if any(hops.find(name).carries for name in arm.hops):
        raise SpecError(f"arm {arm.name!r}: hops that read what they pass on take no TLS; leave tls off")
    if arm.ca and not Path(arm.ca).is_file():
        raise SpecError(f"arm {arm.name!r}: there is no file {arm.ca!r}, which should hold its CA")
    if not arm.ca:
        certificates.check()
