"""What somebody asks for: a scenario, and what of it is chosen otherwise."""

from __future__ import annotations

import msgspec

from scenarios import catalog
from scenarios.arm import FLOOR, Arm, SpecError
from scenarios.catalog import Scenario
from scenarios.load import Arrivals, parse_rate
from stacks import examples
from stacks import service as services

MOST_USERS = 10_000
MOST_FORKS = 200
MOST_WAITING = 1_000_000
MOST_SECONDS = 86_400.0


class Wish(msgspec.Struct, frozen=True):
    """What the user asked for; empty where the scenario's own choice holds."""

    scenario: str = "unary"
    arms: tuple[Arm, ...] = ()
    baseline: str = ""
    users: tuple[int, ...] = ()
    samples: tuple[str, ...] = ()
    seconds: float | None = None
    forks: int | None = None
    service: str = services.DEFAULT
    method: str = ""
    rates: tuple[str, ...] = ()
    """Of an open loop, as `scenarios.load.parse_rate` reads them."""
    arrivals: str = ""
    waiting: int | None = None
    slo: str = ""


def check(wish: Wish) -> None:
    """Raise `SpecError` where a value is out of its range or does not go with the scenario (a known one)."""
    for users in wish.users:
        if not 1 <= users <= MOST_USERS:
            raise SpecError(f"users={users}: must be from 1 to {MOST_USERS}")
    for sample in wish.samples:
        examples.bytes_of(sample)
    _check_open(wish, catalog.SCENARIOS[wish.scenario])
    if wish.forks is not None and not 1 <= wish.forks <= MOST_FORKS:
        raise SpecError(f"forks={wish.forks}: must be from 1 to {MOST_FORKS}")
    if wish.seconds is not None and not 0 < wish.seconds <= MOST_SECONDS:
        raise SpecError(f"seconds={wish.seconds:g}: must be more than 0 and at most {MOST_SECONDS:.0f}")
    for arm in wish.arms:
        if arm.name == FLOOR.name or arm.stack == FLOOR.stack:
            raise SpecError("the floor takes part in every trial by itself; leave it out")


def _check_open(wish: Wish, scenario: Scenario) -> None:
    for rate in wish.rates:
        parse_rate(rate)
    if (wish.rates or wish.arrivals or wish.waiting is not None) and not scenario.rates:
        opened = ", ".join(name for name, one in catalog.SCENARIOS.items() if one.rates)
        raise SpecError(f"{wish.scenario} is a closed loop, which has no rate; open loops are: {opened}")
    if wish.slo and not scenario.slo:
        raise SpecError(f"{wish.scenario} asks for no slo; the scenario slo does")
    if wish.arrivals and wish.arrivals not in tuple(Arrivals):
        raise SpecError(f"arrivals {wish.arrivals!r}: must be one of {', '.join(Arrivals)}")
    if wish.waiting is not None and not 0 <= wish.waiting <= MOST_WAITING:
        raise SpecError(f"waiting={wish.waiting}: must be from 0 to {MOST_WAITING}")
