"""Fuzzes decoders, servers and clients for a while, and says how many inputs were tried.

``python tests/fuzz/run.py [--seconds N] [--only WORDS] [--seed N]`` prints a row a target; it ends with 1
where there was a finding.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import sys
from collections.abc import Callable, Iterator

import clients
import decoders
import framings
import servers
from tally import HEAD, FindingError, Tally, seconds

Fuzz = Callable[[int, Callable[[Tally], bool]], Tally]


def targets() -> Iterator[tuple[str, list[Fuzz]]]:
    """Give every row of the table: its name, and what fuzzes its parts with a seed and for how long."""
    for name, parts in itertools.groupby(decoders.targets(), lambda target: target.name.rpartition(" ")[0]):
        yield name, [target.fuzz for target in parts]
    for target in framings.targets():
        yield target.name, [target.fuzz]
    for name in servers.names():
        yield f"server {name}", [functools.partial(servers.fuzz, name)]
        yield f"client {name}", [functools.partial(clients.fuzz, name)]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10, help="for each row (default: %(default)g)")
    parser.add_argument(
        "--only", default="", help="words, separated by commas, one of which a name must have"
    )
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)), help="default: a new one")
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n\n| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}\n")
    findings = 0
    for name, parts in targets():
        if not any(word in name for word in given.only.split(",")):
            continue
        tally = Tally(name)
        try:
            for fuzz in parts:
                tally.join(fuzz(given.seed, seconds(given.seconds / len(parts))))
            row = " | ".join(tally.row())
        except FindingError as error:
            findings += 1
            row = f"FINDING: {error}"
        sys.stdout.write(f"| {row} |\n")
        sys.stdout.flush()
    return min(1, findings)


if __name__ == "__main__":
    sys.exit(main())
