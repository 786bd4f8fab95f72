"""From what was asked for to the trials that answer it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import product
from threading import Thread
from typing import Any

import msgspec

import stacks
from harness import secured
from harness.results import LeftOut, Trial
from scenarios import arm as arms
from scenarios import catalog, channels, samples
from scenarios.arm import Arm, SpecError
from scenarios.catalog import Scenario
from stacks import examples, hops
from stacks import service as services
from stacks.base import MAX_MESSAGE, Kind, Method, Service, Stack
from stacks.errors import ProtocolError, SchemaError, StackError

FLOOR = Arm(name="floor", stack="floor")
MOST_USERS = 10_000
MOST_FORKS = 200
MOST_SECONDS = 86_400.0
_PART_BYTES = 100 * 1024
_PATIENCE = 10.0
"""Seconds that a handler has to answer two examples."""


class Wish(msgspec.Struct, frozen=True):
    """What the user asked for; empty where the scenario's own choice holds."""

    scenario: str = "unary"
    arms: tuple[Arm, ...] = ()
    baseline: str = ""
    users: tuple[int, ...] = ()
    samples: tuple[str, ...] = ()
    seconds: float | None = None
    forks: int = 5
    service: str = services.DEFAULT
    method: str = ""


class Point(msgspec.Struct, frozen=True):
    """Where a question is asked: one value of everything that varies from trial to trial."""

    sample: str
    users: int
    method: str
    part: str


def trials(wish: Wish) -> list[Trial]:
    """Expand a wish into trials; raises `SpecError` or `StackError` that name the value at fault."""
    scenario = catalog.SCENARIOS.get(wish.scenario)
    if scenario is None:
        known = ", ".join(catalog.SCENARIOS)
        raise SpecError(f"there is no scenario {wish.scenario!r}; scenarios are: {known}")
    _check(wish)
    offered = services.load(wish.service)
    named = _named(wish, scenario)
    found = {arm.stack: stacks.find(arm.stack) for arm in named}
    for arm in named:
        _check_arm(arm, found[arm.stack])
    methods = _methods(wish, scenario, offered)
    if scenario.vary:
        planned = list(_varied(wish, scenario, offered, named, methods, found))
    else:
        planned = list(_plain(wish, scenario, offered, named, methods, found))
    seconds = (scenario.seconds if wish.seconds is None else wish.seconds) / len(planned)
    return [msgspec.structs.replace(trial, seconds=seconds) for trial in planned]


def _named(wish: Wish, scenario: Scenario) -> list[Arm]:
    """Name the arms that were asked for, else those of the scenario."""
    asked = wish.arms or tuple(Arm(name="", stack=name) for name in scenario.stacks or stacks.DEFAULTS)
    if scenario.channel:
        plain = Arm(name="", stack="").channel
        asked = tuple(
            msgspec.structs.replace(arm, channel=scenario.channel) if arm.channel == plain else arm
            for arm in asked
        )
    return arms.name_all(list(asked))


def _check_arm(arm: Arm, stack: Stack) -> None:
    for program in (arm.python, *arm.server[:1]):
        if program and shutil.which(program) is None:
            raise SpecError(f"arm {arm.name!r}: there is no program {program!r} that could be started")
    if not stack.wire and (arm.at or arm.server):
        raise SpecError(f"arm {arm.name!r}: {arm.stack} has no wire, so it takes no at and no server")
    channels.check(arm.channel, multiplexes=stack.multiplexes, stack=arm.stack)
    secured.check(arm, stack)
    transport = arm.stack.partition("-")[0]
    for name in arm.hops:
        carries = hops.find(name).carries
        if not stack.wire or (carries and transport not in carries):
            known = ", ".join(sorted(carries)) or "every transport that has a wire"
            raise SpecError(
                f"arm {arm.name!r}: {arm.stack} does not pass through {name}, which carries {known}"
            )


def _methods(wish: Wish, scenario: Scenario, offered: Service) -> tuple[str, ...]:
    """Choose the methods of the points: those asked for, else the scenario's, else what fits of a service."""
    if wish.method:
        return (offered[wish.method].name,)
    if wish.service == services.DEFAULT:
        return scenario.methods
    kinds = [services.load(services.DEFAULT)[name].kind for name in scenario.methods]
    fitting = [next((m.name for m in offered.methods if m.kind is kind), "") for kind in kinds]
    if not any(fitting):
        wanted = " or ".join(dict.fromkeys(kinds))
        raise SpecError(f"service {offered.name} has no {wanted} method, which {wish.scenario} asks for")
    return tuple(filter(None, fitting))


def _plain(
    wish: Wish,
    scenario: Scenario,
    offered: Service,
    named: Sequence[Arm],
    methods: Sequence[str],
    found: dict[str, Stack],
) -> Iterator[Trial]:
    """Plan a trial a point; where there are many arms, several that share the baseline."""
    baseline = _baseline(wish, [arm.name for arm in named])
    varied = (*_points(wish, scenario), methods, scenario.parts)
    for sample, users, method, part in product(*varied):
        point = Point(sample, users, method, part)
        fit, left_out = _sorted_out(named, point, offered, found, scenario)
        if not fit:
            raise SpecError(f"no arm can take part in {wish.scenario}: {left_out[0].reason}")
        first = baseline if baseline in [arm.name for arm in fit] else fit[0].name
        for group in _groups(fit, first):
            yield _trial(wish, scenario, point, group, first, offered, left_out)


def _points(wish: Wish, scenario: Scenario) -> tuple[list[str], list[int]]:
    """Give samples and users, each once."""
    return list(dict.fromkeys(wish.samples or scenario.samples)), list(
        dict.fromkeys(wish.users or scenario.users)
    )


def _baseline(wish: Wish, names: Sequence[str]) -> str:
    if wish.baseline and wish.baseline not in names:
        raise SpecError(f"the baseline {wish.baseline!r} is no arm; arms are: {', '.join(names)}")
    return wish.baseline or names[0]


def _varied(
    wish: Wish,
    scenario: Scenario,
    offered: Service,
    named: Sequence[Arm],
    methods: Sequence[str],
    found: dict[str, Stack],
) -> Iterator[Trial]:
    """Plan trials in which each arm comes in several forms; each has its own, or all are together."""
    families = [[arm] for arm in named] if scenario.apart else [named]
    varied = _points(wish, scenario)
    none: tuple[LeftOut, ...] = ()
    """Of families none of whose forms can take part, told beside the next that can."""
    planned = 0
    for (sample, users), family in product(product(*varied), families):
        point = Point(sample, users, methods[0], "")
        forms, impossible = _forms(family, scenario, methods, found)
        fit, left_out = _sorted_out(forms, point, offered, found, scenario)
        none = (*none, *impossible, *left_out)
        if len(fit) == 1:
            none = (*none, LeftOut(fit[0].name, "there is nothing left to hold it against"))
        if len(fit) <= 1:
            continue
        baseline = _baseline(wish, [arm.name for arm in fit])
        for group in _groups(fit, baseline):
            yield _trial(wish, scenario, point, group, baseline, offered, none)
        none, planned = (), planned + 1
    if not planned:
        raise SpecError(f"no arm can take part in {wish.scenario}: {none[0].reason}")


def _forms(
    family: Sequence[Arm], scenario: Scenario, methods: Sequence[str], found: dict[str, Stack]
) -> tuple[list[Arm], list[LeftOut]]:
    """Make the forms of arms that a scenario asks for, and tell which cannot be and why."""
    forms, impossible = [], []
    for arm, value in product(family, methods if scenario.vary == "method" else scenario.values):
        label = ("@" + "@".join(value) if value else " direct") if scenario.vary == "hops" else f" {value}"
        made = msgspec.structs.replace(arm, name=f"{arm.name}{label}", **{scenario.vary: value})
        try:
            _check_arm(made, found[arm.stack])
        except (SpecError, StackError) as error:
            impossible.append(LeftOut(made.name, str(error)))
        else:
            forms.append(made)
    return forms, impossible


def _sorted_out(
    named: Sequence[Arm], point: Point, offered: Service, found: dict[str, Stack], scenario: Scenario
) -> tuple[list[Arm], tuple[LeftOut, ...]]:
    """Tell who can take part at `point`, and why others cannot."""
    fit, left_out = [], []
    for arm in named:
        method = offered[arm.method or point.method]
        reason = _unfit(found[arm.stack], method, point, scenario)
        if reason:
            left_out.append(LeftOut(arm.name, reason))
        else:
            fit.append(arm)
    return fit, tuple(left_out)


def _unfit(stack: Stack, method: Method[Any, Any], point: Point, scenario: Scenario) -> str:
    """Say why `stack` cannot carry `method`; empty if it can.

    Raises `SchemaError` or `ProtocolError` for a message that its format cannot hold.
    """
    if point.users > 1 and (point.part or not stack.wire):
        return "what has no wire never waits, so one user's calls would all come before the next one's"
    if not point.part and method.kind not in stack.kinds:
        kinds = ", ".join(kind for kind in Kind if kind in stack.kinds)
        return f"{method.name} is a {method.kind} call, and {stack.name} carries: {kinds}"
    if not stack.wire and stack.name == "memory":
        return "memory has no bytes" if point.part else ""
    requests, replies = stack.codec(method.request), stack.codec(method.reply)
    try:
        sizes = [len(requests.encode(samples.sample(method, point.sample, 0)))]
        sizes += [len(replies.encode(reply)) for reply in _answers(method, point, scenario.messages)[:1]]
    except ProtocolError as error:
        raise SchemaError(f"{stack.name} cannot carry {method.name}: {error}") from error
    if max(sizes) > MAX_MESSAGE:
        return f"as {stack.name} writes it, a message has {max(sizes)} bytes, and {MAX_MESSAGE} are the most"
    return ""


def _answers(method: Method[Any, Any], point: Point, messages: int) -> list[Any]:
    """Call a handler of the user's own as its server will, twice, within limits.

    Raises `SchemaError` for a handler that fails, that does not return, or whose replies differ from call to
    call: every arm's replies are compared with the handler's own.
    """
    request = samples.request(method, point.sample, 0, messages)
    found: list[Any] = []

    def ask() -> None:
        try:
            found.extend(samples.answers(method, request) for _ in range(2))
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises, the user must hear of it
            found.append(error)

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_PATIENCE)
    where = f"the handler of {method.service}/{method.name}, asked with an example of size {point.sample}"
    if len(found) < 2 and not any(isinstance(one, Exception) for one in found):  # noqa: PLR2004 -- two calls
        raise SchemaError(f"{where}, did not return within {_PATIENCE:g} s")
    for one in found:
        if isinstance(one, Exception):
            raise SchemaError(f"{where}, raised {type(one).__name__}: {one}") from one
    if found[0] != found[1]:
        raise SchemaError(
            f"{where}, answers differently from call to call; replies are compared, so the same request must "
            f"have the same reply (no random numbers, no time of day)"
        )
    answers: list[Any] = found[0]
    return answers


def _trial(
    wish: Wish,
    scenario: Scenario,
    point: Point,
    group: Sequence[Arm],
    baseline: str,
    offered: Service,
    left_out: tuple[LeftOut, ...],
) -> Trial:
    turn = catalog.turn(point.users, examples.bytes_of(point.sample))
    method = offered[point.method]
    streamed = method.kind is not Kind.UNARY
    return Trial(
        scenario=wish.scenario,
        arms=(*group, *_floor(offered, method)),
        baseline=baseline,
        users=point.users,
        sample=point.sample,
        method=point.method,
        turn=turn,
        settle=catalog.settle(turn),
        seconds=0.0,
        forks=wish.forks,
        service=wish.service,
        timeout=catalog.TIMEOUT,
        messages=_messages(scenario, point) if streamed or point.part else 1,
        part=point.part,
        left_out=left_out,
    )


def _messages(scenario: Scenario, point: Point) -> int:
    """Give the messages of a call; of a part fewer where they are large, so that turns stay short."""
    if not point.part:
        return scenario.messages
    return max(1, min(scenario.messages, _PART_BYTES // examples.bytes_of(point.sample)))


def _floor(offered: Service, method: Method[Any, Any]) -> tuple[Arm, ...]:
    """Give the floor, which knows unary calls alone: it makes the service's first, where it has one."""
    if method.kind is Kind.UNARY:
        return (FLOOR,)
    unary = (each.name for each in offered.methods if each.kind is Kind.UNARY)
    return tuple(msgspec.structs.replace(FLOOR, method=name) for name in list(unary)[:1])


def _groups(named: Sequence[Arm], baseline: str) -> list[list[Arm]]:
    """Share the arms among trials of at most six; every one of them has the baseline."""
    base = [arm for arm in named if arm.name == baseline]
    rest = [arm for arm in named if arm.name != baseline]
    if len(named) <= catalog.MOST_ARMS:
        return [list(named)]
    size = catalog.MOST_ARMS - 1
    # Trials of about equal size: a round's length, and so what noise it lets in, is then about equal, too.
    count = -(-len(rest) // size)
    return [base + rest[k::count] for k in range(count)]


def _check(wish: Wish) -> None:
    for users in wish.users:
        if not 1 <= users <= MOST_USERS:
            raise SpecError(f"users={users}: must be from 1 to {MOST_USERS}")
    for sample in wish.samples:
        examples.bytes_of(sample)
    if not 1 <= wish.forks <= MOST_FORKS:
        raise SpecError(f"forks={wish.forks}: must be from 1 to {MOST_FORKS}")
    if wish.seconds is not None and not 0 < wish.seconds <= MOST_SECONDS:
        raise SpecError(f"seconds={wish.seconds:g}: must be more than 0 and at most {MOST_SECONDS:.0f}")
    for arm in wish.arms:
        if arm.name == FLOOR.name or arm.stack == FLOOR.stack:
            raise SpecError("the floor takes part in every trial by itself; leave it out")
