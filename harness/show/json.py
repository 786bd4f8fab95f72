"""Comparisons as one JSON object; its keys are described in docs/json.md."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from harness.decide.comparison import Comparison

FORMAT = 1
"""Rises when a key changes its meaning or goes away; new keys may come without that."""


def render(comparisons: Iterable[Comparison]) -> str:
    """Write ``{"format": 1, "comparisons": [...]}``; times in ns, what is not to be known is null."""
    return write({"format": FORMAT, "comparisons": list(comparisons)})


def write(value: object) -> str:
    """Write any value that msgspec knows, indented; numbers that JSON cannot hold become null."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
