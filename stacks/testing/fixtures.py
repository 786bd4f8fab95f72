"""Ways to serve and call the stack under test, and a look at what is left open.

The fixture `stack` is not here: who runs the suite gives it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from stacks import certificates, service
from stacks.base import Address, Client, Options, Served, Service, Tls
from stacks.testing.needs import features
from stacks.testing.oracle import Oracle

PATIENCE = 20.0
OPTIONS = Options()
ANYWHERE = Address()


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """What is entered here is left at the end of the test, the newest first."""
    with ExitStack() as everything:
        yield everything


@pytest.fixture
def serve(stack, opened) -> Callable[..., Served]:
    def serve(service: Service, options: Options = OPTIONS, address: Address = ANYWHERE) -> Served:
        return opened.enter_context(stack.serve(service, address, options))

    return serve


@pytest.fixture
def connect(stack, opened) -> Callable[..., Client]:
    def connect(served: Served, options: Options = OPTIONS) -> Client:
        client = stack.connect(served.address, options)
        opened.callback(client.close)
        return client

    return connect


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for something that comes by itself, such as a thread's end."""

    def until(true: Callable[[], Any], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, f"still not so: {what}"
            time.sleep(0.002)

    return until


@pytest.fixture
def together() -> Callable[..., list[Any]]:
    """Call a function with 0, 1, … count - 1 in as many threads, at once; gives results or raises."""

    def together(count: int, work: Callable[[int], Any]) -> list[Any]:
        results: list[Any] = [None] * count
        start = threading.Barrier(count)

        def run(place: int) -> None:
            start.wait(PATIENCE)
            try:
                results[place] = work(place)
            except BaseException as error:  # noqa: BLE001 -- raised again in the test's own thread
                results[place] = error

        threads = [threading.Thread(target=run, args=(place,)) for place in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a call hangs"
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results

    return together


@pytest.fixture
def leading() -> Callable[[int], list[Any]]:
    """Find this process's sockets whose other end has a port."""

    def leading(port: int) -> list[Any]:
        found = psutil.Process().net_connections("tcp")
        return [each for each in found if each.raddr and each.raddr.port == port]

    return leading


@pytest.fixture
def descriptors() -> Callable[[], int]:
    return lambda: sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(scope="session")
def tls(tmp_path_factory) -> Tls:
    """Certificates for this machine."""
    return certificates.made(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def applicable(request):
    wanted = getattr(request.function, "needs", None)
    if wanted and (missing := wanted - features(request.getfixturevalue("stack"))):
        pytest.skip(f"not applicable without {', '.join(sorted(missing))}")


@pytest.fixture
def offered():
    return service.read(Oracle)


@pytest.fixture
def seen(offered):
    return offered["Tell"].handler.__self__.seen
