"""A stack whose server stands behind a hop, so that the suite tells whether the hop lets everything through.

In a test module of its own::

    from stacks.testing.suite import *

    del test_a_stack_is_found_by_its_own_name  # one behind a hop has none

    @pytest.fixture(params=["grpc-protobuf", "rest-json"])
    def stack(request):
        return Behind(hops.find("python"), stacks.find(request.param))
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stacks.base import Address, Client, Codec, Facts, Hop, Kind, Options, Route, Served, Service, Stack


class Behind:
    """Serves as `stack` does, on a port of its own; `hop` passes on to it what comes to the address asked."""

    def __init__(self, hop: Hop, stack: Stack, *, prefix: str = "/", kind: str = "") -> None:
        """Take both, and what the only route begins with and leads to, as `Route` has it."""
        self._hop = hop
        self._stack = stack
        self._prefix = prefix
        self._kind = kind
        self.name = f"{stack.name}@{hop.name}"

    @property
    def multiplexes(self) -> bool:
        """As the stack."""
        return self._stack.multiplexes

    @property
    def wire(self) -> bool:
        """As the stack; a hop needs one."""
        return self._stack.wire

    @property
    def kinds(self) -> frozenset[Kind]:
        """As the stack."""
        return self._stack.kinds

    @property
    def facts(self) -> Facts:
        """As the stack."""
        return self._stack.facts

    def codec(self, message: type[Any]) -> Codec[Any]:
        """As the stack."""
        return self._stack.codec(message)

    @contextmanager
    def serve(self, service: Service, address: Address, options: Options) -> Iterator[Served]:
        """Serve behind the hop; the hop is the first to stop."""
        with (
            self._stack.serve(service, Address(), options) as behind,
            self._hop.serve([Route(self._prefix, behind.address, self._kind)], address) as served,
        ):
            yield served

    def connect(self, address: Address, options: Options) -> Client:
        """As the stack."""
        return self._stack.connect(address, options)
