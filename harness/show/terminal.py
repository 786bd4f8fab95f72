"""Comparisons on a terminal, or as plain lines where there is none."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.text import Text

from harness.decide.claims import RULES
from harness.decide.compare import Answer
from harness.show import anatomy, bars, claims, headline, lines, table, words
from harness.show.sheet import Sheet, fill, in_ascii

_LEAST = 20
_UNBROKEN = 10_000


def show(answer: Answer, stream: TextIO | None = None, width: int | None = None) -> None:
    """Write each comparison, and what several say together, to `stream` (standard output).

    A terminal gets tables, as wide as it is unless `width` is given; anything else gets plain lines,
    or tables without colour where `width` is given. Colours follow ``NO_COLOR``.
    A footnote and the line about the machine stand where they first apply, not again.
    """
    console = Console(file=stream or sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    unicode = words.unicode(console.encoding)
    sheets = [
        fill(comparison) if unicode else in_ascii(fill(comparison)) for comparison in answer.comparisons
    ]
    for number, (sheet, comparison) in enumerate(zip(_brief(sheets), answer.comparisons, strict=True)):
        if number:
            console.file.write("\n")
        chart = anatomy.chart(comparison)
        if console.is_terminal or width is not None:
            console.print(_laid_out(sheet, console.width, rule="─" if unicode else "-"), soft_wrap=True)
            if chart:
                console.print()
                console.print(bars.render(chart, console.width, unicode=unicode), soft_wrap=True)
        else:
            console.file.write(lines.render(sheet))
            told = anatomy.lines(chart if unicode else anatomy.in_ascii(chart)) if chart else []
            console.file.writelines(f"{line}\n" for line in told)
    wide = console.width if console.is_terminal or width is not None else _UNBROKEN
    for heading, sentences in words.lists(answer):
        found = [
            textwrap.fill(each, wide, initial_indent="  ", subsequent_indent="    ") for each in sentences
        ]
        text = "\n".join(["", heading, *found, ""])
        console.file.write(text if unicode else words.to_ascii(text))
    if answer.claims:
        whole = len(answer.claims) == len(RULES)
        text = claims.render(answer.claims, wide) if whole else f"{claims.mention(answer.claims, wide)}\n"
        console.file.write(f"\n{text}" if unicode else words.to_ascii(f"\n{text}"))


def conclude(answer: Answer, stream: TextIO | None = None) -> None:
    """Write the answer of the whole run, where what `show` wrote does not end with it."""
    (first, *more) = answer.comparisons
    if not (more or first.anatomy or len(answer.claims) == len(RULES) or words.lists(answer)):
        return
    console = Console(file=stream or sys.stdout, highlight=False, markup=False, emoji=False)
    wide = console.width if console.is_terminal else _UNBROKEN
    for sentence in headline.whole(answer):
        text = textwrap.fill(sentence, wide, subsequent_indent="  ")
        console.file.write(f"\n{text if words.unicode(console.encoding) else words.to_ascii(text)}\n")


def _brief(sheets: Iterable[Sheet]) -> Iterable[Sheet]:
    said: set[str] = set()
    for sheet in sheets:
        notes = tuple(note for note in sheet.notes if note not in said)
        yield dataclasses.replace(sheet, notes=notes, place="" if sheet.place in said else sheet.place)
        said |= {*sheet.notes, sheet.place}


def _laid_out(sheet: Sheet, width: int, rule: str) -> Text:
    drawn = table.render(sheet, width, rule=rule)
    if drawn is not None:
        return drawn
    wrapped = (
        textwrap.wrap(line, max(width, _LEAST), subsequent_indent="    ", break_on_hyphens=False)
        for line in lines.render(sheet).splitlines()
    )
    return Text("\n".join(line for block in wrapped for line in block))
