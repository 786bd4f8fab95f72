"""From what was asked for to the trials that answer it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

import stacks
from harness.results import Trial
from scenarios import arm as arms
from scenarios import catalog, channels
from scenarios.arm import Arm, SpecError
from stacks import service as services
from stacks import shop

FLOOR = Arm(name="floor", stack="floor")
MOST_USERS = 10_000
MOST_FORKS = 200
MOST_SECONDS = 86_400.0


class Wish(msgspec.Struct, frozen=True):
    """What the user asked for; empty where the scenario's own choice holds."""

    scenario: str = "unary"
    arms: tuple[Arm, ...] = ()
    baseline: str = ""
    users: tuple[int, ...] = ()
    samples: tuple[str, ...] = ()
    seconds: float = 60.0
    forks: int = 5
    service: str = services.DEFAULT


def trials(wish: Wish) -> list[Trial]:
    """Expand a wish into trials; raises `SpecError` or `StackError` that name the value at fault."""
    scenario = catalog.SCENARIOS.get(wish.scenario)
    if scenario is None:
        known = ", ".join(catalog.SCENARIOS)
        raise SpecError(f"there is no scenario {wish.scenario!r}; scenarios are: {known}")
    _check(wish)
    named = arms.name_all(list(wish.arms or (Arm(name="", stack=name) for name in stacks.DEFAULTS)))
    baseline = wish.baseline or named[0].name
    if baseline not in [arm.name for arm in named]:
        raise SpecError(
            f"the baseline {baseline!r} is no arm; arms are: {', '.join(arm.name for arm in named)}"
        )
    for arm in named:
        stack = stacks.find(arm.stack)
        if not stack.wire and (arm.at or arm.server):
            raise SpecError(f"arm {arm.name!r}: {arm.stack} has no wire, so it takes no at and no server")
        channels.check(arm.channel, multiplexes=stack.multiplexes, stack=arm.stack)
    services.load(wish.service)[scenario.method]
    points = [
        (group, users, sample)
        for sample in wish.samples or scenario.samples
        for users in wish.users or scenario.users
        for group in _groups(named, baseline)
    ]
    return [
        _trial(wish, scenario.method, group, baseline, users, sample, wish.seconds / len(points))
        for group, users, sample in points
    ]


def _trial(
    wish: Wish, method: str, group: Sequence[Arm], baseline: str, users: int, sample: str, seconds: float
) -> Trial:
    turn = catalog.turn(users, sample)
    return Trial(
        scenario=wish.scenario,
        arms=(*group, FLOOR),
        baseline=baseline,
        users=users,
        sample=sample,
        method=method,
        turn=turn,
        settle=catalog.settle(turn),
        seconds=seconds,
        forks=wish.forks,
        service=wish.service,
        timeout=catalog.TIMEOUT,
    )


def _groups(named: Sequence[Arm], baseline: str) -> list[list[Arm]]:
    """Share the arms among trials of at most six; every one of them has the baseline."""
    base = [arm for arm in named if arm.name == baseline]
    rest = [arm for arm in named if arm.name != baseline]
    size = catalog.MOST_ARMS - 1
    if len(named) <= catalog.MOST_ARMS:
        return [list(named)]
    return [base + rest[k : k + size] for k in range(0, len(rest), size)]


def _check(wish: Wish) -> None:
    for users in wish.users:
        if not 1 <= users <= MOST_USERS:
            raise SpecError(f"users={users}: must be from 1 to {MOST_USERS}")
    for sample in wish.samples:
        if sample not in shop.SAMPLES:
            raise SpecError(f"there is no sample {sample!r}; samples are: {', '.join(shop.SAMPLES)}")
    if not 1 <= wish.forks <= MOST_FORKS:
        raise SpecError(f"forks={wish.forks}: must be from 1 to {MOST_FORKS}")
    if not 0 < wish.seconds <= MOST_SECONDS:
        raise SpecError(f"seconds={wish.seconds:g}: must be more than 0 and at most {MOST_SECONDS:.0f}")
    for arm in wish.arms:
        if arm.name == FLOOR.name or arm.stack == FLOOR.stack:
            raise SpecError("the floor takes part in every trial by itself; leave it out")
