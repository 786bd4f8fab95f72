"""Says the answer of a trial in one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from harness.decide import stats
from harness.decide.comparison import DOUBTFUL, INVALID, ArmFigures, Estimate, Finding
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.lowest import rank
from harness.decide.rounds import Rounds, effects
from harness.results import Trial
from stacks import examples

_LARGE = ((100, 0), (10, 1))
"""From which ratio on how many decimals are shown."""
_SMALL = 0.5
"""Below it 0.01 would be 2 % or more of a ratio."""
_NARROW = 0.01


def write(
    rounds: Rounds, arms: Sequence[ArmFigures], lowest: Sequence[str], findings: Sequence[Finding]
) -> str:
    """Give the answer: what time per call says, or why nothing can be said.

    `lowest` are the names that `harness.decide.lowest` finds. With fewer than `FORKS_FOR_INTERVAL` forks it
    tells what was seen in them, and ranks nothing.
    """
    trial = rounds.result.trial
    metric = rounds.headline
    ranked = rank(arms, metric)
    if not rounds.forks:
        return "Nothing was measured to the end of a start, so there are no figures."
    if arms[rounds.baseline].validity == INVALID:
        fatal = [one.text for one in findings if one.arm == trial.baseline and one.validity == INVALID]
        why = "; ".join(text.partition("\n")[0] for text in fatal)
        return f"{trial.baseline}, which ratios refer to, has no valid figures: {why}."
    if sum(not arm.floor for arm in arms) == 1:
        return f"{trial.baseline} was measured alone, so there is nothing to hold it against."
    if not ranked:
        return f"There is no arm with valid figures to hold against {trial.baseline}."
    what = cost(trial.part, arms[rounds.baseline].messages, metric)
    if rounds.forks < FORKS_FOR_INTERVAL:
        return _seen(rounds.forks, ranked[0], trial.baseline, what, metric)
    contestants = [arms[rounds.baseline], *ranked]
    first = next(arm for arm in contestants if arm.name == lowest[0])
    others = [arm for arm in contestants if arm is not first]
    tied = [arm for arm in others if arm.name in lowest]
    doubtful = doubts([first.name, trial.baseline], findings, metric)
    return f"{_blocked(rounds) or _answer(trial, what, first, others, tied, metric)}{doubtful}."


def _blocked(rounds: Rounds) -> str:
    """Tell whether a large message holds up small ones on its connection; empty where that was not asked.

    It is asked with four arms that are alike otherwise: calls over connections of their own and over a shared
    one, each with and without a large message beside them. What sharing costs by itself is no blocking.
    """
    arms = rounds.result.trial.arms
    base = arms[rounds.baseline]
    forms = [(channel, beside) for beside in (base.beside, "") for channel in ("shared", "per-user")]
    wanted = [replace(base, name="", channel=channel, beside=beside) for channel, beside in forms]
    plain = [replace(arm, name="") for arm in arms]
    if not base.beside or base.channel != "per-user" or not all(form in plain for form in wanted):
        return ""
    with_shared, with_own, shared, own = (plain.index(form) for form in wanted)
    blocked, _ = effects(rounds, "time", with_shared, with_own)
    sharing, _ = effects(rounds, "time", shared, own)
    if not np.isfinite(blocked - sharing).all():
        return ""
    middle, low, high = stats.interval(blocked - sharing)
    estimate = Estimate(math.exp(middle), math.exp(low), math.exp(high), "interval")
    large = examples.written(base.beside)
    return (
        f"Head-of-line blocking by a message of {large} is {'seen' if low > 0 else 'not seen'}: with "
        f"it beside them, small calls that share its connection take {show(estimate)} the time per call of "
        f"those with connections of their own{bounds(estimate)}, over what sharing alone costs"
    )


def cost(part: str, messages: int, metric: str = "time") -> str:
    """Say what is compared by `metric`, in a trial of a `part` or of calls of so many `messages`."""
    if metric == "p50":
        return "median response time"
    if metric == "cpu":
        return "CPU per message" if part or messages > 1 else "CPU per call"
    if part:
        return f"time to {part} a message"
    return "time per call" if messages == 1 else "time per message"


def _seen(forks: int, arm: ArmFigures, baseline: str, what: str, metric: str) -> str:
    starts = "this one start" if forks == 1 else f"these {forks} starts"
    estimate = arm.ratios[metric].estimate
    least = "" if estimate.value < 1 else f"{baseline} took the least {what}; next, "
    return (
        f"In {starts} {least}{arm.name} took {show(estimate)} the {what} of {baseline}"
        f"{bounds(estimate, 'spread ')}; that says nothing of the next start."
    )


def _answer(
    trial: Trial,
    what: str,
    first: ArmFigures,
    others: Sequence[ArmFigures],
    tied: Sequence[ArmFigures],
    metric: str,
) -> str:
    baseline = trial.baseline
    names = _and([first.name, *(arm.name for arm in tied)])
    if len(tied) == len(others):
        only = next(arm for arm in (first, *tied) if arm.ratios)
        shown = f": {only.name} takes ≈ {_against(only, baseline, what, metric)}" if len(tied) == 1 else ""
        return f"No difference in {what} between {names} could be resolved{shown}"
    best = "cheapest" if metric == "cpu" else "fastest"
    head = f"{names} are the {best}, too close to tell apart" if tied else f"{first.name} is the {best}"
    if baseline in [arm.name for arm in tied]:
        return f"{head}; {first.name} takes ≈ {_against(first, baseline, what, metric)}"
    if first.name == baseline:
        next_ = next(arm for arm in others if arm not in tied)
        return f"{head}; {next_.name} takes {_against(next_, baseline, what, metric)}"
    return f"{head}: {_against(first, baseline, what, metric)}"


def _against(arm: ArmFigures, baseline: str, what: str, metric: str) -> str:
    estimate = arm.ratios[metric].estimate
    return f"{show(estimate)} the {what} of {baseline}{bounds(estimate)}"


def doubts(arms: Iterable[str], findings: Iterable[Finding], metric: str) -> str:
    """Say what makes a metric of the arms named doubtful, to stand at a sentence's end; empty for nothing."""
    names = {"", *arms}
    kinds = [
        finding.kind
        for finding in findings
        if finding.arm in names
        and finding.validity == DOUBTFUL
        and (not finding.figures or metric in finding.figures)
    ]
    return f"; doubtful ({', '.join(dict.fromkeys(kinds))})" if kinds else ""


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def show(estimate: Estimate) -> str:
    """Write a ratio with as many decimals as it is known to: ``0.31×``."""
    return f"{estimate.value:.{decimals(estimate)}f}×"


def bounds(estimate: Estimate, kind: str = "") -> str:
    """Write the bounds of a ratio in brackets, if it has any."""
    if estimate.low is None or estimate.high is None:
        return ""
    digits = decimals(estimate)
    return f" ({kind}{estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def decimals(estimate: Estimate) -> int:
    """Give as many decimals as a ratio is known to: two about 1, fewer for large ones, three for small ones.

    Also three where its bounds are so close that they would read alike.
    """
    for large, digits in _LARGE:
        if estimate.value >= large:
            return digits
    if estimate.value < _SMALL:
        return 3
    if estimate.low is None or estimate.high is None:
        return 2
    return 3 if estimate.high - estimate.low < _NARROW else 2
