"""What makes a comparison unlike: facts and abilities of its arms, with those marked that differ."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.results import Result, Run
from harness.show import units, words
from scenarios.arm import FLOOR, Arm
from stacks import examples
from stacks.base import STREAM_LIMIT

ABILITIES = ("deadlines", "cancellation", "metadata", "flow control", "streams", "multiplexing", STREAM_LIMIT)


@dataclass(frozen=True)
class Value:
    """What some arms have in common."""

    text: str
    arms: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """One thing that arms are asked; of one value where all are alike."""

    title: str
    values: tuple[Value, ...]
    differs: bool
    """Whether arms of one trial differ in it; not where only trials do."""


@dataclass(frozen=True)
class Able:
    """Which abilities an arm has, in the order of the sheet's `abilities`."""

    arm: str
    has: tuple[bool, ...]


@dataclass(frozen=True)
class Fairness:
    """All arms of a run, the floor last; facts that are alike come behind those that differ."""

    facts: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    abilities: tuple[str, ...]
    able: tuple[Able, ...]
    uneven: tuple[bool, ...]
    """For each ability, whether some arms of a trial have it and others have not, the floor left aside."""


_ASKED: tuple[tuple[str, Callable[[Arm, Run], str]], ...] = (
    ("server concurrency", lambda _, run: run.facts.concurrency),
    ("threads", lambda _, run: run.facts.threads),
    ("channel mode", lambda arm, _: arm.channel),
    ("passes through", lambda arm, _: ", then ".join(arm.hops) or "nothing"),
    ("Nagle's algorithm", lambda _, run: run.facts.nagle),
    ("compression", lambda _, run: run.facts.compression),
    ("TLS", lambda _, run: run.facts.tls),
    ("deadline", lambda _, run: run.facts.deadline),
    (
        "largest message",
        lambda _, run: units.size(run.facts.max_message) if run.facts.max_message else "not known",
    ),
    ("interpreter", lambda arm, _: arm.python or "that of rpcduel"),
    ("packages of its own", lambda arm, _: ", ".join(arm.needs) or "none"),
    ("server", lambda arm, _: arm.at or " ".join(arm.server) or "started by rpcduel"),
    ("streams of a connection", lambda arm, _: str(arm.streams) if arm.streams else "as the library has it"),
    ("work in the handler", lambda arm, _: arm.work or "none"),
    (
        "sent beside it",
        lambda arm, _: f"messages of {examples.written(arm.beside)}" if arm.beside else "nothing",
    ),
)
"""What is asked of every arm; the later half is only shown where it differs."""
_ALWAYS = 9


def look(results: Iterable[Result]) -> Fairness:
    """Put together what is known of all arms of a run; an instrumented twin is none."""
    trials = [_measured(result) for result in results]
    pairs = sorted(itertools.chain(*trials), key=lambda pair: pair[0].name == FLOOR.name)
    facts = [
        _fact(title, [[(arm.name, ask(arm, run)) for arm, run in trial] for trial in trials])
        for title, ask in _ASKED
    ]
    shown = [one for place, one in enumerate(facts) if place < _ALWAYS or len(one.values) > 1]
    names = dict.fromkeys(name for _, run in pairs for name in run.facts.versions)
    shown += [_fact(f"gateway: {key}", [_stated(key, trial) for trial in trials]) for key in _keys(pairs)]
    has: dict[str, frozenset[str]] = {}
    for arm, run in pairs:
        has[arm.name] = has.get(arm.name, frozenset()) | frozenset(run.facts.abilities)
    others = sorted(frozenset().union(*has.values()) - frozenset(ABILITIES))
    asked = (*ABILITIES, *others)
    return Fairness(
        facts=tuple(sorted(shown, key=lambda one: not one.differs)),
        versions=tuple(_fact(name, [_versions(name, trial) for trial in trials]) for name in sorted(names)),
        abilities=tuple(map(words.clean, asked)),
        able=tuple(Able(words.clean(arm), tuple(one in own for one in asked)) for arm, own in has.items()),
        uneven=tuple(
            _differ([[(arm.name, one in has[arm.name]) for arm, _ in trial] for trial in trials])
            for one in asked
        ),
    )


def _measured(result: Result) -> list[tuple[Arm, Run]]:
    runs = {run.arm: run for run in result.runs}
    arms = [arm for arm in result.trial.arms if not arm.twin_of and arm.name in runs]
    return [(arm, runs[arm.name]) for arm in arms]


def _versions(name: str, trial: Sequence[tuple[Arm, Run]]) -> list[tuple[str, str]]:
    return [(arm.name, run.facts.versions[name]) for arm, run in trial if name in run.facts.versions]


def _keys(pairs: Iterable[tuple[Arm, Run]]) -> list[str]:
    """Give what hops state of themselves, as far as any does."""
    return list(dict.fromkeys(key for _, run in pairs for facts in run.hops.values() for key in facts))


def _stated(key: str, trial: Sequence[tuple[Arm, Run]]) -> list[tuple[str, str]]:
    """Give what hops state, of the arms whose hops do; several hops of an arm after each other."""
    stated = [(arm.name, [facts[key] for facts in run.hops.values() if key in facts]) for arm, run in trial]
    return [(arm, "; then ".join(texts)) for arm, texts in stated if texts]


def _fact(title: str, trials: Sequence[Sequence[tuple[str, str]]]) -> Fact:
    """Group arms by what they say; the floor is shown with its value, and makes no difference by itself."""
    groups: dict[str, list[str]] = {}
    for arm, text in sorted(itertools.chain(*trials), key=lambda one: one[0] == FLOOR.name):
        names = groups.setdefault(text, [])
        if arm not in names:
            names.append(arm)
    contenders = {text: names for text, names in groups.items() if names != [FLOOR.name]}
    return Fact(
        words.clean(title),
        tuple(
            Value(words.clean(text), tuple(map(words.clean, names)))
            for text, names in (contenders or groups).items()
        ),
        _differ(trials),
    )


def _differ(trials: Iterable[Iterable[tuple[str, object]]]) -> bool:
    """Tell whether contenders of one trial say different things: only they are held against each other."""
    return any(len({said for arm, said in trial if arm != FLOOR.name}) > 1 for trial in trials)
