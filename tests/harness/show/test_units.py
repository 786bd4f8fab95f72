"""Numbers and words as text."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.decide.comparison import Estimate
from harness.show import units, words


@pytest.mark.parametrize(
    ("value", "low", "high", "resolved", "text"),
    [
        (1.31, 1.29, 1.33, True, ("1.31×", "1.29 to 1.33")),
        (1.006, 1.003, 1.008, True, ("1.006×", "1.003 to 1.008")),
        (1.02, 1.0004, 1.04, True, ("1.0200×", "1.0004 to 1.0400")),
        (1.0, 0.98, 1.02, False, ("1.00×", "0.98 to 1.02")),
        (41.3, 40.9, 41.7, True, ("41.3×", "40.9 to 41.7")),
        (0.05, 0.04, 0.06, True, ("0.050×", "0.040 to 0.060")),
        (2.0, None, None, False, ("2.00×", "")),
    ],
)
def test_ratio(value, low, high, resolved, text):
    assert units.ratio(Estimate(value, low, high, "interval"), resolved=resolved) == text


@given(st.floats(1.00001, 5.0), st.floats(0, 0.5))
def test_a_resolved_ratio_never_reads_as_one(low, wide):
    value, bounds = units.ratio(Estimate(low + wide / 2, low, low + wide, "interval"), resolved=True)
    assert float(value.removesuffix("×")) != 1
    assert 1 not in map(float, bounds.split(" to "))


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234.56, 1, "1,234.6"),
        (-0.04, 1, "0.0"),
        (-5.0, 0, "−5"),
        (math.inf, 1, "∞"),
        (math.nan, 1, "–"),
        (None, 1, "–"),
    ],
)
def test_number(value, digits, text):
    assert units.number(value, digits) == text


def test_signed_number_has_no_sign_at_zero():
    assert [units.number(value, 1, signed=True) for value in (0.04, -0.04, 0.06)] == ["0.0", "0.0", "+0.1"]


@pytest.mark.parametrize(
    ("nanoseconds", "text"), [(5e6, "5 ms"), (1.5e9, "1.5 s"), (2500, "2.5 µs"), (7, "7 ns")]
)
def test_duration(nanoseconds, text):
    assert units.duration(nanoseconds) == text


def test_times_from_100_ms_on_stand_in_ms():
    assert units.scale([99_999_999, 20]).name == "µs"
    assert units.scale([100_000_000, 20]).name == "ms"
    assert units.scale([]).name == "µs"


@given(st.text())
def test_clean_text_cannot_steer_a_terminal(text):
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", words.clean(text))
    assert words.to_ascii(text).isascii()
