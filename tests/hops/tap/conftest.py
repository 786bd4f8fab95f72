"""What tests of the tap share: the tap before an address, and both ends of a connection through it."""

from __future__ import annotations

import socket

import pytest

from stacks.base import Address, Route
from stacks.hops.tap.hop import TapHop

LONG = 20.0


@pytest.fixture
def tapped(opened):
    """Put a tap in front of an address; gives it and its own."""

    def tapped(upstream, listen=Address()):  # noqa: B008 -- frozen
        tap = TapHop()
        served = opened.enter_context(tap.serve([Route("/", upstream)], listen))
        return tap, served.address

    return tapped


@pytest.fixture
def ends(opened, tapped):
    """Connect through a tap; gives the tap, the client's socket and the server's."""

    def ends():
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        listening.settimeout(LONG)
        tap, address = tapped(Address(port=listening.getsockname()[1]))
        client = opened.enter_context(socket.create_connection((address.host, address.port), LONG))
        server, _ = listening.accept()
        server.settimeout(LONG)
        opened.enter_context(server)
        return tap, client, server

    return ends
