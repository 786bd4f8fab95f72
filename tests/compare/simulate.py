"""Simulates comparisons of two sessions whose truth is known, and counts what is said of them.

An arm with two costs in each of two runs of five forks, on a machine of which A/A sessions are stored: two
arms that share the floor of their forks. Noise is normal; costs and sessions are independent. Makes the
table of docs/compare.md.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np

from harness.decide.change import bounds
from harness.decide.judge import ALPHA, DETECT, TOLERANCE, Outcome, joint, outcome
from harness.decide.sessions import Spread, spreads
from harness.decide.stats import Numbers
from harness.noise import Point, Rows, Session

COSTS = ("time", "cpu")
WITHIN = 0.015
"""Standard deviation between forks of ln(cost / floor's cost), of one arm."""
SHARED = 0.5
"""Part of its variance that is the floor's."""
FORKS, SESSION_FORKS, SESSION_ARMS = 5, 4, 2


def known(generator: np.random.Generator, between: float, sessions: int) -> dict[str, Spread]:
    """Play A/A sessions, and give what they say of each cost."""
    played = []
    for _ in range(sessions):
        rows = {cost: session(generator, between) for cost in COSTS}
        played.append(Session("", {}, "a", "small", (Point(1, rows),)))
    return {metric: spread for (_, metric), spread in spreads(played).items() if spread}


def session(generator: np.random.Generator, between: float) -> Rows:
    """Play the arms of an A/A session: they share its luck, and their forks the floor."""
    floor = generator.normal(0, between) + generator.normal(0, WITHIN * SHARED**0.5, SESSION_FORKS)
    own = generator.normal(0, WITHIN * (1 - SHARED) ** 0.5, (SESSION_ARMS, SESSION_FORKS))
    return tuple(tuple(map(float, row)) for row in floor + own)


def run(generator: np.random.Generator, between: float, change: float) -> Numbers:
    """Play one session of an arm whose cost is another by `change`."""
    return np.log1p(change) + generator.normal(0, between) + generator.normal(0, WITHIN, FORKS)


def comparisons(
    between: float, sessions: int, change: float, judged: int, number: int
) -> Iterator[tuple[Outcome, float]]:
    """Give the verdict of so many comparisons, and the share of costs whose 95 % interval holds the truth."""
    generator = np.random.default_rng(11)
    for _ in range(number):
        noise = known(generator, between, sessions)
        pairs = [(run(generator, between, 0), run(generator, between, change), noise[cost]) for cost in COSTS]
        limits = [bounds(*pair, ALPHA / judged) for pair in pairs]
        inside = [low <= change <= high for low, high in (bounds(*pair) for pair in pairs)]
        yield joint({outcome(*each, TOLERANCE, DETECT) for each in limits}), float(np.mean(inside))


def main() -> None:
    """Read the command line, simulate, and print a table of Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--number", type=int, default=2000, help="of comparisons a row")
    parser.add_argument("--judged", type=int, default=4, help="costs that are judged in all")
    given = parser.parse_args()
    words = (Outcome.WORSE, Outcome.SAME, Outcome.BETTER, Outcome.UNCLEAR)
    head = ("SD between sessions", "A/A sessions", "true change", *words, "interval holds it")
    sys.stdout.write(f"| {' | '.join(head)} |\n|{' --: |' * len(head)}\n")
    for between in (0.005, 0.015):
        for sessions in (5, 10, 20):
            for change in (0.0, 0.05, 0.1, 0.2):
                said = list(comparisons(between, sessions, change, given.judged, given.number))
                found = Counter(each for each, _ in said)
                cells = (
                    f"{100 * between:g} %",
                    str(sessions),
                    f"{100 * change:+g} %" if change else "none",
                    *(f"{100 * found[word] / given.number:.1f} %" for word in words),
                    f"{100 * np.mean([inside for _, inside in said]):.1f} %",
                )
                sys.stdout.write(f"| {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
