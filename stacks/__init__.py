"""How a call is carried: names of stacks, loaded when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from typing import Any, cast

from stacks.base import Format, Stack
from stacks.errors import MissingPackageError, StackError, UnknownStackError, meant

GROUP = "rpcduel.stacks"
"""Entry point group by which other packages register stacks: name = "module:factory"."""

_FORMATS = {
    "msgpack": "stacks.codecs.msgpack",
    "msgpack-map": "stacks.codecs.msgpack_map",
    "msgpack-msgspec": "stacks.codecs.msgpack_msgspec",
    "memorypack": "stacks.codecs.memorypack",
    "json": "stacks.codecs.json",
    "json-msgspec": "stacks.codecs.json_msgspec",
    "json-orjson": "stacks.codecs.json_orjson",
    "protobuf": "stacks.codecs.protobuf",
}
"""Name of a format → the module whose ``FORMAT`` it is."""

_GRPC = "stacks.transports.grpc.stack:GrpcStack"
_REST = "stacks.transports.rest.stack:RestStack"
_TCP = "stacks.transports.tcp.stack:TcpStack"
_MEMORY = "stacks.transports.memory:MemoryStack"

_BUILT_IN = {
    "grpc-protobuf": (_GRPC, "protobuf"),
    **{f"grpc-{name}": (_GRPC, name) for name in _FORMATS if name != "protobuf"},
    "rest-json": (_REST, "json"),
    "rest-msgpack": (_REST, "msgpack"),
    "graphql-json": ("stacks.transports.graphql.stack:GraphqlStack", ""),
    "graphql-json-uncached": ("stacks.transports.graphql.stack:UncachedGraphqlStack", ""),
    "thrift-binary": ("stacks.transports.thrift.stack:binary", ""),
    "thrift-compact": ("stacks.transports.thrift.stack:compact", ""),
    "tcp-msgpack": (_TCP, "msgpack"),
    "tcp-json": (_TCP, "json"),
    "yamux-msgpack": ("stacks.transports.yamux.stack:YamuxStack", "msgpack"),
    "memory": (_MEMORY, ""),
    **{f"memory-{name}": (_MEMORY, name) for name in _FORMATS},
    "floor": ("stacks.transports.floor.stack:FloorStack", ""),
}
"""Stack → its class, and the format that this takes, if any."""

_EXTRAS = {
    "google": "grpc",
    "graphql": "graphql",
    "grpc": "grpc",
    "httptools": "rest",
    "msgpack": "msgpack",
    "thriftpy2": "thrift",
    "orjson": "orjson",
    "uvicorn": "rest",
    "uvloop": "grpc",
}
"""Package that is imported → the extra of rpcduel that brings it."""

DEFAULTS = ("grpc-protobuf", "grpc-msgpack", "rest-json", "thrift-binary", "tcp-msgpack")
"""What is compared unless told otherwise; the first is the baseline."""


def names() -> tuple[str, ...]:
    """Names of all stacks, ours first, then those of installed plug-ins."""
    return (*_BUILT_IN, *(point.name for point in metadata.entry_points(group=GROUP)))


def find(name: str, around: Callable[[Format], Format] | None = None) -> Stack:
    """Load a stack by its name, or by the ``module:factory`` that makes it.

    A stack of ours that is a transport with a format gets what `around` makes of this.
    Raises `UnknownStackError`, which lists the names there are, `MissingPackageError`, which says what
    to install, and `StackError` when a plug-in cannot be loaded.
    """
    if name in _BUILT_IN:
        factory, encoding = _BUILT_IN[name]
        if not encoding:
            return cast("Stack", _load(name, factory)())
        given = _load(name, f"{_FORMATS[encoding]}:FORMAT")
        return cast("Stack", _load(name, factory)(around(given) if around else given))
    if ":" in name:
        return _own(name)
    points = metadata.entry_points(group=GROUP, name=name)
    if not points:
        raise UnknownStackError(_unknown(name))
    return cast("Stack", _load(name, next(iter(points)).value)())


def _own(path: str) -> Stack:
    """Make a stack of a user's own, whose module may be in the working directory; raises `StackError`."""
    from stacks.service import imported  # noqa: PLC0415 -- services need no stacks, and few need this

    module, _, factory = path.partition(":")
    make = getattr(imported(f"stack {path!r}", module), factory, None)
    if make is None:
        raise StackError(f"stack {path!r}: module {module!r} has no {factory!r}")
    try:
        stack = make()
    except Exception as error:
        raise StackError(f"stack {path!r}: {factory} raised {type(error).__name__}: {error}") from error
    if not hasattr(stack, "serve"):
        raise StackError(f"stack {path!r}: {factory} gave {stack!r}, which is no stack")
    return cast("Stack", stack)


def _load(name: str, path: str) -> Any:
    """Import what ``module:attribute`` means, for the stack `name`."""
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        package = (error.name or module).partition(".")[0]
        if package == __name__:
            raise StackError(f"stack {name!r}: {module} cannot be loaded: {error}") from error
        ours = name in _BUILT_IN and package in _EXTRAS
        remedy = f"pip install 'rpcduel[{_EXTRAS[package]}]'" if ours else f"pip install {package}"
        raise MissingPackageError(
            f"stack {name!r} needs the package {package!r}, which is not installed; try: {remedy}"
        ) from error
    except AttributeError as error:
        raise StackError(f"stack {name!r}: {module} has no {attribute!r}") from error


def _unknown(name: str) -> str:
    return f"there is no stack {name!r}{meant(name, names())}; stacks are: {', '.join(names())}"
