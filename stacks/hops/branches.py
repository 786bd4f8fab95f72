"""Routes as a gateway's configuration wants them: by prefix, the upstreams of both kinds side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from stacks.base import Address, Route
from stacks.errors import AddressError, StackError

_PREFIX = re.compile(r"/[A-Za-z0-9._~/-]*")
"""What needs quoting in no gateway's configuration."""
_HOST = re.compile(r"[A-Za-z0-9.-]+")
_LAST_PORT = 65535
_KINDS = {"grpc": ("grpc",), "http": ("http",), "": ("grpc", "http")}


class Branch(msgspec.Struct):
    """Where requests under one prefix go: those of gRPC, and all others; None where nobody takes them."""

    prefix: str
    grpc: Address | None = None
    http: Address | None = None


def branches(routes: Sequence[Route]) -> list[Branch]:
    """Sort `routes` by prefix, the longest first.

    Raises `StackError` for none at all, a kind that is none, a prefix that is no plain path, and two routes
    for the same; `AddressError` for an upstream that cannot be one.
    """
    if not routes:
        raise StackError(
            "a gateway without a route passes nothing on; give one, for example /=127.0.0.1:50051"
        )
    found: dict[str, Branch] = {}
    for route in routes:
        _check(route)
        branch = found.setdefault(route.prefix, Branch(route.prefix))
        for kind in _KINDS[route.kind]:
            if getattr(branch, kind) is not None:
                raise StackError(f"two routes of kind {kind} for {route.prefix}; leave one out")
            setattr(branch, kind, route.upstream)
    return sorted(found.values(), key=lambda branch: (-len(branch.prefix), branch.prefix))


def _check(route: Route) -> None:
    if route.kind not in _KINDS:
        raise StackError(f"route {route.prefix}: there is no kind {route.kind!r}; take 'grpc', 'http' or ''")
    if not _PREFIX.fullmatch(route.prefix):
        raise StackError(
            f"{route.prefix!r} is no prefix of a path; take letters, digits and . _ ~ - after a slash, "
            "for example /rpcduel.Shop/"
        )
    if not _HOST.fullmatch(route.upstream.host) or not 0 < route.upstream.port <= _LAST_PORT:
        raise AddressError(
            f"route {route.prefix}: {route.upstream} is no upstream; give an IPv4 address and a port, "
            "for example 127.0.0.1:50051"
        )
