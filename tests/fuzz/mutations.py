"""Makes inputs that are nearly right out of inputs that are right."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

USUAL = 64 * 1024
"""Bytes that most inputs have at most."""
LARGEST = 1024 * 1024
"""Bytes that any input has at most: enough for what takes the square of them to show."""
_RARELY = 0.005
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)


class Mutator:
    """An endless supply of inputs; the same seed gives the same ones."""

    def __init__(self, random: Random, right: Sequence[bytes], built: Sequence[bytes] = ()) -> None:
        """Take inputs that are right, and ones that are built to be difficult."""
        self._random = random
        self._right = [*right]
        self._all = [*right, *built]
        self._steps = (_flip, _set, _extreme, _cut, _drop, _repeat, _insert, _swap, self._splice)

    def make(self) -> bytes:
        """Give the next input."""
        random = self._random
        draw = random.random()
        if draw < 0.05:
            return random.randbytes(int(2 ** random.uniform(0, 12)))
        if draw < 0.10:
            return random.choice(self._all)
        data = bytearray(random.choice(self._right if draw < 0.9 else self._all))
        largest = LARGEST if random.random() < _RARELY else USUAL
        for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
            random.choice(self._steps)(random, data, largest)
        return bytes(data[:largest])

    def _splice(self, random: Random, data: bytearray, _largest: int) -> None:
        """Put a part of another input into this one."""
        other = random.choice(self._all)
        start, end = _part(random, other)
        to, over = _part(random, data)
        data[to:over] = other[start:end]


def _part(random: Random, data: bytes | bytearray) -> tuple[int, int]:
    """Choose a part, mostly a short one."""
    start = random.randint(0, len(data))
    length = int(2 ** random.uniform(0, 14)) if random.random() < 0.3 else random.randint(1, 16)
    return start, min(len(data), start + length)


def _flip(random: Random, data: bytearray, _largest: int) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set(random: Random, data: bytearray, _largest: int) -> None:
    if data:
        value = random.choice(_EXTREMES) if random.random() < 0.5 else random.randrange(256)
        data[random.randrange(len(data))] = value


def _extreme(random: Random, data: bytearray, _largest: int) -> None:
    """Overwrite what may be a length by the least, the greatest, or one that is off by little."""
    size = random.choice((1, 2, 4, 8))
    if len(data) < size:
        return
    at = random.randint(0, len(data) - size)
    order = random.choice(("big", "little"))
    bits = 8 * size
    value = random.choice(
        (
            0,
            1,
            2**bits - 1,
            2 ** (bits - 1),
            2 ** (bits - 1) - 1,
            len(data),
            (int.from_bytes(data[at : at + size], order) + random.choice((-1, 1))),
        )
    )
    data[at : at + size] = (value % 2**bits).to_bytes(size, order)


def _cut(random: Random, data: bytearray, _largest: int) -> None:
    del data[random.randint(0, len(data)) :]


def _drop(random: Random, data: bytearray, _largest: int) -> None:
    start, end = _part(random, data)
    del data[start:end]


def _repeat(random: Random, data: bytearray, largest: int) -> None:
    """Write a part once more, or as often as there is room."""
    start, end = _part(random, data)
    room = max(0, largest - len(data)) // max(1, end - start)
    data[start:start] = data[start:end] * min(room, int(2 ** random.uniform(0, 20)))


def _insert(random: Random, data: bytearray, _largest: int) -> None:
    at = random.randint(0, len(data))
    data[at:at] = random.randbytes(random.randint(1, 16))


def _swap(random: Random, data: bytearray, _largest: int) -> None:
    start, end = _part(random, data)
    part = data[start:end]
    del data[start:end]
    at = random.randint(0, len(data))
    data[at:at] = part
