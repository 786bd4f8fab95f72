"""Says what would not change a decision: choices whose costs are shown to be alike."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import msgspec
from msgspec.structs import replace

from harness.decide.claims.claim import COSTS, interval
from harness.decide.claims.played import Pair, Played
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.decide.judge import DETECT
from harness.results import Result
from scenarios.arm import Arm
from stacks.examples import bytes_of, written

MOST = 5
"""Sentences; who reads more of them decides nothing."""
_CHOICES = ("stack", "channel", "hops", "tls", "python", "needs")
"""Fields of an arm that somebody chooses; the order is that of their weight."""
_NAMED = ("python", "needs")
"""Of these, the ones that only the arms' own names tell apart in few words."""
_SIDES = 2
_LISTED = 3
"""Sizes that are named one by one."""

Place = tuple[int, str]
"""Users and sample."""
Bounds = tuple[float, float]


class Choice(msgspec.Struct, frozen=True):
    """Two arms that are alike but for one field, and where that was looked at."""

    field: str
    ours: Arm
    theirs: Arm
    method: str
    what: str
    """What is alike: ``time and CPU per call``."""


class _Alike(msgspec.Struct, frozen=True):
    """A choice at places one behind the other, with the bounds of all ratios there."""

    choice: Choice
    where: str
    places: int
    bounds: Bounds
    doubts: frozenset[str]

    @property
    def weight(self) -> tuple[int, int, float]:
        """Sort the most useful first: what is true at more places, of a weightier choice, more narrowly."""
        return -self.places, _CHOICES.index(self.choice.field), self.bounds[1] - self.bounds[0]


def find(results: Iterable[Result]) -> tuple[str, ...]:
    """Give at most `MOST` sentences, the most useful first; pure.

    Two arms are alike where the intervals of all ratios of their costs lie within `DETECT` of 1, up and down
    alike: two one-sided tests (Schuirmann, J. Pharmacokin. Biopharm. 15, 1987) at 5 % for all choices and
    places that were looked at together (Bonferroni). That no difference is shown is never enough.
    """
    looked = [
        (choice, pair)
        for played in map(Played, results)
        if played.trial.open is None and played.result.forks_done >= FORKS_FOR_INTERVAL
        for choice, pair in _choices(played)
    ]
    grids: dict[Choice, dict[Place, list[Bounds | None]]] = defaultdict(lambda: defaultdict(list))
    doubts: dict[Choice, set[str]] = defaultdict(set)
    for choice, pair in looked:
        trial = pair.played.trial
        grids[choice][trial.users, trial.sample].append(_bounds(pair, len(looked) / _SIDES))
        doubts[choice] |= pair.played.doubts((pair.ours, pair.theirs))
    found = [
        _Alike(choice, where, len(run), _joint(run), frozenset(doubts[choice]))
        for choice, grid in grids.items()
        for where, run in _runs({place: _every(seen) for place, seen in grid.items()})
    ]
    return tuple(map(_say, sorted(found, key=lambda one: one.weight)[:MOST]))


def _choices(played: Played) -> Iterator[tuple[Choice, Pair]]:
    """Give the pairs that somebody would choose between: with the baseline, or alike but for one thing."""
    trial = played.trial
    for one, other in combinations(played.arms, 2):
        differing = [name for name in Arm.__struct_fields__ if getattr(one, name) != getattr(other, name)]
        fields = [name for name in differing if name != "name"]
        if len(fields) != 1 or fields[0] not in _CHOICES:
            continue
        same_transport = _transport(one) == _transport(other)
        if same_transport or trial.baseline in (one.name, other.name):
            ours, theirs = (other, one) if one.name == trial.baseline else (one, other)
            named = fields[0] in _NAMED
            # Else the same arm may be called otherwise in another trial, where something else differs.
            shown = [arm if named else replace(arm, name="") for arm in (ours, theirs)]
            method = ours.method or trial.method
            yield Choice(fields[0], shown[0], shown[1], method, _what(played)), Pair(played, ours, theirs)


def _transport(arm: Arm) -> str:
    return arm.stack.partition("-")[0]


def _what(played: Played) -> str:
    trial = played.trial
    if trial.part:
        return f"time and CPU to {trial.part} a message"
    return "time and CPU per call" if trial.messages == 1 else "time and CPU per message"


def _bounds(pair: Pair, looks: float) -> Bounds | None:
    """Give the bounds of all ratios of a pair; None where one is not within the band, or not known."""
    found = [interval(pair.played.ratio(metric, pair.ours, pair.theirs, looks)) for metric in COSTS]
    known = [each for each in found if each]
    if len(known) < len(COSTS):
        return None
    low, high = min(low for low, _ in known), max(high for _, high in known)
    return (low, high) if low > 1 / (1 + DETECT) and high < 1 + DETECT else None


def _every(seen: Sequence[Bounds | None]) -> Bounds | None:
    """Join what several trials say of one place: all of them must say it."""
    known = [each for each in seen if each]
    return _joint(known) if len(known) == len(seen) else None


def _joint(bounds: Sequence[Bounds]) -> Bounds:
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def _runs(grid: Mapping[Place, Bounds | None]) -> Iterator[tuple[str, list[Bounds]]]:
    """Give the stretches of consecutive places at which arms are alike, in words."""
    users = sorted({crowd for crowd, _ in grid})
    samples = sorted({sample for _, sample in grid}, key=bytes_of)
    if len(samples) == 1:
        yield from (
            (f"{_users([str(users[k]) for k in stretch])} and {written(samples[0])} messages", run)
            for stretch, run in _stretches([grid[crowd, samples[0]] for crowd in users])
        )
        return
    for crowd in users:
        own = [sample for sample in samples if (crowd, sample) in grid]
        for stretch, run in _stretches([grid[crowd, sample] for sample in own]):
            yield f"{_sizes(own, stretch)} with {_users([str(crowd)])[5:]}", run


def _stretches(bounds: Sequence[Bounds | None]) -> Iterator[tuple[list[int], list[Bounds]]]:
    stretch: list[int] = []
    for place, each in enumerate([*bounds, None]):
        if each is not None:
            stretch.append(place)
        elif stretch:
            yield stretch, [known for k in stretch if (known := bounds[k])]
            stretch = []


def _users(counts: Sequence[str]) -> str:
    return f"with {_listed(counts)} user{'' if counts == ['1'] else 's'}"


def _sizes(samples: Sequence[str], stretch: Sequence[int]) -> str:
    """Name the sizes that were looked at: of those between them nobody knows."""
    sizes = [written(samples[k]) for k in stretch]
    if len(sizes) <= _LISTED:
        return f"at {_listed(sizes)}"
    return f"at {'all ' * (len(sizes) == len(samples))}{len(sizes)} sizes from {sizes[0]} to {sizes[-1]}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _say(one: _Alike) -> str:
    low, high = (math.floor(100 * (one.bounds[0] - 1)), math.ceil(100 * (one.bounds[1] - 1)))
    of = "" if one.choice.method == "Quote" else f" ({one.choice.method})"
    doubtful = f"; doubtful ({', '.join(sorted(one.doubts))})" if one.doubts else ""
    return (
        f"{_choice(one.choice)}{of} does not matter {one.where}: {one.choice.what} differ by at most "
        f"{max(abs(low), abs(high))} % ({_percent(low)} to {_percent(high)}){doubtful}."
    )


def _percent(value: int) -> str:
    return f"{value:+d} %".replace("-", "−") if value else "0 %"


def _choice(choice: Choice) -> str:
    ours, theirs, name = choice.ours, choice.theirs, choice.field
    if name == "channel":
        return f"{ours.stack} over a channel {ours.channel} or {theirs.channel}"
    if name == "hops":
        ways = [f"through {'@'.join(arm.hops)}" if arm.hops else "direct" for arm in (ours, theirs)]
        return f"{ours.stack} {ways[0]} or {ways[1]}"
    if name == "tls":
        return f"{ours.stack} with TLS or without"
    if name == "stack":
        either = f"{ours.stack} or {theirs.stack}"
        return f"The codec, {either}," if _transport(ours) == _transport(theirs) else either
    return f"{ours.name} or {theirs.name}"
