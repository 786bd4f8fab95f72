"""The machine: what it is, which cores whom, and how it felt during a trial."""

from __future__ import annotations

import hashlib
import os
import platform
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from itertools import chain
from pathlib import Path

from harness import cgroup, host
from harness.results import Machine

_LIBRARIES = (
    "gevent",
    "graphql-core",
    "grpcio",
    "httptools",
    "locust",
    "msgpack",
    "msgspec",
    "numpy",
    "orjson",
    "protobuf",
    "thriftpy2",
    "uvicorn",
    "uvloop",
)
_LATENCY = Path("/dev/cpu_dma_latency")


def look() -> Machine:
    """Describe this machine and share out its cores: one half for clients, the other for servers.

    Hardware threads of one core stay on one side, where there is more than one core. Nothing is pinned where
    there is one thread only, or where the kernel does not allow it.
    """
    cores = sorted(os.sched_getaffinity(0))
    clients, servers = halves(cores, [_siblings(core) for core in cores])
    may = bool(clients) and _may_pin(cores)
    cpu, memory = _cpu(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kernel = platform.release()
    kind = f"{cpu}|{len(cores)}|{memory >> 30}|{kernel}|{platform.python_version()}"
    return Machine(
        cpu=cpu,
        cores=len(cores),
        client_cores=clients if may else (),
        server_cores=servers if may else (),
        memory=memory,
        kernel=kernel,
        python=platform.python_version(),
        versions=dict(_versions()),
        awake=os.access(_LATENCY, os.W_OK),
        fingerprint=hashlib.sha256(kind.encode()).hexdigest()[:12],
    )


def _versions() -> Iterator[tuple[str, str]]:
    """Give the versions of what is installed; some belongs to extras."""
    for name in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


@contextmanager
def kept_awake(machine: Machine) -> Iterator[None]:
    """Keep idle cores in their shallowest state, if `machine` says that we may.

    How long a sleeping core takes to wake up depends on how long it slept before, and so on the arm that had
    the turn before. Linux' PM QoS: a latency of 0 µs, asked for as long as the file is open
    (Documentation/power/pm_qos_interface.rst).
    """
    if not machine.awake:
        yield
        return
    with _LATENCY.open("wb", buffering=0) as file:
        file.write(struct.pack("i", 0))
        yield


def halves(cores: list[int], siblings: list[str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Share `cores` out to two sides; `siblings` names for each the physical core that it belongs to.

    Both sides are empty where there is only one.
    """
    groups: dict[str, list[int]] = {}
    for core, name in zip(cores, siblings, strict=True):
        groups.setdefault(name, []).append(core)
    units = list(groups.values()) if len(groups) > 1 else [[core] for core in cores]
    half = len(units) // 2
    if not half:
        return (), ()
    first, second = (tuple(sorted(chain.from_iterable(part))) for part in (units[:half], units[half:]))
    return first, second


def _siblings(core: int) -> str:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(core)


def stalled() -> int | None:
    """Time in ns so far in which some task waited for a CPU (PSI); None where the kernel does not say."""
    stall = host.pressure()
    return None if stall is None else stall.total


def throttled() -> int | None:
    """Time in ns so far for which our cgroup was throttled; None without such a cgroup."""
    return cgroup.throttled()


def _may_pin(cores: list[int]) -> bool:
    try:
        os.sched_setaffinity(0, cores)
    except OSError:
        return False
    return True


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()
