"""The suite that every stack must keep, through each gateway."""

from __future__ import annotations

import pytest

import stacks
from stacks import hops
from stacks.testing.behind import Behind
from stacks.testing.suite import *  # noqa: F403 -- found by their names

del test_a_stack_is_found_by_its_own_name  # noqa: F821 -- one behind a hop has none

GATEWAYS = ("envoy", "nginx", "caddy")
STACKS = ("grpc-protobuf", "rest-json")


@pytest.fixture(params=[(hop, stack) for hop in GATEWAYS for stack in STACKS], ids="-".join)
def stack(request):
    hop, name = request.param
    return Behind(hops.find(hop), stacks.find(name))
