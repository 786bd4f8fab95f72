"""Turns without the harness: a loop of calls that is neither timed nor recorded, to measure its tax."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from scenarios.turns import LastCalls, Seat, Turnstile


class BareSeat(Seat):
    """A user that only counts its calls; what fails is not caught, so the arm ends there."""

    __slots__ = ("count", "over")

    over: Callable[[], bool]

    def play(self, end: int, last: LastCalls) -> None:
        """Call until the turn is over."""
        del end, last
        call, request, timeout, over = self.call, self.request, self.timeout, self.over
        count = 0
        try:
            while not over():
                self.reply = call(request, timeout)
                count += 1
        except Exception as error:  # noqa: BLE001 -- reported when the turn has come to its end
            self.broken = error
        self.count = count


class BareTurnstile(Turnstile):
    """Ends a turn by a flag, so that users need no clock."""

    def __init__(self, seats: list[BareSeat]) -> None:
        """Show every seat the flag."""
        super().__init__(seats)
        self._over = threading.Event()
        for seat in seats:
            seat.over = self._over.is_set

    def play(self, length: int, opened: Callable[[int], Callable[[], int]] | None = None) -> tuple[int, int]:
        """Run one turn of `length` ns."""
        self._over.clear()
        return super().play(length, opened)

    def _wait(self, length: int) -> None:
        time.sleep(length / 1e9)
        self._over.set()
        self._empty.wait()


def start(turnstile: BareTurnstile) -> list[threading.Thread]:
    """Start a thread a user (a greenlet where `threading` is patched) that plays until the gate shuts."""

    def live(seat: Seat) -> None:
        while end := turnstile.enter(seat):
            seat.play(end, turnstile.last)
            turnstile.leave()

    threads = [threading.Thread(target=live, args=[turnstile.sit()], daemon=True) for _ in turnstile.seats]
    for thread in threads:
        thread.start()
    return threads
