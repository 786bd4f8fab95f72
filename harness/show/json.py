"""Comparisons as one JSON object; its keys are described in docs/json.md."""

from __future__ import annotations

import msgspec

from harness.decide.compare import Answer

FORMAT = 1
"""Rises when a key changes its meaning or goes away; new keys may come without that."""


def render(answer: Answer) -> str:
    """Write ``{"format": 1, "comparisons": […], "crossovers": […]}``; times in ns, null for the unknown."""
    return write({"format": FORMAT, **msgspec.structs.asdict(answer)})


def write(value: object) -> str:
    """Write any value that msgspec knows, indented; numbers that JSON cannot hold become null."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
