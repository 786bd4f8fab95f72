"""What recording costs, in time and in memory, and what starting the command does."""

from __future__ import annotations

import gc
import subprocess
import sys
from itertools import count
from time import perf_counter_ns

import numpy as np

from harness.doctor.bench import Bench
from harness.doctor.check import Check
from harness.measure.recorder import Recorder, Schedule
from scenarios.turns import LastCalls, Seat

_GOAL = 300
_OPEN_GOAL = 600
_MEMORY_GOAL = 32
_HELP_GOAL = 0.3
_CALLS = 1000
"""Calls of a turn here; a real one has 20 to 5,000."""
_TURNS = 301
_SAMPLES = 10_000_000


def recording(bench: Bench) -> Check:
    """Time a user's loop of calls that do nothing with and without recording, turn about."""
    del bench
    recorder = Recorder()
    costs: dict[str, list[float]] = {"closed": [], "open": []}
    for _ in range(_TURNS):
        for name, record in (("closed", _closed), ("open", _open)):
            seat = Seat(_Stop(_CALLS), None, 1.0)
            began = perf_counter_ns()
            record(seat, recorder)
            recorded = perf_counter_ns()
            bare = _bare(_Stop(_CALLS))
            costs[name].append((recorded - began - bare) / _CALLS)
    closed, opened = (float(np.median(each)) for each in costs.values())
    rows = (
        ("closed loop: clock, list, binning, median, histogram", f"{closed:.0f} ns", f"≤ {_GOAL} ns"),
        ("open loop: two clocks, list, four histograms", f"{opened:.0f} ns", f"≤ {_OPEN_GOAL} ns"),
    )
    met = closed <= _GOAL and opened <= _OPEN_GOAL
    return Check("recording", "What does recording a call cost?", ("part", "a call", "goal"), rows, "", met)


def _closed(seat: Seat, recorder: Recorder) -> None:
    seat.play(1 << 62, LastCalls(1))
    recorder.take([seat], 0, 1 << 62, long=False, block=0)


_DUES = np.zeros(_CALLS, np.int64)


def _open(seat: Seat, recorder: Recorder) -> None:
    seat.serve(count().__next__)
    recorder.take_open([seat], Schedule(0, _DUES, []), 0, 1 << 62, long=False, block=0)


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
    rows, met = [], True
    for name in ("closed", "open"):
        code = f"import sys; from harness.doctor.costs import grow; print(*grow({_SAMPLES}, {name!r}))"
        found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
        before, after = (int(number) for number in found.stdout.split())
        growth = (after - before) / 2**20
        rows.append((name, f"{_SAMPLES:,}", f"{growth:.1f} MB", f"< {_MEMORY_GOAL} MB"))
        met = met and growth < _MEMORY_GOAL
    columns = ("loop", "samples", "growth", "goal")
    return Check("memory", "Does a load process grow with its samples?", columns, tuple(rows), "", met)


def grow(samples: int, loop: str) -> tuple[int, int]:
    """Record `samples` in turns as a load process does; gives resident memory in bytes before and after.

    The `loop` is ``closed`` or ``open``.
    """
    recorder = Recorder()
    seats = [Seat(_Stop(_CALLS), None, 1.0) for _ in range(16)]
    before = 0
    for turn in range(max(1, samples // (_CALLS * len(seats)))):
        for seat in seats:
            seat.clear()
            seat.call = _Stop(_CALLS)
            if loop == "closed":
                seat.play(1 << 62, LastCalls(len(seats)))
            else:
                seat.serve(count().__next__)
        block = turn % 10
        if loop == "closed":
            recorder.take(seats, 0, 1 << 62, long=False, block=block)
        else:
            recorder.take_open(seats, Schedule(0, _DUES, []), 0, 1 << 62, long=False, block=block)
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
