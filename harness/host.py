"""What the kernel says of its machine; every reading takes the root under which ``proc`` and ``sys`` stand.

What cannot be seen is None: a container or a foreign kernel may show less.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness import cgroup
from harness.cgroup import ROOT, shown

_CPUS = Path("sys/devices/system/cpu")
_STEAL = 7
"""Its place in the first line of ``/proc/stat``; what comes behind it is in the times before already."""


class Stall(msgspec.Struct, frozen=True):
    """How long some task waited for a CPU (PSI, Documentation/accounting/psi.rst)."""

    avg10: float
    """Share of the last 10 s."""
    avg60: float
    total: int
    """Time in ns since the machine started."""


class Moment(msgspec.Struct, frozen=True):
    """What adds up over time, as it stood at one moment."""

    at: int
    """ns of a clock that never goes back."""
    stalled: int | None
    """ns."""
    throttled: int | None
    """ns."""
    stolen: tuple[int, int] | None
    """Ticks that the hypervisor took, and all ticks."""


def moment(root: Path = ROOT) -> Moment:
    """Read all that adds up."""
    stall = pressure(root)
    total = None if stall is None else stall.total
    return Moment(time.monotonic_ns(), total, cgroup.throttled(root), stolen(root))


def pressure(root: Path = ROOT) -> Stall | None:
    """Read the pressure on CPUs: ``some avg10=0.12 avg60=0.34 avg300=0.56 total=789``."""
    lines = shown(root / "proc/pressure/cpu").splitlines()
    try:
        words = dict(word.split("=") for word in lines[0].split()[1:])
        return Stall(float(words["avg10"]) / 100, float(words["avg60"]) / 100, int(words["total"]) * 1000)
    except (IndexError, KeyError, ValueError):
        return None


def stolen(root: Path = ROOT) -> tuple[int, int] | None:
    """Give the ticks that the hypervisor took away since the machine started, and all ticks."""
    try:
        ticks = [int(word) for word in shown(root / "proc/stat").splitlines()[0].split()[1 : _STEAL + 2]]
        return ticks[_STEAL], sum(ticks)
    except (IndexError, ValueError):
        return None


def load(root: Path = ROOT) -> float | None:
    """Give the load average of the last minute."""
    try:
        return float(shown(root / "proc/loadavg").split()[0])
    except (IndexError, ValueError):
        return None


def governors(cores: Iterable[int], root: Path = ROOT) -> tuple[str, ...] | None:
    """Name the frequency governors of `cores`, each once."""
    files = (root / _CPUS / f"cpu{core}/cpufreq/scaling_governor" for core in cores)
    return tuple(sorted({name for file in files if (name := shown(file).strip())})) or None


def turbo(root: Path = ROOT) -> bool | None:
    """Tell whether cores may run above their nominal clock for a while."""
    for name, on in (("intel_pstate/no_turbo", "0"), ("cpufreq/boost", "1")):
        if text := shown(root / _CPUS / name).strip():
            return text == on
    return None


def siblings(core: int, root: Path = ROOT) -> tuple[int, ...] | None:
    """Give the hardware threads of the core that `core` is one of, itself with them."""
    text = shown(root / _CPUS / f"cpu{core}/topology/thread_siblings_list")
    try:
        return _numbers(text) or None
    except ValueError:
        return None


def virtual(root: Path = ROOT) -> str | None:
    """Say what makes this a virtual machine, as far as it tells; empty where it is none.

    The flag ``hypervisor`` is what CPUs of the x86 kind are given by theirs; other kinds have no such flag.
    """
    maker = shown(root / "sys/hypervisor/type").strip()
    flags = [line for line in shown(root / "proc/cpuinfo").splitlines() if line.startswith("flags")]
    if not maker and not flags:
        return None
    if not maker and "hypervisor" not in flags[0].split():
        return ""
    names = [shown(root / "sys/class/dmi/id" / name).strip() for name in ("sys_vendor", "product_name")]
    return " ".join(dict.fromkeys(filter(None, (maker, *names)))) or "an unnamed hypervisor"


def _numbers(text: str) -> tuple[int, ...]:
    """Read a list of the kernel's such as ``0-1,8``."""
    found: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)
