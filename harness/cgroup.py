"""Our control group: how much CPU it allows, and for how long it stopped us.

Version 2 says so in ``cpu.max`` and ``cpu.stat`` (Documentation/admin-guide/cgroup-v2.rst), version 1 in
``cpu.cfs_quota_us`` and ``cpu.stat`` (Documentation/scheduler/sched-bwc.rst).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
"""Where ``proc`` and ``sys`` stand."""
_MOUNT = Path("sys/fs/cgroup")
_CPU = "cpu"


def limit(root: Path = ROOT) -> float | None:
    """Give the CPUs' worth of time that our group may use, infinite where it may use all.

    The tightest limit of our group and those above it; None where none of them says.
    """
    return min((found for place in _levels(root) if (found := _limit(place)) is not None), default=None)


def throttled(root: Path = ROOT) -> int | None:
    """Give the time in ns so far for which our group was stopped; None where no group says.

    The longest of our group and those above it, since they may have been stopped at once.
    """
    return max((found for place in _levels(root) if (found := _throttled(place)) is not None), default=None)


def _levels(root: Path) -> Iterator[Path]:
    """Give the directories of our group and of those above it, in each hierarchy that may rule the CPU.

    A container may see its own group mounted where the top should be, and be told the path outside: what is
    not there has no files, and on the way up its own is met.
    """
    for line in shown(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for top in _tops(root / _MOUNT, controllers):
            for depth in range(len(parts), -1, -1):
                yield top.joinpath(*parts[:depth])


def _tops(mount: Path, controllers: str) -> tuple[Path, ...]:
    """Give where a hierarchy is mounted; one without named controllers is of version 2."""
    if not controllers:
        return mount, mount / "unified"
    if _CPU not in controllers.split(","):
        return ()
    return tuple(mount / name for name in dict.fromkeys((controllers, _CPU)))


def _limit(place: Path) -> float | None:
    words = shown(place / "cpu.max").split()
    if not words:
        words = [shown(place / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    try:
        quota, period = (math.inf if word in ("max", "-1") else int(word) for word in words)
    except ValueError:
        return None
    return quota / period if period > 0 else None


def _throttled(place: Path) -> int | None:
    fields = dict(line.split(maxsplit=1) for line in shown(place / "cpu.stat").splitlines() if " " in line)
    for name, unit in (("throttled_usec", 1000), ("throttled_time", 1)):
        if fields.get(name, "").isdecimal():
            return int(fields[name]) * unit
    return None


def shown(path: Path) -> str:
    """Read a small file; empty where there is none that we may read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
