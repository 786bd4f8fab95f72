"""The answer of a whole run, question by question: which arm had the lowest cost at which points."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from harness.decide import sentence
from harness.decide.claims import RULES
from harness.decide.claims.claim import FAILS, HOLDS, UNCLEAR, UNMEASURED, Claim
from harness.decide.compare import Answer
from harness.decide.comparison import Comparison, Estimate
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.show import words
from scenarios.catalog import SCENARIOS
from stacks import examples

T = TypeVar("T")
_NAMED = 3
"""Points that a sentence names one by one."""
_TOLD = 4
"""Arms of which it tells one by one what they take."""


@dataclass(frozen=True)
class Lead:
    """What was asked, and the answer: a sentence for each baseline and metric that arms are held against."""

    scenario: str
    question: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Lowest:
    """The arm with the lowest cost at a point; no estimate where it is the baseline.

    `arm` is empty where none is shown to be below the baseline, nor the baseline below all.
    """

    arm: str
    point: str
    estimate: Estimate | None
    rivals: Mapping[str, Estimate] = field(default_factory=dict)
    """The lowest, and the arms that are not told apart from it."""

    @property
    def tied(self) -> bool:
        """Tell whether others are not told apart from it."""
        return len(self.rivals) > 1


def leads(comparisons: Sequence[Comparison]) -> list[Lead]:
    """Answer the questions of a run in the order asked."""
    groups = by_scenario(comparisons, lambda one: one.scenario)
    return [Lead(name, question(name), tuple(_sentences(group))) for name, group in groups.items()]


def whole(answer: Answer) -> tuple[str, ...]:
    """Say what a run comes to: its leads, or what becomes of the claims where all were asked about."""
    if len(answer.claims) == len(RULES):
        return (claimed(answer.claims),)
    found = leads(answer.comparisons)
    about = {lead.scenario: f"{words.clean(lead.scenario)}: " if len(found) > 1 else "" for lead in found}
    return tuple(f"{about[lead.scenario]}{each}" for lead in found for each in lead.sentences)


def claimed(claims: Sequence[Claim]) -> str:
    """Count verdicts, as in: Of 9 claims 6 hold, 1 does not hold and 2 were not measured."""
    counts = Counter(claim.verdict for claim in claims)
    forms = {
        HOLDS: ("holds", "hold"),
        FAILS: ("does not hold", "do not hold"),
        UNCLEAR: ("is unclear", "are unclear"),
        UNMEASURED: ("was not measured", "were not measured"),
    }
    parts = [f"{counts[each]} {forms[each][counts[each] > 1]}" for each in forms if counts[each]]
    listed = " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)
    return f"Of {words.count(len(claims), 'claim')} {listed}."


def by_scenario(items: Iterable[T], scenario: Callable[[T], str]) -> dict[str, list[T]]:
    """Group `items` by the scenario that each is of, in the order in which each comes first."""
    groups: dict[str, list[T]] = {}
    for each in items:
        groups.setdefault(scenario(each), []).append(each)
    return groups


def question(scenario: str) -> str:
    """Give the question of a scenario; its name where this rpcduel does not know it."""
    known = SCENARIOS.get(scenario)
    return known.question if known else f"What does {words.clean(scenario)} say?"


def points(comparisons: Sequence[Comparison]) -> list[str]:
    """Name comparisons by what varies among them: ``16 users, sample 1 KiB``; equal ones get numbers."""
    told = [_told(each) for each in comparisons]
    varied = [key for key in told[0] if len({one[key] for one in told}) > 1] if told else []
    labels = [", ".join(one[key] for key in varied or ("users", "sample") if one[key]) for one in told]
    seen: Counter[str] = Counter()
    named = []
    for label in labels:
        seen[label] += 1
        named.append(words.clean(f"{label} ({seen[label]})" if labels.count(label) > 1 else label))
    return named


def _told(one: Comparison) -> dict[str, str]:
    return {
        "baseline": one.baseline,
        "method": one.method,
        "part": one.part,
        "users": words.count(one.users, "user"),
        "sample": f"sample {examples.written(one.sample)}",
        "rate": f"{one.open} due" if one.open else "",
    }


def _sentences(comparisons: Sequence[Comparison]) -> Iterable[str]:
    """Say what a question comes to; a single point has said it itself."""
    if len(comparisons) == 1:
        yield " ".join(words.clean(comparisons[0].sentence).split())
        return
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for one in comparisons:
        what = sentence.cost(one.part, one.messages, one.headline)
        groups.setdefault((one.baseline, what), []).append(one)
    for (baseline, what), group in groups.items():
        if len(group) == 1:
            yield " ".join(words.clean(group[0].sentence).split())
        else:
            yield words.clean(_over(group, baseline, what))


def _over(group: Sequence[Comparison], baseline: str, what: str) -> str:
    """Answer over several points: those without figures are counted, and few forks are no verdict."""
    found = [low for one, point in zip(group, points(group), strict=True) if (low := _lowest(one, point))]
    blank = len(group) - len(found)
    lost = f"; {words.count(blank, 'point')} without valid figures" if blank else ""
    if not any(arm.name != baseline and not arm.floor for one in group for arm in one.arms):
        return f"{baseline} was measured alone, so there is nothing to hold it against."
    if not found:
        return f"None of the {len(group)} points has valid figures to hold against {baseline}."
    few = any(one.forks < FORKS_FOR_INTERVAL for one in group)
    next_start = f"; under {FORKS_FOR_INTERVAL} forks that says nothing of the next start" if few else ""
    tail = f"{lost}{next_start}{_doubts(group)}."
    arms = list(dict.fromkeys(low.arm for low in found))
    if not set(arms) - {"", baseline}:
        least = "seen" if few else "shown"
        none = f"At none of {len(group)} points was an arm {least} to take less {what} than {baseline}"
        return f"{none}{_others(group, baseline)}{tail}"
    if leader := arms[0] if len(arms) == 1 else _everywhere(found):
        own = [_Lowest(leader, low.point, low.rivals[leader]) for low in found]
        tied = ", or was not told apart from the lowest," if any(low.tied for low in found) else ""
        return f"{leader} had the lowest {what}{tied} at {_all(len(found))}: {_told_of(own, baseline)}{tail}"
    parts = [_part([low for low in found if low.arm == arm], baseline) for arm in arms]
    return f"Which arm had the lowest {what} depends on the point: {'; '.join(parts)}{tail}"


def _others(group: Sequence[Comparison], baseline: str) -> str:
    """Tell what arms take as multiples of the baseline's, over all points; of many the least and the most."""
    taken: dict[str, list[Estimate]] = {}
    for one in group:
        for arm in one.arms:
            if arm.name != baseline and not arm.floor and one.headline in arm.ratios:
                taken.setdefault(arm.name, []).append(arm.ratios[one.headline].estimate)
    told = sorted(
        taken, key=lambda arm: math.prod(each.value for each in taken[arm]) ** (1 / len(taken[arm]))
    )
    if len(told) > _TOLD:
        told = [told[0], told[-1]]
    return f": {'; '.join(f'{arm} takes {_range(taken[arm])}' for arm in told)}" if told else ""


def _range(known: Sequence[Estimate]) -> str:
    low, high = (pick(known, key=lambda one: one.value) for pick in (min, max))
    return _ratio(low) if low is high else f"{_ratio(low)} to {_ratio(high)}"


def _everywhere(found: Sequence[_Lowest]) -> str:
    """Name the arm that is lowest, or too close to it, at every point; empty where none is."""
    common = set.intersection(*(set(low.rivals) for low in found))
    return min(common, key=lambda arm: math.prod(low.rivals[arm].value for low in found), default="")


def _all(count: int) -> str:
    return {1: "the one point that tells", 2: "both points"}.get(count, f"all {count} points")


def _lowest(one: Comparison, point: str) -> _Lowest | None:
    """Find the arm that is lowest at a point; None where nothing is to be held against the baseline."""
    if not one.lowest:
        return None
    if one.baseline in one.lowest:
        return _Lowest(one.baseline if len(one.lowest) == 1 else "", point, None)
    estimates = {arm.name: arm.ratios[one.headline].estimate for arm in one.arms if arm.name in one.lowest}
    return _Lowest(one.lowest[0], point, estimates[one.lowest[0]], estimates)


def _told_of(found: Sequence[_Lowest], baseline: str) -> str:
    """Give the ratios of few points one by one, of many the lowest and the highest."""
    known = [(low.estimate, low.point) for low in found if low.estimate]
    if len(known) > _NAMED:
        ordered = sorted(known, key=lambda pair: pair[0].value)
        known = [ordered[0], ordered[-1]]
    texts = [f"{_ratio(estimate)} with {point}" for estimate, point in known]
    joined = " to ".join(texts) if len(found) > _NAMED else ", ".join(texts)
    return f"{joined}, that of {baseline} being 1"


def _part(found: Sequence[_Lowest], baseline: str) -> str:
    where = ", ".join(low.point for low in found) if len(found) <= _NAMED else f"{len(found)} points"
    known = [low.estimate for low in found if low.estimate]
    arm = found[0].arm or "no arm is told apart"
    tied = " or what is not told apart from it" if any(low.tied for low in found) else ""
    text = f"{arm}{tied} with {where}" if len(found) <= _NAMED else f"{arm}{tied} at {where}"
    if not known:
        return text
    return f"{text}: {_range(known)} of {baseline}"


def _ratio(estimate: Estimate) -> str:
    kind = "" if estimate.basis == "interval" else "spread "
    return f"{sentence.show(estimate)}{sentence.bounds(estimate, kind)}"


def _doubts(group: Sequence[Comparison]) -> str:
    """Say what makes the figures of any point doubtful that the answer is made of."""
    findings = [
        finding
        for one in group
        for finding in one.findings
        if finding.arm in ("", one.baseline, *one.lowest[:1])
    ]
    return sentence.doubts({finding.arm for finding in findings}, findings, group[0].headline)
