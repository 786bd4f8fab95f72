"""What an examination found, as a table with a sentence."""

from __future__ import annotations

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One question to the machine or the method, and its answer."""

    name: str
    question: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    answer: str
    met: bool | None = None
    """Whether a stated goal was met; None where none is stated."""


def percent(value: float, digits: int = 1) -> str:
    """Write a share as ``1.3 %``."""
    return f"{100 * value:.{digits}f} %"


def micros(nanoseconds: float, digits: int = 1) -> str:
    """Write ns as ``12.3 µs``."""
    return f"{nanoseconds / 1000:.{digits}f} µs"
