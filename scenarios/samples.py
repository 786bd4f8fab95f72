"""Requests of a method: the samples that are timed, and the probes that every arm must answer alike."""

from __future__ import annotations

from typing import Any

from stacks import shop
from stacks.base import Method
from stacks.errors import SchemaError


def sample(method: Method[Any, Any], name: str, user: int) -> Any:
    """Make the request that `user` sends; the same length for all users, and never the same order."""
    if method.request is shop.Order:
        return shop.order(name, user)
    if method.request is shop.Note:
        return shop.Note(id=user, body=bytes(range(256)) * _NOTE[name])
    raise SchemaError(f"method {method.name} takes {method.request.__name__}, of which there is no sample")


def probes(method: Method[Any, Any], name: str) -> list[Any]:
    """Make requests that look into the corners of the message, besides the sample itself."""
    request = sample(method, name, 0)
    if method.request is not shop.Order:
        return [request]
    order = shop.order("small")
    return [
        request,
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


_NOTE = {"small": 1, "medium": 4, "large": 256}
