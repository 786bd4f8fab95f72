"""The examination of what surrounds a measurement: the machine, and what on it disturbs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from harness import cgroup, host
from harness.cgroup import ROOT
from harness.decide.findings import STALL, STEAL_NOTE, THROTTLED
from harness.doctor.bench import Bench
from harness.doctor.check import Check, percent
from harness.host import Moment
from harness.results import Machine

Row = tuple[str, str, str]
"""What was looked at, what was found, and the remedy where that disturbs measurements."""
HIDDEN = "not visible"
_COLUMNS = ("", "", "")
_PRESSED = 0.05
"""Share of the last 10 s in which some task waited, while nothing of ours runs."""
_LOADED = 0.5
"""Load average: half a core's worth of others."""


def machine(bench: Bench, root: Path = ROOT) -> Check:
    """Say what the machine is, what about it disturbs measurements, and what helps."""
    here = bench.machine
    rows = (
        ("CPU", here.cpu, ""),
        _cores(here),
        _threads(here, root),
        ("memory", f"{here.memory / 2**30:.0f} GiB", ""),
        ("kernel, Python", f"{here.kernel}, {here.python}", ""),
        _virtual(root),
        _governor(here, root),
        _turbo(root),
        _idle(here),
        _limit(here, root),
        _throttled(root),
        _load(root),
        _stolen(root),
        _pressure(root),
        ("fingerprint", here.fingerprint, ""),
    )
    apart = "Clients and servers run apart." if here.client_cores else "Clients and servers share cores."
    return Check("machine", "What is this machine?", _COLUMNS, rows, f"{apart} {_verdict(rows)}")


def meanwhile(bench: Bench, root: Path = ROOT) -> Check:
    """Say how the machine was since `bench` was made, our own processes included."""
    now = host.moment(root)
    rows = changes(bench.began, now)
    seconds = (now.at - bench.began.at) / 1e9
    answer = f"Over {seconds:.0f} s, our own processes included. {_verdict(rows)}"
    return Check("meanwhile", "How was the machine during the examination?", _COLUMNS, rows, answer)


def changes(before: Moment, after: Moment) -> tuple[Row, ...]:
    """Say what happened between two moments."""
    time = after.at - before.at
    ticks = None
    if before.stolen and after.stolen:
        ticks = after.stolen[0] - before.stolen[0], after.stolen[1] - before.stolen[1]
    return (
        _share(
            "CPU pressure (PSI)",
            _part(before.stalled, after.stalled, time),
            "of the time some process waited for a CPU",
            STALL,
            "stop what else runs; where nothing does, our own processes share cores",
        ),
        _share(
            "stolen by the hypervisor",
            ticks and ticks[0] / max(1, ticks[1]),
            "of the cores' time",
            STEAL_NOTE,
            "measure when neighbours are quieter, or with more forks",
        ),
        _share(
            "cgroup throttling",
            _part(before.throttled, after.throttled, time),
            "of the time",
            THROTTLED,
            "raise the cgroup's CPU limit to all cores",
        ),
    )


def _part(before: int | None, after: int | None, time: int) -> float | None:
    return None if before is None or after is None else (after - before) / max(1, time)


def _share(name: str, share: float | None, of: str, most: float, remedy: str) -> Row:
    if share is None:
        return name, HIDDEN, ""
    return name, f"{percent(share)} {of}", remedy if share > most else ""


def _verdict(rows: Iterable[Row]) -> str:
    """Name what disturbs."""
    names = [name for name, _, remedy in rows if remedy]
    if not names:
        return "Nothing that is visible disturbs measurements."
    return f"What may disturb measurements, with its remedy beside it: {', '.join(names)}."


def _cores(here: Machine) -> Row:
    if not here.client_cores:
        return "cores", f"{here.cores}, nothing is pinned", "allow two cores or more, and pinning to them"
    clients, servers = (_list(cores) for cores in (here.client_cores, here.server_cores))
    return "cores", f"{here.cores}: clients on {clients}, servers on {servers}", ""


def _threads(here: Machine, root: Path) -> Row:
    """Say whether hardware threads of one core are on two sides, or free for others."""
    name = "SMT siblings"
    clients = {host.siblings(core, root) for core in here.client_cores}
    servers = {host.siblings(core, root) for core in here.server_cores}
    known = [threads for threads in clients | servers if threads]
    if len(known) < len(clients | servers) or not known:
        return name, HIDDEN, ""
    if shared := clients & servers:
        found = "clients and servers share a core: threads " + " and ".join(_list(t) for t in shared if t)
        return name, found, "allow two whole cores, or switch SMT off"
    ours = {*here.client_cores, *here.server_cores}
    if beside := sorted(set(chain.from_iterable(known)) - ours):
        found = f"threads {_list(beside)} of our cores are not ours"
        return name, found, "allow whole cores, or keep the other threads idle"
    alone = all(len(threads) == 1 for threads in known)
    return name, "none: one thread a core" if alone else "all threads of a core are on one side", ""


def _virtual(root: Path) -> Row:
    found = host.virtual(root)
    if not found:
        return "virtual machine", HIDDEN if found is None else "no", ""
    return (
        "virtual machine",
        f"yes: {found}",
        "neighbours are not all to be seen: more forks, or own hardware",
    )


def _governor(here: Machine, root: Path) -> Row:
    name, cores = "frequency governor", (*here.client_cores, *here.server_cores) or range(here.cores)
    found = host.governors(cores, root)
    if found is None:
        return name, HIDDEN, ""
    remedy = "" if found == ("performance",) else "set performance"
    return name, " and ".join(found), remedy


def _turbo(root: Path) -> Row:
    found = host.turbo(root)
    if found is None:
        return "turbo", HIDDEN, ""
    return (
        "turbo",
        "on" if found else "off",
        "switch it off: the clock follows heat and load" if found else "",
    )


def _idle(here: Machine) -> Row:
    if here.awake:
        return "idle cores", "kept awake while turns are played", ""
    return (
        "idle cores",
        "sleep, and wake up more slowly the longer they slept",
        ("let rpcduel write /dev/cpu_dma_latency (root may)"),
    )


def _limit(here: Machine, root: Path) -> Row:
    name, found = "cgroup CPU limit", cgroup.limit(root)
    if found is None:
        return name, HIDDEN, ""
    if math.isinf(found):
        return name, "none", ""
    remedy = "raise it to all cores: it stops everything in mid-turn" if found < here.cores else ""
    return name, f"{found:.3g} of {here.cores} cores", remedy


def _throttled(root: Path) -> Row:
    name, found = "cgroup throttling", cgroup.throttled(root)
    if found is None:
        return name, HIDDEN, ""
    return name, f"{found / 1e9:.1f} s so far", "raise the cgroup's CPU limit" if found else ""


def _load(root: Path) -> Row:
    name, found = "load average", host.load(root)
    if found is None:
        return name, HIDDEN, ""
    remedy = "stop what else runs, or wait a minute" if found > _LOADED else ""
    return name, f"{found:.2f} over the last minute", remedy


def _stolen(root: Path) -> Row:
    found = host.stolen(root)
    share = found and found[0] / max(1, found[1])
    remedy = "measure when neighbours are quieter, or with more forks"
    return _share("stolen by the hypervisor", share, "since boot", STEAL_NOTE, remedy)


def _pressure(root: Path) -> Row:
    name, found = "CPU pressure (PSI)", host.pressure(root)
    if found is None:
        return name, HIDDEN, ""
    remedy = "stop what wants the CPU now" if found.avg10 > _PRESSED else ""
    text = f"some process waited in {percent(found.avg10)} of the last 10 s, {percent(found.avg60)} of 60 s"
    return name, text, remedy


def _list(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
