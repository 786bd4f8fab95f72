"""Reads a service from a Python class whose annotated methods are its RPCs."""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import re
import typing
from typing import Any

import msgspec

from stacks.base import Kind, Method, Service
from stacks.errors import SchemaError

DEFAULT = "stacks.shop:Shop"


def load(path: str) -> Service:
    """Import ``module:Class`` and read it; raises `SchemaError` that names the path and the remedy."""
    module, colon, name = path.partition(":")
    if not colon or not module or not name:
        raise SchemaError(f"{path!r} is no service; write module:Class, for example {DEFAULT}")
    try:
        cls = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise SchemaError(f"service {path!r}: cannot import {module!r}: {error}") from error
    except AttributeError as error:
        raise SchemaError(f"service {path!r}: module {module!r} has no {name!r}") from error
    if not inspect.isclass(cls):
        raise SchemaError(f"service {path!r} is a {type(cls).__name__}; a class is wanted")
    return read(cls)


def read(cls: type) -> Service:
    """Read every public method of `cls` as an RPC; makes one instance, without arguments.

    The full name is ``package.Class``, where the package is `cls.package`, else its top module.
    """
    try:
        instance = cls()
    except TypeError as error:
        raise SchemaError(f"service {cls.__name__} cannot be made without arguments: {error}") from error
    package = getattr(cls, "package", cls.__module__.partition(".")[0])
    full_name = f"{package}.{cls.__name__}"
    methods = tuple(
        _method(cls, name, getattr(instance, name), full_name)
        for name, member in vars(cls).items()
        if inspect.isfunction(member) and not name.startswith("_")
    )
    if not methods:
        raise SchemaError(f"service {cls.__name__} has no public method")
    return Service(full_name, methods)


def _method(cls: type, name: str, handler: Any, service: str) -> Method[Any, Any]:
    where = f"{cls.__name__}.{name}"
    try:
        hints = typing.get_type_hints(handler)
    except NameError as error:
        raise SchemaError(f"{where}: an annotation cannot be found: {error}") from error
    reply = hints.pop("return", None)
    if len(hints) != 1 or len(inspect.signature(handler).parameters) != 1 or reply is None:
        raise SchemaError(f"{where} must have one annotated argument and an annotated result")
    request, many_in = _message(where, next(iter(hints.values())))
    reply, many_out = _message(where, reply)
    kinds = {
        (False, False): Kind.UNARY,
        (False, True): Kind.SERVER,
        (True, False): Kind.CLIENT,
        (True, True): Kind.BIDI,
    }
    return Method(wire_name(name), request, reply, kinds[many_in, many_out], handler, service)


def _message(where: str, hint: Any) -> tuple[type[msgspec.Struct], bool]:
    origin = typing.get_origin(hint)
    parts = typing.get_args(hint)
    many = origin in (collections.abc.Iterable, collections.abc.Iterator) and len(parts) == 1
    message = parts[0] if many else hint
    if not (inspect.isclass(message) and issubclass(message, msgspec.Struct)):
        raise SchemaError(f"{where}: {hint!r} is no message; a msgspec.Struct is wanted")
    return message, many


def wire_name(name: str) -> str:
    """Write a Python name as an RPC's name: ``get_price`` → ``GetPrice``."""
    return re.sub(r"(?:^|_)([a-z0-9])", lambda found: found.group(1).upper(), name)
