"""`rpcduel doctor`: examines the machine, with --full the method, and with --aa the noise of sessions."""

from __future__ import annotations

import functools
import importlib
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.doctor.bench import Bench
    from harness.doctor.check import Check
    from harness.measure.observer import Observer

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
    "known": "harness.doctor.known:known",
    "transport": "harness.doctor.carriers:transport",
    "adapter": "harness.doctor.carriers:adapter",
    "memorypack": "harness.doctor.carriers:memorypack",
    "aa": "harness.doctor.proofs:same_against_same",
}
LAST = {"meanwhile": "harness.doctor.surroundings:meanwhile"}
"""What looks back on the others."""
ALL = {**NAMES, **FULL, **LAST}
SESSION = "session"


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
@click.option(
    "--aa",
    is_flag=True,
    help="Play an A/A session (a minute) and store it; five tell the noise between them.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results"),
    metavar="DIR",
    help="Where --aa keeps its sessions, in DIR/noise; else ./results.",
)
@click.option("--seed", type=int, metavar="N", help="Of the order of turns; else by chance.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "-o", "output", type=click.Path(path_type=Path), metavar="FILE", help="Write the tables as Markdown, too."
)
def command(
    full: bool,
    names: tuple[str, ...],
    aa: bool,
    out: Path,
    seed: int | None,
    as_json: bool,
    output: Path | None,
) -> None:
    """Examine this machine: loopback, the harness' tax, and which ratios can be resolved in which time.

    Takes about four minutes; --aa alone takes one, and examines nothing else.
    Exits with 4 when a goal that is stated was not met.
    """
    from harness import machine, noise
    from harness.decide.sessions import told
    from harness.doctor import sessions
    from harness.doctor.bench import Bench
    from harness.show import checks, progress

    here = machine.look()
    place = sessions.ready(out, here.fingerprint) if aa else None
    observer = progress.observer(sys.stderr, silent=as_json)
    bench = Bench(here, observer, secrets.randbelow(2**31) if seed is None else seed)
    made = {name: _find(ALL[name]) for name in _names(names, full=full, aa=aa)}
    if place:
        made[SESSION] = functools.partial(sessions.add, place=place)
    found: list[Check] = []
    try:
        for check in _examined(made, bench, observer):
            found.append(check)
            if not as_json:
                observer.close()
                click.echo(checks.terminal(check))
    finally:
        observer.close()
        if output:
            output.write_text(checks.markdown(found), encoding="utf-8")
    if as_json:
        click.echo(checks.json(found, told(noise.read(place), str(place)) if place else None))
    sys.exit(INVALID if any(check.met is False for check in found) else FINE)


def _names(names: tuple[str, ...], *, full: bool, aa: bool) -> tuple[str, ...]:
    """Choose the checks beside the session, which is played alone unless told otherwise."""
    if names:
        return names
    if full:
        return tuple(ALL)
    return () if aa else (*NAMES, *LAST)


def _examined(made: dict[str, Callable[[Bench], Check]], bench: Bench, observer: Observer) -> Iterator[Check]:
    """Make checks; the answer of each says how many of its trials were doubtful, and why."""
    import msgspec

    observer.start(f"checks: {', '.join(made)}")
    for examine in made.values():
        bench.doubts.clear()
        check = examine(bench)
        if bench.doubts:
            doubts = ", ".join(f"{kind} in {count}" for kind, count in bench.doubts.items())
            answer = f"{check.answer} Trials that were doubtful: {doubts}."
            check = msgspec.structs.replace(check, answer=answer)
        yield check


def _find(path: str) -> Callable[[Bench], Check]:
    module, _, name = path.partition(":")
    check: Callable[[Bench], Check] = getattr(importlib.import_module(module), name)
    return check
