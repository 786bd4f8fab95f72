"""The suite that every stack must keep, over TLS."""

from __future__ import annotations

import msgspec
import pytest

import stacks
from stacks.testing.calls import *  # noqa: F403 -- found by their names
from stacks.testing.fixtures import *  # noqa: F403
from stacks.testing.lifecycle import *  # noqa: F403
from stacks.testing.streams import *  # noqa: F403

STACKS = [
    "grpc-protobuf",
    "rest-json",
    "graphql-json",
    "tcp-msgpack",
    "tcp-json",
    "yamux-msgpack",
    "thrift-binary",
]


@pytest.fixture(params=STACKS)
def stack(request, tls):
    """Each of these, whose clients and servers use TLS without being told."""
    found = stacks.find(request.param)
    serve, connect = found.serve, found.connect

    def secured(options):
        return msgspec.structs.replace(options, tls=tls)

    found.serve = lambda service, address, options: serve(service, address, secured(options))
    found.connect = lambda address, options: connect(address, secured(options))
    return found
