"""`rpcduel run`: measures arms against each other, stores what happened, and shows it."""

from __future__ import annotations

import math
import secrets
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.decide.compare import Answer
    from harness.decide.comparison import Comparison
    from harness.measure.observer import Observer
    from harness.plan import Wish
    from harness.results import Machine, Result, Trial

FINE, INVALID, INTERRUPTED = 0, 4, 130
_QUICK_SECONDS = 18.0
_FORKS = 5
_START = 1.0
_ARM_START = 0.3
"""Seconds that a fork and each of its arms take to start, about, on two cores."""
_FORK_SD = 0.017
_TURN_SD = 0.02
"""Standard deviations of a ratio that are typical, between forks and of a second of one arm's turns; what
they are on a machine `rpcduel doctor` measures."""
_INTERVAL_FORKS = 4
_FLOOR = "floor"


def _numbers(_context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    parts = text.split(",") if text else []
    if not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter(f"{text!r} is no list of whole numbers, such as 1,16", param=parameter)
    return tuple(int(part) for part in parts)


def _words(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text else ()


@click.command()
@click.argument("what", nargs=-1, metavar="[SCENARIO ...|SUITE.toml]")
@click.option(
    "--stack", "names", callback=_words, metavar="NAMES", help="Stacks with commas between, or 'all'."
)
@click.option(
    "--arm", "specs", multiple=True, metavar="SPEC", help="[name=]stack[,key=value…]; may be repeated."
)
@click.option("--users", callback=_numbers, metavar="N,…", help="Calls in flight, for example 1,16.")
@click.option(
    "--sample",
    "samples",
    callback=_words,
    metavar="SIZES",
    help="Of small, medium, large, or sizes as 10KiB.",
)
@click.option(
    "--channel", "modes", callback=_words, metavar="MODES", help="Of per-user, shared, pool:N, per-request."
)
@click.option("--service", default="", metavar="M:C", help="A service of your own, as module:Class.")
@click.option("--message", default="", metavar="M:S", help="A message of your own, to be echoed.")
@click.option("--method", default="", metavar="NAME", help="Of the service; else what the scenario asks for.")
@click.option("--baseline", default="", metavar="ARM", help="The arm that ratios refer to; else the first.")
@click.option(
    "--seconds",
    type=float,
    metavar="S",
    help="Measuring time of the whole run; else the scenario's own.",
)
@click.option("--forks", type=int, metavar="N", help=f"Fresh starts of every process; else {_FORKS}.")
@click.option("--quick", is_flag=True, help="16 users, one fork, at most 30 s: a first look.")
@click.option("--seed", type=int, metavar="N", help="Of the order of turns; else by chance, and stored.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
@click.option("--strict", is_flag=True, help="Exit with 4 when a figure is doubtful, too.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results"),
    metavar="DIR",
    help="Where results are kept; else ./results.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(
    what: tuple[str, ...],
    names: tuple[str, ...],
    specs: tuple[str, ...],
    users: tuple[int, ...],
    samples: tuple[str, ...],
    modes: tuple[str, ...],
    service: str,
    message: str,
    method: str,
    baseline: str,
    seconds: float | None,
    forks: int | None,
    quick: bool,
    seed: int | None,
    dry_run: bool,
    strict: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Measure arms against each other in turns, store what happened, and show it.

    Without arguments the default stacks are compared, with 1 and with 16 users.
    """
    from harness import machine, plan, results
    from harness.show import progress

    wishes = [
        _overridden(
            wish,
            arms=_arms(names, specs, modes, wish),
            baseline=baseline,
            users=users or ((16,) if quick else ()),
            samples=samples,
            service=_served(service, message),
            method=method,
            seconds=_QUICK_SECONDS if quick and seconds is None else seconds,
            forks=1 if quick and forks is None else forks,
        )
        for wish in _wishes(what)
    ]
    trials = [trial for wish in wishes for trial in plan.trials(wish)]
    intention = _intention(trials)
    if dry_run:
        click.echo("\n".join([intention, *map(_describe, trials)]))
        return
    results.writable(out)
    place = _place(out, "+".join(dict.fromkeys(wish.scenario for wish in wishes)))
    observer = progress.observer(sys.stderr, silent=as_json)
    observer.start(intention)
    seed = secrets.randbelow(2**31) if seed is None else seed
    here = machine.look()
    try:
        finished, interrupted = _measure(trials, here, seed, place, observer)
    finally:
        observer.close()
    answer = _show(finished, place, as_json=as_json)
    sys.exit(INTERRUPTED if interrupted else _code(answer.comparisons, strict=strict))


def _served(service: str, message: str) -> str:
    if service and message:
        raise click.UsageError(
            "--service and --message exclude each other; a message is a service that echoes it"
        )
    return service or message


def _place(out: Path, scenarios: str) -> Path:
    """Name the directory of this run, by time and scenario; one that is there already gets a number."""
    name = f"{datetime.now().astimezone():%Y%m%dT%H%M%S}-{scenarios}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(out / each for each in names if not (out / each).exists())


def _wishes(what: Sequence[str]) -> list[Wish]:
    """Read suites and scenario names; the scenario `unary` where there is neither."""
    from harness import suite
    from harness.plan import Wish

    return [
        suite.read(Path(word)) if word.endswith(".toml") else Wish(scenario=word)
        for word in what or ["unary"]
    ]


def _arms(names: Sequence[str], specs: Sequence[str], modes: Sequence[str], wish: Wish) -> tuple[object, ...]:
    """Put together the arms of a wish: those named here, else those of the suite, in each channel mode."""
    import msgspec

    import stacks
    from scenarios.arm import Arm, parse

    chosen = _all() if list(names) == ["all"] else names
    arms = [*(Arm(name="", stack=name) for name in chosen), *map(parse, specs)] or list(wish.arms)
    if not modes:
        return tuple(arms)
    arms = arms or [Arm(name="", stack=name) for name in stacks.DEFAULTS]
    return tuple(
        msgspec.structs.replace(arm, channel=mode, name=f"{arm.name},channel={mode}" if arm.name else "")
        for arm in arms
        for mode in modes
    )


def _all() -> list[str]:
    """Name all stacks that can be loaded here and have a wire; says which cannot."""
    import stacks
    from stacks.errors import StackError

    found = []
    for name in stacks.names():
        try:
            if stacks.find(name).wire and name != "floor":
                found.append(name)
        except StackError as error:
            click.echo(f"left out: {error}", err=True)
    return found


def _overridden(wish: Wish, **values: object) -> Wish:
    """Let what the command line says stand above the suite."""
    import msgspec

    return msgspec.structs.replace(
        wish, **{key: value for key, value in values.items() if value not in (None, (), "")}
    )


def _intention(trials: Sequence[Trial]) -> str:
    """Say the plan in a line: ``3 arms and the floor × 2 points × 5 forks, about 90 s; ratios to …``."""
    forks = trials[0].forks
    arms = len({arm.name for trial in trials for arm in trial.arms} - {_FLOOR})
    points = len({(trial.users, trial.sample, trial.method, trial.part) for trial in trials})
    seconds = sum(map(_duration, trials))
    counted = (_plural(arms, "arm"), _plural(points, "point"), _plural(forks, "fork"))
    text = "{} and the floor × {} × {}".format(*counted) + f", about {seconds:.0f} s; "
    if forks < _INTERVAL_FORKS:
        return text + "too few forks for an interval: a first look, no verdict"
    from scipy.special import stdtrit

    turns = min(trial.seconds / forks / len(trial.arms) for trial in trials)
    deviation = math.hypot(_FORK_SD, _TURN_SD / math.sqrt(turns))
    half = float(-stdtrit(forks - 1, 0.025)) * deviation / math.sqrt(forks)
    return text + f"ratios to about {100 * half:.2g} %, if this machine is like others"


def _duration(trial: Trial) -> float:
    """Give the seconds that `trial` takes, about."""
    from harness.measure.fork import warm_up

    warm = 2 * warm_up(trial) / 1e9
    return trial.seconds + trial.forks * (_START + len(trial.arms) * (_ARM_START + warm))


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _describe(trial: Trial) -> str:
    names = ", ".join(arm.name for arm in trial.arms)
    what = f"{trial.part} {trial.method}".strip()
    return (
        f"  {trial.scenario}: {what}({trial.sample}), users {trial.users}, turns of "
        f"{trial.turn / 1e6:g} ms, {trial.seconds:.1f} s over {trial.forks} forks: {names}"
    )


def _measure(
    trials: Sequence[Trial], machine: Machine, seed: int, place: Path, observer: Observer
) -> tuple[list[Result], bool]:
    """Conduct all trials and store each as soon as it ends; also tells whether the user broke it off."""
    from harness import results
    from harness.measure import conduct
    from harness.measure.observer import Part

    finished: list[Result] = []
    line = shlex.join(["rpcduel", *sys.argv[1:]])
    for k, trial in enumerate(trials):
        part = Part(observer, k, len(trials), _duration(trial))
        interrupted = False
        try:
            result = conduct.conduct(trial, machine, seed + k, line, part)
        except conduct.Interrupted as stop:
            interrupted = True
            if stop.result is None:
                return finished, True
            result = stop.result
        results.writable(place)
        results.write(result, place / f"{k:03d}-{_label(trial)}.json")
        finished.append(result)
        if interrupted:
            return finished, True
    return finished, False


def _label(trial: Trial) -> str:
    """Name a trial's file by its point."""
    return "-".join(part for part in (f"{trial.users}-users", trial.sample, trial.method, trial.part) if part)


def _show(finished: Sequence[Result], place: Path, *, as_json: bool) -> Answer:
    from harness.decide import compare
    from harness.show import json, terminal

    answer = compare.answer(finished)
    if as_json:
        click.echo(json.render(answer), nl=False)
        return answer
    if not answer.comparisons:
        click.echo("No trial was finished; nothing was stored.")
        return answer
    terminal.show(answer)
    click.echo(f"\nStored in {place}; read it again with: rpcduel report {place}")
    return answer


def _code(comparisons: Sequence[Comparison], *, strict: bool) -> int:
    """Exit with 4 for a figure that is invalid, under `strict` also for one that is doubtful."""
    bad = {"invalid", "doubtful"} if strict else {"invalid"}
    return INVALID if any(arm.validity in bad for each in comparisons for arm in each.arms) else FINE
