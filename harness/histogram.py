"""Counts times in HdrHistogram's buckets, in bulk, and writes and reads its V2 text.

The layout is Gil Tene's HdrHistogram with lowest value 1 ns, 3 significant digits and 2^37 − 1 ns (137 s)
as the highest: 1 ns, since calls within one process take about 1 µs; 137 s, since it is far above any
deadline and, as the last value of its bucket, ends the configured and the counted range alike (set to 100 s,
the buckets would still take 137 s). Values below 2,048 ns are exact, others within 1/1,024 of what they were.

The PyPI package ``hdrhistogram``, the tests' oracle, has ways of its own: `record_value` gives False out of
range and forgets the value, where `record` here counts it as the highest; it rounds a percentile's rank to
the nearest call, not up, which `Histogram.quantile` keeps; a percentile of nothing is 0 there, an error here.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LOWEST = 1
HIGHEST = 2**37 - 1
DIGITS = 3
_HALF_BITS = 10
_HALF = 1 << _HALF_BITS
"""Buckets per power of two: the first such power at or above 10 ** DIGITS."""
SIZE = (37 - _HALF_BITS + 1) * _HALF

_PAYLOAD = struct.Struct(">IIIIQQd")
_WRAPPER = struct.Struct(">II")
_COOKIE = 0x1C849313
_WRAPPER_COOKIE = 0x1C849314
_GROUPS = 7
"""Groups of 7 bits that a number may have: counts below 2^48, whose sum cannot overflow."""
_MORE = 0x80
"""Set in every group of a number but its last."""
_MOST = 1 << (7 * _GROUPS - 1)
_MAX_PAYLOAD = _PAYLOAD.size + SIZE * (_GROUPS + 1)
_MAX_TEXT = 2 * _MAX_PAYLOAD

# The top bits of a double are the exponent and the mantissa's first bits: just what a bucket's index is made
# of. Shifted, they are off by the exponent's bias and the 9 octaves that share the first, exact buckets.
_SHIFT = 52 - _HALF_BITS
_BIAS = (1023 + _HALF_BITS - 1) << _HALF_BITS

Counts = NDArray[np.int64]


def empty() -> Counts:
    """Make zero counts for `record`: `SIZE` of them."""
    return np.zeros(SIZE, np.int64)


def indices(values: Counts) -> Counts:
    """Find the bucket of each value in ns; values above `HIGHEST` get the last one.

    Equal to HdrHistogram's ``counts_index_for``; raises `ValueError` for a negative value.
    """
    if len(values) and values.min() < 0:
        raise ValueError(f"a time is negative: {values.min()} ns; the clock readings are in the wrong order")
    kept = np.minimum(values, HIGHEST)
    octaves = (kept.astype(np.float64).view(np.int64) >> _SHIFT) - _BIAS
    found: Counts = np.maximum(octaves, np.minimum(kept, _HALF - 1))
    return found


def record(counts: Counts, values: Counts) -> int:
    """Add `values` in ns to `counts`; gives how many were above `HIGHEST` and are counted as that."""
    np.add.at(counts, indices(values), 1)
    return int(np.count_nonzero(values > HIGHEST))


def _lowest_values() -> Counts:
    index = np.arange(SIZE + 1)
    bucket = np.maximum((index >> _HALF_BITS) - 1, 0)
    lowest: Counts = (index - (bucket << _HALF_BITS)) << bucket
    return lowest


_LOWEST_VALUES = _lowest_values()
"""The lowest value of each bucket, and where the last one ends."""
UPPER = _LOWEST_VALUES[1:] - 1
"""The highest value in ns that falls into each bucket."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """How many values fell into each bucket that has any: few of the `SIZE` buckets have."""

    used: Counts
    """Their indices, in ascending order."""
    held: Counts
    """How many fell into each of them."""

    @classmethod
    def of(cls, counts: Counts) -> Histogram:
        """Take over what `record` has counted, `SIZE` entries."""
        used = np.flatnonzero(counts)
        return cls(used, counts[used])

    @property
    def counts(self) -> Counts:
        """Give the counts of all `SIZE` buckets, a copy."""
        counts = empty()
        counts[self.used] = self.held
        return counts

    @cached_property
    def count(self) -> int:
        """Give the number of values."""
        return int(self.held.sum())

    @property
    def mean(self) -> float:
        """Give the mean of the values in ns, each taken as the middle of its bucket as HdrHistogram does.

        Raises `ValueError` when there are none.
        """
        self._check_count()
        width = _LOWEST_VALUES[self.used + 1] - _LOWEST_VALUES[self.used]
        middle = _LOWEST_VALUES[self.used] + (width >> 1)
        return float((self.held * middle.astype(np.float64)).sum() / self.count)

    def quantile(self, q: float) -> int:
        """Give the value in ns below or at which a share `q` of the values lies: its bucket's highest.

        Equal to HdrHistogram's value at percentile 100 q, for 0 the lowest value of the first bucket used.
        Raises `ValueError` for a share outside [0, 1] and when there are no values.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"quantile {q} is outside 0 to 1")
        self._check_count()
        rank = max(int(q * 100 * self.count / 100 + 0.5), 1)
        index = self.used[np.searchsorted(self.held.cumsum(), rank)]
        return int(UPPER[index] if q else _LOWEST_VALUES[index])

    def count_above(self, value: int) -> int:
        """Count values in buckets above the one of `value` in ns."""
        return int(self.held[self.used > indices(np.array([value]))].sum())

    def merge(self, *others: Histogram) -> Histogram:
        """Give the histogram of all values of this one and `others`."""
        counts = self.counts
        for other in others:
            counts[other.used] += other.held
        return Histogram.of(counts)

    def encode(self) -> str:
        """Write as HdrHistogram V2, compressed, base64: the text that starts with ``HISTF``.

        Raises `ValueError` for counts that are negative or reach 2^48.
        """
        numbers = _varints(self._runs())
        header = _PAYLOAD.pack(_COOKIE, len(numbers), 0, DIGITS, LOWEST, HIGHEST, 1.0)
        packed = zlib.compress(header + numbers)
        return base64.b64encode(_WRAPPER.pack(_WRAPPER_COOKIE, len(packed)) + packed).decode("ascii")

    def _runs(self) -> Counts:
        """Write counts as numbers, a run of n zeros as −n, without the last run."""
        held = self.held
        if len(held) and not (held.min() > 0 and held.max() < _MOST):
            raise ValueError(f"counts must be 0 to {_MOST - 1}; there is {held.min()} and {held.max()}")
        gaps = np.diff(self.used, prepend=-1) - 1
        numbers = np.stack([-gaps, held], axis=1).reshape(-1)
        runs: Counts = numbers[numbers != 0]
        return runs

    def _check_count(self) -> None:
        if not self.count:
            raise ValueError("a histogram without values has no figures; look at its count first")


def decode(text: str) -> Histogram:
    """Read what `Histogram.encode`, or HdrHistogram with the same limits, wrote.

    Raises `ValueError` that says what is wrong; never unpacks more than a histogram can need.
    """
    return decode_all([text])[0]


def decode_all(texts: Sequence[str]) -> list[Histogram]:
    """Read several like `decode`, in a fraction of the time that they would take one by one."""
    parts = [_unpacked(text) for text in texts]
    if any(part and part[-1] & _MORE for part in parts):
        raise ValueError("the histogram's last count is truncated")
    numbers, ends = _numbers(b"".join(parts))
    firsts = np.searchsorted(ends, np.cumsum([0, *map(len, parts)]))
    gaps = numbers & 1
    steps = np.minimum((numbers >> 1) * gaps + 1, SIZE + 1)  # what is beyond the end must not overflow
    places = np.zeros(len(numbers) + 1, np.int64)
    steps.cumsum(out=places[1:])
    if (np.diff(places[firsts]) > SIZE).any():
        raise ValueError(f"the histogram has more than {SIZE} counts")
    filled = ((numbers > 0) & (gaps == 0)).nonzero()[0]
    used, held = places[filled], numbers[filled] >> 1
    cuts = np.searchsorted(filled, firsts).tolist()
    return [
        Histogram(used[start:end] - first, held[start:end])
        for (start, end), first in zip(pairwise(cuts), places[firsts], strict=False)
    ]


def _unpacked(text: str) -> bytes:
    """Open both wrappings and give the numbers; the format is HdrHistogram's V2 encoding."""
    if len(text) > _MAX_TEXT:
        raise ValueError(f"the histogram's text has {len(text)} characters, more than {_MAX_TEXT}")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"the histogram {text[:20]!r} is not base64: {error}") from error
    if len(data) < _WRAPPER.size or _WRAPPER.unpack_from(data)[0] != _WRAPPER_COOKIE:
        raise ValueError(f"{text[:20]!r} is no compressed V2 histogram, which starts with HISTF")
    if _WRAPPER.unpack_from(data)[1] != len(data) - _WRAPPER.size:
        raise ValueError(f"the histogram {text[:20]!r} is truncated or too long")
    unpacker = zlib.decompressobj()
    try:
        payload = unpacker.decompress(data[_WRAPPER.size :], _MAX_PAYLOAD)
    except zlib.error as error:
        raise ValueError(f"the histogram {text[:20]!r} is damaged: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"the histogram {text[:20]!r} is longer than {_MAX_PAYLOAD} bytes, or damaged")
    return _checked(payload)


def _checked(payload: bytes) -> bytes:
    if len(payload) < _PAYLOAD.size:
        raise ValueError(f"the histogram's header has {len(payload)} bytes, not {_PAYLOAD.size}")
    cookie, length, offset, digits, lowest, highest, _ = _PAYLOAD.unpack_from(payload)
    if cookie != _COOKIE:
        raise ValueError(f"the histogram has cookie {cookie:#x}, not V2's {_COOKIE:#x}")
    if (offset, digits, lowest, highest) != (0, DIGITS, LOWEST, HIGHEST):
        raise ValueError(
            f"the histogram counts {lowest} to {highest} at {digits} digits, not {LOWEST} to {HIGHEST}"
        )
    if length != len(payload) - _PAYLOAD.size:
        raise ValueError(f"the histogram holds {len(payload) - _PAYLOAD.size} bytes of counts, not {length}")
    return payload[_PAYLOAD.size :]


def _varints(numbers: Counts) -> bytes:
    """Write signed numbers as ZigZag LEB128, low groups of 7 bits first."""
    folded = (numbers << 1) ^ (numbers >> 63)
    limits = np.int64(1) << 7 * np.arange(1, _GROUPS)
    lengths = np.searchsorted(limits, folded, side="right") + 1
    starts = np.cumsum(lengths) - lengths
    out = np.zeros(lengths.sum(), np.uint8)
    for group in range(lengths.max(initial=0)):
        longer = lengths > group
        more = (lengths[longer] > group + 1) * _MORE
        out[starts[longer] + group] = (folded[longer] >> (7 * group)) & 0x7F | more
    return out.tobytes()


def _numbers(data: bytes) -> tuple[Counts, Counts]:
    """Read what `_varints` wrote: numbers in ZigZag, 2 n for n and 2 n − 1 for −n, and where each ends."""
    groups = np.frombuffer(data, np.uint8)
    ends = (groups < _MORE).nonzero()[0]
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1
    lengths = ends - starts + 1
    if lengths.max(initial=0) > _GROUPS:
        raise ValueError(f"the histogram holds a count of {_MOST} or more")
    low = (groups & _MORE - 1).astype(np.int64)
    numbers = low[starts]
    for group in range(1, lengths.max(initial=0)):
        longer = (lengths > group).nonzero()[0]
        numbers[longer] |= low[starts[longer] + group] << 7 * group
    return numbers, ends
