"""What every stack must keep, kept through the tap: the relay changes nothing."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

import stacks
from stacks.base import Address, Route, Served
from stacks.hops.tap.hop import TapHop
from stacks.testing import suite
from stacks.testing.suite import *  # noqa: F403 -- found by their names

STACKS = ("grpc-protobuf", "rest-json", "graphql-json", "thrift-binary", "tcp-msgpack", "yamux-msgpack")


class Behind:
    """A stack whose servers are behind a tap."""

    def __init__(self, stack):
        self._stack = stack

    def __getattr__(self, name):
        return getattr(self._stack, name)

    @contextmanager
    def serve(self, service, address, options):
        tap = TapHop()
        with (
            self._stack.serve(service, Address(), options) as served,
            tap.serve([Route("/", served.address)], address) as behind,
        ):
            yield Served(behind.address, served.pids)
        assert tap.counts().open == 0


@pytest.fixture(params=STACKS)
def stack(request):
    return Behind(stacks.find(request.param))


# It asks for the type of the stack itself, which is not behind anything.
del test_a_stack_is_found_by_its_own_name  # noqa: F821 -- of the suite
assert suite
