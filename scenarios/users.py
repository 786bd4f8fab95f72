"""The Locust user: its one task plays a whole turn, since Locust's own loop would cost 8 µs a call."""

from __future__ import annotations

from typing import Any

from locust import User, task
from locust.exception import StopUser

from scenarios.turns import Turnstile


class Caller(User):
    """A user of the arm's service; the environment's `turnstile` says when to call."""

    def __init__(self, environment: Any) -> None:
        """Sit down on a free seat."""
        super().__init__(environment)
        self.turnstile: Turnstile = environment.turnstile
        self.seat = self.turnstile.sit()

    @task
    def turn(self) -> None:
        """Play the next turn."""
        end = self.turnstile.enter(self.seat)
        if not end:
            raise StopUser
        if self.turnstile.ask:
            self.seat.serve(self.turnstile.ask)
        else:
            self.seat.play(end, self.turnstile.last)
        self.turnstile.leave()
