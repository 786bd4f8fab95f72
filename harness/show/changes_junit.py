"""Two stored runs held against each other as JUnit XML: a case each arm and judged metric."""

from __future__ import annotations

from harness.decide.across import Across
from harness.show import changes, junit, rulings
from harness.show.changes_words import label, title, why


def render(found: Across) -> str:
    """Write a suite: what is worse fails, what is invalid errs, and what is not clear is skipped."""
    cases = []
    for one in found.arms:
        for change in one.changes:
            if change.metric not in found.rule.metrics:
                continue
            said = changes.outcome(one, change) or "unclear"
            told = one.reason or f"{rulings.WHAT[change.metric]} {changes.shown(one, change)}"
            text = why(one, found) if one.ruling else change.reason or "not judged"
            cases.append(junit.Case(label(one, found), rulings.WHAT[change.metric], said, told, f"{text}."))
    return junit.write(f"compare: {title(found)}", cases, "\n".join(changes.render(found)))
