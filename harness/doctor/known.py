"""The proof of recorded times: handlers that take a known time, found again by percentile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import cycle
from random import Random
from statistics import NormalDist
from time import perf_counter_ns

import numpy as np
from msgspec.structs import replace

from harness import histogram
from harness.doctor.arrivals import started, times
from harness.doctor.bench import Bench, opened
from harness.doctor.check import Check, micros
from harness.histogram import Histogram
from harness.measure.wire import Turn
from scenarios.arm import Arm
from scenarios.load import Open
from stacks.shop import Order, Receipt, Shop

_CYCLE = 1000
"""Calls after which every time was spent once."""
_RATE, _SECONDS = 100.0, 20.0
_QUANTILES = (0.5, 0.9, 0.99)
_MILLISECOND = 1e6
_COMMON, _SHORT, _LONG = 0.85, 0.5, 5.0
_SPREAD = 0.6


def _nothing(_: float) -> float:
    return 0.0


def _constant(_: float) -> float:
    return 1.0


def _bimodal(q: float) -> float:
    return _SHORT if q < _COMMON else _LONG


def _lognormal(q: float) -> float:
    return math.exp(_SPREAD * NormalDist().inv_cdf(q))


def spent(quantile: Callable[[float], float]) -> list[int]:
    """Give the times of a cycle in ns, as evenly spread over a distribution as so many can be, shuffled.

    `quantile` gives milliseconds.
    """
    found = [round(_MILLISECOND * quantile((k + 0.5) / _CYCLE)) for k in range(_CYCLE)]
    Random(1).shuffle(found)  # noqa: S311 -- the order is no secret
    return found


class Known:
    """The shop's `Quote`, and before it a time that is known; subclasses say which."""

    package = "rpcduel.known"
    quantile: Callable[[float], float] = staticmethod(_nothing)

    def __init__(self) -> None:
        """Begin a cycle."""
        self._shop = Shop()
        self._times: Iterator[int] = cycle(spent(self.quantile))

    def quote(self, order: Order) -> Receipt:
        """Spin, then answer as the shop does."""
        end = perf_counter_ns() + next(self._times)
        while perf_counter_ns() < end:
            pass
        return self._shop.quote(order)


class Nothing(Known):
    """No time: what the stack itself takes."""

    quote = Known.quote


class Constant(Known):
    """One millisecond."""

    quantile = staticmethod(_constant)
    quote = Known.quote


class Bimodal(Known):
    """Half a millisecond, of 15 % of the calls 5 ms."""

    quantile = staticmethod(_bimodal)
    quote = Known.quote


class Lognormal(Known):
    """Lognormal with a median of 1 ms and a standard deviation of 0.6 of its logarithm."""

    quantile = staticmethod(_lognormal)
    quote = Known.quote


def known(bench: Bench) -> Check:
    """Let handlers spin for known times, and look for their percentiles in what was recorded."""
    services = (Nothing, Constant, Bimodal, Lognormal)
    bench.plan(len(services))
    stack = "tcp-msgpack"
    floor, *recorded = [_served(bench, stack, service) for service in services]
    slack = floor.quantile(0.99)
    rows, met = [], True
    for service, found in zip(services[1:], recorded, strict=True):
        ordered = sorted(spent(service.quantile))
        for q in _QUANTILES:
            wanted, told = ordered[max(1, math.ceil(q * _CYCLE)) - 1], found.quantile(q)
            width = _resolution(told)
            good = wanted - width <= told <= wanted + width + slack
            met = met and good
            apart = f"{(told - wanted) / 1e3:+.1f} µs"
            allowed = f"−{width / 1e3:.1f} to +{(width + slack) / 1e3:.0f} µs"
            rows.append(
                (service.__name__.lower(), f"p{100 * q:g}", micros(wanted), micros(told), apart, allowed)
            )
    columns = ("times", "quantile", "spent", "service time", "apart", "allowed")
    answer = (
        f"{_RATE * _SECONDS:,.0f} calls of {stack} each, {_RATE:.0f} a second. Allowed: the histogram's "
        f"resolution, and above it the p99 of the stack without work, {micros(slack)}; its p50 is "
        f"{micros(floor.quantile(0.5))}."
    )
    question = "Handlers take times that are known: are they found again?"
    return Check("known", question, columns, tuple(rows), answer, met)


def _served(bench: Bench, stack: str, service: type[Known]) -> Histogram:
    """Call one of the services for whole cycles; gives its service times."""
    length = int(_SECONDS * 1e9)
    load = Open(_RATE, users=1, waiting=_CYCLE)
    trial = opened([Arm(name=stack, stack=stack)], load, turn=length, seconds=_SECONDS, forks=1)
    trial = replace(trial, service=f"{__name__}:{service.__name__}")
    bench.phase(f"calling handlers of known times: {service.__name__.lower()}")
    with started(trial, bench) as contender:
        contender.play(Turn(length, 0, long=False, block=0, rate=_RATE, number=1))
        return times(contender.finish(), "service")


def _resolution(value: int) -> int:
    """Give the width of the bucket that `value` falls into, in ns."""
    place = int(histogram.indices(np.array([value]))[0])
    return int(histogram.UPPER[place] - histogram.UPPER[place - 1])
