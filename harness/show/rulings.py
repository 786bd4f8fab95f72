"""What a gate ruled: plain lines, one a candidate and metric, the answer in a sentence, and JSON."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from harness.decide.gate import MOST_FORKS, Decision, Ruled, Ruling
from harness.decide.judge import Verdict
from harness.show import units, words
from harness.show.json import FORMAT, write

WHAT = {"time": "time per call", "cpu": "CPU per call", "p50": "median response time"}
"""Metric → what it is of."""
_WIDTH = 80
_NAME = 28
"""Cells of a candidate's name; a longer one gets a line of its own."""
_STYLES = {
    "worse": "bold red",
    "invalid": "bold red",
    "unclear": "yellow",
    "better": "green",
    "same": "green",
}


def show(decision: Decision, stream: TextIO | None = None) -> None:
    """Write lines and answer to `stream` (standard output); a terminal gets colour and folded lines."""
    console = Console(file=stream or sys.stdout, highlight=False, markup=False, emoji=False)
    unicode = words.unicode(console.encoding)
    wide = min(console.width, _WIDTH) if console.is_terminal else 0
    for line in render(decision, wide):
        shown = line if unicode else words.to_ascii(line)
        if not console.is_terminal:
            console.file.write(f"{shown}\n")
            continue
        console.print(coloured(shown), soft_wrap=True)


def coloured(line: str) -> Text:
    """Give a line with the colour of the outcome that it ends with, if it ends with one."""
    text, last = Text(line), line.rpartition("  ")[2]
    if last in _STYLES:
        text.stylize(_STYLES[last], len(line) - len(last))
    return text


def render(decision: Decision, wide: int = 0) -> list[str]:
    """Write what was seen, then the answer, and what broken arms said below it.

    All but that is folded where `wide` is given and too little.
    """
    room = min(_NAME, max(len(words.clean(one.name)) for one in decision.candidates))
    lines = [line for one in decision.candidates for line in _lines(one, room)]
    said = [title(decision), *(f"  doubtful: {words.clean(text)}" for text in decision.doubts)]
    tail = [*said[1:], sentence(decision)]
    if wide:
        said[0] = folded(said[0], wide)
        tail = [folded(text, wide) for text in tail]
    return [line for text in (said[0], *lines, *tail, *_quoted(decision)) for line in text.split("\n")]


def folded(text: str, wide: int) -> str:
    """Break `text` into lines of `wide` cells; further ones stand two cells to the right of the first."""
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.fill(
        text.strip(), wide, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False
    )


def title(decision: Decision) -> str:
    """Say what was held against what, and by which rule."""
    rule = decision.rule
    return words.clean(
        f"against {decision.base}, {words.count(decision.forks, 'fork')}; "
        f"{share(rule.tolerance)} more is put up with, {share(rule.detect)} is not"
    )


def _quoted(decision: Decision) -> Iterator[str]:
    for about, quote in quotes(decision):
        if about:
            yield f"  {about}:"
        yield from (f"    | {line}" for line in quote)


def quotes(decision: Decision) -> list[tuple[str, tuple[str, ...]]]:
    """Give what arms that failed wrote last, as lines, each after why it is told where there are several."""
    found = {words.clean(one.reason): words.quote(one.said) for one in decision.candidates if one.said}
    return [(about if len(found) > 1 else "", quote) for about, quote in found.items()]


def _lines(one: Ruled, room: int) -> Iterator[str]:
    name = words.clean(one.name)
    if len(name) > room:
        yield f"  {name}"
        name = ""
    for verdict in one.verdicts:
        seen = f"{change(verdict.change):>8}  {bounds(verdict):18}"
        yield f"  {name:{room}}  {verdict.metric:4}  {seen}  {outcome(one, verdict)}"
        name = ""


def share(value: float) -> str:
    """Write a share as per cent: ``2 %``."""
    return f"{100 * value:.4g} %"


def change(value: float | None) -> str:
    """Write a change as per cent with its sign: ``+6.2 %``; what is not known as a dash."""
    return units.NOTHING if value is None else f"{units.number(100 * value, 1, signed=True)} %"


def bounds(verdict: Verdict) -> str:
    """Write the adjusted interval: ``+3.4 to +9.1 %``; empty where there is none."""
    return between(verdict.low, verdict.high)


def between(low: float | None, high: float | None) -> str:
    """Write bounds as per cent: ``+3.4 to +9.1 %``; empty where there are none."""
    if low is None or high is None:
        return ""
    first, last = (units.number(100 * value, 1, signed=True) for value in (low, high))
    return f"{first} to {last} %"


def measured(verdict: Verdict) -> str:
    """Write a metric with its change and interval: ``time per call +6.2 % (+3.4 to +9.1 %)``."""
    range_ = bounds(verdict)
    return f"{WHAT[verdict.metric]} {change(verdict.change)}{f' ({range_})' if range_ else ''}"


def sentence(decision: Decision) -> str:
    """Say the answer: of one candidate why, of several first how many of each kind, then why of the worst."""
    worst = [one for one in decision.candidates if one.ruling is decision.ruling]
    if len(decision.candidates) == 1:
        return words.clean(f"{why(worst[0], decision)}.")
    head = counted(decision)
    return words.clean(f"{head[0].upper()}{head[1:]}. {'; '.join(why(one, decision) for one in worst)}.")


def counted(decision: Decision) -> str:
    """Say how many candidates are what: ``1 of 3 candidates is worse, 2 are the same``."""
    parts: list[str] = []
    for ruling in (Ruling.INVALID, Ruling.WORSE, Ruling.UNCLEAR, Ruling.BETTER, Ruling.SAME):
        number = sum(one.ruling is ruling for one in decision.candidates)
        if number:
            of = "" if parts else f" of {words.count(len(decision.candidates), 'candidate')}"
            word = "the same" if ruling is Ruling.SAME else ruling
            parts.append(f"{number}{of} {'is' if number == 1 else 'are'} {word}")
    return ", ".join(parts)


def why(one: Ruled, decision: Decision) -> str:
    """Say of one candidate what became of it, and by which figures."""
    base, rule = decision.base, decision.rule
    if one.ruling is Ruling.INVALID:
        return f"{one.name} cannot be judged: {one.reason.removeprefix(f'{one.name}: ')}"
    if one.ruling is Ruling.UNCLEAR:
        return _unclear(one, decision)
    if one.ruling is Ruling.WORSE:
        return f"{one.name} costs more than {base}, by over {share(rule.tolerance)}: {_deciding(one)}"
    if one.ruling is Ruling.BETTER:
        return f"{one.name} costs less than {base}, by over {share(rule.tolerance)}: {_deciding(one)}"
    seen = ", ".join(map(measured, one.verdicts))
    return f"{one.name} does not cost {share(rule.detect)} more than {base}: {seen}"


def _deciding(one: Ruled) -> str:
    return ", ".join(measured(each) for each in one.verdicts if each.outcome.value == one.ruling.value)


def _unclear(one: Ruled, decision: Decision) -> str:
    if one.reason:
        return f"{one.name}: nothing can be said, for {one.reason}"
    seen = ", ".join(measured(each) for each in one.verdicts if each.outcome.value == Ruling.UNCLEAR.value)
    when, whether = f"after {one.forks} forks", f"whether it costs more than {decision.base}"
    text = f"{one.name}: {when} it is unclear {whether}: {seen}"
    if not one.final:
        return text
    return f"{text}; it would take {f'about {one.needed}' if one.needed else f'more than {MOST_FORKS}'} forks"


def json(decision: Decision, stored: str) -> str:
    """Write one object; its keys are described in docs/json.md."""
    rule = decision.rule
    return write(
        {
            "format": FORMAT,
            "outcome": decision.ruling,
            "sentence": sentence(decision),
            "base": decision.base,
            "forks": decision.forks,
            "final": decision.final,
            "candidates": [
                {
                    "name": one.name,
                    "outcome": one.ruling,
                    "forks": one.forks,
                    "needed": one.needed,
                    "reason": one.reason,
                    "said": "\n".join(words.quote(one.said)),
                }
                for one in decision.candidates
            ],
            "verdicts": [_verdict(*pair) for pair in pairs(decision.candidates)],
            "doubts": decision.doubts,
            "metrics": rule.metrics,
            "tolerance": rule.tolerance,
            "detect": rule.detect,
            "alpha": rule.alpha,
            "looks": rule.looks,
            "stored": stored,
        }
    )


def _verdict(one: Ruled, verdict: Verdict) -> dict[str, object]:
    return {
        "candidate": one.name,
        "metric": verdict.metric,
        "outcome": outcome(one, verdict),
        "change": verdict.change,
        "low": verdict.low,
        "high": verdict.high,
    }


def outcome(one: Ruled, verdict: Verdict) -> str:
    """Give what a metric says: its own verdict, unless its candidate has another for some reason."""
    return str(one.ruling if one.reason else verdict.outcome)


def pairs(candidates: Sequence[Ruled]) -> list[tuple[Ruled, Verdict]]:
    """Give each candidate with each of its verdicts."""
    return [(one, verdict) for one in candidates for verdict in one.verdicts]
