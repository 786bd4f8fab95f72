"""Rules on candidates against their base, in a few looks at ever more forks."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from harness.decide.comparison import DOUBTFUL, INVALID, Finding
from harness.decide.findings import crowd, find_all
from harness.decide.judge import ALPHA, DETECT, TOLERANCE, Judgement, Outcome, Verdict, judge
from harness.decide.rounds import Rounds, arrange, effects
from harness.decide.stats import Numbers
from harness.results import Result

LOOKS = (8, 16, 32)
"""Forks after which a gate looks; who looks at every fork until something shows will see something."""
METRICS = ("time", "cpu")
CROWDED = 0.2
"""Share of the cores' time that others may use in a fork before nothing is passed any more: between programs
that take cores from it, a call costs something else."""
_SENSITIVE = "its cost is another in turns ten times as long, so that short ones cannot pass it"
"""What long turns say is what a service that runs all day would see."""
_TOLD = ("unexamined", "errors")
"""Kinds of notes that are doubts of a gate, which gives no other figures that they could stand beside."""
MOST_FORKS = 200
"""Up to which it is worked out how many forks a gate would take."""


class Ruling(enum.StrEnum):
    """What becomes of a candidate."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    UNCLEAR = "unclear"
    INVALID = "invalid"


_WORST_FIRST = (Ruling.INVALID, Ruling.WORSE, Ruling.UNCLEAR, Ruling.BETTER)


class Rule(msgspec.Struct, frozen=True):
    """What a gate holds candidates to; changes are relative to the base, 0.02 being 2 % more."""

    metrics: tuple[str, ...] = METRICS
    tolerance: float = TOLERANCE
    detect: float = DETECT
    looks: tuple[int, ...] = LOOKS
    """Forks, ascending."""
    alpha: float = ALPHA
    """Error of the whole gate, one-sided: split over looks, candidates and metrics (Bonferroni)."""

    def share(self, candidates: int) -> float:
        """Give the error that one look at one of so many candidates may spend, all metrics together."""
        return self.alpha / len(self.looks) / candidates


class Ruled(msgspec.Struct, frozen=True):
    """What becomes of one candidate, and what it was seen by."""

    name: str
    ruling: Ruling
    verdicts: tuple[Verdict, ...]
    """By metric, of the look that decided, else of the last; bounds are adjusted for all looks."""
    forks: int
    """Of that look; 0 where there was none."""
    final: bool
    """Whether no further look can change it."""
    reason: str = ""
    """Why it is invalid, or why nothing was looked at."""
    said: str = ""
    """The end of what the arm that failed wrote to standard error: as it came, for it is somebody else's."""
    needed: int | None = None
    """Where it stays unclear: forks that it would take, if further ones are like these. None where that is
    more than `MOST_FORKS`, and where it is not unclear."""


class Decision(msgspec.Struct, frozen=True):
    """What becomes of all candidates."""

    base: str
    ruling: Ruling
    """The worst of them: one that is invalid is never passed over."""
    candidates: tuple[Ruled, ...]
    forks: int
    """Measured, in all results together."""
    final: bool
    doubts: tuple[str, ...]
    """Sentences that make the figures doubtful, though not invalid."""
    rule: Rule


def decide(results: Sequence[Result], rule: Rule) -> Decision:
    """Rule on every arm but baseline and floor, over the forks of all `results` in order; pure.

    A candidate is decided at the first look at which something can be said of it, by what was measured until
    then, and stays so. Arms that failed, had too many errors or gave other replies than they should are
    invalid, and so is everything that is held against such a base. Raises `ValueError` for no results, or
    such that do not have the same arms.
    """
    if len({(each.trial.baseline, tuple(arm.name for arm in each.trial.arms)) for each in results}) != 1:
        raise ValueError("one or more results with the same arms and the same baseline are wanted")
    played = [arrange(result) for result in results]
    first = played[0]
    base = first.baseline
    arms = [k for k in range(len(first.result.trial.arms)) if k not in (base, first.floor)]
    findings = [find_all(rounds) for rounds in played]
    broken, doubts = _limits(played, findings)
    ruled = []
    for arm in arms:
        reason = next(
            (broken[name] for name in ("", first.name(base), first.name(arm)) if name in broken), ""
        )
        found = {metric: _joined(played, metric, arm, base) for metric in rule.metrics}
        one = look(first.name(arm), found, rule, len(arms), broken=reason)
        if one.ruling in (Ruling.SAME, Ruling.BETTER) and (reason := _barred(played, findings, one, rule)):
            one = msgspec.structs.replace(one, ruling=Ruling.UNCLEAR, reason=reason)
        ruled.append(one)
    return Decision(
        base=first.name(base),
        ruling=worst([one.ruling for one in ruled]),
        candidates=tuple(ruled),
        forks=sum(each.forks for each in played),
        final=all(one.final for one in ruled),
        doubts=doubts,
        rule=rule,
    )


def worst(rulings: Sequence[Ruling]) -> Ruling:
    """Give the one that the whole gate has: INVALID before WORSE before UNCLEAR before BETTER before SAME."""
    return next((each for each in _WORST_FIRST if each in rulings), Ruling.SAME)


def look(
    name: str, found: Mapping[str, Numbers], rule: Rule, candidates: int = 1, *, broken: str = ""
) -> Ruled:
    """Rule on one of so many `candidates` from its per-fork ln(candidate / base) of each metric.

    `broken` says in its first line why it is invalid, whatever its figures are; others are what was said.
    """
    share, forks = rule.share(candidates), min(map(len, found.values()))
    seen: Judgement | None = None
    blank = [metric for metric, values in found.items() if not np.isfinite(values).all()]
    if blank and not broken:
        broken = f"{' and '.join(blank)} is not known of every fork; other --metrics may be"
    if broken:
        reason, _, said = broken.partition("\n")
        nothing = tuple(Verdict(metric, None, None, None, Outcome.UNCLEAR) for metric in found)
        return Ruled(name, Ruling.INVALID, nothing, 0, final=True, reason=reason, said=said)
    for count in rule.looks:
        if forks < count:
            break
        seen = judge(
            {metric: values[:count] for metric, values in found.items()}, rule.tolerance, rule.detect, share
        )
        if seen.outcome is not Outcome.UNCLEAR:
            return Ruled(name, Ruling(seen.outcome), seen.verdicts, count, final=True)
    if seen is None:
        reason = f"{forks} of the {rule.looks[0]} forks of the first look were measured"
        return Ruled(name, Ruling.UNCLEAR, _unbounded(found), 0, final=False, reason=reason)
    if forks < rule.looks[-1]:
        return Ruled(name, Ruling.UNCLEAR, seen.verdicts, seen.forks, final=False)
    return Ruled(
        name, Ruling.UNCLEAR, seen.verdicts, seen.forks, final=True, needed=needed(found, rule, candidates)
    )


def needed(found: Mapping[str, Numbers], rule: Rule, candidates: int = 1) -> int | None:
    """Give how many forks would decide it, if mean and spread stay what they are; None above `MOST_FORKS`."""
    share, forks = rule.share(candidates), min(map(len, found.values()))
    for count in range(forks + 1, MOST_FORKS + 1):
        more = {metric: _alike(values, count) for metric, values in found.items()}
        if judge(more, rule.tolerance, rule.detect, share).outcome is not Outcome.UNCLEAR:
            return count
    return None


def _alike(values: Numbers, count: int) -> Numbers:
    """Make so many values with the mean and the standard deviation of `values`."""
    pattern = np.resize([-1.0, 1.0], count - count % 2)
    pattern = np.append(pattern, np.zeros(count % 2))
    made: Numbers = values.mean() + values.std(ddof=1) * pattern / pattern.std(ddof=1)
    return made


def _unbounded(found: Mapping[str, Numbers]) -> tuple[Verdict, ...]:
    """Tell what was seen of each metric in forks too few to say anything."""
    changes = {
        metric: float(np.expm1(values.mean())) if len(values) else None for metric, values in found.items()
    }
    return tuple(Verdict(metric, change, None, None, Outcome.UNCLEAR) for metric, change in changes.items())


def _joined(played: Sequence[Rounds], metric: str, arm: int, base: int) -> Numbers:
    return np.concatenate([effects(rounds, metric, arm, base)[0] for rounds in played])


def _barred(played: Sequence[Rounds], findings: Sequence[Sequence[Finding]], one: Ruled, rule: Rule) -> str:
    """Say why a candidate may not be passed by the forks that decided it; empty where it may.

    Final, like all decisions: nothing is left out for having been crowded, for what counts as others may be
    the candidate's own doing, and so the same would be said after any number of further forks.
    """
    forks = 0
    for rounds, found in zip(played, findings, strict=True):
        if forks >= one.forks:
            break
        forks += rounds.forks
        share = crowd(rounds)
        if share > CROWDED:
            return (
                f"other processes used {share:.0%} of the cores' time in one of its starts, and beside them "
                f"calls cost something else, which further starts would not undo; stop them and gate again"
            )
        own = [each for each in found if each.kind == "turn-sensitive" and each.arm == one.name]
        if any(set(each.figures) & set(rule.metrics) for each in own):
            return _SENSITIVE
    return ""


def _limits(
    played: Sequence[Rounds], findings: Sequence[Sequence[Finding]]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Give why arms are invalid, by name, and what makes figures doubtful. The floor's are not asked for.

    What an arm that failed wrote to standard error stands in further lines.
    """
    broken: dict[str, str] = {}
    doubts = {
        f"{arm.name} at": f"{arm.name} runs already and cannot be restarted: what differs between starts is "
        f"in no interval, and may be taken for a change"
        for arm in played[0].result.trial.arms
        if arm.at
    }
    for rounds, found in zip(played, findings, strict=True):
        floor = "" if rounds.floor is None else rounds.name(rounds.floor)
        for finding in found:
            if finding.arm and finding.arm == floor:
                continue
            text = finding.text.strip()
            about = f"{finding.arm}: {text}" if finding.arm and not text.startswith(finding.arm) else text
            if finding.validity == INVALID:
                broken.setdefault(finding.arm, about)
            elif finding.validity == DOUBTFUL or finding.kind in _TOLD:
                doubts.setdefault(f"{finding.arm} {finding.kind}", about.partition("\n")[0])
    return broken, tuple(doubts.values())
