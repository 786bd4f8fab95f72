"""Examples: their size, that they are equal where they should be, and what they are made of."""

from __future__ import annotations

import enum
import subprocess
import sys
from datetime import datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stacks import examples
from stacks.codecs import json, msgpack, protobuf
from stacks.errors import SchemaError
from stacks.schema import RANGE_32, Int32
from stacks.testing.oracle import Wide

MIB = 1024 * 1024


class Item(msgspec.Struct):
    article: str
    quantity: int
    price: int


class Basket(msgspec.Struct):
    id: int
    customer: str
    placed: datetime
    express: bool
    discount: float | None
    lines: list[Item]


class Blob(msgspec.Struct):
    id: int
    body: bytes


class Tree(msgspec.Struct):
    name: str
    kids: list[Tree]
    crown: Tree | None = None


class Ring(msgspec.Struct):
    links: list[Link]


class Link(msgspec.Struct):
    rings: dict[str, Ring]
    size: int | None


class Chain(msgspec.Struct):
    value: int
    next: Chain | None


class Plain(msgspec.Struct):
    number: int
    share: float
    sure: bool
    when: datetime
    key: UUID


class Person(msgspec.Struct):
    name: str
    mail: str | None


class Page(msgspec.Struct):
    result: Result


class Result(msgspec.Struct):
    rows: list[dict[str, int]] | None


class Sign(enum.Enum):
    PLUS = "+"
    MINUS = "-"


class Switches(msgspec.Struct):
    by_bool: dict[bool, int]
    by_sign: dict[Sign, int]


class Temper(msgspec.Struct):
    celsius: float

    def __post_init__(self):
        if self.celsius > 100:
            raise ValueError("boiling")


class Cool(Temper):
    @classmethod
    def example(cls, size: str, variant: int) -> Cool:
        return cls(celsius=float(variant % 10))


class Kettle(msgspec.Struct):
    tempers: list[Cool]


def size_of(value):
    return len(msgpack.FORMAT.codec(type(value)).encode(value))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("small", 100), ("medium", 1024), ("large", 65_536), ("1B", 1), ("100B", 100), ("1KiB", 1024),
        ("10 KiB", 10_240), ("1MiB", MIB), ("8MiB", 8 * MIB), ("8388608B", 8 * MIB), ("007B", 7),
    ],
)  # fmt: skip
def test_sizes_are_read(text, count):
    assert examples.bytes_of(text) == count


@pytest.mark.parametrize(
    "text", ["", "huge", "100", "1kB", "1KB", "1.5KiB", "-1B", "KiB", "1e3B", "1TiB", "\u0661B", "1B\n"]
)
def test_what_is_no_size_is_shown_with_the_forms(text):
    with pytest.raises(SchemaError) as caught:
        examples.bytes_of(text)
    assert str(caught.value) == (
        f"{text!r} is no size; write small, medium, large, or a number of bytes such as 100B, 10KiB or 1MiB"
    )


@pytest.mark.parametrize("text", ["0B", "0MiB", "8388609B", "9MiB", "999999999MiB", "10GiB"])
def test_sizes_have_bounds(text):
    with pytest.raises(SchemaError, match=f"size '{text}' is out of bounds; give from 1B to 8MiB"):
        examples.bytes_of(text)


@pytest.mark.parametrize(
    "message",
    [
        Basket,
        Blob,
        Wide,
        Tree,
        Ring,
        Page,
        Person,
        msgspec.defstruct("M", [("m", dict[UUID, float])]),
    ],
)
@pytest.mark.parametrize("size", ["medium", "3000B", "large"])
def test_the_size_is_reached_and_not_passed(message, size):
    found = size_of(examples.example(message, size))
    assert 0.9 * examples.bytes_of(size) < found <= examples.bytes_of(size)


def test_a_mebibyte_of_items_is_made():
    assert 0.999 * MIB < size_of(examples.example(Basket, "1MiB")) <= MIB


def test_bytes_come_to_the_very_size():
    assert [size_of(examples.example(Blob, size)) for size in ("100B", "1KiB", "1MiB", "8MiB")] == [
        100, 1024, MIB, 8 * MIB,
    ]  # fmt: skip


@pytest.mark.parametrize("message", [Plain, Chain, Switches, msgspec.defstruct("Empty", [])])
def test_what_cannot_grow_keeps_its_size(message):
    assert examples.example(message, "100B") == examples.example(message, "8MiB")


def test_where_there_are_lists_texts_stay_as_they_are():
    small, large = (examples.example(Basket, size) for size in ("small", "large"))
    assert small.customer == large.customer
    assert large.lines[: len(small.lines)] == small.lines
    assert len(large.lines) > 1000


@pytest.mark.parametrize("message", [Basket, Blob, Wide, Plain, Person, Tree, Page])
@pytest.mark.parametrize("size", ["small", "medium"])
def test_variants_differ_and_are_equally_long_in_every_format(message, size):
    values = [examples.example(message, size, variant) for variant in (0, 1, 7, 99, 9_999)]
    encoded = {
        module.FORMAT.name: [module.FORMAT.codec(message).encode(value) for value in values]
        for module in (msgpack, json, *([protobuf] if message is not Page else []))
    }
    for texts in encoded.values():
        assert len(set(texts)) == len(values)
        assert len({len(text) for text in texts}) == 1


@pytest.mark.parametrize("message", [Basket, Wide, Tree, Ring, Chain, Switches, Page])
def test_equal_arguments_give_equal_values_that_share_nothing(message):
    one, two = (examples.example(message, "medium", 3) for _ in range(2))
    assert one == two
    assert one is not two


@pytest.mark.parametrize("seed", ["0", "1"])
def test_values_are_the_same_in_every_process(seed):
    script = (
        "from stacks import examples; from stacks.codecs.msgpack import FORMAT\n"
        "from stacks.testing.oracle import Wide\n"
        "print(FORMAT.codec(Wide).encode(examples.example(Wide, 'medium', 2)).hex())"
    )
    found = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert bytes.fromhex(found.stdout) == msgpack.FORMAT.codec(Wide).encode(
        examples.example(Wide, "medium", 2)
    )


def test_values_are_varied():
    many = msgspec.defstruct(
        "Many",
        [("signs", list[Sign]), ("gaps", list[int | None]), ("sure", list[bool]), ("times", list[datetime])],
    )
    value = examples.example(many, "10KiB")
    assert set(value.signs) == set(Sign)
    assert set(value.sure) == {True, False}
    numbers = [number for number in value.gaps if number is not None]
    assert 0.1 < 1 - len(numbers) / len(value.gaps) < 0.5
    assert {len(str(abs(number))) for number in numbers} >= {1, 2, 3, 4, 5, 6, 13}
    assert min(numbers) < 0
    assert all(moment.microsecond and moment.tzinfo for moment in value.times)


def test_floats_are_such_as_json_carries_exactly():
    value = examples.example(msgspec.defstruct("Floats", [("floats", list[float])]), "medium")
    assert all((8 * number).is_integer() and not number.is_integer() for number in value.floats)


def test_ints_of_32_bits_are_of_many_lengths_and_no_more():
    message = msgspec.defstruct("Halves", [("halves", list[Int32]), ("by_half", dict[Int32, bool])])
    value = examples.example(message, "medium")
    assert {len(msgspec.msgpack.encode(number)) for number in value.halves} == {1, 2, 3, 5}
    assert all(number in RANGE_32 for number in value.halves)
    assert len(value.by_half) == len(value.halves)


def test_messages_within_themselves_have_an_end():
    chain = examples.example(Chain, "small")
    assert chain.next.next.next is None
    tree = examples.example(Tree, "1KiB")
    assert tree.kids[0].kids
    assert not tree.kids[0].kids[0].kids
    assert examples.example(Ring, "small").links[0].rings


def test_a_message_that_cannot_end_is_named():
    endless = msgspec.defstruct("Endless", [("inner", "Endless")], namespace={})
    sys.modules[endless.__module__].Endless = endless
    try:
        with pytest.raises(
            SchemaError, match="Endless contains itself without end; let a field be None or a list"
        ):
            examples.example(endless, "small")
    finally:
        del sys.modules[endless.__module__].Endless


def test_a_class_may_bring_its_own():
    assert examples.example(Cool, "large", 7) == Cool(7.0)
    assert all(temper.celsius < 10 for temper in examples.example(Kettle, "medium").tempers)


def test_a_class_that_takes_no_examples_is_told_to_bring_its_own():
    with pytest.raises(
        SchemaError, match=r"Temper does not take.*ValueError: boiling.*classmethod example\(cls, size"
    ):
        examples.example(Temper, "small")


def failing(result):
    def example(cls, size, variant):
        return 1 // result if isinstance(result, int) else result

    return msgspec.defstruct("Odd", [("x", int)], namespace={"example": classmethod(example)})


def test_an_own_example_that_fails_is_told():
    with pytest.raises(SchemaError, match=r"Odd\.example\('small', 4\) fails: ZeroDivisionError"):
        examples.example(failing(0), "small", 4)
    with pytest.raises(SchemaError, match=r"Odd\.example gives a str; a Odd is wanted"):
        examples.example(failing("odd"), "small")


def test_a_field_called_example_is_a_field():
    message = msgspec.defstruct("Lesson", [("example", int)])
    assert examples.example(message, "small").example >= 1_000_000


scalars = st.sampled_from([int, Int32, float, bool, str, bytes, datetime, UUID, Sign, Plain, Tree])
shapes = st.recursive(
    scalars,
    lambda of: (
        of.map(lambda each: list[each])
        | of.map(lambda each: each | None)
        | st.builds(
            lambda key, each: dict[key, each], st.sampled_from([int, Int32, bool, str, UUID, Sign]), of
        )
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(shapes, max_size=5), st.sampled_from(["small", "1KiB", "5KiB"]), st.integers(0, 100_000))
def test_any_message_has_examples(kinds, size, variant):
    message = msgspec.defstruct("Any", [(f"f{k}", kind) for k, kind in enumerate(kinds)], module=__name__)
    value = examples.example(message, size, variant)
    codec = msgpack.FORMAT.codec(message)
    assert codec.decode(codec.encode(value)) == value
    assert size_of(value) == size_of(examples.example(message, size))
    least = size_of(examples.example(message, "1B"))
    assert least <= size_of(value) <= max(least, examples.bytes_of(size))


@pytest.mark.parametrize(
    ("size", "text"),
    [("10KiB", "10 KiB"), ("100B", "100 B"), ("1 MiB", "1 MiB"), ("small", "small"), ("", "")],
)
def test_sizes_are_written_with_a_space(size, text):
    assert examples.written(size) == text
