"""What a gate ruled as Markdown, for a job's summary or a comment on a pull request."""

from __future__ import annotations

from harness.decide.gate import Decision
from harness.show import rulings, words
from harness.show.markdown import escape, fenced

MARKS = {"same": "✅", "better": "✅", "worse": "❌", "unclear": "❔", "invalid": "⚠️"}
"""Outcome → what stands before it."""


def render(decision: Decision) -> str:
    """Write the outcome as a heading, the answer, what broken arms said, a table, and what is doubtful."""
    quoted = [
        "\n".join([*([f"{escape(about)}:", ""] if about else []), *fenced(quote), ""])
        for about, quote in rulings.quotes(decision)
    ]
    lines = [
        f"## {MARKS[decision.ruling]} rpcduel gate: {decision.ruling}",
        "",
        f"**{escape(rulings.sentence(decision))}**",
        "",
        *quoted,
        "| candidate | metric | change | adjusted interval | outcome |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for one, verdict in rulings.pairs(decision.candidates):
        outcome = rulings.outcome(one, verdict)
        cells = (
            one.name,
            rulings.WHAT[verdict.metric],
            rulings.change(verdict.change),
            rulings.bounds(verdict),
            f"{MARKS[outcome]} {outcome}",
        )
        lines.append(f"| {' | '.join(escape(words.clean(cell)) for cell in cells)} |")
    lines += [
        "",
        escape(rulings.title(decision)),
        *(f"- doubtful: {escape(text)}" for text in decision.doubts),
    ]
    return "\n".join(lines) + "\n"
