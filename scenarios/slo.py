"""What is asked of response times: a percentile below a limit."""

from __future__ import annotations

import re

import msgspec

from scenarios.arm import SpecError

_FORM = re.compile(
    r"p(\d{1,2}(?:\.\d{1,3})?)\s*<\s*(\d{1,6}(?:\.\d{1,3})?)\s*(us|µs|ms|s)", re.ASCII | re.IGNORECASE
)
_UNITS = {"us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


class Slo(msgspec.Struct, frozen=True):
    """A service level objective of response times."""

    share: float
    """Of calls that must keep the limit, such as 0.99."""
    limit: int
    """In ns."""
    text: str
    """As it was written."""


def parse(text: str) -> Slo:
    """Read ``p99<10ms``; raises `SpecError` that shows the text and the form."""
    found = _FORM.fullmatch(text.strip())
    share = float(found[1]) / 100 if found else 0.0
    limit = round(float(found[2]) * _UNITS[found[3].lower()]) if found else 0
    if not 0 < share < 1 or not limit:
        raise SpecError(f"slo {text!r}: write a percentile and its limit, such as p99<10ms or p99.9<250us")
    return Slo(share, limit, "".join(text.split()))
