"""Measures how long `rpcduel report` takes for a run of many trials, and the memory that it takes.

The trials are made up: six arms and the floor, five forks, a hundred rounds, at ever other numbers of users.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace

from harness import results

ROOT = Path(__file__).parents[2]
COSTS = {
    "grpc-protobuf": 300_000,
    "grpc-msgpack": 290_000,
    "rest-json": 70_000,
    "thrift-binary": 50_000,
    "tcp-msgpack": 40_000,
    "yamux-msgpack": 120_000,
}
SAMPLES = ("100B", "1KiB", "10KiB", "100KiB", "1MiB")
SCENARIOS = ("unary", "payload", "multiplex", "coldstart")


def make(place: Path, trials: int) -> int:
    """Write so many trials to `place`; gives their size in bytes."""
    sys.path.insert(0, str(ROOT / "tests" / "harness"))
    from conftest import make_result

    for number in range(trials):
        made = make_result(COSTS, floor=26_000, seed=number, rounds=100, long_rounds=3)
        group, point = divmod(number, -(-trials // len(SCENARIOS)))
        users, sample = 2 ** (point // len(SAMPLES)), SAMPLES[point % len(SAMPLES)]
        trial = replace(made.trial, scenario=SCENARIOS[group], users=users, sample=sample)
        results.write(replace(made, trial=trial), place / f"{number:03d}.json")
    return sum(file.stat().st_size for file in place.iterdir())


def main() -> None:
    """Make trials, report them, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--format", default="html")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        place, out = Path(directory) / "run", Path(directory) / "report"
        place.mkdir()
        size = make(place, asked.trials)
        command = ["report", str(place), "--format", asked.format, "-o", str(out)]
        began = time.monotonic()
        subprocess.run([sys.executable, "-P", "-m", "harness", *command], check=True, cwd=ROOT)
        took = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(  # noqa: T201 -- that is what it is for
            f"{asked.trials} trials, {size / 2**20:.1f} MiB of results: {took:.1f} s "
            f"({used.ru_utime:.1f} s of CPU), {used.ru_maxrss / 1024:.0f} MiB, "
            f"{asked.format} of {out.stat().st_size / 2**20:.2f} MiB"
        )


if __name__ == "__main__":
    main()
