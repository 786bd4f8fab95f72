"""The suite that every stack must keep, through the hop in Python."""

from __future__ import annotations

import pytest

import stacks
from stacks import hops
from stacks.testing.behind import Behind
from stacks.testing.suite import *  # noqa: F403 -- found by their names

del test_a_stack_is_found_by_its_own_name  # noqa: F821 -- one behind a hop has none


BEHIND = {
    "grpc-protobuf": {},
    "grpc-protobuf, gRPC alone": {"kind": "grpc"},
    "grpc-protobuf, kinds known": {"kind": "grpc", "told": True},
    "rest-json": {},
    "graphql-json": {"kind": "http"},
}


@pytest.fixture(params=BEHIND)
def stack(request):
    name = request.param.partition(",")[0]
    return Behind(hops.find("python"), stacks.find(name), **BEHIND[request.param])
