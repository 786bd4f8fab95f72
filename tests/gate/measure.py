"""Plays real gates whose answer is known, and counts what they say.

The same against itself, and against a handler that is slower, or was slower before, by a known time. Changes
take turns, so that all of them see the same hours of the machine. ``--pilot`` plays one short gate each, to
see that all is well; the rest takes a machine and hours. With ``--log`` what was played is kept, and counted
with what is played later.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

import stacks
from harness import machine
from harness.cli.gate import measured
from harness.decide import rounds
from harness.decide.gate import Rule, Ruling
from harness.measure import conduct
from harness.plan import gate
from harness.plan.wish import Wish
from harness.results import Result
from harness.show import progress, rulings
from scenarios.arm import Arm

PILOT_FORKS, PILOT_SECONDS = 4, 8.0
ENVIRONMENT = "environment"


class Played(msgspec.Struct, frozen=True):
    """What one gate said, and what it took."""

    stack: str
    change: str
    """In per cent of a call's CPU, signed, or `ENVIRONMENT`."""
    ruling: Ruling
    read: tuple[float | None, ...]
    """Change of each metric of the rule, 0.05 being 5 % more; None where it is not known."""
    forks: int
    seconds: float
    """Of the whole gate, starts included."""
    doubtful: bool
    """Whether something disturbed it, such as other processes."""
    users: int
    measured: float
    """Seconds of each arm in the first look, as asked for."""
    injected: float
    """By which a handler was slower, in ns."""
    reason: str
    """Why it may not be passed, or is invalid; empty for most."""


def cpu_per_call(stack: str, users: int) -> float:
    """Measure what a call costs, in ns of CPU of client and server: what a slower handler is slower than."""
    question = gate.ask(
        Wish(users=(users,)), Arm("a", stack), [Arm("b", stack)], Rule(looks=(PILOT_FORKS,)), PILOT_SECONDS
    )
    (trial,) = gate.expand(question)
    result: Result = conduct.conduct(trial, machine.look(), 1, "measure", progress.Silent())
    played = rounds.arrange(result)
    return float(np.mean([rounds.cpu(result.turns, played.rows(arm)) for arm in (0, 1)]))


def sides(stack: str, change: str, cost: float) -> tuple[Arm, Arm]:
    """Make base and candidate; a call costs `cost` ns, and one of the handlers spins for a share of it.

    A candidate that is quicker by p is one whose base spins for p / (1 - p) of a call. An environment holds
    no package of its own, since it asks for what is installed: only the way in which processes find their
    packages differs.
    """
    base, new = Arm("base", stack), Arm("new", stack)
    if change == ENVIRONMENT:
        needs = tuple(f"{name}=={version}" for name, version in stacks.find(stack).facts.versions.items())
        return base, msgspec.structs.replace(new, needs=needs)
    if not (injected := _injected(change, cost)):
        return base, new
    work = f"spin:{injected / 1000:.2f}us"
    slower, other = (new, base) if float(change) > 0 else (base, new)
    slower = msgspec.structs.replace(slower, work=work)
    return (other, slower) if float(change) > 0 else (slower, other)


def _injected(change: str, cost: float) -> float:
    """Give by how many ns a handler is slower, for a call of `cost` ns to change by so many per cent."""
    share = 0.0 if change == ENVIRONMENT else float(change) / 100
    return cost * (share if share > 0 else -share / (1 + share))


def play(stack: str, change: str, cost: float, users: int, seconds: float, rule: Rule, seed: int) -> Played:
    """Play one gate; raises `KeyboardInterrupt` where the user did not let it end."""
    base, new = sides(stack, change, cost)
    question = gate.ask(Wish(users=(users,)), base, [new], rule, seconds)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        decision, interrupted = measured(question, seed, Path(directory), progress.Silent())
    if decision is None or interrupted:
        raise KeyboardInterrupt
    ruled = decision.candidates[0]
    return Played(
        stack,
        change,
        decision.ruling,
        tuple(verdict.change for verdict in ruled.verdicts),
        ruled.forks,
        time.monotonic() - began,
        bool(decision.doubts),
        users,
        seconds,
        _injected(change, cost),
        ruled.reason,
    )


def table(played: Sequence[Played]) -> str:
    """Tell what became of all gates, a row for each stack, load and change, as Markdown."""
    words = ("worse", "same", "better", "unclear", "invalid")
    head: tuple[str, ...] = ("stack", "users", "seconds", "change", "gates", *words, "time read", "CPU read")
    head = (*head, "forks, mean", "median", "longest", "doubtful")
    rows: list[tuple[str, ...]] = [head, (":--", *("--:",) * (len(head) - 1))]
    for kind in sorted({_kind(one) for one in played}):
        these = [one for one in played if _kind(one) == kind]
        stack, users, measured, change = kind
        found = Counter(one.ruling.value for one in these)
        times = [one.seconds for one in these]
        rows.append(
            (
                stack,
                str(users),
                f"{measured:g}",
                change if change == ENVIRONMENT else f"{change} %",
                str(len(these)),
                *(str(found[word]) for word in words),
                *map(_mean, zip(*(one.read for one in these), strict=True)),
                f"{np.mean([one.forks for one in these]):.1f}",
                f"{np.median(times):.0f} s",
                f"{max(times):.0f} s",
                str(sum(one.doubtful for one in these)),
            )
        )
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _mean(changes: Sequence[float | None]) -> str:
    known = [change for change in changes if change is not None]
    return rulings.change(float(np.mean(known)) if known else None)


def _kind(one: Played) -> tuple[str, int, float, str]:
    return one.stack, one.users, one.measured, one.change


def main() -> None:
    """Read the command line, play, and print a table of Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gates", type=int, default=20, help="of each change")
    parser.add_argument(
        "--changes",
        default=f"0,3,5,10,-5,{ENVIRONMENT}",
        help="per cent of a call's CPU (default: %(default)s)",
    )
    parser.add_argument("--stack", default="grpc-protobuf")
    parser.add_argument("--users", type=int, default=gate.USERS)
    parser.add_argument("--seconds", type=float, default=gate.SECONDS)
    parser.add_argument("--log", type=Path, help="a file of JSON lines, to which what was played is added")
    parser.add_argument("--pilot", action="store_true", help="one gate of a few seconds each")
    given = parser.parse_args()
    rule, seconds, gates = Rule(), given.seconds, given.gates
    if given.pilot:
        rule, seconds, gates = Rule(looks=(4, 6)), 1.0, 1
    changes = given.changes.split(",")
    played: list[Played] = []
    if given.log and given.log.exists():
        played = [msgspec.json.decode(line, type=Played) for line in given.log.read_bytes().splitlines()]
    cost = cpu_per_call(given.stack, given.users) if set(changes) - {"0", ENVIRONMENT} else 0.0
    sys.stderr.write(f"{given.stack}, {given.users} users, {cost / 1000:.0f} µs of CPU a call\n")
    for seed in range(len(played), len(played) + gates * len(changes)):
        change = changes[seed % len(changes)]
        one = play(given.stack, change, cost, given.users, seconds, rule, 10 * seed)
        line = msgspec.json.encode(one) + b"\n"
        sys.stderr.write(line.decode())
        if given.log:
            with given.log.open("ab") as log:
                log.write(line)
        played.append(one)
    sys.stdout.write(table(played))


if __name__ == "__main__":
    main()
