"""`rpcduel report`: shows a stored result again, on the terminal or in another format."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.output import give

_ROOT = Path("results")
_FORMATS = ("md", "csv", "json")


@click.command()
@click.argument("result", required=False, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Else a table for the terminal.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write there; without --format the ending decides: .md, .csv or .json.",
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

    found = results.read_all(result or results.newest(_ROOT))
    if form == "csv":
        from harness.show import csv

        give(csv.render(found), output)
        return
    from harness.decide import compare

    answer = compare.answer(found)
    if form == "md":
        from harness.show import markdown

        give(markdown.render(answer), output)
    elif form == "json":
        from harness.show import json

        give(json.render(answer), output)
    else:
        from harness.show import terminal

        terminal.show(answer, width=width)


def _by_ending(output: Path | None) -> str | None:
    if output is None:
        return None
    ending = output.suffix.removeprefix(".")
    if ending not in _FORMATS:
        raise click.UsageError(f"{output}: the ending says no format; add --format md, csv or json")
    return ending
