"""What is asked of response times."""

from __future__ import annotations

import pytest

from scenarios.arm import SpecError
from scenarios.slo import Slo, parse


@pytest.mark.parametrize(
    ("text", "share", "limit"),
    [
        ("p99<10ms", 0.99, 10_000_000),
        ("p99.9 < 250us", 0.999, 250_000),
        ("P50<1.5s", 0.5, 1_500_000_000),
        ("p95<80µs", 0.95, 80_000),
    ],
)
def test_percentile_and_limit_are_read(text, share, limit):
    found = parse(text)
    assert (found.share, found.limit) == (pytest.approx(share), limit)
    assert parse(found.text) == found


@pytest.mark.parametrize(
    "text", ["", "p99", "p0<1ms", "p100<1ms", "p99<0ms", "99<1ms", "p99<1", "p99>1ms", "p99<1min"]
)
def test_anything_else_is_refused_with_the_form(text):
    with pytest.raises(SpecError, match="write a percentile and its limit, such as p99<10ms") as caught:
        parse(text)
    assert repr(text) in str(caught.value)


def test_it_is_written_as_it_was_read():
    assert parse(" p99 < 10ms ") == Slo(0.99, 10_000_000, "p99<10ms")
