"""What figures are drawn from: an answer, the results that it is of, and how each arm looks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from harness.decide.compare import Answer
from harness.decide.comparison import ArmFigures, Comparison
from harness.results import Result
from harness.show import palette, words
from harness.show.palette import Look
from stacks import examples


@dataclass(frozen=True, eq=False)
class Point:
    """One comparison with the results that it was made of, which are none where only the answer is known."""

    index: int
    comparison: Comparison
    results: tuple[Result, ...]

    @property
    def arms(self) -> tuple[ArmFigures, ...]:
        """Give its arms in the order of the table: the floor comes last."""
        return tuple(sorted(self.comparison.arms, key=lambda arm: arm.floor))


@dataclass(frozen=True, eq=False)
class Scene:
    """All points of one scenario."""

    scenario: str
    points: tuple[Point, ...]
    looks: Mapping[str, Look]
    """By name of an arm."""
    answer: Answer
    """The whole, of which these are a part."""

    @property
    def indices(self) -> tuple[int, ...]:
        """Say which comparisons of the answer these are."""
        return tuple(point.index for point in self.points)

    def heading(self, point: Point) -> str:
        """Say what sets a point apart from the others."""
        return ", ".join(text for text in _parts(point.comparison, [one.comparison for one in self.points]))

    def of(self, points: Iterable[Point]) -> Scene:
        """Give the same scene with some of its points only."""
        return Scene(self.scenario, tuple(points), self.looks, self.answer)


def scenes(results: Sequence[Result], answer: Answer) -> list[Scene]:
    """Sort what is known by scenario, in the order measured.

    `results` are those that `answer` is of, or none. Raises `ValueError` where they do not belong together.
    """
    needed = sum(one.trials for one in answer.comparisons)
    if results and needed != len(results):
        raise ValueError(f"the answer is of {needed} results, and {len(results)} were given with it")
    found: dict[str, list[Point]] = defaultdict(list)
    start = 0
    for index, one in enumerate(answer.comparisons):
        own = tuple(results[start : start + one.trials])
        start += one.trials
        found[one.scenario].append(Point(index, one, own))
    return [Scene(name, tuple(points), _looks(points), answer) for name, points in found.items()]


def _looks(points: Sequence[Point]) -> dict[str, Look]:
    return palette.looks((arm.name, arm.stack) for point in points for arm in point.arms)


def _parts(one: Comparison, all_: Sequence[Comparison]) -> Iterable[str]:
    """Give what of a comparison differs among all; its users where nothing does."""
    differs = {
        "method": (one.method, {each.method for each in all_}),
        "part": (one.part, {each.part for each in all_}),
        "open": (one.open, {each.open for each in all_}),
        "users": (words.count(one.users, "user"), {str(each.users) for each in all_}),
        "sample": (f"{examples.written(one.sample)} message", {each.sample for each in all_}),
        "baseline": (f"against {one.baseline}", {each.baseline for each in all_}),
    }
    texts = [words.clean(text) for text, seen in differs.values() if len(seen) > 1 and text]
    texts = texts or [words.count(one.users, "user")]
    same = [each for each in all_ if _point(each) == _point(one)]
    if len(same) > 1:  # looks of a gate, or runs that asked the same again
        texts.append(f"{next(k for k, each in enumerate(same, 1) if each is one)} of {len(same)}")
    return texts


def _point(one: Comparison) -> tuple[object, ...]:
    return one.method, one.part, one.open, one.users, one.sample, one.baseline


def series(scene: Scene, vary: str) -> list[Scene]:
    """Group the points that differ in the field `vary` of their comparison alone, two values or more."""
    fields = ("method", "part", "open", "users", "sample", "baseline", "messages", "machine")
    groups: dict[tuple[object, ...], dict[object, Point]] = defaultdict(dict)
    for point in scene.points:
        one = point.comparison
        if one.part:  # how many are timed at once says nothing of what each takes
            one = replace(one, messages=1)
        key = tuple(getattr(one, name) for name in fields if name != vary)
        groups[key].setdefault(getattr(point.comparison, vary), point)
    return [scene.of(points.values()) for points in groups.values() if len(points) > 1]


def names(points: Iterable[Point]) -> list[str]:
    """Name all arms of `points` once, the floor last."""
    arms = [arm for point in points for arm in point.arms]
    return list(dict.fromkeys(arm.name for arm in sorted(arms, key=lambda arm: arm.floor)))


def arm_of(point: Point, name: str) -> ArmFigures | None:
    """Find an arm of a point by its name, if its figures may be used at all."""
    return next(
        (arm for arm in point.comparison.arms if arm.name == name and arm.validity != "invalid"), None
    )
