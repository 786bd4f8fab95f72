"""What claims and gates come to, as rows for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.decide import gate, looks
from harness.decide.claims.claim import Claim
from harness.results import Result
from harness.show import rulings, words
from harness.show.claims import MARKS
from harness.show.html import bars
from harness.show.html.bars import Bar


@dataclass(frozen=True)
class Seen:
    """One piece of evidence."""

    label: str
    text: str
    verdict: str
    bar: Bar | None


@dataclass(frozen=True)
class Judged:
    """A claim; `sign` is for those who skim."""

    number: int
    text: str
    verdict: str
    sign: str
    explanation: str
    seen: tuple[Seen, ...]


@dataclass(frozen=True)
class Ruling:
    """A candidate's metric."""

    candidate: str
    metric: str
    change: str
    bounds: str
    outcome: str


@dataclass(frozen=True)
class Ruled:
    """What a gate ruled."""

    base: str
    sentence: str
    title: str
    rulings: tuple[Ruling, ...]
    broken: tuple[tuple[str, tuple[str, ...]], ...]
    """Why candidates are invalid, with the last lines of what failed."""
    doubts: tuple[str, ...]


def judge(claims: Sequence[Claim]) -> list[Judged]:
    """Write claims with their evidence, whose bars share a scale in each claim."""
    return [
        Judged(
            number=claim.number,
            text=claim.text,
            verdict=claim.verdict,
            sign=MARKS.get(claim.verdict, "–"),
            explanation=words.clean(claim.explanation),
            seen=tuple(
                Seen(words.clean(one.label), words.clean(one.text), one.verdict, bar)
                for one, bar in zip(
                    claim.evidence, bars.draw([one.estimate for one in claim.evidence]), strict=True
                )
            ),
        )
        for claim in claims
    ]


def rule(results: Sequence[Result]) -> Ruled | None:
    """Rule again on the looks of a gate, by the rule of its command line; None for other results."""
    decision = looks.rule_again(results)
    if decision is None:
        return None
    return Ruled(
        base=words.clean(decision.base),
        sentence=rulings.sentence(decision),
        title=rulings.title(decision),
        rulings=tuple(
            Ruling(
                words.clean(one.name),
                rulings.WHAT[verdict.metric],
                rulings.change(verdict.change),
                rulings.bounds(verdict),
                rulings.outcome(one, verdict),
            )
            for one, verdict in rulings.pairs(decision.candidates)
        ),
        broken=tuple(
            {
                words.clean(one.reason): words.quote(one.said)
                for one in decision.candidates
                if one.ruling is gate.Ruling.INVALID
            }.items()
        ),
        doubts=tuple(map(words.clean, decision.doubts)),
    )
