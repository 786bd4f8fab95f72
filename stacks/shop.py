"""The default service: a shop that quotes orders, with deterministic samples of three sizes."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta

import msgspec

from stacks.errors import SchemaError

PACKAGE = "rpcduel"
"""What this module's messages and service are filed under on the wire."""

SAMPLES = {"small": 2, "medium": 51, "large": 3500}
"""Sample name → order lines; about 100 B, 1 KiB and 64 KiB when encoded."""

_OPENED = datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC)
_TAX = 0.19
_WORDS = ("bolt", "nut", "washer", "gasket", "spring", "bearing", "valve", "hose")


class Currency(enum.IntEnum):
    """What prices are in."""

    EUR = 0
    USD = 1
    JPY = 2


class Line(msgspec.Struct):
    """So many pieces of one article at a price in hundredths."""

    article: str
    quantity: int
    price: int


class Order(msgspec.Struct):
    """What a customer wants."""

    id: int
    customer: str
    placed: datetime
    currency: Currency
    express: bool
    discount: float | None
    lines: list[Line]


class Receipt(msgspec.Struct):
    """What the order comes to, in hundredths."""

    order: int
    customer: str
    currency: Currency
    pieces: int
    net: int
    tax: float
    longest: str
    due: datetime


class Note(msgspec.Struct):
    """Bytes that come back as they went."""

    id: int
    body: bytes


class Shop:
    """The service that every comparison uses unless told otherwise."""

    package = PACKAGE

    def quote(self, order: Order) -> Receipt:
        """Read every line of `order` and add it up."""
        pieces = net = 0
        longest = ""
        for line in order.lines:
            pieces += line.quantity
            net += line.quantity * line.price
            if len(line.article) > len(longest):
                longest = line.article
        if order.discount is not None:
            net -= int(net * order.discount)
        return Receipt(
            order=order.id,
            customer=order.customer,
            currency=order.currency,
            pieces=pieces,
            net=net,
            tax=net * _TAX,
            longest=longest,
            due=order.placed + timedelta(days=1 if order.express else 5),
        )

    def echo(self, note: Note) -> Note:
        """Give `note` back."""
        return note


def order(sample: str, variant: int = 0) -> Order:
    """Make the order of a sample; `variant` tells users apart and changes no length.

    The same arguments always give equal orders. Raises `SchemaError` for an unknown sample.
    """
    if sample not in SAMPLES:
        raise SchemaError(f"unknown sample {sample!r}; there are: {', '.join(SAMPLES)}")
    lines = [
        Line(
            article=f"{_WORDS[(7 * k) % len(_WORDS)]}-{k % 5:02d}{chr(97 + k % 26) * (k % 9)}",
            quantity=1 + (13 * k) % 40,
            price=199 + (7919 * k) % 90_000,
        )
        for k in range(SAMPLES[sample])
    ]
    return Order(
        id=1_000_000 + variant,
        customer="Ada Lovelace, 12 St James's Square",
        placed=_OPENED,
        currency=Currency.EUR,
        express=False,
        discount=0.125,
        lines=lines,
    )
