"""Plays real gates whose answer is known, and counts what they say.

The same against itself, and against a handler that is slower by a known time. ``--pilot`` plays one short
gate a row, to see that all is well; the rest needs a quiet machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import stacks
from harness import gate, machine
from harness.cli.gate import measured
from harness.decide import rounds
from harness.decide.gate import Decision, Rule
from harness.measure import conduct
from harness.plan import Wish
from harness.results import Result
from harness.show import progress, rulings
from scenarios.arm import Arm

PILOT_FORKS, PILOT_SECONDS = 4, 8.0


def cpu_per_call(stack: str, users: int) -> float:
    """Measure what a call costs, in ns of CPU of client and server: what a slower handler is slower than."""
    question = gate.ask(
        Wish(users=(users,)), Arm("a", stack), [Arm("b", stack)], Rule(looks=(PILOT_FORKS,)), PILOT_SECONDS
    )
    (trial,) = gate.trials(question)
    result: Result = conduct.conduct(trial, machine.look(), 1, "measure", progress.Silent())
    played = rounds.arrange(result)
    return float(np.mean([rounds.cpu(result.turns, played.rows(arm)) for arm in (0, 1)]))


def play(new: Arm, users: int, seconds: float, rule: Rule, seed: int) -> tuple[Decision, float]:
    """Play one gate of `new` against its bare stack; gives the decision and how long it took."""
    question = gate.ask(Wish(users=(users,)), Arm("base", new.stack), [new], rule, seconds)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        decision, interrupted = measured(question, seed, Path(directory), progress.Silent())
    if decision is None or interrupted:
        raise KeyboardInterrupt
    return decision, time.monotonic() - began


def contenders(stack: str, changes: str, cost: float) -> Iterator[tuple[str, Arm]]:
    """Make what is gated: handlers that spin for a share of `cost` ns, and a bare environment.

    The latter holds no package of its own, since it asks for what is installed: only the way that its
    processes find their packages differs.
    """
    for percent in filter(None, changes.split(",")):
        spin = float(percent) / 100 * cost / 1000
        work = f"spin:{spin:.2f}us" if spin else ""
        yield (f"+{percent} %, {spin:.1f} µs" if spin else "nothing (A/A)"), Arm("new", stack, work=work)
    needs = tuple(f"{name}=={version}" for name, version in stacks.find(stack).facts.versions.items())
    yield "an environment", Arm("new", stack, needs=needs)


def row(what: str, played: list[tuple[Decision, float]]) -> str:
    """Tell what became of all gates of one contender, as a row of a table."""
    found = Counter(decision.ruling.value for decision, _ in played)
    times = [seconds for _, seconds in played]
    read = [
        np.mean([decision.candidates[0].verdicts[k].change or 0.0 for decision, _ in played])
        for k in range(len(played[0][0].rule.metrics))
    ]
    cells = (
        what,
        *(str(found[word]) for word in ("worse", "same", "better", "unclear", "invalid")),
        *(rulings.change(float(value)) for value in read),
        f"{np.median([decision.candidates[0].forks for decision, _ in played]):.0f}",
        f"{np.median(times):.0f} s",
        f"{max(times):.0f} s",
        str(sum(bool(decision.doubts) for decision, _ in played)),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Read the command line, play, and print a table of Markdown, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gates", type=int, default=20, help="of each change")
    parser.add_argument(
        "--changes", default="0,3,5,10", help="per cent of a call's CPU (default: %(default)s)"
    )
    parser.add_argument("--stack", default="grpc-protobuf")
    parser.add_argument("--users", type=int, default=gate.USERS)
    parser.add_argument("--seconds", type=float, default=gate.SECONDS)
    parser.add_argument("--pilot", action="store_true", help="one gate of a few seconds each")
    given = parser.parse_args()
    rule, seconds, gates = Rule(), given.seconds, given.gates
    if given.pilot:
        rule, seconds, gates = Rule(looks=(4, 6)), 1.0, 1
    cost = cpu_per_call(given.stack, given.users)
    head = ("injected", "worse", "same", "better", "unclear", "invalid", "time read", "CPU read")
    head = (*head, "forks, median", "median", "longest", "doubtful")
    sys.stdout.write(
        f"{given.stack}, {given.users} users, {cost / 1000:.0f} µs of CPU a call, {gates} gates a row\n\n"
        f"| {' | '.join(head)} |\n| :-- |{' --: |' * (len(head) - 1)}\n"
    )
    for k, (what, new) in enumerate(contenders(given.stack, given.changes, cost)):
        played = [play(new, given.users, seconds, rule, 10_000 * k + 10 * n) for n in range(gates)]
        sys.stdout.write(row(what, played) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
