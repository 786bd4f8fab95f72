"""Figures of stored results, by matplotlib: a module a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from harness.decide import looks
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

MOST_POINTS = 48
"""Comparisons of a run up to which response times and rounds are drawn of each; nobody would read more."""
_LEFT_OUT = (
    "Percentiles and rounds are not drawn of so many points; "
    "`rpcduel report` of one file of the run draws its own."
)
_Kinds = tuple[Callable[[Scene], list[Sketch]], ...]
KINDS: _Kinds = (
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
_DETAILS = (percentiles.sketch, course.sketch)


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
    if looks.is_gate(results):
        yield gate.sketch(results, looks.rule_of(results))
        yield from course.sketch(found[0])
        return
    many = len(answer.comparisons) > MOST_POINTS
    for scene in found:
        for sketch in KINDS:
            for one in sketch(scene) if not (many and sketch in _DETAILS) else ():
                yield (
                    replace(one, caption=f"{one.caption} {_LEFT_OUT}")
                    if many and one.key == ratios.KEY
                    else one
                )
