"""`rpcduel compare`: holds two stored results against each other, through the floor that both have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import output

if TYPE_CHECKING:
    from harness.decide.across import Across, Rule
    from harness.decide.known import Known
    from harness.results import Result

CODES = {"same": 0, "better": 0, "worse": 1, "unclear": 3, "invalid": 4}
FINE, UNCLEAR = 0, 3
FORMATS = ("md", "json", "junit")
_ENDINGS = {".md": "md", ".json": "json", ".xml": "junit"}


@click.command()
@click.argument("base", required=False, type=click.Path(path_type=Path))
@click.argument("candidate", required=False, type=click.Path(path_type=Path))
@click.option("--tolerance", default="", metavar="P", help="A change that is put up with; else 2%.")
@click.option("--detect", default="", metavar="P", help="A change that must not pass; else 5%.")
@click.option(
    "--metrics", default="", metavar="NAMES", help="What is judged: of time, cpu, p50; else time,cpu."
)
@click.option(
    "--strict", is_flag=True, help="Exit with 3 when something is not judged, as without A/A sessions."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results"),
    metavar="DIR",
    help="Where results and A/A sessions are kept; else ./results.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Else lines for the terminal.")
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write there; without --format the ending decides: .md, .json or .xml (JUnit).",
)
def command(
    base: Path | None,
    candidate: Path | None,
    tolerance: str,
    detect: str,
    metrics: str,
    strict: bool,
    out: Path,
    as_json: bool,
    form: str | None,
    file: Path | None,
) -> None:
    """Say what has changed from BASE to CANDIDATE, two stored results.

    With one argument the newest run like it is the candidate; with none the two newest runs of the same
    scenario are compared. What can be told of two sessions is told by A/A sessions (rpcduel doctor --aa);
    without them there are figures, but no intervals and no verdict. To judge a change, measure both sides
    together: rpcduel gate.
    Exit codes: 0 the same, better or not judged, 1 worse, 2 usage, 3 unclear, 4 invalid.
    """
    from harness import results, runs
    from harness.decide import across

    form = _form(form, file, as_json=as_json)
    rule = _rule(tolerance, detect, metrics)
    places = runs.pair(out, base, candidate)
    before, after = (results.read_all(place) for place in places)
    found = across.compare(before, after, _known(out, after), rule)
    if not found.arms:
        raise click.UsageError(_nothing(found))
    text = _rendered(found, form, (str(places[0]), str(places[1])))
    if text:
        output.give(text, file)
    if file or not text:
        from harness.show import changes

        changes.show(found, sys.stderr if file else sys.stdout)
    sys.exit(_code(found, rule, strict=strict))


def _form(form: str | None, file: Path | None, *, as_json: bool) -> str | None:
    if as_json and (file or form):
        raise click.UsageError("--json prints JSON; to write a file leave it out, and give -o alone")
    if as_json:
        return "json"
    if file and not form:
        form = _ENDINGS.get(file.suffix)
        if form is None:
            raise click.UsageError(f"{file}: the ending says no format; add --format {', '.join(FORMATS)}")
    return form


def _rule(tolerance: str, detect: str, metrics: str) -> Rule:
    from harness.decide.across import Rule
    from harness.plan import gate

    standard = Rule()
    rule = Rule(
        metrics=tuple(metrics.split(",")) if metrics else standard.metrics,
        tolerance=gate.percent(tolerance, "tolerance") if tolerance else standard.tolerance,
        detect=gate.percent(detect, "detect") if detect else standard.detect,
    )
    gate.check_limits(rule.metrics, rule.tolerance, rule.detect)
    return rule


def _known(out: Path, candidate: list[Result]) -> Known:
    """Read what A/A sessions say of the machine of the candidate."""
    from harness import noise
    from harness.decide import known

    place = noise.place(out, candidate[0].machine.fingerprint)
    return known.know(noise.read(place) if place.exists() else None, str(place))


def _nothing(found: Across) -> str:
    from harness.show.changes_words import absent

    return "\n".join(
        ["the two results have no arm in common, so there is nothing to compare:", *absent(found)]
    )


def _rendered(found: Across, form: str | None, places: tuple[str, str]) -> str:
    from harness.show import changes_json, changes_junit, changes_markdown

    if form == "json":
        return changes_json.render(found, places)
    if form == "md":
        return changes_markdown.render(found)
    return changes_junit.render(found) if form == "junit" else ""


def _code(found: Across, rule: Rule, *, strict: bool) -> int:
    code = FINE if found.ruling is None else CODES[found.ruling]
    silent = any(
        one.ruling is None or any(c.outcome is None for c in one.changes if c.metric in rule.metrics)
        for one in found.arms
    )
    return UNCLEAR if strict and silent and code == FINE else code
