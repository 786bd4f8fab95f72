"""Steps over one value of MessagePack, however large, without keeping it.

https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from typing import NamedTuple

from stacks.hops.tap.script import Flow


class _Shape(NamedTuple):
    """What follows a first byte."""

    wide: int = 0
    """Bytes of a count."""
    skip: int = 0
    """Bytes, besides as many as counted unless `each`."""
    inside: int = 0
    """Values."""
    each: int = 0
    """Values for each that is counted."""


def _shapes() -> dict[int, _Shape]:
    """List the first bytes of values: all but 0xC1."""
    shapes = dict.fromkeys((*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC2, 0xC3), _Shape())
    shapes |= {0x80 + size: _Shape(inside=2 * size) for size in range(16)}
    shapes |= {0x90 + size: _Shape(inside=size) for size in range(16)}
    shapes |= {0xA0 + size: _Shape(skip=size) for size in range(32)}
    for power in range(4):
        shapes |= {first + power: _Shape(skip=1 << power) for first in (0xCC, 0xD0)}
    shapes |= {0xCA: _Shape(skip=4), 0xCB: _Shape(skip=8)}
    shapes |= {0xD4 + power: _Shape(skip=1 + (1 << power)) for power in range(5)}
    for power in range(3):
        shapes |= {first + power: _Shape(wide=1 << power) for first in (0xC4, 0xD9)}
        shapes[0xC7 + power] = _Shape(wide=1 << power, skip=1)
    for power in (1, 2):
        shapes[0xDB + power] = _Shape(wide=1 << power, each=1)
        shapes[0xDD + power] = _Shape(wide=1 << power, each=2)
    return shapes


_SHAPES = _shapes()


class Value:
    """One value, with all inside of it; the answer is its length, or 0 for what is none."""

    __slots__ = ("_kind", "_missing", "_size", "_skip")

    def __init__(self, kind: int) -> None:
        """Take what its bytes are."""
        self._kind = kind
        self._missing, self._skip, self._size = 1, 0, 0

    def read(self, data: bytes, at: int, flow: Flow) -> tuple[int, int | None]:
        """Pass over what is there, leaving a beginning of a value that is not whole."""
        start, end, missing, skip = at, len(data), self._missing, self._skip
        while True:
            passed = min(skip, end - at)
            at += passed
            skip -= passed
            if skip or not missing or at == end:
                break
            shape = _SHAPES.get(data[at])
            if shape is None:
                return at, 0
            wide, skip, inside, each = shape
            if at + wide >= end:
                skip = 0
                break
            if wide:
                count = int.from_bytes(data[at + 1 : at + 1 + wide], "big")
                inside, skip = (count * each, 0) if each else (0, skip + count)
            at += 1 + wide
            missing += inside - 1
        self._missing, self._skip = missing, skip
        self._size += at - start
        flow.parts[self._kind] += at - start
        return at, None if missing or skip else self._size
