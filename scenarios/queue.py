"""Who makes which due call: the books of an open loop, without any clock of their own."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

U = TypeVar("U")

OVER, WAIT = -1, -2
"""Instead of a call's number: there are no more; none is due yet."""


class Queue(Generic[U]):
    """Calls in the order in which they are due; any free user takes the next.

    Where no user is free, calls wait, in order, up to `waiting`; one that is due when so many wait is
    dropped, and so is one that has waited for more than `patience` ns: whoever asked has given up, and a
    queue before a server that hangs comes to an end. Nothing leaves the queue but when a user becomes free,
    so it need be looked at only then: what became due meanwhile is let in as if one had watched.
    """

    def __init__(self, dues: Sequence[int], waiting: int, patience: float = math.inf, users: int = 0) -> None:
        """Take when calls are due, in ns of the caller's clock, ascending; calls go by their index.

        So many `users` are free from the beginning, though they come to ask one after the other.
        """
        self._coming = users
        self._patience = patience
        self._dues = dues
        self._waiting = waiting
        self._backlog: deque[int] = deque()
        self._next = 0
        self.idle: deque[U] = deque()
        """Users that wait for a call, the longest first."""
        self.dropped: list[int] = []
        self.untold: list[int] = []
        """Calls given to users who had just become free, though others idled and were not told in time."""

    @property
    def over(self) -> bool:
        """Tell whether all calls are given out, or dropped."""
        return self._next == len(self._dues) and not self._backlog

    @property
    def due(self) -> int:
        """Give when the next call is due that nobody waits with; raises `IndexError` after the last."""
        return self._dues[self._next]

    def free(self, user: U, now: int) -> int:
        """Give a free user its next call: the index, `OVER`, or `WAIT` when the user is now idle."""
        room = self._waiting + self._coming  # calls are kept for users who are on their way
        if self._coming:
            self._coming -= 1
        if not self.idle:
            self._let_in(now, room)
        while self._backlog:
            number = self._backlog.popleft()
            if now - self._dues[number] <= self._patience:
                return number
            self.dropped.append(number)
        if self._next == len(self._dues):
            return OVER
        if self._dues[self._next] <= now:  # a user idles and has not been told yet: this one is as good
            if self.idle:
                self.untold.append(self._next)
            self._next += 1
            return self._next - 1
        self.idle.append(user)
        return WAIT

    def ring(self, now: int) -> list[tuple[U, int]]:
        """Give the calls that are due to idle users, as far as there are any."""
        given = []
        while self.idle and self._next < len(self._dues) and self._dues[self._next] <= now:
            given.append((self.idle.popleft(), self._next))
            self._next += 1
        return given

    def _let_in(self, now: int, room: int) -> None:
        dues, number = self._dues, self._next
        end = len(dues)
        while number < end and dues[number] <= now:
            if len(self._backlog) < room:
                self._backlog.append(number)
            else:
                self.dropped.append(number)
            number += 1
        self._next = number
