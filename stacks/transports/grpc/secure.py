"""gRPC over TLS, which brings a library of its own for it."""

from __future__ import annotations

import functools

import grpc

from stacks.base import Tls
from stacks.transports import secure

STATEMENT = "TLS 1.3 by gRPC's BoringSSL, ALPN h2; every connection makes a full handshake"
"""What the fairness sheet says. Without a session cache, a channel resumes nothing.

https://grpc.github.io/grpc/core/group__grpc__arg__keys.html (``grpc.ssl_session_cache``)
"""


@functools.lru_cache(maxsize=16)
def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Read certificate and key; raises `StackError` naming the file and the reason."""
    secure.server(tls)  # gRPC itself does not say what is wrong
    return grpc.ssl_server_credentials([(secure.readable(tls.key), secure.readable(tls.certificate))])


def secure_channel(target: str, tls: Tls, arguments: list[tuple[str, int]]) -> grpc.Channel:
    """Make a channel to a server that proves to be who is wanted; raises `StackError` for what is no CA."""
    named = [("grpc.ssl_target_name_override", tls.name)] if tls.name else []
    return grpc.secure_channel(target, _channel_credentials(tls), [*arguments, *named])


@functools.lru_cache(maxsize=16)
def _channel_credentials(tls: Tls) -> grpc.ChannelCredentials:
    secure.client(tls)
    return grpc.ssl_channel_credentials(secure.readable(tls.ca))
