"""The whole page: answer first, then tables, figures, claims, fairness, and where it was measured."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.decide.claims import RULES
from harness.decide.compare import Answer
from harness.decide.comparison import Comparison
from harness.decide.estimates import FORKS_FOR_INTERVAL
from harness.results import Result
from harness.show import claims, fairness, figures, headline, palette, words
from harness.show.figures import gate
from harness.show.html import origin, parts, plots, verdicts
from harness.show.html.parts import Part
from harness.show.html.verdicts import Ruled

_MARKS = re.compile(r"(?<=[@,=:/])")
_PLUS = re.compile(r"(?<=.)\+")
_FOLDED_FROM = 9
"""From so many comparisons on, each is folded away under its answer."""
_LISTED_FROM = 3
"""From so many comparisons on there is a list of contents."""


def render(results: Sequence[Result], answer: Answer) -> str:
    """Write `results`, and `answer`, which is of them, as one HTML document; always the same for the same."""
    environment = Environment(
        loader=PackageLoader("harness.show.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["summed"] = _summed
    ruled, script = verdicts.rule(results), _text("script.js")
    drawn = list(plots.draw(results, answer))
    found = parts.arrange(
        answer.comparisons, [plot for plot in drawn if plot.kind != gate.KEY], looks=ruled is not None
    )
    count = len(answer.comparisons)
    return environment.get_template("page.html").render(
        title=_title(results, found, ruled),
        answers=_answers(answer, ruled),
        unmoved=tuple(map(words.clean, answer.unmoved)),
        weighed=not ruled and any(map(_weighed, answer.comparisons)),
        parts=found,
        lists=[(heading, each) for heading, each in words.lists(answer) if heading != words.UNMOVED],
        claims=[] if ruled else verdicts.judge(answer.claims),
        claims_by=claims.RULES,
        ruled=ruled,
        ruled_plots=[plot for plot in drawn if plot.kind == gate.KEY],
        fairness=fairness.look(results),
        origin=origin.look(results),
        folded=count >= _FOLDED_FROM,
        drawn=count <= figures.MOST_POINTS,
        listed=count >= _LISTED_FROM,
        styles=Markup(_colours() + _text("style.css")),  # noqa: S704 -- our own file, nobody's input
        script=Markup(script),  # noqa: S704 -- as above
        digest=_digest(f"\n{script}\n"),
    )


def _title(results: Sequence[Result], found: Sequence[Part], ruled: Ruled | None) -> str:
    """Ask what was asked: of a gate about its candidates, else the scenario's question."""
    if ruled:
        names = list(dict.fromkeys(each.candidate for each in ruled.rulings))
        return f"Does {names[0] if len(names) == 1 else 'a candidate'} cost more than {ruled.base}?"
    within = {result.trial.within for result in results}
    if len(within) == 1 and "" not in within:
        return headline.question(within.pop())
    if len(found) == 1:
        return found[0].lead.question
    return f"{len(found)} questions" if found else "Nothing was measured"


def _answers(answer: Answer, ruled: Ruled | None) -> tuple[str, ...]:
    """Answer what is more than the questions that it is made of; else they answer themselves."""
    if ruled:
        return (ruled.sentence,)
    return (headline.claimed(answer.claims),) if len(answer.claims) == len(RULES) else ()


def _weighed(one: Comparison) -> bool:
    """Tell whether it could have been shown that a choice does not matter."""
    contenders = sum(not arm.floor for arm in one.arms)
    return one.forks >= FORKS_FOR_INTERVAL and not one.open and contenders > 1


def _breakable(name: str) -> Markup:
    """Let an arm's name break behind the marks that its parts stand between, and nowhere else."""
    pieces = (escape(piece) for piece in _MARKS.split(name))
    return Markup("<wbr>").join(pieces)


def _summed(text: str) -> Markup:
    """Let what is added up break behind a plus, where there is no room for it in a line."""
    return Markup("+<wbr>").join(escape(piece) for piece in _PLUS.split(text))


def _text(name: str) -> str:
    return (resources.files("harness.show.html") / "templates" / name).read_text(encoding="utf-8").strip()


def _digest(script: str) -> str:
    """Give what a content security policy knows a script by; no other one may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _colours() -> str:
    """Write the palette's variables: light ones, and dark ones where the screen or the reader wants them."""
    light, dark = (
        " ".join(f"{name}: {colour};" for name, colour in palette.variables(dark=dark).items())
        for dark in (False, True)
    )
    return (
        f":root {{ {light} }}\n"
        f'@media screen {{ :root[data-theme="dark"] {{ {dark} }} }}\n'
        "@media screen and (prefers-color-scheme: dark) "
        f'{{ :root:not([data-theme="light"]) {{ {dark} }} }}\n'
    )
