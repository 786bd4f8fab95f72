"""Two stored runs held against each other as Markdown."""

from __future__ import annotations

from harness.decide.across import Across, Compared
from harness.show import changes, rulings, words
from harness.show.changes_words import absent, origin, place, remarks, sentence, title
from harness.show.markdown import escape
from harness.show.rulings_markdown import MARKS


def render(found: Across) -> str:
    """Write the outcome as a heading, the answer, a table a point, and what limits the figures."""
    mark = f"{MARKS[found.ruling]} " if found.ruling else ""
    lines = [
        f"## {mark}rpcduel compare: {found.ruling or 'not judged'}",
        "",
        f"**{escape(sentence(found))}**",
        "",
        escape(title(found)),
        "",
        *(f"- {escape(each)}" for each in origin(found)),
    ]
    for point in dict.fromkeys(each.point for each in found.arms):
        lines += [
            "",
            f"### {escape(place(point))}",
            "",
            "| arm | metric | base × floor | candidate × floor | change | 95 % interval | outcome |",
            "| --- | --- | ---: | ---: | ---: | ---: | --- |",
        ]
        lines += [row for each in found.arms if each.point == point for row in _rows(each)]
    notes = [*remarks(found), *absent(found)]
    return "\n".join([*lines, *([""] if notes else []), *(f"- {escape(each)}" for each in notes)]) + "\n"


def _rows(one: Compared) -> list[str]:
    rows = []
    for change in one.changes:
        said = changes.outcome(one, change)
        cells = (
            one.arm,
            rulings.WHAT[change.metric],
            changes.times_floor(change.base),
            changes.times_floor(change.candidate),
            changes.shown(one, change),
            rulings.between(change.low, change.high),
            f"{MARKS[said]} {said}" if said else "",
        )
        rows.append(f"| {' | '.join(escape(words.clean(cell)) for cell in cells)} |")
    return rows
