"""An examination's tables for a terminal, as Markdown and as JSON."""

from __future__ import annotations

import io
from collections.abc import Sequence

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.decide.sessions import Told
from harness.doctor.check import Check

FORMAT = 1


def terminal(check: Check, width: int | None = None) -> str:
    """Lay one check out for a terminal `width` columns wide, else as wide as the terminal is."""
    console = Console(width=width, highlight=False, markup=False, emoji=False, file=io.StringIO())
    with console.capture() as captured:
        console.print(Text(f"\n{check.question}", "bold"))
        if check.rows:
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(check.columns))
            for k, column in enumerate(check.columns):
                table.add_column(column, justify="left" if k == 0 or not any(check.columns) else "right")
            for row in check.rows:
                table.add_row(*map(Text, row))
            console.print(table)
        console.print(Text(_answer(check)))
    return captured.get()


def markdown(checks: Sequence[Check]) -> str:
    """Write checks as Markdown, a heading and a table each."""
    return "\n".join(_section(check) for check in checks)


def json(checks: Sequence[Check], noise: Told | None = None) -> str:
    """Write one object: ``format`` and ``checks`` with name, question, columns, rows, answer, met.

    With `noise` also that, the noise between sessions.
    """
    told = {"format": FORMAT, "checks": checks} | ({"noise": noise} if noise else {})
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()


def _section(check: Check) -> str:
    lines = [f"### {check.name}: {check.question}", ""]
    if check.rows:
        lines += [
            _row(check.columns),
            _row([":--", *["--:"] * (len(check.columns) - 1)]),
            *map(_row, check.rows),
            "",
        ]
    return "\n".join([*lines, _answer(check), ""])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _answer(check: Check) -> str:
    met = {True: "Met.", False: "Not met.", None: ""}[check.met]
    return " ".join(part for part in (check.answer, met) if part)
