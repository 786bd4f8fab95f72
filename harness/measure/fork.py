"""One fork: fresh processes of every arm, their warm-up, and rounds of turns until the time is used up."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TypeVar

import msgspec

from harness.measure import capacity, cpu
from harness.measure.books import Books
from harness.measure.contender import ArmError, Contender
from harness.measure.observer import Observer
from harness.measure.rounds import LongShare, mirrored
from harness.measure.tally import Row, Tally
from harness.measure.wire import Played, Turn
from harness.results import Trial
from scenarios.arm import FLOOR
from scenarios.catalog import LONG, LONG_SHARE, settle
from scenarios.load import Open

T = TypeVar("T")

_WARM_TURNS = 2
_WARM = 100_000_000
"""Longest warm-up turn in ns, unless the turns themselves are longer: after two of these, or of half of it,
the first rounds cost what later ones do, within the noise of five rounds (3 %)."""

_BLOCKS = 5
"""Histograms of consecutive turns kept of each fork, for intervals of percentiles over forks."""
_BLOCKS_ALONE = 10
"""The same where there are too few forks for that, and the spread is that between blocks."""
_REST = 100e-6
"""Seconds left to an arm after its turn, for what its server does after the last reply was sent."""


class Fork:
    """Plays the contenders of one fork; an arm that fails is noted in its books and leaves."""

    def __init__(
        self, trial: Trial, contenders: dict[int, Contender], books: list[Books], observer: Observer
    ) -> None:
        """Take over contenders, by index of their arm; the caller stops them at the end."""
        self._trial = trial
        self._contenders = contenders
        self._books = books
        self._observer = observer
        self._others: cpu.Others
        self._cores = cpu.share_of_cores()
        """Of what others use anywhere on the machine, so much is taken to be used on our cores."""
        self._other = 0
        self._other_at = 0
        self._starting = 0.0
        self._unlike = {k for k, each in enumerate(books) if each.differs}
        self.rounds = 0
        """Played to the end."""
        self._open: tuple[Contender, Row] | None = None

    def start(self) -> float:
        """Start all processes, connect, compare replies, and warm up.

        Gives the median time in ns that a call took in the slowest arm, when it was warm.
        """
        began = time.monotonic()
        for k, contender in self._each():
            self._observer.phase(f"starting {contender.arm.name}")
            self._try(k, contender.launch)
        for k, contender in self._each():
            self._try(k, contender.link)
        for k, contender in self._each():
            if ready := self._try(k, contender.ready):
                self._books[k].start(contender.pids, ready)
                self._compare(k)
        slowest, trial = 0.0, self._trial
        turn = Turn(length := warm_up(trial), min(trial.settle, settle(length)), long=False, block=-1)
        for _ in range(_WARM_TURNS):
            slowest = 0.0
            for k, contender in self._each():
                self._observer.phase(f"warming {contender.arm.name} up")
                if played := self._try(k, partial(contender.play, turn)):
                    mean = trial.users * played.busy / max(1, played.calls)
                    slowest = max(slowest, mean if played.p50 < 0 else played.p50)
        for k, contender in self._each():
            self._try(k, contender.spans)  # of calls in the warm-up, which don't count
        self._others = cpu.Others(group for _, c in self._each() for group in c.groups)
        self._starting = time.monotonic() - began
        return slowest

    def offer(self, load: Open) -> None:
        """Settle how many calls a second each arm gets, for all forks alike.

        Where that is a share of what an arm can do, the first fork finds it out, in a closed loop.
        """
        for k, contender in self._each():
            books = self._books[k]
            if books.rate or contender.arm.stack == FLOOR.stack:
                continue
            if not load.of_capacity:
                books.rate = load.rate
                continue
            self._observer.phase(f"looking for what {contender.arm.name} can do")
            books.capacity = self._try(k, partial(capacity.find, contender)) or 0.0
            books.rate = books.capacity * load.rate
        # The floor can do much more than anybody else; it shows what loopback takes at the baseline's rate.
        names = [arm.name for arm in self._trial.arms]
        baseline = self._books[names.index(self._trial.baseline)]
        rate = next((books.rate for books in (baseline, *self._books) if books.rate), load.rate)
        for k, contender in self._each():
            if contender.arm.stack == FLOOR.stack:
                self._books[k].rate = rate

    def play(self, trial: Trial, fork: int, random: Random, tally: Tally) -> None:
        """Play rounds for this fork's share of the time, with the turns that `trial` says."""
        self._trial = trial
        budget = trial.seconds / trial.forks
        blocks = _BLOCKS if trial.forks > 1 else _BLOCKS_ALONE
        shorts, longs = mirrored(list(self._contenders), random), mirrored(list(self._contenders), random)
        # Turns of an open loop are long from the start.
        share = LongShare(0.0 if trial.open else LONG_SHARE, LONG * trial.turn * len(self._contenders) / 1e9)
        self._other, self._other_at = self._others.read(), time.monotonic_ns()
        began, round_ = time.monotonic(), 0
        while self._contenders and (elapsed := time.monotonic() - began) < budget:
            long = share.due(elapsed)
            length = LONG * trial.turn if long else trial.turn
            plain = Turn(length, trial.settle, long=long, block=int(blocks * elapsed / budget))
            for k in next(longs if long else shorts):
                turn = msgspec.structs.replace(plain, rate=self._books[k].rate, number=round_)
                if k in self._contenders and self._turn(k, turn, fork, round_, tally):
                    self._advance(k, fork, min(1.0, (time.monotonic() - began) / budget))
            if long:
                share.spend(time.monotonic() - began - elapsed)
            self._tidy()
            round_ += 1
            self.rounds = round_
        self._settle(tally)

    def break_off(self, fork: int, tally: Tally) -> None:
        """Keep what was played when the user broke `play` off."""
        self._observer.phase("keeping what was measured")
        self._settle(tally)
        self._collect(fork)

    def finish(self, fork: int) -> None:
        """Count the connections of those that are left, in a turn that counts for nothing else, and end."""
        turn = Turn(self._trial.turn, self._trial.settle, long=False, block=-1)
        for k, contender in self._each():
            if contender.arm.twin_of:
                continue  # it would time this turn, too
            counted = self._try(k, partial(contender.count, turn))
            if counted is not None:
                self._books[k].connections = counted
        self._collect(fork)

    def _collect(self, fork: int) -> None:
        for k, contender in self._each():
            self._books[k].hops = contender.hops
            if finished := self._try(k, contender.finish):
                self._books[k].finish(k, fork, finished)

    def _turn(self, k: int, turn: Turn, fork: int, round_: int, tally: Tally) -> bool:
        """Pass the baton to arm `k` and read all clocks on both sides of it; tells whether it was played."""
        contender = self._contenders[k]
        if self._open and self._open[0] is contender:
            self._settle(tally)
        _, *began = contender.read()
        rivals = [c for c in self._contenders.values() if c is not contender]
        rival, stolen = _used(rivals), cpu.steal()
        played: Played | None = self._try(k, partial(contender.play, turn))
        if played is None:
            self._hand_in(tally)  # whoever hangs must not let its predecessor pay for the wait
            return False
        time.sleep(_REST)
        rival, stolen = _used(rivals) - rival, cpu.steal() - stolen
        now, clock = self._others.read(), time.monotonic_ns()
        # Since the last turn, for what a process did before a scan found it counts; of that the turn's share.
        share = self._cores * min(1.0, played.busy / max(1, clock - self._other_at))
        others = round((now - self._other) * share)
        self._other, self._other_at = now, clock
        contender.seen = contender.read()
        if first := self._books[k].play(played):
            self._observer.note(f"calls of {contender.arm.name} fail: {first}")
        self._compare(k)
        self._settle(tally)
        held = contender.holdings() if self._trial.open else (-1, -1)
        row = Row(
            arm=k,
            fork=fork,
            round=round_,
            long=int(turn.long),
            calls=played.calls,
            failed=played.failed,
            done=played.done,
            window=played.window,
            busy=played.busy,
            p50=played.p50,
            max=played.max,
            client=played.client,
            hop=contender.seen[1] - began[0],
            server=contender.seen[2] - began[1] if contender.served else -1,
            foreign=rival + others,
            steal=stolen,
            scheduled=played.scheduled,
            dropped=played.dropped,
            due=played.due,
            memory=held[0],
            descriptors=held[1],
            idle=rival,
        )
        self._open = contender, row
        self._tell(k, row)
        return True

    def _tell(self, k: int, row: Row) -> None:
        """Tell what a turn cost: the median of an open loop, else the time of its calls, by message."""
        if self._trial.open:
            cost, units = row.p50, int(row.p50 >= 0)
        else:
            cost, units = row.window, row.done * self._books[k].messages
        said = 0 if row.long else units
        self._observer.turn(self._trial.arms[k].name, row.round, cost, said, row.busy, row.foreign - row.idle)

    def _compare(self, k: int) -> None:
        """Tell of the first reply of arm `k` that is not what it should be."""
        differs = self._books[k].differs
        if differs and k not in self._unlike:
            self._unlike.add(k)
            name = self._trial.arms[k].name
            self._observer.note(f"{name}: its replies are not what they should be: {differs}", name)

    def _settle(self, tally: Tally) -> None:
        """Hand in the last row, with what its arm has used since: it is called when the next turn is over.

        Were an arm charged until its own next turn, one whose threads look for work while it idles would cost
        the more the more arms there are. What it uses later is foreign CPU in the turns of others.
        """
        if self._open is None:
            return
        contender, row = self._open
        client, hop, server = (now - then for now, then in zip(contender.read(), contender.seen, strict=True))
        self._open = (
            contender,
            row._replace(
                client=row.client + client,
                hop=row.hop + hop,
                server=row.server + server if contender.served else row.server,
            ),
        )
        self._hand_in(tally)

    def _hand_in(self, tally: Tally) -> None:
        if self._open is not None:
            tally.add(self._open[1])
            self._open = None

    def _advance(self, k: int, fork: int, part: float) -> None:
        """Tell how far we are; `part` of this fork is done."""
        trial = self._trial
        left = (1 - part) * trial.seconds / trial.forks
        left += (trial.forks - fork - 1) * (trial.seconds / trial.forks + self._starting)
        self._observer.advance(trial.arms[k].name, fork, trial.forks, (fork + part) / trial.forks, left)

    def _tidy(self) -> None:
        self._others.rescan()
        for _, contender in self._each():
            contender.tidy()

    def _each(self) -> list[tuple[int, Contender]]:
        return list(self._contenders.items())

    def _try(self, k: int, step: Callable[[], T]) -> T | None:
        """Let arm `k` do something; if it fails, it leaves the fork and None is given."""
        try:
            return step()
        except ArmError as error:
            contender = self._contenders.pop(k)
            self._books[k].failure = contender.failure
            contender.stop()
            self._observer.note(f"{contender.arm.name} failed: {error}", contender.arm.name)
            return None


def warm_up(trial: Trial) -> int:
    """Length in ns of a warm-up turn: a long turn, within limits."""
    return _WARM if trial.open else max(trial.turn, min(LONG * trial.turn, _WARM))


def _used(contenders: list[Contender]) -> int:
    return sum(sum(each.read()) for each in contenders)
