"""What is known of one arm over all forks, besides its turns."""

from __future__ import annotations

from harness.measure.wire import Finished, Played
from harness.results import Failure, Histograms, Run
from stacks.base import Facts


class Books:
    """Kept by the conductor, one an arm."""

    def __init__(self, arm: str, facts: Facts) -> None:
        """Open the books of the arm called `arm`."""
        self.failure: Failure | None = None
        self.differs = ""
        self.histograms: list[Histograms] = []
        self._arm = arm
        self._facts = facts
        self._pids: list[tuple[int, ...]] = []
        self._errors: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        self._out_of_range = 0

    def start(self, pids: tuple[int, ...], differs: str) -> None:
        """Note a start and what the check of its replies found."""
        self._pids.append(pids)
        self.differs = self.differs or differs

    def play(self, played: Played) -> None:
        """Note the errors of a turn."""
        self.differs = self.differs or played.differs
        for kind, (count, text) in played.errors.items():
            self._texts.setdefault(kind, text)
            self._errors[kind] = self._errors.get(kind, 0) + count

    def finish(self, arm: int, fork: int, finished: Finished) -> None:
        """Take the histograms of a fork; `arm` is the index of the arm."""
        self._out_of_range += finished.out_of_range
        self.histograms += [
            Histograms(arm=arm, fork=fork, long=long, figure=figure, blocks=tuple(blocks))
            for long, figure, blocks in finished.histograms
        ]

    def run(self) -> Run:
        """Close the books."""
        return Run(
            arm=self._arm,
            facts=self._facts,
            pids=tuple(self._pids),
            errors={f"{kind}: {self._texts[kind]}": count for kind, count in self._errors.items()},
            differs=self.differs,
            out_of_range=self._out_of_range,
            failure=self.failure,
        )
