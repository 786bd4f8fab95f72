"""Recognises the looks of a gate among stored results, and finds the rule that they were looked at by."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate, pairwise

from harness.decide.gate import Decision, Rule, decide
from harness.results import Result


def by_gate(command: str) -> bool:
    """Tell whether a command line, as results hold it, is that of a gate."""
    return command.split()[1:2] == ["gate"]


def is_gate(results: Sequence[Result]) -> bool:
    """Tell whether `results` are the looks of one gate."""
    commands = {result.command for result in results}
    return len(commands) == 1 and by_gate(commands.pop())


def rule_again(results: Sequence[Result]) -> Decision | None:
    """Rule on a gate by what is stored of it; None for other results."""
    return decide(results, rule_of(results)) if is_gate(results) else None


def rule_of(results: Sequence[Result]) -> Rule:
    """Find the rule of a gate in what is stored of it: its command line, and the forks of its looks.

    What stands in a suite alone is not known, and taken to be as usual.
    """
    given = _words(results[0].command)
    rule = Rule()
    options = dict(pairwise(given)) | dict(
        part.split("=", 1) for part in given if part.startswith("--") and "=" in part
    )
    with suppress(ValueError):
        rule = Rule(
            metrics=tuple(options["--metrics"].split(",")) if "--metrics" in options else rule.metrics,
            tolerance=_share(options.get("--tolerance"), rule.tolerance),
            detect=_share(options.get("--detect"), rule.detect),
            looks=tuple(map(int, options["--looks"].split(","))) if "--looks" in options else rule.looks,
        )
    seen = tuple(accumulate(result.trial.forks for result in results))
    if rule.looks[: len(seen)] != seen:
        rule = Rule(rule.metrics, rule.tolerance, rule.detect, seen)
    return rule


def _share(text: str | None, usual: float) -> float:
    return usual if text is None else float(text.rstrip("% ")) / 100


def _words(command: str) -> list[str]:
    """Part a command line; one that no shell wrote by its blanks."""
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()
