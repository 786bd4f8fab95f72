"""CPU time of processes in ns, ours by arm and everybody else's."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from stacks.base import Address

_PROC = Path("/proc")
_KERNEL_THREAD = 0x00200000
"""``PF_KTHREAD`` of Linux' ``sched.h``, in the flags of ``/proc/PID/stat``."""
LOCAL = ("127.0.0.1", "localhost", "::1")
_STEAL = 8
_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def cpu_time(pid: int) -> int | None:
    """CPU time in ns of all threads of `pid`, living and dead; None if there is no such process.

    The clock id of a process is ``(~pid << 3) | 2``, as glibc's ``clock_getcpuclockid`` makes it.
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return None


def pin(pid: int, cores: Iterable[int]) -> None:
    """Keep all threads of `pid` to `cores`, if any are given; a thread that ends meanwhile needs no core."""
    wanted = set(cores)
    for task in (_PROC / str(pid) / "task").iterdir() if wanted else ():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), wanted)


def members(group: int) -> list[int]:
    """Pids of the processes whose process group is `group`."""
    return [pid for pid in _pids() if (stat := _stat(pid)) and int(stat[2]) == group]


def listener(port: int) -> int | None:
    """Pid of a process of this machine that listens on TCP `port`; None if there is none we may look into."""
    wanted = {f"socket:[{inode}]" for inode in _sockets("0A", port)}
    if not wanted:
        return None
    for pid in _pids():
        try:
            with os.scandir(_PROC / str(pid) / "fd") as entries:
                if any(_link(entry.path) in wanted for entry in entries):
                    return pid
        except OSError:
            continue
    return None


def _sockets(state: str, port: int) -> list[str]:
    """Inodes of sockets on `port` in a state (0A is LISTEN), from ``/proc/net/tcp`` and ``tcp6``."""
    inodes = []
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            lines = (_PROC / "net" / name).read_text(encoding="ascii").splitlines()[1:]
            rows = [line.split() for line in lines]
            inodes += [
                row[9] for row in rows if row[3] == state and int(row[1].rpartition(":")[2], 16) == port
            ]
    return inodes


def server(address: Address) -> tuple[int, ...]:
    """Find the process that serves `address`, if it is on this machine and may be looked into."""
    pid = listener(address.port) if address.host in LOCAL else None
    return () if pid is None or cpu_time(pid) is None else (pid,)


def connections(port: int) -> int:
    """Count the connections to a server of this machine on TCP `port` that are established now."""
    # By inode: the kernel's list shows one twice where others come and go while it is read.
    return len(set(_sockets("01", port)))


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 -- many of them, and no Path is needed
    except OSError:
        return ""


def steal() -> int:
    """Time in ns that the hypervisor gave to others, all cores, in ticks of the kernel's clock."""
    with (_PROC / "stat").open("rb") as file:
        fields = file.readline().split()
    return int(fields[_STEAL]) * _TICK if len(fields) > _STEAL else 0


class Meter:
    """Adds up the CPU time of a changing set of processes; sums never fall when one of them ends."""

    def __init__(self) -> None:
        """Watch nobody yet."""
        self._last: dict[int, int] = {}
        self._sum = 0

    def watch(self, pids: Iterable[int], *, from_birth: bool = False) -> None:
        """Add processes; with `from_birth` what they used before counts too."""
        for pid in pids:
            if pid not in self._last and (now := cpu_time(pid)) is not None:
                self._last[pid] = now
                if from_birth:
                    self._sum += now

    def read(self) -> int:
        """CPU time in ns that the watched processes used since they were watched."""
        ended = []
        for pid, last in self._last.items():
            now = cpu_time(pid)
            if now is None or now < last:
                ended.append(pid)
            else:
                self._sum += now - last
                self._last[pid] = now
        for pid in ended:
            del self._last[pid]
        return self._sum


def share_of_cores() -> float:
    """Give how many of the machine's cores this process may use, as a share."""
    return len(os.sched_getaffinity(0)) / (os.cpu_count() or 1)


class Others(Meter):
    """Watches every process of the machine that can be seen, but for those of arms and the kernel's threads.

    Kernel threads stay out, because they work for whoever has the turn.
    """

    def __init__(self, ours: Iterable[int]) -> None:
        """Watch all processes but this one, those in the process groups `ours`, and those with such a pid."""
        super().__init__()
        self._ours = {os.getpid(), *ours}
        self._seen: set[int] = set()
        self.rescan()

    def rescan(self) -> None:
        """Look for processes that came since the last scan; what they used by now counts."""
        pids = set(_pids())
        fresh = pids - self._seen
        self.watch((pid for pid in fresh if self._foreign(pid)), from_birth=bool(self._seen))
        self._seen = pids

    def _foreign(self, pid: int) -> bool:
        stat = _stat(pid)
        if stat is None or pid == os.getpid():
            return False
        group, flags = int(stat[2]), int(stat[6])
        return not flags & _KERNEL_THREAD and group not in self._ours and pid not in self._ours


def _pids() -> list[int]:
    names = os.listdir(_PROC)  # noqa: PTH208 -- called at every round, and makes no Path a process
    return [int(name) for name in names if name.isdecimal()]


def _stat(pid: int) -> list[str] | None:
    """Give the fields of ``/proc/PID/stat`` from the state on; the name before may hold anything."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
