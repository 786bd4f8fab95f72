"""What a test asks of a stack, and what a stack has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from stacks.base import Stack

F = TypeVar("F", bound=Callable[..., object])


def needs(feature: str) -> Callable[[F], F]:
    """Mark a test that is not applicable to stacks without `feature`, one of `features`; may be repeated."""

    def mark(test: F) -> F:
        test.needs = {feature} | getattr(test, "needs", set())  # type: ignore[attr-defined]
        return test

    return mark


def features(stack: Stack) -> set[str]:
    """Tell what a stack has.

    ``wire``, ``sharing`` (many calls on one connection), ``bytes`` (messages are encoded), ``tls``, and the
    kinds of calls with streams: ``server-stream``, ``client-stream``, ``bidi``.
    """
    has = {
        "wire": stack.wire,
        "sharing": stack.multiplexes,
        "bytes": bool(stack.facts.versions),
        "tls": bool(stack.tls),
    }
    return {name for name, given in has.items() if given} | set(stack.kinds)
