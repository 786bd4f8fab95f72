"""Where, when and how results came about, as lines of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.results import Machine, Result
from harness.show import units, words


@dataclass(frozen=True)
class Line:
    """A term with what there is to say of it; more than one text where results differ."""

    term: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """How to make such results again."""

    lines: tuple[Line, ...]
    commands: tuple[str, ...]
    started: str
    rpcduel: str


def look(results: Sequence[Result]) -> Origin:
    """Say of which machine, with which versions and by which commands `results` are."""
    machines = [result.machine for result in results]
    lines = {
        "processor": [words.clean(one.cpu) for one in machines],
        "cores": [_cores(one) for one in machines],
        "memory": [f"{one.memory / 2**30:.3g} GiB" for one in machines],
        "kernel": [f"Linux {words.clean(one.kernel)}" for one in machines],
        "Python": [words.clean(one.python) for one in machines],
        "packages": [
            words.clean(", ".join(f"{name} {version}" for name, version in sorted(one.versions.items())))
            for one in machines
        ],
        "rpcduel": [words.clean(result.rpcduel) for result in results],
        "service": [words.clean(result.trial.service) for result in results],
        "started": [_span([words.clean(result.started) for result in results])],
        "measured": [_measured(results)],
    }
    return Origin(
        lines=tuple(Line(term, tuple(dict.fromkeys(texts))) for term, texts in lines.items() if texts),
        commands=tuple(_commands(results)),
        started=words.clean(results[0].started) if results else "",
        rpcduel=words.clean(results[0].rpcduel) if results else "",
    )


def _cores(machine: Machine) -> str:
    text = words.count(machine.cores, "core")
    if machine.client_cores:
        text += f"; clients on {_listed(machine.client_cores)}, servers on {_listed(machine.server_cores)}"
    return f"{text}; idle cores {'kept awake' if machine.awake else 'may sleep'}"


def _listed(cores: Sequence[int]) -> str:
    return f"core{'s' if len(cores) > 1 else ''} {', '.join(map(str, cores))}"


def _span(times: Sequence[str]) -> str:
    ends = sorted({min(times, default=""), max(times, default="")})
    return " to ".join(ends)


def _measured(results: Sequence[Result]) -> str:
    seconds = sum(result.trial.seconds for result in results)
    return f"{words.count(len(results), 'trial')}, {units.number(seconds, 0)} s of turns asked for"


def _commands(results: Sequence[Result]) -> list[str]:
    """Give each command line once, with its seed where it names none and the seed is known.

    Trial k of a run is played with the seed of the run + k, and a trial alone does not say which it was: the
    first of several is taken to be the run's first where their seeds follow on each other.
    """
    seeds: dict[str, list[int]] = {}
    for result in results:
        seeds.setdefault(result.command, []).append(result.seed)
    return [
        words.clean(f"{command} --seed {found[0]}" if _known(command, found) else command)
        for command, found in seeds.items()
    ]


def _known(command: str, seeds: Sequence[int]) -> bool:
    named = any(word.partition("=")[0] == "--seed" for word in command.split())
    return not named and len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds)))
