"""`rpcduel report`: shows a stored result again, on the terminal or in another format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from harness.cli.output import give

if TYPE_CHECKING:
    from harness.decide.compare import Answer
    from harness.decide.gate import Decision
    from harness.results import Result

_ROOT = Path("results")
_FORMATS = ("html", "md", "csv", "json", "junit")
_OF_GATES = ("md", "json", "junit")
"""What shows of a gate its ruling alone, as `rpcduel gate` writes it."""
_ENDINGS = {".htm": "html", ".xml": "junit", **{f".{form}": form for form in _FORMATS[:-1]}}


@click.command()
@click.argument("result", required=False, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Else a table for the terminal.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write there; without --format the ending decides: .html, .md, .csv, .json or .xml (JUnit).",
)
@click.option(
    "--width",
    type=click.IntRange(min=20),
    metavar="N",
    help="Draw the table N characters wide, also where output is no terminal.",
)
def command(result: Path | None, form: str | None, output: Path | None, width: int | None) -> None:
    """Show RESULT, a run's directory or one file of it; without it the newest run under ./results."""
    form = form or _by_ending(output)
    if form and width:
        raise click.UsageError(f"--width is for the table; {form} has no width")
    from harness import results

    place = result or results.newest(_ROOT)
    if len(runs := results.stored(place)) > 1:
        place = runs[-1]
        click.echo(f"{result} holds {len(runs)} runs; this is the newest, {place.name}", err=True)
    found = results.read_all(place)
    if form == "csv":
        from harness.show import csv

        give(csv.render(found), output)
        return
    from harness.decide import compare, looks

    decision = looks.rule_again(found)
    if form in _OF_GATES and decision:
        give(_ruled(form, decision, place), output)
        return
    answer = compare.answer(found)
    if form:
        give(_rendered(form, found, answer), output)
    else:
        _shown(answer, decision, width)


def _shown(answer: Answer, decision: Decision | None, width: int | None) -> None:
    """Show a result on the terminal; of a gate its ruling, which is the answer, stands last."""
    from harness.show import rulings, terminal

    if decision:
        terminal.show(msgspec.structs.replace(answer, claims=(), unmoved=()), width=width)
        click.echo()
        rulings.show(decision)
    else:
        terminal.show(answer, width=width)
        terminal.conclude(answer)


def _ruled(form: str, decision: Decision, place: Path) -> str:
    from harness.show import junit, rulings, rulings_markdown

    if form == "json":
        return rulings.json(decision, str(place))
    return junit.render(decision) if form == "junit" else rulings_markdown.render(decision)


def _rendered(form: str, found: Sequence[Result], answer: Answer) -> str:
    if form == "html":
        from harness.show.html import page

        return page.render(found, answer)
    from harness.show import comparison_junit, json, markdown

    renders = {"md": markdown.render, "json": json.render, "junit": comparison_junit.render}
    return renders[form](answer)


def _by_ending(output: Path | None) -> str | None:
    if output is None:
        return None
    if output.suffix not in _ENDINGS:
        raise click.UsageError(f"{output}: the ending says no format; add --format {', '.join(_FORMATS)}")
    return _ENDINGS[output.suffix]
