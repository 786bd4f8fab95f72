"""The default service: a shop that quotes orders, with deterministic samples of three sizes."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from stacks.examples import bytes_of

PACKAGE = "rpcduel"
"""What this module's messages and service are filed under on the wire."""

SAMPLES = {"small": 2, "medium": 51, "large": 3500}
"""Sample name → order lines; about 100 B, 1 KiB and 64 KiB when encoded."""
_BARE, _LINE = 64, 18.7
"""Bytes of an order without lines, and of a line, about, as MessagePack."""
_TEN = 10

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

    @classmethod
    def example(cls, size: str, variant: int) -> Order:
        """Make a sample; see `order`."""
        return order(size, variant)


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

    @classmethod
    def example(cls, size: str, variant: int) -> Note:
        """Make a note of about `size`."""
        body = bytes(range(256)) * (bytes_of(size) // 256 + 1)
        return cls(1_000_000 + variant, body[: bytes_of(size)])


class Haul(msgspec.Struct):
    """Asks for an order's quote so many times over."""

    count: int
    order: Order

    @classmethod
    def example(cls, size: str, variant: int) -> Haul:
        """Ask for ten."""
        return cls(_TEN, order(size, variant))


class Load(msgspec.Struct):
    """Asks for a note so many times over."""

    count: int
    note: Note

    @classmethod
    def example(cls, size: str, variant: int) -> Load:
        """Ask for ten."""
        return cls(_TEN, Note.example(size, variant))


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

    def quotes(self, haul: Haul) -> Iterator[Receipt]:
        """Quote an order again and again, as somebody who watches a price sees it."""
        for _ in range(haul.count):
            yield self.quote(haul.order)

    def basket(self, orders: Iterable[Order]) -> Receipt:
        """Add up orders into one receipt: that of the last, with the sums of all."""
        receipt, pieces, net = _NOTHING, 0, 0
        for order in orders:
            receipt = self.quote(order)
            pieces += receipt.pieces
            net += receipt.net
        return msgspec.structs.replace(receipt, pieces=pieces, net=net, tax=net * _TAX)

    def haggle(self, orders: Iterable[Order]) -> Iterator[Receipt]:
        """Quote each order as it comes."""
        return map(self.quote, orders)

    def upload(self, notes: Iterable[Note]) -> Note:
        """Take notes; gives how many there were."""
        count = 0
        for _ in notes:
            count += 1
        return Note(count, b"")

    def download(self, load: Load) -> Iterator[Note]:
        """Give a note so many times."""
        for _ in range(load.count):
            yield load.note

    def relay(self, notes: Iterable[Note]) -> Iterator[Note]:
        """Give each note back as it comes."""
        yield from notes


_NOTHING = Receipt(0, "", Currency.EUR, 0, 0, 0.0, "", _OPENED)


def order(sample: str, variant: int = 0) -> Order:
    """Make the order of a sample, or of about a size such as ``10KiB``; `variant` tells users apart.

    The same arguments always give equal orders, and no variant has another length. Raises `SchemaError` for
    what is neither.
    """
    count = SAMPLES.get(sample) or max(1, round((bytes_of(sample) - _BARE) / _LINE))
    lines = [
        Line(
            article=f"{_WORDS[(7 * k) % len(_WORDS)]}-{k % 5:02d}{chr(97 + k % 26) * (k % 9)}",
            quantity=1 + (13 * k) % 40,
            price=199 + (7919 * k) % 90_000,
        )
        for k in range(count)
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
