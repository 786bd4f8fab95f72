"""The sentences around the figures, and what makes any text safe to print."""

from __future__ import annotations

import math
import unicodedata

from harness.decide.compare import Answer
from harness.decide.comparison import SHARED, ArmFigures, Comparison, Finding
from harness.decide.crossover import Crossover
from harness.decide.levels import UNCLEAR, Level
from harness.show import units
from stacks import examples

INTERVAL_FORKS = 4
"""From so many forks on there are intervals."""
MARKS = {"doubtful": "?", "invalid": "✗"}
UNMOVED = "What would not change the decision"
"""Heading of the list of such things."""
LONG = "†"
UNLIKE = "*"

_ASCII = str.maketrans(
    {
        "µ": "u",
        "μ": "u",
        "×": "x",
        "≈": "~",
        "✗": "!",
        "✓": "+",
        "−": "-",
        "–": "-",
        "—": "-",
        "→": "->",
        "…": "...",
        "≤": "<=",
        "≥": ">=",
        "∞": "inf",
        "†": "^",
        "·": "-",
        "•": "-",
        "’": "'",
        "“": '"',
        "”": '"',
        "±": "+-",
        "\u00a0": " ",
        "\u202f": " ",
    }
)
_NO_XML = "\ufffe\uffff"
"""Characters that XML does not allow, beside those of a category."""
_QUOTED_LINES = 12
_QUOTED = 2000
"""Characters of them, at most."""
_PAIRED = "A ratio is not the quotient of the absolute columns: it is paired turn by turn."
_CLIENT_BOUND = (
    "Where the client is what binds, calls/s are those of client + server together, never the server's alone."
)


def to_ascii(text: str) -> str:
    """Write with ASCII only; a character that has no likeness becomes ``?``."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def unicode(encoding: str) -> bool:
    """Tell whether `encoding` holds every character that we write."""
    return encoding.lower().startswith("utf")


def clean(text: str) -> str:
    """Drop what could steer a terminal, or has no place in XML; tabs become spaces, line ends stay."""
    return "".join(
        char
        for char in text.replace("\t", "    ").replace("\r\n", "\n")
        if char == "\n" or (unicodedata.category(char) not in {"Cc", "Cf", "Cs"} and char not in _NO_XML)
    )


def count(amount: int, word: str) -> str:
    """Write an amount with its word in the right number."""
    return f"{amount:,} {word}" if amount == 1 else f"{amount:,} {word}s"


def title(comparison: Comparison) -> str:
    """Say what was compared: scenario, method, users, sample and forks."""
    done, asked = comparison.forks, comparison.forks_asked
    forks = count(done, "fork") if done == asked else f"{done} of {count(asked, 'fork')}"
    what = f"{comparison.part} the request of {comparison.method}" if comparison.part else comparison.method
    streams = comparison.messages > 1 and not comparison.part
    many = f"streams of {count(comparison.messages, 'message')}, " if streams else ""
    trials = f" in each of {comparison.trials} trials" if comparison.trials > 1 else ""
    return clean(
        f"{comparison.scenario}: {what}, {many}{_rate(comparison)}{count(comparison.users, 'user')}, "
        f"sample {examples.written(comparison.sample)}; {forks}{trials}, turns of "
        f"{'up to ' if comparison.trials > 1 else ''}{units.duration(comparison.turn)}"
    )


def _rate(comparison: Comparison) -> str:
    if not comparison.open:
        return ""
    of = " of each arm's capacity" if comparison.open.endswith("%") else ""
    return f"{comparison.open}{of} ({comparison.arrivals}), "


def of(comparison: Comparison) -> str:
    """Say what costs are of: a ``call``, or a ``message`` where a call has many or there is no call."""
    return "message" if comparison.messages > 1 or comparison.part else "call"


def unit(comparison: Comparison) -> str:
    """Say in few letters what costs are of: a ``call``, or a ``msg``."""
    return "msg" if of(comparison) == "message" else "call"


def absent(comparison: Comparison) -> list[Finding]:
    """Say of each arm that has no part in the trial why that is so, as notes."""
    return [
        Finding("not-applicable", one.name, (), "note", f"{one.name}: not applicable: {one.reason}")
        for one in comparison.left_out
    ]


def bounds(basis: str, forks: int) -> str:
    """Say what bounds of this basis are; they never are a verdict unless they are an interval."""
    if basis == "interval":
        return "95 % interval"
    if basis == "none":
        return ""
    return "spread within this start" if forks <= 1 else f"range of {forks} starts"


def failed(comparison: Comparison, arm: ArmFigures) -> bool:
    """Tell whether `arm` could not be measured to the end."""
    return any(finding.kind == "failed" and finding.arm == arm.name for finding in comparison.findings)


def mark(comparison: Comparison, arm: ArmFigures, figure: str) -> str:
    """Give the mark that stands at a figure (``p50``, ``p99``, ``time``, ``cpu``); empty where it is valid.

    An arm that is not valid, though no finding says which figures, has every figure marked.
    """
    own = [finding for finding in comparison.findings if finding.arm == arm.name and _limits(finding)]
    whole = [finding for finding in comparison.findings if not finding.arm and _limits(finding)]
    found = {
        finding.validity for finding in (*own, *whole) if not finding.figures or figure in finding.figures
    }
    if not own and not whole:
        found.add(arm.validity)
    return next((MARKS[validity] for validity in ("invalid", "doubtful") if validity in found), "")


def _limits(finding: Finding) -> bool:
    return finding.validity in MARKS


def finding(found: Finding) -> tuple[str, tuple[str, ...]]:
    """Write a finding as its sentence and the lines that are quoted below it, of many the last."""
    head, _, rest = clean(found.text).strip().partition("\n")
    about = f"{clean(found.arm)}: " if found.arm and not head.startswith(found.arm) else ""
    return about + head, quote(rest)


def quote(text: str) -> tuple[str, ...]:
    """Give the lines of what another program wrote, clean; of a long text its end."""
    whole = [line.rstrip() for line in clean(text).splitlines() if line.strip()]
    lines = "\n".join(whole[-_QUOTED_LINES:])[-_QUOTED:].splitlines()
    return tuple(lines if lines == whole else ["…", *lines])


def notes(comparison: Comparison) -> list[str]:
    """Give the footnotes that this comparison needs."""
    headline = comparison.headline
    ratios = [arm.ratios[headline] for arm in comparison.arms if headline in arm.ratios]
    opened = bool(comparison.open)
    what = {"p50": "median response time", "cpu": f"CPU per {of(comparison)}"}.get(
        headline, f"time per {of(comparison)}"
    )
    baseline = clean(comparison.baseline)
    bases = {ratio.estimate.basis for ratio in ratios}
    marks = {
        mark(comparison, arm, figure) for arm in comparison.arms for figure in ("p50", "p99", "time", "cpu")
    }
    rules = (
        (
            bool(ratios),
            f"Ratios are of {what}, as multiples of {baseline}. {_PAIRED}",
        ),
        (
            any(not ratio.resolved and ratio.estimate.basis == "interval" for ratio in ratios),
            "≈ The interval holds 1: no difference is shown.",
        ),
        (
            bool(ratios) and "interval" not in bases,
            f"Bounds are no interval: under {INTERVAL_FORKS} forks nothing is known about the next start.",
        ),
        (
            len(bases) > 1 and "interval" in bases,
            f"{UNLIKE} Bounds are a range, no interval: too few forks of this arm.",
        ),
        (any(ratio.long_turns for ratio in ratios), f"{LONG} From turns ten times as long; see the finding."),
        (
            any(arm.bound_by == "client" for arm in comparison.arms),
            _CLIENT_BOUND,
        ),
        (
            comparison.messages == 1 and any(arm.p50 and arm.p99 is None for arm in comparison.arms),
            "p99 is left out where fewer than 10 calls of 10 turns exceed it.",
        ),
        (
            any(arm.first for arm in comparison.arms),
            "first: median time to the first reply; gap: median time from one reply to the next.",
        ),
        (
            headline == "cpu",
            "Hops and servers share a core here, so that calls/s are of both; CPU says what a hop costs.",
        ),
        (
            headline == "time" and any(arm.hops and arm.bound_by == SHARED for arm in comparison.arms),
            "shared core: hop and server take it from each other; CPU says what the hop costs.",
        ),
        (
            opened,
            (
                "p50 and p99 are from when calls were due, service from when they were sent; late p99: how "
                "late the generator sent, though a user was free."
            ),
        ),
        (
            any(arm.p99 and math.isinf(arm.p99.value) for arm in comparison.arms),
            "∞ So many calls failed or were dropped.",
        ),
        (
            comparison.trials > 1,
            f"Of {comparison.trials} trials; {baseline} and the floor took part in each; shown of the first.",
        ),
        ("✗" in marks or "?" in marks, "? doubtful, ✗ invalid: the findings say why."),
    )
    return [text for holds, text in rules if holds]


def crossover(found: Crossover) -> str:
    """Say who overtakes whom, and where."""
    low, high = map(examples.written, (found.low, found.high))
    return clean(
        f"{found.large} overtakes {found.small} between {low} and {high}"
        f"{f', at about {units.size(found.size)}' if found.size else ''} "
        f"({found.method}, {count(found.users, 'user')})"
    )


def level(found: Level) -> str:
    """Say up to which rate an arm keeps what is asked of its response times."""
    values = {rung.rate: time(rung.value) for rung in found.rungs}

    def at(rate: float) -> str:
        return f"{rate:,.0f} calls/s ({found.slo.partition('<')[0]} {values[rate]})"

    if found.kept is not None and found.broken is not None:
        text = f"keeps {found.slo} at {at(found.kept)}, and breaks it at {at(found.broken)}"
    elif found.kept is not None:
        text = f"keeps {found.slo} at {at(found.kept)}; no rate was shown to break it"
    elif found.broken is not None:
        text = f"breaks {found.slo} at {at(found.broken)}; no rate was shown to keep it"
    else:
        seen = ", ".join(at(rung.rate) for rung in found.rungs)
        text = f"no rate was shown to keep {found.slo}, or to break it; seen: {seen}"
    unclear = [rung.rate for rung in found.rungs if rung.outcome == UNCLEAR]
    if unclear and (found.kept is not None or found.broken is not None):
        text += f"; unclear at {', '.join(map(at, unclear))}"
    return clean(f"{found.arm} {text}" if not text.startswith("no rate") else f"{found.arm}: {text}")


def time(value: float) -> str:
    """Write a time in ns with its unit; ``endless`` for one that is infinite."""
    return "endless" if math.isinf(value) else units.duration(int(value))


def lists(answer: Answer) -> list[tuple[str, list[str]]]:
    """Give what several comparisons say together, as headings with sentences."""
    found = [
        (UNMOVED, [clean(each) for each in answer.unmoved]),
        ("Crossovers", [crossover(each) for each in answer.crossovers]),
        ("Response times that are kept", [level(each) for each in answer.levels]),
    ]
    return [(heading, sentences) for heading, sentences in found if sentences]


def place(comparison: Comparison) -> str:
    """Say where, when and with what it was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in comparison.versions.items())
    return clean("; ".join(part for part in (comparison.machine, comparison.started, versions) if part))
