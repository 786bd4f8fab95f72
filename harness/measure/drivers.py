"""Who plays the turns: Locust users, or for comparison a loop without the harness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.measure import bare
from scenarios.batch import Call
from scenarios.turns import Seat, Turnstile

Driver = Callable[[list[Call], list[Any], float], Any]


@contextmanager
def locust(calls: list[Call], requests: list[Any], timeout: float) -> Iterator[Turnstile]:
    """Users of a Locust runner of our own, one a call and request."""
    from locust.env import Environment  # noqa: PLC0415 -- patches the process, which `plain` must not be

    from scenarios.users import Caller  # noqa: PLC0415

    turnstile = Turnstile([Seat(c, r, timeout) for c, r in zip(calls, requests, strict=True)])
    environment = Environment(user_classes=[Caller], catch_exceptions=False)
    environment.turnstile = turnstile  # type: ignore[attr-defined]
    runner = environment.create_local_runner()
    runner.greenlet.kill()  # its CPU monitor would run in other arms' turns
    runner.start(len(calls), spawn_rate=len(calls))
    runner.spawning_greenlet.join()  # type: ignore[union-attr]
    try:
        yield turnstile
    finally:
        turnstile.shut()
        runner.quit()


@contextmanager
def unharnessed(calls: list[Call], requests: list[Any], timeout: float) -> Iterator[Turnstile]:
    """Threads, or greenlets where `threading` is patched, that neither time nor record their calls."""
    turnstile = bare.BareTurnstile(
        [bare.BareSeat(c, r, timeout) for c, r in zip(calls, requests, strict=True)]
    )
    threads = bare.start(turnstile)
    try:
        yield turnstile
    finally:
        turnstile.shut()
        for thread in threads:
            thread.join(timeout)


DRIVERS: dict[str, Driver] = {"locust": locust, "bare": unharnessed, "plain": unharnessed}
