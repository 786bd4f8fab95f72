"""Conducts a trial: forks of fresh processes, rounds, turns, and the books about them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from random import Random

import msgspec

import stacks
from harness import machine as machines
from harness.measure import asking, environments, interrupts, weighing
from harness.measure.books import Books, stated
from harness.measure.contender import Contender
from harness.measure.fork import Fork
from harness.measure.observer import Observer
from harness.measure.tally import Tally
from harness.results import FORMAT, Machine, Pressure, Result, Trial
from harness.version import VERSION
from scenarios.arm import FLOOR
from scenarios.catalog import dissected, settle
from stacks import certificates, examples
from stacks.base import Tls

_MANY = 1000
"""More than forks."""
_FEW_CALLS = 4
_CALLS = 6
_LONGEST_TURN = 1_000_000_000
"""From which on no turn is lengthened for more calls: hundreds of users make enough of them in it."""
_LEAST_CALLS = 2
"""Calls of a user that must fit all the same, the first of which is sent while arms settle."""
_SLOWEST_TURN = 4_000_000_000


class Interrupted(Exception):  # noqa: N818 -- nothing went wrong
    """The user ended the run; `result` holds the forks that were done, None if there was none."""

    def __init__(self, result: Result | None) -> None:
        """Carry what there is."""
        super().__init__("interrupted")
        self.result = result


def conduct(
    trial: Trial, machine: Machine, seed: int, command: str, observer: Observer, *, fixed: bool = False
) -> Result:
    """Measure `trial`; no process is left when this returns or raises.

    Its turns are lengthened where an arm needs that, see `stretched`, unless they are `fixed`.
    Arms that fail are noted and the others go on. Raises `Interrupted` on Ctrl-C, and `BuildError` where the
    environment of an arm is missing and cannot be built; see `environments.prepare`.
    """
    conductor = _Conductor(trial, machine, seed, observer, fixed=fixed)
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    interrupted = False
    try:
        with interrupts.once(), machines.kept_awake(machine), conductor.certified():
            conductor.weigh()
            conductor.play()
    except KeyboardInterrupt:
        interrupted = True
    result = Result(
        format=FORMAT,
        rpcduel=VERSION,
        started=started,
        command=command,
        seed=seed,
        trial=conductor.trial,
        machine=machine,
        runs=tuple(books.run() for books in conductor.books),
        turns=conductor.tally.turns(),
        histograms=tuple(h for books in conductor.books for h in books.histograms),
        pressure=Pressure(
            stall=_share(conductor.stalled, conductor.played),
            throttled=_share(conductor.throttled, conductor.played),
        ),
        forks_done=conductor.forks_done,
        broken_off=conductor.broken_off,
    )
    if interrupted:
        raise Interrupted(result if conductor.forks_done else None)
    return result


class _Conductor:
    """Plays the forks of a trial and keeps the books."""

    def __init__(self, trial: Trial, machine: Machine, seed: int, observer: Observer, *, fixed: bool) -> None:
        self.tally = Tally()
        self.forks_done = 0
        self.broken_off = False
        self.stalled: int | None = 0
        self.throttled: int | None = 0
        self.played = 0
        self.trial = trial
        self._machine = machine
        self._seed = seed
        self._observer = observer
        self._fixed = fixed
        self._stacks = [stacks.find(arm.stack) for arm in trial.arms]
        self._housed = [
            msgspec.structs.replace(arm, python=environments.interpreter(arm, observer)) for arm in trial.arms
        ]
        """The arms with the interpreters that they run in."""
        self.books = [
            Books(arm, stated(arm, stack)) for arm, stack in zip(trial.arms, self._stacks, strict=True)
        ]
        self._tls: Tls | None = None

    @contextmanager
    def certified(self) -> Iterator[None]:
        """Have certificates for servers of ours that need them, until the context ends."""
        if not any(arm.tls and not arm.ca for arm in self.trial.arms):
            yield
            return
        with tempfile.TemporaryDirectory(prefix="rpcduel-") as directory:
            self._tls = certificates.made(Path(directory))
            yield

    def weigh(self) -> None:
        """Have bytes of calls counted, and gateways asked, where a trial wants it; nothing is timed yet."""
        for arm, books in zip(self.trial.arms, self.books, strict=True):
            if dissected(self.trial.scenario) and not arm.twin_of:
                self._observer.phase(f"counting the bytes of {arm.name}")
                books.tapped = weighing.weigh(arm, self.trial, self._observer)
            if self.trial.routed and len(arm.hops) == 1:
                self._observer.phase(f"asking {arm.hops[0]} for its routes")
                books.routing = asking.ask(arm.hops[0], self._observer)

    def play(self) -> None:
        """Play all forks, as long as arms are left that can be held against each other."""
        contestants = [
            books
            for books, arm in zip(self.books, self.trial.arms, strict=True)
            if arm.stack != FLOOR.stack and not arm.twin_of
        ] or self.books
        self._begin()
        while self.forks_done < self.trial.forks:
            self._fork(self.forks_done)
            self._keep()
            left = [books.arm for books in contestants if not books.failure]
            if self.trial.baseline not in left or len(left) < min(2, len(contestants)):
                if left and self.forks_done < self.trial.forks:
                    self._observer.note(f"ends here: nothing is left to hold {left[0]} against")
                return

    def _begin(self) -> None:
        """Say what is held against each other; twins are no contenders."""
        trial = self.trial
        figure = "p50" if trial.open else "time/msg" if trial.part or trial.messages > 1 else "time/call"
        names = [arm.name for arm in trial.arms if not arm.twin_of]
        self._observer.begin(_point(trial), names, trial.baseline, figure, self._machine.cores)

    def _keep(self) -> None:
        self.tally.keep()
        for books in self.books:
            books.keep()
        self.forks_done += 1
        self._observer.end(self.forks_done - 1, self.trial.forks)

    def _fork(self, number: int) -> None:
        trial = self.trial
        with ExitStack() as stay:
            contenders = {}
            for k, (arm, stack) in enumerate(zip(self._housed, self._stacks, strict=True)):
                if not self.books[k].failure:
                    contenders[k] = Contender(
                        arm,
                        trial,
                        self._machine,
                        number,
                        wire=stack.wire,
                        # Arms have the same due times in a round, and each start others.
                        seed=self._seed * _MANY + number,
                        tls=self._tls,
                    )
                    stay.callback(contenders[k].stop)
            fork = Fork(trial, contenders, self.books, self._observer)
            slowest = fork.start()
            if trial.open:
                fork.offer(trial.open)
            elif not number and not self._fixed:
                self.trial = trial = stretched(trial, slowest)
            random = Random(f"{self._seed}/{number}")  # noqa: S311 -- the order of turns is no secret
            before, began = (machines.stalled(), machines.throttled()), time.monotonic_ns()
            try:
                fork.play(trial, number, random, self.tally)
            except KeyboardInterrupt:
                # Starts of an open loop may last for many minutes, and a soak has but one.
                if trial.open and fork.rounds:
                    fork.break_off(number, self.tally)
                    self._keep()
                    self.broken_off = True
                raise
            self.stalled = _more(self.stalled, before[0], machines.stalled())
            self.throttled = _more(self.throttled, before[1], machines.throttled())
            self.played += time.monotonic_ns() - began
            fork.finish(number)


def stretched(trial: Trial, call: float) -> Trial:
    """Lengthen the turns of `trial` where its slowest arm, at `call` ns a call, would make too few calls.

    Doubled as often as it takes for six calls a user, for all arms alike; within limits, since a server
    that does not answer must not stretch the trial without end.
    """
    turn = trial.turn
    if call * _FEW_CALLS > turn:
        while turn < max(min(call * _CALLS, _LONGEST_TURN), min(call * _LEAST_CALLS, _SLOWEST_TURN)):
            turn *= 2
    return msgspec.structs.replace(trial, turn=turn, settle=settle(turn))


def _point(trial: Trial) -> str:
    """Say what is special about a trial, in few words: ``16 users, small``."""
    users = "1 user" if trial.users == 1 else f"{trial.users} users"
    method = trial.method if trial.messages > 1 else ""
    rate = str(trial.open) if trial.open else ""
    return ", ".join(
        filter(None, (f"{trial.part} {method}".strip(), rate, users, examples.written(trial.sample)))
    )


def _more(sum_: int | None, before: int | None, after: int | None) -> int | None:
    return None if sum_ is None or before is None or after is None else sum_ + after - before


def _share(spent: int | None, time_: int) -> float | None:
    return None if spent is None or not time_ else spent / time_
