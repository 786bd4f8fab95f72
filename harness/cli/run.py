"""`rpcduel run`: measures arms against each other, stores what happened, and shows it."""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.decide.compare import Answer
    from harness.decide.comparison import Comparison
    from harness.measure.observer import Observer
    from harness.results import Machine, Result, Trial

FINE, INVALID, INTERRUPTED = 0, 4, 130
_QUICK_SECONDS = 18.0
_FORKS = 5


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
@click.option(
    "--rate",
    "rates",
    callback=_words,
    metavar="R,…",
    help="Of open loops: calls a second, or 50% of what each arm can do.",
)
@click.option("--arrivals", default="", metavar="KIND", help="Of open loops: uniform or poisson.")
@click.option("--slo", default="", metavar="PNN<T", help="What scenario slo asks for, such as 'p99<10ms'.")
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
@click.option(
    "--quick", is_flag=True, help=f"A first look: 16 users, one fork, {_QUICK_SECONDS:.0f} s of measuring."
)
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
    rates: tuple[str, ...],
    arrivals: str,
    slo: str,
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
    from harness import machine, results
    from harness.cli import intention, output, wishes
    from harness.measure import environments
    from harness.plan.trials import expand
    from harness.show import progress

    asked = [
        wishes.overridden(
            wish,
            arms=wishes.arms(names, specs, modes, wish),
            baseline=baseline,
            users=users or (wishes.crowd(wish) if quick else ()),
            samples=samples,
            service=wishes.served(service, message),
            method=method,
            rates=rates,
            arrivals=arrivals,
            slo=slo,
            seconds=_QUICK_SECONDS if quick and seconds is None else seconds,
            forks=1 if quick and forks is None else forks,
        )
        for wish in wishes.read(what)
    ]
    trials = [trial for wish in asked for trial in expand(wish)]
    line = intention.intention(trials)
    if dry_run:
        click.echo("\n".join([line, *map(intention.describe, trials)]))
        return
    results.writable(out)
    observer = progress.observer(sys.stderr, silent=as_json)
    observer.start(line)
    seed = secrets.randbelow(2**31) if seed is None else seed
    here = machine.look()
    with output.place(out, "+".join(dict.fromkeys(wish.scenario for wish in asked))) as place:
        try:
            environments.prepare([arm for trial in trials for arm in trial.arms], observer)
            finished, interrupted = _measure(trials, here, seed, place, observer)
        finally:
            observer.close()
        answer = _show(finished, place, as_json=as_json)
    sys.exit(INTERRUPTED if interrupted else _code(answer.comparisons, strict=strict))


def _measure(
    trials: Sequence[Trial], machine: Machine, seed: int, place: Path, observer: Observer
) -> tuple[list[Result], bool]:
    """Conduct all trials and store each as soon as it ends; also tells whether the user broke it off."""
    from harness import results
    from harness.cli import intention
    from harness.measure import conduct
    from harness.measure.observer import Part

    finished: list[Result] = []
    line = shlex.join(["rpcduel", *sys.argv[1:]])
    for k, trial in enumerate(trials):
        part = Part(observer, k, len(trials), intention.duration(trial))
        interrupted = False
        try:
            result = conduct.conduct(trial, machine, seed + k, line, part)
        except conduct.Interrupted as stop:
            interrupted = True
            if stop.result is None:
                return finished, True
            result = stop.result
        finished.append(result)
        try:
            results.writable(place)
            results.write(result, place / f"{k:03d}-{_label(trial)}.json")
        except results.ResultError as error:  # what was measured is shown all the same
            click.echo(f"rpcduel: {error}; it is shown, but not stored", err=True)
        if interrupted:
            return finished, True
    return finished, False


def _label(trial: Trial) -> str:
    """Name a trial's file by its point."""
    rate = str(trial.open).replace(" %", "-percent").replace("/s", "-per-s") if trial.open else ""
    parts = (f"{trial.users}-users", trial.sample, trial.method, trial.part, rate)
    return "-".join(part for part in parts if part)


def _show(finished: Sequence[Result], place: Path, *, as_json: bool) -> Answer:
    from harness.decide import compare
    from harness.show import json, terminal

    answer = compare.answer(finished)
    # First of all, since standard output may fail, or its reader go away.
    reported = _reported(finished, answer, place) if any(place.glob("*.json")) else ""
    if as_json:
        click.echo(json.render(answer).encode(), nl=False)
        return answer
    if not answer.comparisons:
        click.echo("No trial was finished; nothing was stored.")
        return answer
    terminal.show(answer)
    terminal.conclude(answer)
    if any(place.glob("*.json")):
        click.echo(f"\nStored in {place}{reported}")
    return answer


def _reported(finished: Sequence[Result], answer: Answer, place: Path) -> str:
    """Put the report beside the results, and say so; what goes wrong takes nothing from what was measured."""
    from harness import results
    from harness.show.html import page

    file = place / "report.html"
    try:
        results.put(page.render(finished, answer).encode(), file)
    except Exception as error:  # noqa: BLE001 -- as above: the results are stored, and can be shown again
        reason = str(error) if isinstance(error, results.ResultError) else f"{type(error).__name__}: {error}"
        click.echo(f"rpcduel: no report was written: {reason}; the table says the same", err=True)
        return ""
    return f"; its report: {file}"


def _code(comparisons: Sequence[Comparison], *, strict: bool) -> int:
    """Exit with 4 for a figure that is invalid, under `strict` also for one that is doubtful."""
    bad = {"invalid", "doubtful"} if strict else {"invalid"}
    return INVALID if any(arm.validity in bad for each in comparisons for arm in each.arms) else FINE
