"""The messages of the service, and what its replies should be; rpcduel derives all else from this."""

from __future__ import annotations

import msgspec

PRICES = {f"article-{number:03}": 100 + 7 * number for number in range(1000)}
"""In cents."""


class Order(msgspec.Struct):
    """Articles that somebody wants."""

    customer: str
    articles: list[str]

    @classmethod
    def example(cls, size: str, variant: int) -> Order:
        """Make a request such as the service really gets; with `size` small one of ten articles."""
        count = 10 if size == "small" else 100
        return cls(f"customer {variant:05}", [f"article-{(37 * k + 500) % 1000:03}" for k in range(count)])


class Bill(msgspec.Struct):
    """What it comes to."""

    customer: str
    total: int


class Orders:
    """One method: what an order costs."""

    package = "example"

    def price(self, order: Order) -> Bill:
        """Add up the prices of all articles."""
        return Bill(order.customer, sum(PRICES[article] for article in order.articles))
