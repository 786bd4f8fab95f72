"""From what was asked for to the trials that answer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import Any

import msgspec

import stacks
from harness import twins
from harness.plan import eligibility, excerpts
from harness.plan.eligibility import Point
from harness.plan.wish import Wish, check
from harness.results import LeftOut, Trial
from scenarios import arm as arms
from scenarios import catalog, slo
from scenarios.arm import FLOOR, Arm, SpecError
from scenarios.catalog import Scenario
from scenarios.load import WAITING, Arrivals, Open, parse_rate
from stacks import examples
from stacks import service as services
from stacks.base import Kind, Method, Service, Stack
from stacks.errors import StackError, meant

_FEWEST_DUE = 10
"""Calls in a turn of an open loop."""
_PART_BYTES = 100 * 1024


def expand(wish: Wish) -> list[Trial]:
    """Expand a wish into trials; raises `SpecError` or `StackError` that name the value at fault."""
    scenario = catalog.SCENARIOS.get(wish.scenario)
    if scenario is None:
        hint, known = meant(wish.scenario, catalog.SCENARIOS), ", ".join(catalog.SCENARIOS)
        raise SpecError(f"there is no scenario {wish.scenario!r}{hint}; scenarios are: {known}")
    check(wish)
    if scenario.made_of:
        return _made_of(wish, scenario)
    own = _planned(wish, scenario)
    planned = own + _also(wish, scenario)
    if wish.seconds is None:
        return planned
    seconds = wish.seconds / len(planned)
    return [msgspec.structs.replace(trial, seconds=seconds) for trial in planned]


def _planned(wish: Wish, scenario: Scenario) -> list[Trial]:
    if scenario.anatomy and set(wish.users) - {1}:
        many = max(wish.users)
        raise SpecError(f"users={many}: {wish.scenario} follows the calls of one user; leave users out")
    offered = services.load(wish.service)
    named = _named(wish, scenario)
    found = {arm.stack: stacks.find(arm.stack) for arm in named}
    for arm in named:
        eligibility.check(arm, found[arm.stack])
    methods = _methods(wish, scenario, offered)
    if scenario.forms or scenario.by_method:
        for arm in named:
            _check_form(wish.scenario, arm, scenario)
        planned = list(_varied(wish, scenario, offered, named, methods, found))
    else:
        planned = list(_plain(wish, scenario, offered, named, methods, found))
    return [msgspec.structs.replace(trial, seconds=scenario.seconds / len(planned)) for trial in planned]


def _also(wish: Wish, scenario: Scenario) -> list[Trial]:
    """Plan what is asked with a scenario, of the same arms; there may be none that can take part."""
    planned = []
    for name in scenario.also:
        with suppress(SpecError):
            more = msgspec.structs.replace(wish, scenario=name, baseline="")
            planned += _planned(more, catalog.SCENARIOS[name])
    return planned


def _made_of(wish: Wish, scenario: Scenario) -> list[Trial]:
    """Plan what a scenario is made of; what cannot be had here is left out."""
    excerpts.check(wish)
    planned: list[Trial] = []
    for name, narrowed, missing in excerpts.narrowed(scenario):
        with suppress(SpecError):
            planned += [
                msgspec.structs.replace(trial, left_out=(*missing, *trial.left_out))
                for trial in _planned(msgspec.structs.replace(wish, scenario=name), narrowed)
            ]
    return excerpts.timed(planned, wish.scenario, scenario.seconds if wish.seconds is None else wish.seconds)


def _named(wish: Wish, scenario: Scenario) -> list[Arm]:
    """Name the arms that were asked for, else those of the scenario."""
    asked = wish.arms or tuple(map(arms.parse, scenario.stacks or catalog.ARMS))
    if scenario.channel:
        plain = Arm(name="", stack="").channel
        asked = tuple(
            msgspec.structs.replace(arm, channel=scenario.channel) if arm.channel == plain else arm
            for arm in asked
        )
    return arms.name_all(list(asked))


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
    rates = dict.fromkeys(wish.rates or scenario.rates or ("",))
    varied = (*_points(wish, scenario), methods, scenario.parts, rates)
    for sample, users, method, part, rate in product(*varied):
        point = Point(sample, users, method, part, rate)
        fit, left_out = _sorted_out(named, point, offered, found, scenario)
        if not fit:
            raise SpecError(f"no arm can take part in {wish.scenario}: {left_out[0].reason}")
        first = baseline if baseline in [arm.name for arm in fit] else fit[0].name
        for group in _groups(fit, first, scenario):
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
        for group in _groups(fit, baseline, scenario):
            yield _trial(wish, scenario, point, group, baseline, offered, none)
        none, planned = (), planned + 1
    if not planned:
        raise SpecError(f"no arm can take part in {wish.scenario}: {none[0].reason}")


def _forms(
    family: Sequence[Arm], scenario: Scenario, methods: Sequence[str], found: dict[str, Stack]
) -> tuple[list[Arm], list[LeftOut]]:
    """Make the forms of arms that a scenario asks for, and tell which cannot be and why."""
    forms, impossible = [], []
    wanted = tuple({"method": name} for name in methods) if scenario.by_method else scenario.forms
    for arm, form in product(family, wanted):
        made = msgspec.structs.replace(arm, name=arm.name + _label(form), **form)
        try:
            eligibility.check(made, found[arm.stack])
        except (SpecError, StackError) as error:
            impossible.append(LeftOut(made.name, str(error)))
        else:
            forms.append(made)
    return forms, impossible


def _check_form(name: str, arm: Arm, scenario: Scenario) -> None:
    """Raise `SpecError` for an arm that says itself what the scenario varies about it."""
    varied = {"method"} if scenario.by_method else {key for form in scenario.forms for key in form}
    plain = Arm(name="", stack="")
    for key in sorted(varied):
        if getattr(arm, key) != getattr(plain, key):
            raise SpecError(
                f"arm {arm.name!r}: {name} varies {key} by itself; leave it out of the arm, or hold arms of "
                "your own against each other with the scenario unary"
            )


def _label(form: Mapping[str, Any]) -> str:
    """Say what a form is, to stand behind the name of its arm."""
    words = []
    for key, value in form.items():
        if key == "hops":
            return "@" + "@".join(value) if value else " direct"
        if key == "tls":
            words += ["tls"] if value else []
            continue
        words.append(str(value) if key in ("channel", "method") else f"{key}={value}")
    return " " + " ".join(words)


def _sorted_out(
    named: Sequence[Arm], point: Point, offered: Service, found: dict[str, Stack], scenario: Scenario
) -> tuple[list[Arm], tuple[LeftOut, ...]]:
    """Tell who can take part at `point`, and why others cannot."""
    fit, left_out = [], []
    for arm in named:
        method = offered[arm.method or point.method]
        reason = eligibility.unfit(found[arm.stack], arm, method, point, scenario.messages)
        if reason:
            left_out.append(LeftOut(arm.name, reason))
        else:
            fit.append(arm)
    return fit, tuple(left_out)


def _trial(
    wish: Wish,
    scenario: Scenario,
    point: Point,
    group: Sequence[Arm],
    baseline: str,
    offered: Service,
    left_out: tuple[LeftOut, ...],
) -> Trial:
    largest = max(examples.bytes_of(size) for size in (point.sample, *(arm.beside for arm in group)) if size)
    turn = scenario.turn or catalog.turn(point.users, largest)
    method = offered[point.method]
    streamed = method.kind is not Kind.UNARY
    return Trial(
        scenario=wish.scenario,
        arms=(*group, *(twins.made(group) if scenario.anatomy else ()), *_floor(offered, method)),
        baseline=baseline,
        users=point.users,
        sample=point.sample,
        method=point.method,
        turn=turn,
        settle=catalog.settle(turn),
        seconds=0.0,
        forks=scenario.forks if wish.forks is None else wish.forks,
        service=wish.service,
        timeout=catalog.TIMEOUT,
        messages=_messages(scenario, point) if streamed or point.part else 1,
        part=point.part,
        left_out=left_out,
        open=_open(wish, point, turn),
        slo=slo.parse(wish.slo or scenario.slo).text if scenario.slo else "",
        routed=scenario.routed,
    )


def _open(wish: Wish, point: Point, turn: int) -> Open | None:
    if not point.rate:
        return None
    rate, share = parse_rate(point.rate)
    if not share and rate * turn / 1e9 < _FEWEST_DUE:
        least = _FEWEST_DUE * 1e9 / turn
        raise SpecError(
            f"rate {point.rate!r}: too few calls are due in a turn of {turn / 1e9:g} s; give {least:g}"
        )
    waiting = WAITING if wish.waiting is None else wish.waiting
    arrivals = Arrivals(wish.arrivals) if wish.arrivals else Arrivals.UNIFORM
    return Open(rate, point.users, arrivals, waiting, of_capacity=share)


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


def _groups(named: Sequence[Arm], baseline: str, scenario: Scenario) -> list[list[Arm]]:
    """Share the arms among trials of at most six, twins included; every one of them has the baseline."""
    most = catalog.MOST_ARMS // 2 if scenario.anatomy else catalog.MOST_ARMS
    base = [arm for arm in named if arm.name == baseline]
    rest = [arm for arm in named if arm.name != baseline]
    if len(named) <= most:
        return [list(named)]
    size = most - 1
    # Trials of about equal size: a round's length, and so what noise it lets in, is then about equal, too.
    count = -(-len(rest) // size)
    return [base + rest[k::count] for k in range(count)]
