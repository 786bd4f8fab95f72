"""Where a hop passes calls on to: routes as text, as a TOML file, and the table that finds one for a path."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from stacks import service
from stacks.base import Address, Kind, Route, Service
from stacks.errors import AddressError, StackError

GRPC: Final = "grpc"
HTTP: Final = "http"
_KEYS = ("prefix", "upstream", "service")


def parse(text: str) -> Route:
    """Read ``PREFIX=UPSTREAM``, or ``UPSTREAM`` for everything.

    An upstream is ``HOST:PORT``, or ``grpc://HOST:PORT`` or ``http://HOST:PORT`` for calls of that kind
    alone. Raises `AddressError`, and `StackError` for a prefix that no path begins with.
    """
    prefix, equals, upstream = text.rpartition("=")
    return _route(prefix if equals else "/", upstream)


def known(routes: Sequence[Route], offered: Service) -> list[Route]:
    """Let the routes know which methods of a service are unary."""
    return [Route(each.prefix, each.upstream, each.kind, (*each.unary, *_unary(offered))) for each in routes]


def read(path: Path) -> list[Route]:
    """Read a TOML file of routes, ``[[route]]`` each.

    Keys are ``prefix`` (``/`` if left out), ``upstream`` as in `parse`, and ``service`` (``module:Class``),
    which tells what methods are unary. Raises `StackError` with file, route and key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise StackError(f"{path}: {error}") from error
    for key in content.keys() - {"route"}:
        raise StackError(f"{path}: there is no key {key!r}; a file of routes has [[route]] alone")
    tables = content.get("route", [])
    if not isinstance(tables, list) or not tables:
        raise StackError(f"{path}: no routes; begin each with a line [[route]]")
    routes = [_from_table(f"{path}: route {number}", table) for number, table in enumerate(tables, 1)]
    check(routes, f"{path}: ")
    return routes


def _from_table(where: str, table: Any) -> Route:
    if not isinstance(table, dict):
        raise StackError(f"{where}: {table!r} is no table; begin it with a line [[route]]")
    for key, value in table.items():
        if key not in _KEYS:
            raise StackError(f"{where}: there is no key {key!r}; keys are: {', '.join(_KEYS)}")
        if not isinstance(value, str):
            raise StackError(f"{where}: {key} must be text in quotes, not {value!r}")
    if "upstream" not in table:
        raise StackError(f'{where}: upstream is missing; write for example upstream = "127.0.0.1:50051"')
    key = "upstream"
    try:
        route = _route("/", table["upstream"])
        key = "prefix"
        route = _route(table.get("prefix", "/"), table["upstream"])
        key = "service"
        return known([route], service.load(table["service"]))[0] if "service" in table else route
    except StackError as error:
        raise StackError(f"{where}: {key}: {error}") from error


def _route(prefix: str, upstream: str) -> Route:
    if not prefix.startswith("/"):
        raise StackError(f"no path begins with {prefix!r}; write for example /rpcduel.Shop/")
    scheme, separator, address = upstream.rpartition("://")
    if separator and scheme not in (GRPC, HTTP):
        raise AddressError(f"{upstream!r} begins with neither {GRPC}:// nor {HTTP}://")
    return Route(prefix, Address.parse(address), scheme)


def _unary(offered: Service) -> list[str]:
    return [f"/{offered.name}/{each.name}" for each in offered.methods if each.kind is Kind.UNARY]


def check(routes: Sequence[Route], where: str = "") -> None:
    """Raise `StackError` where two routes would take the same calls."""
    taken: dict[tuple[str, str], Address] = {}
    for route in routes:
        for carried in (route.kind,) if route.kind else (GRPC, HTTP):
            other = taken.setdefault((carried, route.prefix), route.upstream)
            if other is not route.upstream:
                raise StackError(
                    f"{where}two routes for {route.prefix} ({carried}), to {other} and to {route.upstream}; "
                    f"keep one"
                )


class Table:
    """The routes for one kind of calls."""

    def __init__(self, routes: Sequence[Route], carried: str) -> None:
        """Keep those that carry `carried`, `GRPC` or `HTTP`."""
        self.routes = sorted(
            (each for each in routes if each.kind in ("", carried)), key=lambda each: -len(each.prefix)
        )

    def find(self, path: str) -> Route | None:
        """Give the route with the longest prefix of `path`."""
        return next((each for each in self.routes if path.startswith(each.prefix)), None)
