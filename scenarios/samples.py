"""Requests of a method: the samples that are timed, and the probes that every arm must answer alike."""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec

from scenarios.batch import Batch
from stacks import shop
from stacks.base import Kind, Method
from stacks.examples import example
from stacks.transports import streams

_MOST_REPLIES = 100_000


def sample(method: Method[Any, Any], size: str, user: int) -> Any:
    """Make the message that `user` sends; the same length for all users, and never the same one."""
    return example(method.request, size, user)


def request(method: Method[Any, Any], size: str, user: int, messages: int) -> Any:
    """Make what one call of `user` sends: a message, or a `Batch` where requests or replies are streamed.

    A stream of requests has `messages` of them. So has a stream of replies of the default service; of
    another one it is the handler that says how many there are.
    """
    one = sample(method, size, user)
    match method.kind:
        case Kind.UNARY:
            return one
        case Kind.SERVER if isinstance(one, shop.Haul | shop.Load):
            return Batch([msgspec.structs.replace(one, count=messages)])
        case Kind.SERVER:
            return Batch([one])
    return Batch([one] * messages)


def answers(method: Method[Any, Any], asked: Any) -> list[Any]:
    """Give the handler's own replies to what `request` made; at most 100,000 of a stream."""
    if method.kind is Kind.UNARY:
        return [method.handler(asked)]
    return list(islice(streams.replies(method, iter(asked.requests)), _MOST_REPLIES))


def probes(method: Method[Any, Any], size: str, messages: int) -> list[Any]:
    """Make requests that look into the corners of the message, besides the sample itself."""
    asked = request(method, size, 0, messages)
    if method.request is not shop.Order:
        return [asked]
    corners = _corners()
    if method.kind is Kind.UNARY:
        return [asked, *corners]
    return [asked, Batch([]), Batch(corners)]


def _corners() -> list[shop.Order]:
    order = shop.order("small")
    return [
        shop.Order(
            id=-(2**63),
            customer="",
            placed=order.placed,
            currency=shop.Currency.JPY,
            express=True,
            discount=None,
            lines=[],
        ),
        shop.Order(
            id=2**63 - 1,
            customer="Åse 界 𝄞",
            placed=order.placed,
            currency=shop.Currency.USD,
            express=False,
            discount=0.1,
            lines=[*order.lines, shop.Line("ünï", 0, 2**40)],
        ),
    ]
