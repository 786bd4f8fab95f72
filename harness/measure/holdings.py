"""What processes hold: memory and descriptors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def read(pids: Iterable[int]) -> tuple[int, int]:
    """Give resident bytes and open descriptors of all `pids` together; -1 where one cannot be seen."""
    memory = descriptors = 0
    try:
        for pid in pids:
            memory += int((_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1]) * _PAGE
            descriptors += len(os.listdir(_PROC / str(pid) / "fd"))  # noqa: PTH208 -- no Path a descriptor
    except OSError:
        return -1, -1
    return memory, descriptors
