"""A stack under plain Locust, with Locust's own statistics and user interface.

``RPCDUEL_STACK=tcp-msgpack locust -f scenarios/locustfile.py --host 127.0.0.1:50051``, with a server that
`rpcduel serve` started; ``RPCDUEL_SAMPLE`` chooses the sample. Locust's loop costs some µs a call and its
statistics know whole milliseconds: for watching a server under load, not for comparing stacks.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter

from locust import User, events, task
from locust.env import Environment
from locust.runners import Runner, WorkerRunner

import stacks
from scenarios.catalog import TIMEOUT
from scenarios.samples import sample
from stacks import service
from stacks.base import Address, Options
from stacks.errors import AddressError, CallError, StackError

STACK = os.environ.get("RPCDUEL_STACK", stacks.DEFAULTS[0])
SAMPLE = os.environ.get("RPCDUEL_SAMPLE", "small")


@events.init.add_listener  # type: ignore[untyped-decorator]
def _prepare(environment: Environment, runner: Runner, **_: object) -> None:
    try:
        if not isinstance(runner, WorkerRunner):  # whose master sends the host along later
            Address.parse(environment.host or "")
        stacks.find(STACK)
    except AddressError as error:
        sys.exit(f"--host says where `rpcduel serve {STACK}` listens: {error}")
    except StackError as error:
        sys.exit(f"RPCDUEL_STACK: {error}")
    if "grpc" in sys.modules:
        from grpc.experimental.gevent import init_gevent  # noqa: PLC0415 -- not every stack has gRPC

        init_gevent()


class Quoter(User):
    """Asks for the quote of one order, again and again, over a connection of its own."""

    def on_start(self) -> None:
        """Connect to the host that Locust was told."""
        method = service.load(service.DEFAULT)["Quote"]
        self._client = stacks.find(STACK).connect(Address.parse(self.host or ""), Options())
        self._call = self._client.unary(method)
        self._request = sample(method, SAMPLE, 0)

    def on_stop(self) -> None:
        """Close the connection."""
        self._client.close()

    @task
    def quote(self) -> None:
        """Make one call and tell Locust how it went."""
        began, failure = perf_counter(), None
        try:
            self._call(self._request, TIMEOUT)
        except CallError as error:
            failure = error
        self.environment.events.request.fire(
            request_type=STACK,
            name="Quote",
            response_time=(perf_counter() - began) * 1000,
            response_length=0,
            exception=failure,
            context={},
        )
