"""Reads a service from a Python class whose annotated methods are its RPCs, or from one message."""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import re
import sys
import traceback
import typing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from stacks import schema
from stacks.base import Kind, Method, Service
from stacks.errors import SchemaError

DEFAULT = "stacks.shop:Shop"


def load(path: str) -> Service:
    """Import ``module:Name`` and read it: a service class by `read`, a `msgspec.Struct` by `echo`.

    Modules of the working directory are found, too, after all that are installed.
    Raises `SchemaError` that names the path and the remedy.
    """
    module, colon, name = path.partition(":")
    if not colon or not module or not name:
        raise SchemaError(f"{path!r} is no service; write module:Class, for example {DEFAULT}")
    found = getattr(imported(f"service {path!r}", module), name, None)
    if found is None:
        raise SchemaError(f"service {path!r}: module {module!r} has no {name!r}")
    if not inspect.isclass(found):
        raise SchemaError(f"service {path!r} is a {type(found).__name__}; a class is wanted")
    return echo(found) if issubclass(found, msgspec.Struct) else read(found)


def echo(message: type[msgspec.Struct]) -> Service:
    """Make the service of a lone message, whose method ``Echo`` gives it back.

    The full name is the message's with ``Echo`` behind it, such as ``rpcduel.OrderEcho``.
    """
    described = schema.describe(message)
    name = f"{described.package}.{described.name}Echo"
    return Service(name, (Method("Echo", message, message, Kind.UNARY, lambda value: value, name),))


def read(cls: type) -> Service:
    """Read every public method of `cls` as an RPC; makes one instance, without arguments.

    The full name is ``package.Class``, where the package is `cls.package`, else its top module.
    Raises `SchemaError` that names class, method or message, and what is wanted.
    """
    try:
        instance = cls()
    except Exception as error:
        reason = f"{error}" if isinstance(error, TypeError) else f"{type(error).__name__}: {error}"
        raise SchemaError(f"service {cls.__name__} cannot be made without arguments: {reason}") from error
    package = getattr(cls, "package", cls.__module__.partition(".")[0])
    full_name = f"{package}.{cls.__name__}"
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", full_name):
        raise SchemaError(
            f"service {cls.__name__}: its package {package!r} is no name; set it to one such as 'acme.v1'"
        )
    methods = tuple(
        _method(cls, name, getattr(instance, name), full_name)
        for name, member in vars(cls).items()
        if inspect.isfunction(member) and not name.startswith("_")
    )
    if not methods:
        raise SchemaError(f"service {cls.__name__} has no public method")
    for place, method in enumerate(methods):
        if method.name in {other.name for other in methods[:place]}:
            raise SchemaError(f"service {cls.__name__} has two methods called {method.name}; rename one")
    return Service(full_name, methods)


def _method(cls: type, name: str, handler: Any, service: str) -> Method[Any, Any]:
    where = f"{cls.__name__}.{name}"
    try:
        hints = typing.get_type_hints(handler)
    except NameError as error:
        raise SchemaError(f"{where}: an annotation cannot be found: {error}") from error
    except Exception as error:
        raise SchemaError(f"{where}: an annotation cannot be read: {error}") from error
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
    schema.describe(message)
    return message, many


def wire_name(name: str) -> str:
    """Write a Python name as an RPC's name: ``get_price`` → ``GetPrice``."""
    return re.sub(r"(?:^|_)([a-z0-9])", lambda found: found.group(1).upper(), name)


def imported(what: str, module: str) -> ModuleType:
    """Import a module, of the working directory if there is none installed; raises `SchemaError`.

    `what` begins the error: what the module is wanted for.
    """
    with _working_directory() as here:
        try:
            return importlib.import_module(module)
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
                reason = f"there is no module {error.name!r} in {here} or among what is installed; "
                remedy = f"start rpcduel where {module.partition('.')[0]} stands, or set PYTHONPATH"
                raise SchemaError(f"{what}: {reason}{remedy}") from error
            place = _place(error, module)
            raise SchemaError(
                f"{what}: {place} fails while it is imported: {type(error).__name__}: {error}"
            ) from error


@contextmanager
def _working_directory() -> Iterator[str]:
    """Let modules of the working directory be imported, after all that are installed; gives its path.

    Whoever starts us with ``python -P`` takes it out of the front, where a folder of the user's own that is
    called ``stacks`` would be taken for ours.
    """
    here = ""
    with suppress(FileNotFoundError):  # it is gone
        here = str(Path.cwd())
        sys.path.append(here)
    try:
        yield here
    finally:
        if here:
            del sys.path[len(sys.path) - 1 - sys.path[::-1].index(here)]


def _place(error: BaseException, module: str) -> str:
    """Name file and line where an import failed, in the user's own code where that is on the way."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [
        (frame.f_code.co_filename, line, str(frame.f_globals.get("__name__")))
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    top = module.partition(".")[0]
    own = [(file, line) for file, line, name in frames if name.partition(".")[0] == top]
    if not own:
        return f"module {module!r}"
    file, line = own[-1]
    return f"{file}:{line}"
