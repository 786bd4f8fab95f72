"""Wakes greenlets at a time in ns: gevent's own timers are late by up to a millisecond."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

_CLOCK_MONOTONIC = 1
_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_ABSOLUTE = 1
_READ = 1
_SECOND = 1_000_000_000


class _Timerspec(ctypes.Structure):
    """``struct itimerspec``: an interval, which we do not use, and the time; each as s and ns."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("s", ctypes.c_long),
        ("ns", ctypes.c_long),
    )


class Alarm:
    """A timer of the kernel (timerfd_create(2)) that a hub of gevent watches.

    Times are those of `time.perf_counter_ns`, which is CLOCK_MONOTONIC on Linux.
    """

    def __init__(self, hub: Any, ring: Callable[[], None]) -> None:
        """Let the hub call `ring` when the time has come; raises `OSError` where there is no timer."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = int(self._libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK | _CLOEXEC))
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "the kernel gives no timer (timerfd_create)")
        self._spec = _Timerspec(0, 0, 0, 0)
        self._at = ctypes.byref(self._spec)
        self._watcher = hub.loop.io(self._descriptor, _READ)
        self._watcher.start(ring)

    def set(self, at: int) -> None:
        """Ring at `at`, at once if that is over; what was set before is forgotten."""
        self._spec.s, self._spec.ns = divmod(max(at, 1), _SECOND)
        self._libc.timerfd_settime(self._descriptor, _ABSOLUTE, self._at, None)

    def clear(self) -> None:
        """Do not ring."""
        self._spec.s = self._spec.ns = 0
        self._libc.timerfd_settime(self._descriptor, _ABSOLUTE, self._at, None)

    def close(self) -> None:
        """Give the timer back."""
        self._watcher.stop()
        self._watcher.close()
        os.close(self._descriptor)
