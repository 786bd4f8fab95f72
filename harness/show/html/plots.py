"""Figures as parts of a page, each drawn when it is its turn, so that few are held at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.decide.compare import Answer
from harness.results import Result
from harness.show import figures, svg
from harness.show.figures import paper, ratios


@dataclass(frozen=True)
class Plot:
    """A figure with its words; `comparisons` are those of the answer that it is of."""

    key: str
    kind: str
    """As `Drawn.key`."""
    title: str
    caption: str
    drawing: Markup
    scenario: str
    comparisons: tuple[int, ...]

    @property
    def number(self) -> str:
        """Number it among all figures of the page."""
        return self.key.rpartition("-")[2]


def draw(results: Sequence[Result], answer: Answer) -> Iterator[Plot]:
    """Draw what there is to draw of `results`, which `answer` is of.

    Of many comparisons ratios are left out: their tables have them as bars, and drawing them takes long.
    """
    many = len(answer.comparisons) > figures.MOST_POINTS
    sketches = (one for one in figures.sketch_all(results, answer) if not (many and one.key == ratios.KEY))
    for number, one in enumerate(sketches, 1):
        key = f"figure-{number}"
        drawn = svg.to_svg(paper.draw(one), title=one.title, description=one.alt, prefix=key)
        yield Plot(
            key=key,
            kind=one.key,
            title=one.title,
            caption=one.caption,
            drawing=Markup(drawn),  # noqa: S704 -- written by an XML serializer, which escapes
            scenario=one.scenario,
            comparisons=one.comparisons,
        )
