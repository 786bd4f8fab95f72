"""Single values for examples: the same ones for the same seed, and equally long for every variant."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from stacks.schema import Enumeration, Scalar, Shape

_OPENED = datetime(2024, 2, 29, 12, 30, 15, 300_000, tzinfo=UTC)
_MONTHS = 300 * 86_400
_TEXT = (
    "amber basin copper dawn ember field granite harbour island juniper kettle lantern meadow north orchard "
    "pebble quarry river silver timber upland valley willow yarrow"
)
_WORDS = _TEXT.split()
_INTS = ((0, 100), (130, 120), (-900, 800), (1_000, 30_000), (70_000, 900_000), (1_700_000_000_000, 10**9))
"""Least values and spreads of ints, of one byte to six; only the last ones have more than 32 bits."""


def value(scalar: Scalar, seed: int, variant: int | None, length: int) -> Any:
    """Make a value that `seed` decides, and `variant` where it is not None.

    `length` is in bytes or, where it is not 0, in characters; other kinds have lengths of their own.
    """
    match scalar:
        case Scalar.BYTES:
            return _noise(seed, variant, length)
        case Scalar.UUID:
            return UUID(bytes=_noise(seed, variant, 16), version=4)
        case Scalar.DATETIME:
            return _OPENED + timedelta(seconds=seed % _MONTHS, microseconds=(variant or 0) % 600_000)
        case Scalar.STR:
            return _text(seed, "" if variant is None else f"{variant % 100_000:05}", length)
    return _number(scalar, seed, variant)


def key(shape: Shape, place: int) -> Any:
    """Make the key at a place of a map; there are only so many of an enum and of bool."""
    match shape:
        case Enumeration():
            return list(shape.members.values())[place]
        case Scalar.BOOL:
            return bool(place)
        case Scalar.INT | Scalar.INT32:
            return 10_000 + place
        case Scalar.UUID:
            return UUID(bytes=_noise(place, "key", 16), version=4)
    return f"{_WORDS[place % len(_WORDS)]}-{place}"


def _number(scalar: Scalar, seed: int, variant: int | None) -> int | float | bool:
    if scalar is Scalar.BOOL:
        return seed % 2 == 0
    if scalar is Scalar.FLOAT:
        whole = (seed >> 3) % 10_000 if variant is None else 10_000 + variant % 80_000
        return whole + (1 + seed % 7) / 8
    if variant is not None:
        return 1_000_000 + variant % 1_000_000
    ints = _INTS[:-1] if scalar is Scalar.INT32 else _INTS
    least, spread = ints[seed % len(ints)]
    return least + (seed >> 3) % spread


def _noise(seed: int, what: object, length: int) -> bytes:
    return hashlib.shake_128(f"{seed} {what}".encode()).digest(length)


def _text(seed: int, number: str, length: int) -> str:
    """Write words, in so many characters where `length` is not 0, and a number at the end."""
    if not length:
        words = [_WORDS[(seed >> shift) % len(_WORDS)] for shift in range(0, 6 + seed % 12, 6)]
        return " ".join([*words, number] if number else words)
    start = seed % len(_WORDS)
    line = " ".join(_WORDS[start:] + _WORDS[:start]) + " "
    most = max(0, length - len(number))
    return (line * (most // len(line) + 1))[:most] + number[len(number) - (length - most) :]
