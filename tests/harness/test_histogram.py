import base64
import struct
import zlib
from itertools import chain

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness import histogram
from harness.histogram import HIGHEST, LOWEST, SIZE, Histogram, decode, decode_all, empty, indices, record

EDGES = sorted({max(2**power + step, 0) for power in range(38) for step in (-1, 0, 1)} - {2**37, 2**37 + 1})
times = st.one_of(st.sampled_from(EDGES), st.integers(0, HIGHEST), st.integers(0, 5000))


def oracle(values=()):
    theirs = HdrHistogram(LOWEST, HIGHEST, histogram.DIGITS)
    for value in values:
        assert theirs.record_value(int(value))
    return theirs


def recorded(values):
    counts = empty()
    assert record(counts, np.array(values, np.int64)) == 0
    return Histogram.of(counts)


def test_layout_is_the_oracles():
    theirs = oracle()
    assert theirs.counts_len == SIZE
    assert [theirs.get_value_from_index(i) for i in range(SIZE)] == histogram._LOWEST_VALUES[:-1].tolist()
    assert [theirs.get_highest_equivalent_value(theirs.get_value_from_index(i)) for i in range(SIZE)] == list(
        histogram.UPPER
    )
    assert histogram.UPPER[-1] == HIGHEST


def test_every_edge_falls_into_the_oracles_bucket():
    theirs = oracle()
    assert indices(np.array(EDGES)).tolist() == [theirs._counts_index_for(value) for value in EDGES]


@given(st.lists(times, max_size=200))
def test_recording_is_bit_identical_to_the_oracle(values):
    ours, theirs = recorded(values), oracle(values)
    assert ours.counts.tobytes() == bytes(theirs.counts)
    assert ours.count == theirs.get_total_count()
    if values:
        assert ours.mean == pytest.approx(theirs.get_mean_value(), rel=1e-12)


@given(st.lists(times, min_size=1, max_size=60), st.sampled_from([0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1]))
def test_quantiles_are_the_oracles(values, q):
    assert recorded(values).quantile(q) == oracle(values).get_value_at_percentile(q * 100)


@given(st.lists(times, max_size=60), times)
def test_count_above_counts_what_is_beyond_the_values_bucket(values, value):
    above = sum(other > oracle().get_highest_equivalent_value(value) for other in values)
    assert recorded(values).count_above(value) == above


@given(arrays.arrays(np.int64, st.integers(0, 50), elements=st.integers(0, HIGHEST)))
def test_values_read_back_within_three_digits(values):
    upper = histogram.UPPER[indices(values)]
    assert (values <= upper).all()
    assert (upper - values <= values / 1024).all()


@pytest.mark.parametrize("value", [HIGHEST + 1, 2 * HIGHEST, 2**53 + 1, 2**63 - 1])
def test_values_above_the_highest_are_counted_as_it_and_said(value):
    counts = empty()
    assert record(counts, np.array([5, value, HIGHEST])) == 1
    assert counts[5] == 1
    assert counts[-1] == 2
    assert not oracle().record_value(value)


def test_a_negative_time_is_a_bug_that_is_named():
    counts = empty()
    with pytest.raises(ValueError, match="-3 ns"):
        record(counts, np.array([5, -3]))
    assert not counts.any()


def test_nothing_recorded_has_no_figures():
    counts = empty()
    assert record(counts, np.array([], np.int64)) == 0
    nothing = Histogram.of(counts)
    assert nothing.count == 0
    assert nothing.count_above(0) == 0
    with pytest.raises(ValueError, match="without values"):
        nothing.quantile(0.5)
    with pytest.raises(ValueError, match="without values"):
        _ = nothing.mean


@pytest.mark.parametrize("q", [-0.01, 1.01, float("nan")])
def test_a_quantile_outside_0_to_1_is_refused(q):
    with pytest.raises(ValueError, match=r"outside 0 to 1"):
        recorded([1]).quantile(q)


@given(st.lists(st.lists(times, max_size=20), min_size=1, max_size=5))
def test_merging_is_union(parts):
    merged = recorded(parts[0]).merge(*[recorded(part) for part in parts[1:]])
    assert (merged.counts == recorded(list(chain(*parts))).counts).all()


def test_merging_leaves_its_parts_alone():
    one, other = recorded([1]), recorded([2])
    one.merge(other)
    assert (one.count, other.count) == (1, 1)


counted = st.dictionaries(st.integers(0, SIZE - 1), st.integers(1, 2**48 - 1), max_size=30)


def filled(cells):
    counts = empty()
    for index, count in cells.items():
        counts[index] = count
    return Histogram.of(counts)


@given(counted)
def test_encoding_and_decoding_is_identity(cells):
    ours = filled(cells)
    assert (decode(ours.encode()).counts == ours.counts).all()


@given(st.lists(counted, max_size=5))
def test_decoding_several_at_once_gives_each_alone(several):
    texts = [filled(cells).encode() for cells in several]
    for text, cells, one in zip(texts, several, decode_all(texts), strict=True):
        assert dict(zip(one.used.tolist(), one.held.tolist(), strict=True)) == cells
        assert one.used.tolist() == decode(text).used.tolist() == sorted(cells)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("bad", ["last count is truncated", f"more than {SIZE} counts", f"{2**48} or more"])
def test_one_damaged_text_of_several_is_found(bad, place):
    texts = [recorded([5, 10**6]).encode() for _ in range(3)]
    texts[place] = FOREIGN[bad]
    with pytest.raises(ValueError, match=bad):
        decode_all(texts)


@given(counted)
def test_the_oracle_reads_our_text(cells):
    ours = filled(cells)
    theirs = HdrHistogram.decode(ours.encode())
    assert ours.counts.tobytes() == bytes(theirs.counts)
    assert theirs.get_total_count() == ours.count
    assert theirs.highest_trackable_value == HIGHEST


@given(st.lists(times, max_size=60))
def test_our_text_is_the_oracles_byte_for_byte_and_read(values):
    text = oracle(values).encode().decode()
    assert text.startswith("HISTF")
    assert recorded(values).encode() == text
    assert (decode(text).counts == recorded(values).counts).all()


@pytest.mark.parametrize("count", [-1, 2**48])
def test_counts_that_cannot_be_written_are_refused(count):
    with pytest.raises(ValueError, match=f"{count}"):
        filled({7: count}).encode()


@given(st.data())
def test_truncated_text_is_refused(data):
    text = recorded([1, 50, 5000, 5000, 10**6]).encode()
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(ValueError, match="histogram"):
        decode(text[:cut])


@given(st.data())
def test_a_damaged_text_is_refused_or_read_never_worse(data):
    text = bytearray(recorded(range(0, 10**6, 3001)).encode().encode())
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from(b"AZaz09+/=!"))
    try:
        decode(text.decode())
    except ValueError as error:
        assert "histogram" in str(error)  # noqa: PT017 -- both ends are right


def wrapped(payload, cookie=histogram._WRAPPER_COOKIE):
    packed = zlib.compress(payload)
    return base64.b64encode(struct.pack(">II", cookie, len(packed)) + packed).decode()


def payload(numbers=b"", **changes):
    fields = {
        "cookie": 0x1C849313,
        "length": len(numbers),
        "offset": 0,
        "digits": 3,
        "low": 1,
        "high": HIGHEST,
    }
    return struct.pack(">IIIIQQd", *(fields | changes).values(), 1.0) + numbers


FOREIGN = {
    "is not base64": "hello, world",
    "'HISTÄ' is not base64": "HISTÄ",
    "no compressed V2": wrapped(payload(), 0x1C849301),
    "not V2's": wrapped(payload(cookie=0x1C849301)),
    "counts 1 to 3600000 at 3 digits": wrapped(payload(high=3_600_000)),
    "at 2 digits": wrapped(payload(digits=2)),
    "header has 10 bytes": wrapped(bytes(10)),
    "holds 1 bytes of counts, not 5": wrapped(payload(b"\x02", length=5)),
    "last count is truncated": wrapped(payload(b"\x02\x80")),
    f"more than {SIZE} counts": wrapped(payload(b"\x02" * (SIZE + 1))),
    f"{2**48} or more": wrapped(payload(b"\x80" * 7 + b"\x01")),
    "longer than": wrapped(bytes(10_000_000)),
    "characters, more than": "A" * 10_000_000,
}


@pytest.mark.parametrize("reason", FOREIGN)
def test_foreign_text_is_refused_with_its_reason(reason):
    with pytest.raises(ValueError, match=reason):
        decode(FOREIGN[reason])


def test_a_run_of_zeros_beyond_the_end_is_refused():
    long_run = histogram._varints(np.array([5, -(2**47), 5]))
    with pytest.raises(ValueError, match=f"more than {SIZE} counts"):
        decode(wrapped(payload(long_run)))


def test_a_foreign_histogram_with_other_limits_says_so():
    theirs = HdrHistogram(1, 3_600_000_000, 3)
    with pytest.raises(ValueError, match="3600000000"):
        decode(theirs.encode().decode())
