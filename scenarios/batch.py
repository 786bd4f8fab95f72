"""Calls with streams as users make them: a whole stream is one call, and every arrival is noted."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter_ns
from typing import Any

from stacks.base import Client, Kind, Method

Call = Callable[[Any, float], Any]
"""Takes a request, or a `Batch`, and a timeout in seconds; gives the reply, or the last one."""


class Batch:
    """The requests of one user's stream, and when its replies arrived in the last turn.

    `arrivals` are clock readings in ns, those of all calls of the turn. Where `kept` is a list, replies are
    added to it.
    """

    __slots__ = ("arrivals", "kept", "requests")

    def __init__(self, requests: Sequence[Any]) -> None:
        """Take what is sent in every call."""
        self.requests = requests
        self.kept: list[Any] | None = None
        self.clear()

    def clear(self) -> None:
        """Forget the last turn; a new array, since numpy may still look at the old one."""
        self.arrivals = array("q")


def bind(client: Client, method: Method[Any, Any]) -> Call:
    """Bind `method`: a call with streams takes a `Batch` and goes on until its last reply."""
    if method.kind is Kind.UNARY:
        return client.unary(method)
    stream = client.stream(method)

    def call(batch: Batch, timeout: float) -> Any:
        note, clock, reply = batch.arrivals.append, perf_counter_ns, None
        replies: Iterable[Any] = stream(batch.requests, timeout)
        if batch.kept is not None:
            replies = _keeping(replies, batch.kept)
        for reply in replies:  # noqa: B007 -- the last one is given back
            note(clock())
        return reply

    return call


def _keeping(replies: Iterable[Any], kept: list[Any]) -> Iterator[Any]:
    for reply in replies:
        kept.append(reply)
        yield reply
