"""The sentences around two runs that are held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from harness.decide.across import Across, Compared, Side
from harness.decide.change import Change
from harness.decide.counterparts import Lone, Point, steps
from harness.decide.gate import Ruling
from harness.show import rulings, words
from stacks import examples

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_ORDER = (Ruling.INVALID, Ruling.WORSE, Ruling.UNCLEAR, Ruling.BETTER, Ruling.SAME)
_ADVICE = "To decide it, measure both sides together: rpcduel gate."
_ALL = "all arms"
_WORST = 3
"""Arms of the worst kind that the answer tells of one by one."""


def title(found: Across) -> str:
    """Say when both were measured, and which versions are not the same."""
    base, candidate = (datetime.fromisoformat(side.started) for side in (found.base, found.candidate))
    apart = (candidate - base).total_seconds()
    order = "later" if apart >= 0 else "earlier"
    when = f"{_time(found.candidate)} against {_time(found.base)}, {_length(abs(apart))} {order}"
    return words.clean(f"{when}; {', '.join(versions(found)) or 'the same versions'}")


def versions(found: Across) -> list[str]:
    """Write the versions that are not the same: ``grpcio 1.75.0 → 1.75.1``."""
    before, after = ({"rpcduel": side.rpcduel, **side.versions} for side in (found.base, found.candidate))
    return steps(before, after)


def origin(found: Across) -> list[str]:
    """Say by which commands both were measured."""
    before, after = ("; ".join(side.commands) for side in (found.base, found.candidate))
    texts = [f"both: {before}"] if before == after else [f"base: {before}", f"candidate: {after}"]
    return [words.clean(text) for text in texts]


def _time(side: Side) -> str:
    return f"{datetime.fromisoformat(side.started):%Y-%m-%d %H:%M}"


def _length(seconds: float) -> str:
    size, word = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return words.count(round(seconds / size), word)


def place(point: Point) -> str:
    """Say what was asked at a point: ``unary: Quote, 16 users, sample small``."""
    what = f"{point.part} {point.method}" if point.part else point.method
    many = f"{words.count(point.messages, 'message')} a call, " if point.messages > 1 else ""
    load = f"{point.open}, " if point.open else ""
    users = words.count(point.users, "user")
    return words.clean(
        f"{point.scenario}: {what}, {many}{load}{users}, sample {examples.written(point.sample)}"
    )


def label(one: Compared, found: Across) -> str:
    """Name an arm, with what tells its point from the others."""
    return one.arm + _marked(one.point, found)


def _marked(point: Point, found: Across) -> str:
    points = {each.point for each in found.arms}
    texts = {"users": words.count(point.users, "user"), "messages": f"{point.messages:,} messages"}
    marks = [
        texts.get(key, str(getattr(point, key)))
        for key in Point.__struct_fields__
        if len({getattr(each, key) for each in points}) > 1
    ]
    return f" ({', '.join(filter(None, marks))})" if any(marks) else ""


def remarks(found: Across) -> list[str]:
    """Say what limits the figures, and what they rest on."""
    lines = [f"doubtful: {text}" for text in found.doubts]
    for kind in ("doubts", "differences"):
        word = "doubtful: " if kind == "doubts" else ""
        said = [
            (one, text) for one in found.arms for text in getattr(one, kind) if text not in versions(found)
        ]
        lines += [f"{word}{who}: {text}" for text, who in _grouped(said, found)]
    lines += _silent(found)
    if any(change.low is not None for one in found.arms for change in one.changes):
        lines += _basis(found)
    return [words.clean(line) for line in lines]


def _grouped(said: Iterable[tuple[Compared, str]], found: Across) -> Iterator[tuple[str, str]]:
    """Put arms of which the same is said together."""
    who: dict[str, dict[int, Compared]] = {}
    for one, text in said:
        who.setdefault(text, {})[id(one)] = one
    for text, ones in who.items():
        yield text, _named(list(ones.values()), found)


def _named(ones: Sequence[Compared], found: Across) -> str:
    """Name arms; all of a point, or all that there are, by that."""
    if len(ones) == len(found.arms) > 1:
        return _ALL
    names = []
    for point in dict.fromkeys(one.point for one in ones):
        here = [one for one in ones if one.point == point]
        every = len(here) == sum(one.point == point for one in found.arms) > 1
        names += [_ALL + _marked(point, found)] if every else [label(one, found) for one in here]
    return ", ".join(names)


def _silent(found: Across) -> Iterator[str]:
    """Say of which costs there is no change or no interval, though others have one."""
    said = [
        (one, f"no {_lacking(change)}{_of(one, change.reason)}: {change.reason}")
        for one in found.arms
        for change in one.changes
        if change.reason and not one.reason
    ]
    for text, who in _grouped(said, found):
        yield f"{who}: {text}"


def _lacking(change: Change) -> str:
    return "ratio" if change.change is None else "interval"


def _of(one: Compared, reason: str) -> str:
    """Name the metrics that share a reason, where it is not all of them."""
    metrics = [rulings.WHAT[change.metric] for change in one.changes if change.reason == reason]
    return "" if len(metrics) == len(one.changes) else f" of {', '.join(metrics)}"


def _basis(found: Across) -> Iterator[str]:
    known, rule = found.known, found.rule
    first, last = (each[:10] for each in (known.first, known.last))
    when = first if first == last else f"{first} to {last}"
    yield (
        f"noise between sessions is that of {known.sessions} A/A sessions of {known.stack} ({when}); other "
        f"arms are taken to be as steady"
    )
    judged = sum(change.outcome is not None for one in found.arms for change in one.changes)
    if judged:
        yield (
            f"{rulings.share(rule.tolerance)} more is put up with, {rulings.share(rule.detect)} is not; "
            f"verdicts allow for {words.count(judged, 'cost')} looked at, so that they are more careful than "
            f"an interval"
        )


def absent(found: Across) -> list[str]:
    """Name what only one of the runs has, and what is called alike and is not."""
    return [words.clean(lone(each)) for each in found.lone]


def lone(one: Lone) -> str:
    """Say why something was not compared."""
    where = place(one.point)
    if one.side == "both":
        return f"not compared: {one.arm} ({where}): {one.reason}"
    what = f"{one.arm} ({where})" if one.arm else where
    return f"not compared: {what}: only in the {one.side}"


def sentence(found: Across) -> str:
    """Say the answer: how many arms are what, then why of the worst; or why nothing is judged."""
    if found.ruling is None:
        return words.clean(f"{_largest(found)}Nothing is judged: {_unjudged(found)}.")
    worst = [one for one in found.arms if one.ruling is found.ruling]
    if found.ruling is Ruling.INVALID:
        reasons = _grouped([(one, one.reason) for one in worst], found)
        told = "; ".join(f"{_no(who)} be judged: {reason}" for reason, who in reasons)
        told = f"A{told[1:]}" if told.startswith(_ALL) else told
    elif found.ruling is Ruling.UNCLEAR and len(worst) > 1:
        told = f"Sessions cannot tell whether {_several(_named(worst, found))} more than in the base"
    else:
        told = "; ".join(why(one, found) for one in worst[:_WORST])
        told += f"; and {len(worst) - _WORST} more" if len(worst) > _WORST else ""
    advice = f" {_ADVICE}" if found.ruling is Ruling.UNCLEAR else ""
    head = f"{_counted(found)}. " if len(found.arms) > 1 else ""
    return words.clean(f"{head}{told}.{advice}")


def _no(who: str) -> str:
    return "No arm can" if who == _ALL else f"{who} cannot"


def _several(who: str) -> str:
    return "any arm costs" if who == _ALL else f"{who} cost"


def _unjudged(found: Across) -> str:
    if found.hindrances:
        return "; ".join(found.hindrances)
    reasons = dict.fromkeys(change.reason for one in found.arms for change in one.changes if change.reason)
    return "; ".join(reasons) or f"{', '.join(found.rule.metrics)} is none of the costs that both have"


def _largest(found: Across) -> str:
    """Tell of the largest change that was seen."""
    seen = [
        (abs(change.change), one, change)
        for one in found.arms
        for change in one.changes
        if change.change is not None
    ]
    if not seen:
        return ""
    _, one, change = max(seen, key=lambda each: each[0])
    what = f"{rulings.WHAT[change.metric]} {rulings.change(change.change)}"
    return f"The largest change: {label(one, found)}, {what}. "


def _counted(found: Across) -> str:
    parts: list[str] = []
    for ruling in _ORDER:
        number = sum(one.ruling is ruling for one in found.arms)
        if number:
            of = "" if parts else f" of {words.count(len(found.arms), 'arm')}"
            word = "the same" if ruling is Ruling.SAME else ruling
            parts.append(f"{number}{of} {'is' if number == 1 else 'are'} {word}")
    rest = sum(one.ruling is None for one in found.arms)
    if rest:
        parts.append(f"{rest} {'is' if rest == 1 else 'are'} not judged")
    return ", ".join(parts)


def why(one: Compared, found: Across) -> str:
    """Say of one arm what became of it, and by which figures."""
    name, rule = label(one, found), found.rule
    if one.ruling is Ruling.INVALID:
        return f"{name} cannot be judged: {one.reason}"
    seen = ", ".join(
        f"{rulings.WHAT[each.metric]} {rulings.change(each.change)} ({rulings.between(each.low, each.high)})"
        for each in one.changes
        if each.outcome is not None and (one.ruling is Ruling.SAME or each.outcome.value == one.ruling)
    )
    if one.ruling is Ruling.UNCLEAR:
        return f"Sessions cannot tell whether {name} costs more than in the base: {seen}"
    if one.ruling is Ruling.SAME:
        return f"{name} does not cost {rulings.share(rule.detect)} more than in the base: {seen}"
    word = "more" if one.ruling is Ruling.WORSE else "less"
    return f"{name} costs {word} than in the base, by over {rulings.share(rule.tolerance)}: {seen}"
