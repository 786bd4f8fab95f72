"""How a call is carried: names of stacks, loaded when they are asked for."""

from __future__ import annotations

import difflib
import importlib
from importlib import metadata

from stacks.base import Stack
from stacks.errors import MissingPackageError, StackError, UnknownStackError

GROUP = "rpcduel.stacks"
"""Entry point group by which other packages register stacks: name = "module:factory"."""

_BUILT_IN = {
    "grpc-protobuf": "stacks.transports.grpc:protobuf",
    "grpc-msgpack": "stacks.transports.grpc:msgpack",
    "tcp-msgpack": "stacks.transports.tcp:msgpack",
    "memory": "stacks.transports.memory:plain",
    "memory-json": "stacks.transports.memory:json",
    "memory-msgpack": "stacks.transports.memory:msgpack",
    "memory-protobuf": "stacks.transports.memory:protobuf",
    "floor": "stacks.transports.floor:floor",
}

_EXTRAS = {
    "grpc-protobuf": "grpc",
    "grpc-msgpack": "grpc",
    "tcp-msgpack": "msgpack",
    "memory-msgpack": "msgpack",
    "memory-protobuf": "grpc",
    "floor": "msgpack",
}
"""Stack → the extra of rpcduel that brings its packages."""

DEFAULTS = ("grpc-protobuf", "grpc-msgpack", "tcp-msgpack")
"""What is compared unless told otherwise; the first is the baseline."""


def names() -> tuple[str, ...]:
    """Names of all stacks, ours first, then those of installed plug-ins."""
    return (*_BUILT_IN, *(point.name for point in metadata.entry_points(group=GROUP)))


def find(name: str) -> Stack:
    """Load a stack by its name.

    Raises `UnknownStackError`, which lists the names there are, `MissingPackageError`, which says what
    to install, and `StackError` when a plug-in cannot be loaded.
    """
    path = _BUILT_IN.get(name)
    if path is None:
        points = metadata.entry_points(group=GROUP, name=name)
        if not points:
            raise UnknownStackError(_unknown(name))
        path = next(iter(points)).value
    module, _, factory = path.partition(":")
    try:
        make = getattr(importlib.import_module(module), factory)
    except ModuleNotFoundError as error:
        package = (error.name or module).partition(".")[0]
        if package == __name__:
            raise StackError(f"stack {name!r}: {module} cannot be loaded: {error}") from error
        remedy = f"pip install 'rpcduel[{_EXTRAS[name]}]'" if name in _EXTRAS else f"pip install {package}"
        raise MissingPackageError(
            f"stack {name!r} needs the package {package!r}, which is not installed; try: {remedy}"
        ) from error
    except AttributeError as error:
        raise StackError(f"stack {name!r}: {module} has no {factory!r}") from error
    stack: Stack = make()
    return stack


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, names(), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"there is no stack {name!r}{hint}; stacks are: {', '.join(names())}"
