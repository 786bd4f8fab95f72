"""`rpcduel gate`: says whether candidates cost more than their base, as soon as that can be said."""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import output, silence

if TYPE_CHECKING:
    from harness.decide.gate import Decision, Rule
    from harness.measure.observer import Observer
    from harness.plan.gate import Question
    from harness.results import Machine, Result, Trial

CODES = {"same": 0, "better": 0, "worse": 1, "unclear": 3, "invalid": 4}
INTERRUPTED = 130
FORMATS = ("md", "junit", "json", "action", "bencher")
_ENDINGS = {".md": "md", ".xml": "junit", ".json": "json"}


def _forms(
    _context: click.Context, parameter: click.Parameter, given: tuple[Path, ...]
) -> tuple[tuple[str, Path], ...]:
    """Pair files with formats: as many --format as -o, or none where the endings say it."""
    forms = _context.params.get("forms") or ()
    if not forms:
        forms = tuple(_ENDINGS.get(file.suffix, "") for file in given)
        if not all(forms):
            wrong = given[forms.index("")]
            raise click.BadParameter(
                f"{wrong}: the ending says no format; add --format {', '.join(FORMATS)}", param=parameter
            )
    if len(forms) != len(given) and (given or len(forms) > 1):
        raise click.BadParameter(
            f"{len(forms)} formats and {len(given)} files: each --format needs a -o of its own",
            param=parameter,
        )
    return tuple(zip(forms, given, strict=False)) or tuple((form, Path("-")) for form in forms)


@click.command()
@click.argument("suite", required=False, type=click.Path(path_type=Path), metavar="[SUITE.toml]")
@click.option(
    "--base", default="", metavar="SPEC", help="What candidates are held against; of a suite, an arm's name."
)
@click.option("--candidate", "candidates", multiple=True, metavar="SPEC", help="As --base; may be repeated.")
@click.option("--users", type=int, metavar="N", help="Calls in flight; else 16.")
@click.option(
    "--sample", default="", metavar="SIZE", help="Of small, medium, large, or a size as 10KiB; else small."
)
@click.option("--service", default="", metavar="M:C", help="A service of your own, as module:Class.")
@click.option("--message", default="", metavar="M:S", help="A message of your own, to be echoed.")
@click.option("--method", default="", metavar="NAME", help="Of the service; else its first unary one.")
@click.option("--tolerance", default="", metavar="P", help="A change that is put up with; else 2%.")
@click.option("--detect", default="", metavar="P", help="A change that must not pass; else 5%.")
@click.option("--metrics", default="", metavar="NAMES", help="Of time, cpu, p50; else time,cpu.")
@click.option("--looks", default="", metavar="N,…", help="Forks after which to look; else 8,16,32.")
@click.option(
    "--seconds", type=float, metavar="S", help="Measuring time of an arm in the first look; else 10."
)
@click.option("--seed", type=int, metavar="N", help="Of the order of turns; else by chance, and stored.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results"),
    metavar="DIR",
    help="Where results are kept; else ./results.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "--format",
    "forms",
    type=click.Choice(FORMATS),
    multiple=True,
    is_eager=True,
    help="Print or write this, too.",
)
@click.option(
    "-o",
    "--output",
    "files",
    multiple=True,
    callback=_forms,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write there what --format says, else the ending: .md, .json or .xml (JUnit). Both may be repeated.",
)
def command(
    suite: Path | None,
    base: str,
    candidates: tuple[str, ...],
    users: int | None,
    sample: str,
    service: str,
    message: str,
    method: str,
    tolerance: str,
    detect: str,
    metrics: str,
    looks: str,
    seconds: float | None,
    seed: int | None,
    out: Path,
    as_json: bool,
    forms: tuple[str, ...],
    files: tuple[tuple[str, Path], ...],
) -> None:
    """Say whether a candidate costs more than its base: time per call, and CPU per call.

    Looks after 8, 16 and 32 fresh starts of everything, and stops as soon as something can be said.
    Exit codes: 0 the same or better, 1 worse, 2 usage, 3 unclear, 4 invalid.
    """
    from harness import results
    from harness.cli import gating, wishes
    from harness.show import progress

    printed = [form for form, file in files if file == Path("-")]
    if as_json and printed:
        raise click.UsageError("--json prints JSON; give --format a file (-o)")
    del forms
    question = gating.question(
        suite,
        base,
        candidates,
        users=users,
        sample=sample,
        service=wishes.served(service, message),
        method=method,
        tolerance=tolerance,
        detect=detect,
        metrics=metrics,
        looks=looks,
        seconds=seconds,
    )
    results.writable(out)
    written = [(form, file) for form, file in files if file != Path("-")]
    for _, file in written:
        output.check(file)
    observer = progress.observer(sys.stderr, silent=as_json)
    seed = secrets.randbelow(2**31) if seed is None else seed
    with output.place(out, "gate") as place:
        try:
            decision, interrupted = measured(question, seed, place, observer)
        finally:
            observer.close()
        if decision is None:
            click.echo("rpcduel: interrupted before anything could be said", err=True)
            sys.exit(INTERRUPTED)
        _tell(decision, place, ["json"] if as_json else printed, written)
    sys.exit(INTERRUPTED if interrupted else CODES[decision.ruling])


def measured(question: Question, seed: int, place: Path, observer: Observer) -> tuple[Decision | None, bool]:
    """Look until all is decided; None where no fork was measured. Also tells whether it was broken off."""
    from harness import machine
    from harness.cli import gating
    from harness.decide import gate as decide
    from harness.measure import environments
    from harness.plan import gate

    trials = gate.expand(question)
    here = machine.look()
    observer.start(gating.plan(question, trials))
    environments.prepare(trials[0].arms, observer)
    finished: list[Result] = []
    decision = None
    for k, trial in enumerate(trials):
        watched = gating.Look(observer, k, len(trials))
        result, interrupted = _look(trial, finished, question.rule, seed + k, here, watched)
        if result is None:
            return decision, True
        finished.append(result)
        _store(result, place, k)
        decision = decide.decide(finished, question.rule)
        if interrupted or decision.final:
            return decision, interrupted
        observer.note(gating.so_far(decision))
    return decision, False


def _look(
    trial: Trial, before: Sequence[Result], rule: Rule, seed: int, here: Machine, observer: Observer
) -> tuple[Result | None, bool]:
    """Measure the forks of one look, with turns as long as in those before."""
    import msgspec

    from harness.cli import gating
    from harness.measure import conduct

    if before:
        last = before[-1].trial
        trial = msgspec.structs.replace(trial, turn=last.turn, settle=last.settle)
    line = shlex.join(["rpcduel", *sys.argv[1:], *gating.options(rule, sys.argv)])
    try:
        return conduct.conduct(trial, here, seed, line, observer, fixed=bool(before)), False
    except conduct.Interrupted as stop:
        return stop.result, True


def _store(result: Result, place: Path, number: int) -> None:
    from harness import results

    try:
        results.writable(place)
        results.write(result, place / f"{number:03d}-look-{number + 1}.json")
    except results.ResultError as error:  # what was measured is judged all the same
        click.echo(f"rpcduel: {error}; it is judged, but not stored", err=True)


def _tell(
    decision: Decision, place: Path, printed: Sequence[str], written: Sequence[tuple[str, Path]]
) -> None:
    """Write all files, then print; what fails is said, and takes nothing from the ruling's exit code."""
    for form, file in written:
        try:
            output.give(_rendered(decision, form, place), file)
        except click.UsageError as error:
            click.echo(f"rpcduel: {error.message}", err=True)
    try:
        _show(decision, place, printed)
    except OSError as error:
        silence()
        click.echo(f"rpcduel: standard output cannot be written: {error.strerror}", err=True)


def _show(decision: Decision, place: Path, printed: Sequence[str]) -> None:
    from harness.show import rulings

    for form in printed:
        click.echo(_rendered(decision, form, place), nl=False)
    if not printed:
        rulings.show(decision)
        if any(place.iterdir()):
            click.echo(f"Stored in {place}; read it again with: rpcduel report {place}")


def _rendered(decision: Decision, form: str, place: Path) -> str:
    from harness.show import action, bencher, junit, rulings, rulings_markdown

    if form == "json":
        return rulings.json(decision, str(place))
    renders = {
        "md": rulings_markdown.render,
        "junit": junit.render,
        "action": action.render,
        "bencher": bencher.render,
    }
    return renders[form](decision)
