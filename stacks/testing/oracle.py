"""A service that answers, fails and counts as it is asked to, and its messages."""

from __future__ import annotations

import enum
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from stacks.base import Address, Options, Service, Stack
from stacks.errors import Remote
from stacks.schema import RANGE_32, Int32

LONG = 20.0
"""A timeout that only a call that hangs reaches."""


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(msgspec.Struct):
    x: int
    y: float


class Wide(msgspec.Struct):
    number: int
    share: float
    sure: bool
    text: str
    data: bytes
    colour: Colour
    when: datetime
    key: UUID
    maybe: str | None
    numbers: list[int]
    prices: dict[str, int]
    points: list[Point]
    half: Int32


class Ask(msgspec.Struct):
    id: int
    text: str


class Told(msgspec.Struct):
    id: int
    text: str


class Oracle:
    """Answers, fails and counts as it is asked to; `seen` has how often each id came."""

    package = "contract"

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()

    def same(self, wide: Wide) -> Wide:
        return wide

    def tell(self, ask: Ask) -> Told:
        self.seen[ask.id] += 1
        return Told(ask.id, ask.text)

    def grow(self, ask: Ask) -> Told:
        return Told(ask.id, "x" * ask.id)

    def refuse(self, ask: Ask) -> Told:
        self.seen[ask.id] += 1
        raise Remote(ask.text, f"refused no. {ask.id}")

    def crash(self, ask: Ask) -> Told:
        self.seen[ask.id] += 1
        raise ValueError(ask.text)

    def count(self, ask: Ask) -> Iterator[Told]:
        """Give `ask.id` replies."""
        self.seen[ask.id] += 1
        for number in range(ask.id):
            yield Told(number, ask.text)

    def crumble(self, ask: Ask) -> Iterator[Told]:
        """Give `ask.id` replies, and then fail with the code `ask.text`."""
        for number in range(ask.id):
            yield Told(number, "")
        raise Remote(ask.text, f"crumbled after {ask.id}")

    def swell(self, ask: Ask) -> Iterator[Told]:
        """Give replies of growing length without end, and note when the caller has had enough."""
        try:
            for number in itertools.count():
                yield Told(number, "x" * ask.id)
        finally:
            self.seen[-1] += 1

    def gather(self, asks: Iterable[Ask]) -> Told:
        """Add up what comes."""
        total, texts = 0, []
        for ask in asks:
            self.seen[ask.id] += 1
            if ask.text == "crash":
                raise ValueError(f"crashed at {ask.id}")
            total += ask.id
            texts.append(ask.text)
        return Told(total, " ".join(texts)[:1000])

    def enough(self, asks: Iterable[Ask]) -> Told:
        """Answer after the first request, whatever else would come."""
        first = next(iter(asks))
        return Told(first.id, "enough")

    def converse(self, asks: Iterable[Ask]) -> Iterator[Told]:
        """Answer each request with one reply."""
        for ask in asks:
            self.seen[ask.id] += 1
            if ask.text == "crash":
                raise ValueError(f"crashed at {ask.id}")
            yield Told(ask.id, ask.text)

    def fan(self, asks: Iterable[Ask]) -> Iterator[Told]:
        """Answer each request with as many replies as it says, none included; and say goodbye."""
        for ask in asks:
            for number in range(ask.id):
                yield Told(number, ask.text)
        yield Told(-1, "bye")


WIDE = Wide(
    number=0,
    share=0.0,
    sure=False,
    text="",
    data=b"",
    colour=Colour.RED,
    when=datetime(1970, 1, 1, tzinfo=UTC),
    key=UUID(int=0),
    maybe=None,
    numbers=[],
    prices={},
    points=[],
    half=0,
)
FULL = Wide(
    number=2**63 - 1,
    share=-1.5e300,
    sure=True,
    text="Grüße, 世界 🚚 \x00 \u202e",
    data=bytes(range(256)),
    colour=Colour.BLUE,
    when=datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    key=UUID("12345678-1234-5678-1234-567812345678"),
    maybe="",
    numbers=[-(2**63), -1, 0, 1, 127, 128, 2**31, 2**63 - 1],
    prices={"": 0, "Ä": -1},
    points=[Point(1, 0.1), Point(-(2**63), -0.0)],
    half=RANGE_32[-1],
)
LEAST = msgspec.structs.replace(FULL, half=RANGE_32[0])


def one_call(stack: Stack, address: Address, offered: Service, number: int = 1) -> None:
    """Connect, make one call, and close."""
    client = stack.connect(address, Options())
    try:
        client.unary(offered["Tell"])(Ask(number, ""), LONG)
    finally:
        client.close()


def lose(number: int, stack: Stack, address: Address, offered: Service, failures: list[Exception]) -> None:
    """Make one call that is expected to fail, and note how."""
    try:
        one_call(stack, address, offered, number)
    except Exception as error:  # noqa: BLE001 -- the test looks at its type
        failures.append(error)
