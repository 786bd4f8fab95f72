"""What is known of one arm over all forks, besides its turns."""

from __future__ import annotations

from collections import Counter

import msgspec

from harness.measure.wire import Finished, Played, Ready
from harness.results import Failure, Histograms, Run
from harness.tapped import Part
from scenarios.arm import Arm
from stacks import certificates
from stacks.base import Facts, Stack
from stacks.hops.routing import Answer
from stacks.spans import Span

_FOREIGN = {"concurrency": "not ours, so not known", "threads": "not ours, so not known"}
"""Facts of a server that a user's command started, or that ran already."""


def stated(arm: Arm, stack: Stack) -> Facts:
    """Give what a stack states of itself as it is used in an arm."""
    if not arm.tls:
        return stack.facts
    kind = "" if arm.ca else f"; {certificates.KIND}"
    return msgspec.structs.replace(stack.facts, tls=stack.tls + kind)


class Books:
    """Kept by the conductor, one an arm."""

    def __init__(self, arm: Arm, facts: Facts) -> None:
        """Open the books of `arm`; `facts` are its stack's until its own processes tell theirs."""
        self._foreign = bool(arm.server or arm.at)
        self.failure: Failure | None = None
        self.differs = ""
        self.connections: tuple[int, ...] = ()
        self.hops: dict[str, dict[str, str]] = {}
        self.rate = 0.0
        self.capacity = 0.0
        self.histograms: list[Histograms] = []
        self.tapped: Part | None = None
        self.routing: tuple[Answer, ...] = ()
        self.arm = arm.name
        self._twin = bool(arm.twin_of)
        self._spans: list[dict[str, Span]] = []
        self._facts = facts
        self._pids: list[tuple[int, ...]] = []
        self._errors: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._texts: dict[str, str] = {}
        self._out_of_range = 0
        self._payload: tuple[int, int] | None = None
        self.messages = 1

    def start(self, pids: tuple[int, ...], ready: Ready) -> None:
        """Note a start, what the check of its replies found, and the facts of its stack."""
        self._pids.append(pids)
        self.differs = self.differs or ready.differs
        self._payload, self.messages = ready.payload, ready.messages
        self._facts = msgspec.structs.replace(ready.facts, **_FOREIGN) if self._foreign else ready.facts

    def play(self, played: Played) -> str:
        """Note the errors of a turn; gives the first ever, as its kind and text, else nothing."""
        first = (
            "" if self._texts else next((f"{kind}: {text}" for kind, (_, text) in played.errors.items()), "")
        )
        self.differs = self.differs or played.differs
        for kind, (count, text) in played.errors.items():
            self._texts.setdefault(kind, text)
            self._now[kind] += count
        return first

    def keep(self) -> None:
        """Say that the running fork came to its end, so that its errors count as its turns do."""
        self._errors += self._now
        self._now.clear()

    def finish(self, arm: int, fork: int, finished: Finished) -> None:
        """Take the histograms of a fork; `arm` is the index of the arm."""
        self._out_of_range += finished.out_of_range
        if self._twin:
            self._spans.append(finished.spans)
        self.histograms += [
            Histograms(arm=arm, fork=fork, long=long, figure=figure, blocks=tuple(blocks))
            for long, figure, blocks in finished.histograms
        ]

    def run(self) -> Run:
        """Close the books."""
        return Run(
            arm=self.arm,
            facts=self._facts,
            pids=tuple(self._pids),
            errors={f"{kind}: {self._texts[kind]}": count for kind, count in self._errors.items()},
            differs=self.differs,
            out_of_range=self._out_of_range,
            failure=self.failure,
            payload=self._payload,
            messages=self.messages,
            rate=self.rate,
            capacity=self.capacity,
            connections=self.connections,
            spans=tuple(self._spans),
            tapped=self.tapped,
            routing=self.routing,
            hops=self.hops,
        )
