"""What tests of GraphQL share: the stack, and a plain HTTP client of its server."""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path

import pytest

import stacks
from stacks.testing.oracle import LONG

sys.path.insert(0, str(Path(__file__).parent))

from documents import CACHED


@pytest.fixture
def stack():
    return stacks.find(CACHED)


@pytest.fixture
def ask(serve, offered, opened):
    """Post to a server as a plain HTTP client; gives status, media type and tree."""
    served = serve(offered)
    connection = http.client.HTTPConnection(served.address.host, served.address.port, timeout=LONG)
    opened.callback(connection.close)

    def ask(request, method="POST", path="/graphql", **headers):
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"content-type": "application/json", **given})
        reply = connection.getresponse()
        data = reply.read()
        return reply.status, reply.getheader("content-type"), json.loads(data) if data else None

    return ask
