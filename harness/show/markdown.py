"""Comparisons as Markdown, for issues, pull requests and wikis."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.decide.compare import Answer
from harness.decide.comparison import Comparison
from harness.show import anatomy, claims, words
from harness.show.sheet import Sheet, fill

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>|#~]")
_COLUMNS = (
    "p50",
    "size",
    "p99",
    "first",
    "gap",
    "service",
    "lag",
    "due",
    "rate",
    "dropped",
    "bound",
    "cpu",
    "client",
    "hop",
    "server",
    "floor",
    "bytes",
    "links",
    "difference",
    "ratio",
    "range",
    "other-ratio",
    "other-range",
)


def render(answer: Answer) -> str:
    """Write a section with heading, table, findings and notes for each comparison, then what several say."""
    sections = [_section(fill(each)) + _anatomy(each) for each in answer.comparisons]
    for heading, found in words.lists(answer):
        lines = [f"- {escape(each)}" for each in found]
        sections.append("\n".join([f"## {heading}", "", *lines, ""]))
    if answer.claims:
        sections.append(claims.markdown(answer.claims, escape))
    return "\n".join(sections)


def escape(text: str) -> str:
    """Make `text` stand as it is in Markdown, in a table's cell too."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def _section(sheet: Sheet) -> str:
    blocks = [f"## {escape(sheet.title)}", escape(sheet.place), _table(sheet)]
    blocks += [
        "\n\n".join([f"- **{remark.validity}**: {escape(remark.sentence)}", *_quoted(remark.quote)])
        for remark in sheet.remarks
    ]
    blocks += ["\n".join(f"- {escape(note)}" for note in sheet.notes), f"**{escape(sheet.sentence)}**"]
    return "\n\n".join(block for block in blocks if block.strip("* ")) + "\n"


def _anatomy(comparison: Comparison) -> str:
    """Write where the time goes, an arm a column; nothing where that is not known."""
    found = anatomy.chart(comparison)
    if found is None:
        return ""
    rows = [["", *(bar.name for bar in found.bars)], ["a call", *(bar.time for bar in found.bars)]]
    for label, parts in found.parts.items():
        rows.append([label, *(f"{p.text}{f' ({p.bounds})' if p.bounds else ''}" if p else "" for p in parts)])
    head = ""
    for row in found.rows:
        head = head if row.cells else row.title
        if row.cells:
            rows.append([f"{head}: {row.title}", *row.cells])
    notes = "\n".join(f"- {escape(note)}" for note in found.notes)
    return f"\n### {escape(found.title)}\n\n{_grid(rows)}\n\n{notes}\n"


def _table(sheet: Sheet) -> str:
    keys = [key for key in _COLUMNS if key in sheet.columns]
    rows = [["arm", *(sheet.columns[key].heading for key in keys)]]
    rows += [
        [name, *(sheet.columns[key].cells[index].strip() for key in keys)]
        for index, name in enumerate(sheet.names)
    ]
    return _grid(rows)


def _grid(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out under the first of them, all columns but the first flush right."""
    lines = [f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows]
    return "\n".join([lines[0], f"| --- |{' ---: |' * (len(rows[0]) - 1)}", *lines[1:]])


def _quoted(lines: tuple[str, ...]) -> list[str]:
    """Fence `lines`, if there are any, indented to belong to the list's item."""
    return ["\n".join(f"  {line}" for line in fenced(lines))] if lines else []


def fenced(lines: tuple[str, ...]) -> list[str]:
    """Fence `lines` with more backticks than stand in them."""
    runs = [len(run) for line in lines for run in re.findall(r"`+", line)]
    fence = "`" * max([3, *(run + 1 for run in runs)])
    return [f"{fence}text", *lines, fence]
