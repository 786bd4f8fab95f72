"""Gives due calls to users that are greenlets: one idles until the alarm brings it a call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

import gevent
from gevent.hub import get_hub

from scenarios.alarm import Alarm
from scenarios.queue import OVER, WAIT, Queue


class Desk:
    """Where users ask for calls; of one process, for all its turns."""

    def __init__(self) -> None:
        """Start closed."""
        self._hub = get_hub()
        self._alarm = Alarm(self._hub, self._ring)
        self._queue: Queue[Any] = Queue((), 0)

    def open(
        self, dues: Sequence[int], waiting: int, patience: float = math.inf, users: int = 0
    ) -> Queue[Any]:
        """Give out the calls of another turn, due at `dues` of `perf_counter_ns`; gives their books."""
        self._queue = Queue(dues, waiting, patience, users)
        return self._queue

    def ask(self) -> int:
        """Wait for a call; gives its index, or `OVER`."""
        queue = self._queue
        number = queue.free(gevent.getcurrent(), perf_counter_ns())
        if number != WAIT:
            if queue.idle and queue.over:
                self._hub.loop.run_callback(self._dismiss)
            return number
        if len(queue.idle) == 1:
            self._alarm.set(queue.due)
        given: int = self._hub.switch()
        return given

    def close(self) -> None:
        """Give the alarm back."""
        self._alarm.close()

    def _ring(self) -> None:
        """Wake those for whom a call is due; runs in the hub."""
        queue = self._queue
        for user, number in queue.ring(perf_counter_ns()):
            user.switch(number)
        if queue.over:
            self._dismiss()
        elif queue.idle:
            self._alarm.set(queue.due)
        else:
            self._alarm.clear()  # whoever becomes free looks by itself

    def _dismiss(self) -> None:
        queue = self._queue
        if not queue.over:  # asked for more than once, and the next turn has begun
            return
        self._alarm.clear()
        while queue.idle:
            queue.idle.popleft().switch(OVER)
