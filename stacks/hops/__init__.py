"""What may stand between client and service: names of hops, loaded when they are asked for."""

from __future__ import annotations

import importlib
from typing import cast

from stacks.base import Hop
from stacks.errors import MissingPackageError, UnknownStackError, meant

_BUILT_IN: dict[str, str] = {
    "tap": "stacks.hops.tap.hop:TapHop",
    "python": "stacks.hops.python.hop:PythonHop",
    "envoy": "stacks.hops.envoy:EnvoyHop",
    "nginx": "stacks.hops.nginx:NginxHop",
    "caddy": "stacks.hops.caddy:CaddyHop",
}
"""Hop → ``module:factory``."""

_EXTRAS = {"trustme": "tls"}
"""Package that is imported → the extra of rpcduel that brings it; else it is `gateways`."""


def names() -> tuple[str, ...]:
    """Names of all hops."""
    return tuple(_BUILT_IN)


def find(name: str) -> Hop:
    """Load a hop by its name.

    Raises `UnknownStackError`, which lists the names there are, and `MissingPackageError`, which says what
    to install.
    """
    path = _BUILT_IN.get(name)
    if path is None:
        raise UnknownStackError(
            f"there is no hop {name!r}{meant(name, names())}; hops are: {', '.join(names())}"
        )
    module, _, factory = path.partition(":")
    try:
        return cast("Hop", getattr(importlib.import_module(module), factory)())
    except ModuleNotFoundError as error:
        package = (error.name or module).partition(".")[0]
        extra = _EXTRAS.get(package, "gateways")
        raise MissingPackageError(
            f"hop {name!r} needs the package {package!r}, which is not installed; try: "
            f"pip install 'rpcduel[{extra}]'"
        ) from error
