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
from dataclasses import dataclass
from functools import cached_property

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
    """How many values fell into each bucket; `counts` has `SIZE` entries."""

    counts: Counts

    @cached_property
    def count(self) -> int:
        """Give the number of values."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Give the mean of the values in ns, each taken as the middle of its bucket as HdrHistogram does.

        Raises `ValueError` when there are none.
        """
        self._check_count()
        used = np.flatnonzero(self.counts)
        width = _LOWEST_VALUES[used + 1] - _LOWEST_VALUES[used]
        middle = _LOWEST_VALUES[used] + (width >> 1)
        return float((self.counts[used] * middle.astype(np.float64)).sum() / self.count)

    def quantile(self, q: float) -> int:
        """Give the value in ns below or at which a share `q` of the values lies: its bucket's highest.

        Equal to HdrHistogram's value at percentile 100 q, for 0 the lowest value of the first bucket used.
        Raises `ValueError` for a share outside [0, 1] and when there are no values.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"quantile {q} is outside 0 to 1")
        self._check_count()
        rank = max(int(q * 100 * self.count / 100 + 0.5), 1)
        index = int(np.searchsorted(self.counts.cumsum(), rank))
        return int(UPPER[index] if q else _LOWEST_VALUES[index])

    def count_above(self, value: int) -> int:
        """Count values in buckets above the one of `value` in ns."""
        return int(self.counts[int(indices(np.array([value]))[0]) + 1 :].sum())

    def merge(self, *others: Histogram) -> Histogram:
        """Give the histogram of all values of this one and `others`."""
        counts = self.counts.copy()
        for other in others:
            counts += other.counts
        return Histogram(counts)

    def encode(self) -> str:
        """Write as HdrHistogram V2, compressed, base64: the text that starts with ``HISTF``.

        Raises `ValueError` for counts that are negative or reach 2^48.
        """
        numbers = _varints(_runs(self.counts))
        header = _PAYLOAD.pack(_COOKIE, len(numbers), 0, DIGITS, LOWEST, HIGHEST, 1.0)
        packed = zlib.compress(header + numbers)
        return base64.b64encode(_WRAPPER.pack(_WRAPPER_COOKIE, len(packed)) + packed).decode("ascii")

    def _check_count(self) -> None:
        if not self.count:
            raise ValueError("a histogram without values has no figures; look at its count first")


def decode(text: str) -> Histogram:
    """Read what `Histogram.encode`, or HdrHistogram with the same limits, wrote.

    Raises `ValueError` that says what is wrong; never unpacks more than a histogram can need.
    """
    numbers = _unpacked(text)
    signed = _numbers(numbers)
    steps = np.where(signed < 0, -signed, 1)
    if len(steps) and (steps.max() > SIZE or steps.sum() > SIZE):
        raise ValueError(f"the histogram has more than {SIZE} counts")
    counts = empty()
    filled = signed > 0
    counts[(np.cumsum(steps) - steps)[filled]] = signed[filled]
    return Histogram(counts)


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


def _runs(counts: Counts) -> Counts:
    """Write counts as numbers, a run of n zeros as −n, without the last run."""
    used = np.flatnonzero(counts)
    if len(used) and not (counts[used].min() > 0 and counts[used].max() < _MOST):
        raise ValueError(f"counts must be 0 to {_MOST - 1}; there is {counts.min()} and {counts.max()}")
    gaps = np.diff(used, prepend=-1) - 1
    numbers = np.stack([-gaps, counts[used]], axis=1).reshape(-1)
    runs: Counts = numbers[numbers != 0]
    return runs


def _varints(numbers: Counts) -> bytes:
    """Write signed numbers as ZigZag LEB128, low groups of 7 bits first."""
    folded = (numbers << 1) ^ (numbers >> 63)
    limits = np.int64(1) << 7 * np.arange(1, _GROUPS)
    lengths = np.searchsorted(limits, folded, side="right") + 1
    starts = np.cumsum(lengths) - lengths
    out = np.zeros(lengths.sum(), np.uint8)
    for group in range(lengths.max(initial=0)):
        longer = lengths > group
        more = (lengths[longer] > group + 1) << 7
        out[starts[longer] + group] = (folded[longer] >> (7 * group)) & 0x7F | more
    return out.tobytes()


def _numbers(data: bytes) -> Counts:
    """Read what `_varints` wrote."""
    groups = np.frombuffer(data, np.uint8).astype(np.int64)
    more = groups >> 7
    ends = np.flatnonzero(more == 0)
    if not len(groups):
        return groups
    if not len(ends) or ends[-1] != len(groups) - 1:
        raise ValueError("the histogram's last count is truncated")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _GROUPS:
        raise ValueError(f"the histogram holds a count of {_MOST} or more")
    shifts = 7 * (np.arange(len(groups)) - np.repeat(starts, lengths))
    folded = np.add.reduceat((groups & 0x7F) << shifts, starts)
    return (folded >> 1) ^ -(folded & 1)
