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
from stacks.errors import StackError
from stacks.hops import routes


class Behind:
    """Serves as `stack` does, on a port of its own, behind a hop at the address asked for."""

    def __init__(
        self, hop: Hop, stack: Stack, *, prefix: str = "/", kind: str = "", told: bool = False
    ) -> None:
        """Take both, the only route as `Route` has it, and whether the hop knows which methods are unary."""
        self._hop = hop
        self._stack = stack
        self._prefix = prefix
        self._kind = kind
        self._told = told
        self.name = f"{stack.name}@{hop.name}"

    @property
    def tls(self) -> str:
        """As the stack, where the hop passes on whatever comes."""
        return "" if self._hop.carries else self._stack.tls

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
        self._check(options)
        with self._stack.serve(service, Address(), options) as behind:
            passed = [Route(self._prefix, behind.address, self._kind)]
            if self._told:
                passed = routes.known(passed, service)
            with self._hop.serve(passed, address) as served:
                yield served

    def connect(self, address: Address, options: Options) -> Client:
        """As the stack."""
        self._check(options)
        return self._stack.connect(address, options)

    def _check(self, options: Options) -> None:
        if options.tls is not None and not self.tls:
            raise StackError(f"{self.name} has no TLS; leave tls off")
