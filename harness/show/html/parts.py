"""The questions of a run with all points at which they were asked, as sections of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.decide.comparison import DOUBTFUL, INVALID, VALID, Comparison
from harness.show import anatomy, headline
from harness.show.anatomy import Chart
from harness.show.headline import Lead
from harness.show.html import table
from harness.show.html.plots import Plot
from harness.show.html.table import Table
from harness.show.sheet import Sheet, fill


@dataclass(frozen=True)
class Point:
    """One comparison as it is shown."""

    key: str
    label: str
    sheet: Sheet
    table: Table
    chart: Chart | None
    validity: str
    """The worst of any arm's."""
    plots: tuple[Plot, ...]
    """Those of this comparison alone, where there are others."""

    @property
    def number(self) -> str:
        """Number it by question and point, such as ``2.1``."""
        return ".".join(self.key.split("-")[1:])


@dataclass(frozen=True)
class Part:
    """A question with all points at which it was asked."""

    key: str
    lead: Lead
    points: tuple[Point, ...]
    plots: tuple[Plot, ...]
    notes: tuple[str, ...]
    """What must be known to read its tables, each once."""

    @property
    def heading(self) -> str:
        """Name it where its question is the title of the page."""
        return "The comparison" if len(self.points) == 1 else "The comparisons"


def arrange(comparisons: Sequence[Comparison], drawn: Sequence[Plot], *, looks: bool = False) -> list[Part]:
    """Sort comparisons and figures by question, in the order asked; those of a gate are called `looks`."""
    places = headline.by_scenario(range(len(comparisons)), lambda index: comparisons[index].scenario)
    return [
        _part(f"question-{number}", lead, {index: comparisons[index] for index in group}, drawn, looks=looks)
        for number, (lead, group) in enumerate(
            zip(headline.leads(comparisons), places.values(), strict=True), 1
        )
    ]


def _part(
    key: str, lead: Lead, comparisons: Mapping[int, Comparison], drawn: Sequence[Plot], *, looks: bool
) -> Part:
    """Put together what belongs to one scenario, whose comparisons stand at these places of the answer."""
    labels = headline.points(list(comparisons.values()))
    if looks:
        labels = [f"look {number}" for number in range(1, len(labels) + 1)]
    own = [plot for plot in drawn if plot.scenario == lead.scenario]
    shared = {plot.kind for plot in own if len(plot.comparisons) > 1 or len(comparisons) == 1}
    single = [plot for plot in own if plot.kind not in shared]
    alone = {place: [plot for plot in single if plot.comparisons == (place,)] for place in comparisons}
    points = tuple(
        _point(f"{key}-{number}", label, comparison, alone[place])
        for number, (label, (place, comparison)) in enumerate(
            zip(labels, comparisons.items(), strict=True), 1
        )
    )
    notes = dict.fromkeys(
        note for point in points for note in (*point.sheet.notes, *(point.chart.notes if point.chart else ()))
    )
    return Part(key, lead, points, tuple(plot for plot in own if plot.kind in shared), tuple(notes))


def _point(key: str, label: str, comparison: Comparison, drawn: Sequence[Plot]) -> Point:
    sheet = fill(comparison)
    found = {arm.validity for arm in comparison.arms}
    worst = next((validity for validity in (INVALID, DOUBTFUL) if validity in found), VALID)
    laid = table.lay_out(sheet, comparison)
    return Point(key, label, sheet, laid, anatomy.chart(comparison), worst, tuple(drawn))
