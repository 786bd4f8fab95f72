"""Turns as users live them: wait for the gate, call until time is up, keep the load up till the last call."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Sequence
from time import perf_counter_ns, sleep
from typing import Any

from scenarios.batch import Batch, Call
from stacks.errors import CallError


class LastCalls:
    """Counts the users whose call of before the turn's end is not over yet."""

    def __init__(self, users: int) -> None:
        """Count down from all `users`."""
        self.left = users
        self._lock = threading.Lock()

    def over(self) -> None:
        """Say that one user's last call that counts is over."""
        with self._lock:
            self.left -= 1


class Seat:
    """What one user calls, and what became of it in the last turn.

    `stamps` are clock readings in ns: the start of the first call, then the end of every call, which is
    also when the next one is due and sent, since a closed loop's user has nothing else to do. In an open loop
    they are three numbers a call: its index among those due, when it was sent, and when it ended. A `request`
    that is a `Batch` notes its replies' arrivals itself.
    """

    __slots__ = ("broken", "call", "failures", "reply", "request", "stamps", "timeout", "turn")

    def __init__(self, call: Call, request: Any, timeout: float) -> None:
        """Seat a user that will send `request` with a deadline of `timeout` seconds."""
        self.call = call
        self.request = request
        self.timeout = timeout
        self.turn = 0
        """Number of the last turn that this user entered."""
        self.clear()

    def clear(self) -> None:
        """Forget the last turn; a new array, since numpy may still look at the old one."""
        self.stamps = array("q")
        self.failures: list[tuple[int, CallError]] = []
        """Index of the failed call in this turn, and how it failed."""
        self.reply: Any = None
        if isinstance(self.request, Batch):
            self.request.clear()
        self.broken: Exception | None = None
        """An error that no adapter may let through; the arm cannot go on."""

    def play(self, end: int, last: LastCalls) -> None:
        """Call, one call after the other, until the clock reads `end` ns or later, and then a little longer.

        Calls go on until those that all users had in flight at `end` are over: the last calls that count
        must not run under less load than the others.
        """
        call, request, timeout, clock = self.call, self.request, self.timeout, perf_counter_ns
        stamp = self.stamps.append
        inside = True
        now = clock()
        stamp(now)
        try:
            while True:
                if now >= end:
                    if inside:
                        inside = False
                        last.over()
                    if not last.left:
                        return
                    sleep(0)  # a call that never waits would keep greenlets from their last one for ever
                try:
                    self.reply = call(request, timeout)
                except CallError as error:
                    self.failures.append((len(self.stamps) - 1, error))
                now = clock()
                stamp(now)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the turn must come to its end
            self.broken = error
        finally:
            if inside:
                last.over()

    def serve(self, ask: Callable[[], int]) -> None:
        """Make the calls of an open loop that `ask` gives, until it gives a negative number."""
        call, request, timeout, clock = self.call, self.request, self.timeout, perf_counter_ns
        stamp, made = self.stamps.append, 0
        try:
            while (number := ask()) >= 0:
                stamp(number)
                stamp(clock())
                try:
                    self.reply = call(request, timeout)
                except CallError as error:
                    self.failures.append((made, error))
                stamp(clock())
                made += 1
        except Exception as error:  # noqa: BLE001 -- whatever it is, the turn must come to its end
            self.broken = error


class Turnstile:
    """Lets all users into a turn together and waits until the last has left.

    Works for greenlets, where `threading` is patched, as for threads.
    """

    def __init__(self, seats: Sequence[Seat]) -> None:
        """Make the gate for these seats; user k takes seat k."""
        self.seats = seats
        self._free = list(reversed(seats))
        self._gate = threading.Condition(threading.Lock())
        self._empty = threading.Event()
        self._turn = 0
        self._end = 0
        self._inside = 0
        self.last = LastCalls(0)
        """Of the turn that is played."""
        self.ask: Callable[[], int] | None = None
        """Who gives out the calls of the turn that is played, if they are due by themselves."""

    def sit(self) -> Seat:
        """Take a free seat; each user does it once."""
        return self._free.pop()

    def enter(self, seat: Seat) -> int:
        """Wait for a turn that this seat has not played.

        Gives its end in ns of `perf_counter_ns`, or 0 when there are no more.
        """
        with self._gate:
            while self._turn == seat.turn:
                self._gate.wait()
            seat.turn = self._turn
            return self._end

    def leave(self) -> None:
        """Say that this user's last call has drained."""
        with self._gate:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    def play(self, length: int, opened: Callable[[int], Callable[[], int]] | None = None) -> tuple[int, int]:
        """Run one turn of `length` ns; gives when it began and when its last call had drained.

        In an open loop `opened` takes the turn's start, and gives what users ask for calls.
        """
        for seat in self.seats:
            seat.clear()
        self._empty.clear()
        start = perf_counter_ns()
        self.ask = opened(start) if opened else None
        self._open(start + length)
        self._wait(length)
        return start, perf_counter_ns()

    def shut(self) -> None:
        """Tell users that wait, or will, that there are no more turns."""
        self._open(0)

    def _open(self, end: int) -> None:
        with self._gate:
            self._inside = len(self.seats)
            self.last = LastCalls(len(self.seats))
            self._end = end
            self._turn += 1
            self._gate.notify_all()

    def _wait(self, length: int) -> None:
        del length
        self._empty.wait()
