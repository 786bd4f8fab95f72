"""Simulated work of a known amount, added to every handler of a service."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from stacks.base import Service
from stacks.errors import StackError

_FORM = re.compile(r"(wait|spin|touch):(\d+(?:\.\d+)?)(us|ms|s)")
_NANOSECONDS = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_ARENA = 32 * 1024 * 1024
_PAGE = 4096


def parse(work: str) -> tuple[str, int]:
    """Read ``kind:time`` as the kind and nanoseconds; the empty text is no work."""
    if not work:
        return "", 0
    found = _FORM.fullmatch(work)
    if found is None:
        raise StackError(f"{work!r} is no work; write wait, spin or touch with a time, for example spin:9us")
    kind, amount, unit = found.groups()
    return kind, round(float(amount) * _NANOSECONDS[unit])


def add(service: Service, work: str) -> Service:
    """Give `service` with work in front of every handler; an empty text changes nothing.

    ``wait:2ms`` passes time without CPU (the adapter waits), ``spin:9us`` burns CPU by the clock,
    ``touch:9us`` writes to fresh cache lines of a 32 MiB arena for that long.
    Raises `StackError` for any other text.
    """
    kind, duration = parse(work)
    if not duration:
        return service
    if kind == "wait":
        return dataclasses.replace(service, delay=duration / 1e9)
    burn = _spin if kind == "spin" else _toucher()
    methods = tuple(
        dataclasses.replace(method, handler=_after(burn, duration, method.handler))
        for method in service.methods
    )
    return dataclasses.replace(service, methods=methods)


def _after(burn: Callable[[int], None], duration: int, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def worked(request: Any) -> Any:
        burn(duration)
        return handler(request)

    return worked


def _spin(duration: int) -> None:
    end = perf_counter_ns() + duration
    while perf_counter_ns() < end:
        pass


def _toucher() -> Callable[[int], None]:
    arena = bytearray(_ARENA)
    lines = bytes(_PAGE // 64)
    at = 0

    def touch(duration: int) -> None:
        nonlocal at
        end = perf_counter_ns() + duration
        while perf_counter_ns() < end:
            arena[at : at + _PAGE : 64] = lines
            at = (at + _PAGE) % _ARENA

    return touch
