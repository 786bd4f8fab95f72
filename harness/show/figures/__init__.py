"""Figures of stored results, by matplotlib: a module a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.decide.compare import Answer
from harness.results import Result
from harness.show.figures import (
    anatomy,
    course,
    fanin,
    gate,
    paper,
    percentiles,
    rates,
    ratios,
    sizes,
    traffic,
    users,
)
from harness.show.figures.drawn import Drawn
from harness.show.figures.material import Scene, scenes
from harness.show.figures.sketch import Sketch

__all__ = ["Drawn", "draw_all", "sketch_all"]

KINDS: tuple[Callable[[Scene], list[Sketch]], ...] = (
    ratios.sketch,
    users.sketch,
    fanin.sketch,
    sizes.sketch,
    rates.sketch,
    percentiles.sketch,
    anatomy.sketch,
    traffic.sketch,
    course.sketch,
)
"""In the order in which they are shown."""


def draw_all(results: Sequence[Result], answer: Answer) -> list[Drawn]:
    """Draw every figure that there is something to draw of, scenario by scenario.

    `results` are those that `answer` is of, in the same order. Raises `ValueError` where they are not, and
    `ResultError` for a damaged histogram.
    """
    return [
        Drawn(
            key=one.key,
            title=one.title,
            caption=one.caption,
            alt=one.alt,
            figure=paper.draw(one),
            scenario=one.scenario,
            comparisons=one.comparisons,
        )
        for one in sketch_all(results, answer)
    ]


def sketch_all(results: Sequence[Result], answer: Answer) -> Iterator[Sketch]:
    """Plan the same figures without drawing them."""
    found = scenes(results, answer)
    if gate.is_gate(results):
        yield gate.sketch(results, gate.rule_of(results))
        yield from course.sketch(found[0])
        return
    for scene in found:
        for sketch in KINDS:
            yield from sketch(scene)
