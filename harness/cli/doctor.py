"""`rpcduel doctor`: examines the machine, and with --full the method itself."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.doctor.bench import Bench
    from harness.doctor.check import Check

FINE, INVALID = 0, 4
NAMES = {
    "machine": "harness.doctor.surroundings:machine",
    "floor": "harness.doctor.examination:floor",
    "tax": "harness.doctor.examination:tax",
    "variance": "harness.doctor.examination:variance",
    "recording": "harness.doctor.costs:recording",
}
FULL = {
    "help": "harness.doctor.costs:help_time",
    "memory": "harness.doctor.costs:memory",
    "injected": "harness.doctor.proofs:injected",
    "unlike": "harness.doctor.proofs:turns_against_blocks",
    "company": "harness.doctor.proofs:alone_and_in_company",
    "stall": "harness.doctor.arrivals:stall",
    "lag": "harness.doctor.arrivals:lag",
    "transport": "harness.doctor.carriers:transport",
    "adapter": "harness.doctor.carriers:adapter",
    "memorypack": "harness.doctor.carriers:memorypack",
    "aa": "harness.doctor.proofs:same_against_same",
}
LAST = {"meanwhile": "harness.doctor.surroundings:meanwhile"}
"""What looks back on the others."""
ALL = {**NAMES, **FULL, **LAST}


def _chosen(_context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    names = tuple(text.split(",")) if text else ()
    for name in names:
        if name not in ALL:
            raise click.BadParameter(
                f"there is no check {name!r}; checks are: {', '.join(ALL)}", param=parameter
            )
    return names


@click.command()
@click.option(
    "--full", is_flag=True, help="Prove the method too: A/A, true ratios, injected slowdowns (an hour)."
)
@click.option(
    "--only", "names", callback=_chosen, metavar="NAMES", help="Only these checks, with commas between."
)
@click.option("--seed", type=int, metavar="N", help="Of the order of turns; else by chance.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "-o", "output", type=click.Path(path_type=Path), metavar="FILE", help="Write the tables as Markdown, too."
)
def command(full: bool, names: tuple[str, ...], seed: int | None, as_json: bool, output: Path | None) -> None:
    """Examine this machine: loopback, the harness' tax, and which ratios can be resolved in which time.

    Takes about four minutes. Exits with 4 when a goal that is stated was not met.
    """
    from harness import machine
    from harness.doctor.bench import Bench
    from harness.show import checks, progress

    observer = progress.observer(sys.stderr, silent=as_json)
    bench = Bench(machine.look(), observer, secrets.randbelow(2**31) if seed is None else seed)
    chosen = names or tuple(ALL if full else {**NAMES, **LAST})
    observer.start(f"{len(chosen)} checks: {', '.join(chosen)}")
    found: list[Check] = []
    try:
        for name in chosen:
            found.append(_examined(name, bench))
            if not as_json:
                observer.close()
                click.echo(checks.terminal(found[-1]))
    finally:
        observer.close()
        if output:
            output.write_text(checks.markdown(found), encoding="utf-8")
    if as_json:
        click.echo(checks.json(found))
    sys.exit(INVALID if any(check.met is False for check in found) else FINE)


def _examined(name: str, bench: Bench) -> Check:
    """Make one check; its answer says how many of its trials were doubtful, and why."""
    import msgspec

    bench.doubts.clear()
    check = _find(ALL[name])(bench)
    if not bench.doubts:
        return check
    doubts = ", ".join(f"{kind} in {count}" for kind, count in bench.doubts.items())
    return msgspec.structs.replace(check, answer=f"{check.answer} Trials that were doubtful: {doubts}.")


def _find(path: str) -> Callable[[Bench], Check]:
    import importlib

    module, _, name = path.partition(":")
    check: Callable[[Bench], Check] = getattr(importlib.import_module(module), name)
    return check
