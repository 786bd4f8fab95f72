"""Comparisons as Markdown, for issues, pull requests and wikis."""

from __future__ import annotations

import re

from harness.decide.compare import Answer
from harness.show import words
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
    """Write a section with heading, table, findings and notes for each comparison, then the crossovers."""
    sections = [_section(fill(comparison)) for comparison in answer.comparisons]
    for heading, found in words.lists(answer):
        lines = [f"- {escape(each)}" for each in found]
        sections.append("\n".join([f"## {heading}", "", *lines, ""]))
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


def _table(sheet: Sheet) -> str:
    keys = [key for key in _COLUMNS if key in sheet.columns]
    rows = [["arm", *(sheet.columns[key].heading for key in keys)]]
    rows += [
        [name, *(sheet.columns[key].cells[index].strip() for key in keys)]
        for index, name in enumerate(sheet.names)
    ]
    lines = [f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows]
    return "\n".join([lines[0], f"| --- |{' ---: |' * len(keys)}", *lines[1:]])


def _quoted(lines: tuple[str, ...]) -> list[str]:
    """Fence `lines` with more backticks than stand in them, indented to belong to the list's item."""
    if not lines:
        return []
    runs = [len(run) for line in lines for run in re.findall(r"`+", line)]
    fence = "`" * max([3, *(run + 1 for run in runs)])
    return ["\n".join(f"  {line}" for line in (f"{fence}text", *lines, fence))]
