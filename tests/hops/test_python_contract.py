"""The suite that every stack must keep, through the hop in Python."""

from __future__ import annotations

import pytest

import stacks
from stacks import hops
from stacks.testing.behind import Behind
from stacks.testing.suite import *  # noqa: F403 -- found by their names

del test_a_stack_is_found_by_its_own_name  # noqa: F821 -- one behind a hop has none


@pytest.fixture(params=["grpc-protobuf", "rest-json", "graphql-json"])
def stack(request):
    return Behind(hops.find("python"), stacks.find(request.param))
