"""What recording costs, in time and in memory, and what starting the command does."""

from __future__ import annotations

import gc
import subprocess
import sys
from time import perf_counter_ns

import numpy as np

from harness.doctor.bench import Bench
from harness.doctor.check import Check
from harness.measure.recorder import Recorder
from scenarios.turns import LastCalls, Seat

_GOAL = 300
_MEMORY_GOAL = 32
_HELP_GOAL = 0.3
_CALLS = 1000
"""Calls of a turn here; a real one has 20 to 5,000."""
_TURNS = 301
_SAMPLES = 10_000_000


def recording(bench: Bench) -> Check:
    """Time a user's loop of calls that do nothing with and without recording, turn about."""
    del bench
    costs = []
    recorder = Recorder()
    for _ in range(_TURNS):
        seat = Seat(_Stop(_CALLS), None, 1.0)
        began = perf_counter_ns()
        seat.play(1 << 62, LastCalls(1))
        recorder.take([seat], 0, 1 << 62, long=False, block=0)
        recorded = perf_counter_ns()
        call = _Stop(_CALLS)
        bare = _bare(call)
        costs.append((recorded - began - bare) / _CALLS)
    median = float(np.median(costs))
    rows = (("clock, list, binning, median, histogram", f"{median:.0f} ns", f"≤ {_GOAL} ns"),)
    met = median <= _GOAL
    return Check("recording", "What does recording a call cost?", ("part", "a call", "goal"), rows, "", met)


class _Stop:
    """A call that does nothing, and ends its user's turn after so many."""

    def __init__(self, calls: int) -> None:
        self._left = calls

    def __call__(self, *_: object) -> None:
        self._left -= 1
        if not self._left:
            raise _Done


class _Done(Exception):  # noqa: N818 -- ends a loop, no error
    """So many calls were made."""


def _bare(call: _Stop) -> int:
    began = perf_counter_ns()
    try:
        while True:
            call(None, 1.0)
    except _Done:
        return perf_counter_ns() - began


def memory(bench: Bench) -> Check:
    """Let one process record ten million samples in turns, and look at its resident memory."""
    del bench
    code = f"import sys; from harness.doctor.costs import grow; print(*grow({_SAMPLES}))"
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    before, after = (int(number) for number in found.stdout.split())
    growth = (after - before) / 2**20
    rows = ((f"{_SAMPLES:,}", f"{growth:.1f} MB", f"< {_MEMORY_GOAL} MB"),)
    columns = ("samples", "growth", "goal")
    met = growth < _MEMORY_GOAL
    return Check("memory", "Does a load process grow with its samples?", columns, rows, "", met)


def grow(samples: int) -> tuple[int, int]:
    """Record `samples` in turns as a load process does; gives resident memory in bytes before and after."""
    gc.disable()
    recorder = Recorder()
    seats = [Seat(_Stop(_CALLS), None, 1.0) for _ in range(16)]
    before = 0
    for turn in range(max(1, samples // (_CALLS * len(seats)))):
        for seat in seats:
            seat.clear()
            seat.call = _Stop(_CALLS)
            seat.play(1 << 62, LastCalls(len(seats)))
        recorder.take(seats, 0, 1 << 62, long=False, block=turn % 10)
        gc.collect()
        before = before or _resident()
    recorder.histograms()
    return before, _resident()


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- no Path in the way of memory
        return int(file.read().split()[1]) * 4096


def help_time(bench: Bench) -> Check:
    """Time `rpcduel --help`, several times."""
    del bench
    times = []
    for _ in range(9):
        began = perf_counter_ns()
        subprocess.run([sys.executable, "-P", "-m", "harness", "--help"], capture_output=True, check=True)
        times.append((perf_counter_ns() - began) / 1e9)
    median = float(np.median(times))
    rows = ((f"{median:.2f} s", f"{max(times):.2f} s", f"≤ {_HELP_GOAL} s"),)
    columns = ("median of 9", "longest", "goal")
    return Check("help", "How quickly does `rpcduel --help` answer?", columns, rows, "", median <= _HELP_GOAL)
