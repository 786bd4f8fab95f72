"""Claims with their verdicts, for the terminal and for Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from harness.decide.claims.claim import FAILS, HOLDS, UNCLEAR, Claim, Evidence
from harness.show import words

TITLE = "Claims"
RULES = "By which rules they are judged stands in docs/claims.md."
MARKS = {HOLDS: "✓", FAILS: "✗", UNCLEAR: "?"}
_LEGEND = "✓ speaks for it, ✗ against it, ? leaves it open."
_MOST = 8
"""Lines of evidence a claim on a terminal; Markdown and JSON have all."""
_INDENT = "   "


def render(claims: Sequence[Claim], width: int) -> str:
    """Write a paragraph a claim, in `width` cells: number, verdict, text, why, and what was seen."""

    def wrapped(text: str, first: str) -> str:
        return textwrap.fill(
            text, width, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False
        )

    blocks = []
    for claim in claims:
        lines = [wrapped(f"{claim.verdict.upper()}: {claim.text}", f"{claim.number}  ")]
        lines.append(wrapped(words.clean(claim.explanation), _INDENT))
        lines += [
            wrapped(_seen(each), f"{_INDENT}{MARKS.get(each.verdict, '·')} ")
            for each in claim.evidence[:_MOST]
        ]
        if len(claim.evidence) > _MOST:
            rest = f"and {len(claim.evidence) - _MOST} more: rpcduel report --format md"
            lines.append(wrapped(rest, f"{_INDENT}· "))
        blocks.append("\n".join(lines))
    legend = f" {_LEGEND}" if any(claim.evidence for claim in claims) else ""
    return "\n\n".join([f"{TITLE}\n{wrapped(RULES + legend, '')}", *blocks]) + "\n"


def mention(claims: Sequence[Claim], width: int) -> str:
    """Say in a sentence what becomes of the claims that trials speak to which ask something else."""
    told = ", ".join(f"{claim.number} ({claim.verdict})" for claim in claims)
    text = (
        f"As far as they go, these trials also speak to the claims under test: {told}. What was seen of them "
        f"stands in rpcduel report --format md."
    )
    return textwrap.fill(text, width, subsequent_indent=_INDENT, break_on_hyphens=False)


def markdown(claims: Sequence[Claim], escape: Callable[[str], str]) -> str:
    """Write a section with an overview and a part a claim; `escape` makes text stand as it is."""
    rows = [f"| {one.number} | {escape(one.text)} | **{one.verdict}** |" for one in claims]
    table = "\n".join(["| | claim | verdict |", "| ---: | --- | --- |", *rows])
    parts = [f"## {TITLE}", escape(RULES), table]
    for claim in claims:
        parts += [f"### {claim.number}: {claim.verdict}", escape(words.clean(claim.explanation))]
        if claim.evidence:
            parts.append("\n".join(f"- {escape(_seen(each))}{_said(each)}" for each in claim.evidence))
    return "\n\n".join(parts) + "\n"


def _seen(evidence: Evidence) -> str:
    return words.clean(f"{evidence.label}: {evidence.text}")


def _said(evidence: Evidence) -> str:
    return f" → **{evidence.verdict}**" if evidence.verdict else ""
