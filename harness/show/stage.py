"""What a running trial holds against each other, and how its arms stand, for whoever shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.decide.comparison import Estimate
from harness.decide.findings import FOREIGN
from harness.decide.standing import Standing
from harness.show import units, words
from scenarios.arm import FLOOR

_WHAT = {"p50": "median response times", "time/call": "time per call", "time/msg": "time per message"}


@dataclass
class Scene:
    """The arms of a trial, and their costs so far."""

    place: str
    """Which of several trials it is; else empty."""
    point: str
    arms: tuple[str, ...]
    baseline: str
    figure: str
    standing: Standing
    lost: set[str] = field(default_factory=set)
    """Arms whose figures are worth nothing."""

    def ratios(self) -> dict[str, Estimate]:
        """Give the costs of arms as multiples of the baseline's, where there is something to say."""
        if self.baseline in self.lost:
            return {}
        held = [name for name in self.arms if name != FLOOR.name and name not in self.lost]
        found = {name: self.standing.ratio(name) for name in held}
        return {name: ratio for name, ratio in found.items() if ratio}


class Stage:
    """Keeps the scene of the trial that is being measured."""

    def __init__(self) -> None:
        """Know of no trial yet."""
        self.scene: Scene | None = None
        self._disturbed = False

    def begin(
        self, point: str, arms: Sequence[str], baseline: str, figure: str, cores: int, *, more: bool = False
    ) -> None:
        """Start anew; with `more` the arms stand as they did."""
        place, _, what = point.rpartition(": ")
        if more and self.scene:
            self.scene.place = place
            return
        self._disturbed = False
        self.scene = Scene(place, what, tuple(arms), baseline, figure, Standing(arms, baseline, cores))

    def turn(self, arm: str, round_: int, cost: int, units: int, busy: int, foreign: int) -> None:
        """Add a turn."""
        if self.scene:
            self.scene.standing.turn(arm, round_, cost, units, busy, foreign)

    def end(self) -> str:
        """Close the books of a fork; gives what disturbs, once a trial, as a sentence."""
        if not self.scene:
            return ""
        self.scene.standing.end()
        share, name = self.scene.standing.disturbed()
        if share <= FOREIGN or self._disturbed:
            return ""
        self._disturbed = True
        return f"others used {share:.1%} of the cores' time in {name}'s turns so far: figures are doubtful"

    def lose(self, arm: str) -> None:
        """Give an arm up."""
        if self.scene and arm:
            self.scene.lost.add(arm)


def resolved(ratio: Estimate) -> bool:
    """Tell whether 1 lies outside the interval; never true of a spread."""
    if ratio.basis != "interval" or ratio.low is None or ratio.high is None:
        return False
    return not ratio.low <= 1 <= ratio.high


def written(ratio: Estimate) -> tuple[str, str]:
    """Write a ratio and its bounds as the table will, ``≈`` before one that shows no difference."""
    shown = resolved(ratio)
    value, bounds = units.ratio(ratio, resolved=shown)
    return (f"≈ {value}" if ratio.basis == "interval" and not shown else value), bounds


def bounds(scene: Scene, ratios: dict[str, Estimate]) -> str:
    """Say what the bounds are, as the table will; empty where there are none."""
    basis = next((ratio.basis for ratio in ratios.values() if ratio.basis != "none"), "none")
    return words.bounds(basis, scene.standing.starts)


def told(scene: Scene) -> str:
    """Say in a line how the arms stand; empty where there is no ratio."""
    ratios = scene.ratios()
    if not ratios:
        return ""
    arms = []
    for name, ratio in ratios.items():
        value, range_ = written(ratio)
        arms.append(f"{name} {value}{f' ({range_})' if range_ else ''}")
    what = bounds(scene, ratios)
    kind = f"; {what}" if what else ""
    return f"{', '.join(arms)} ({_WHAT[scene.figure]} as multiples of {scene.baseline}{kind})"
