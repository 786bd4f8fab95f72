"""Bytes of MemoryPack, worked out by hand from its specification."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import msgspec
import pytest

from stacks import shop
from stacks.codecs import memorypack
from stacks.codecs import memorypack_layout as layouts
from stacks.errors import ProtocolError
from stacks.schema import Int32

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEY = UUID("00112233-4455-6677-8899-aabbccddeeff")
CLEF = "A界\U0001d11e"
ZERO = bytes(8).hex()
GUID = "33221100 5544 7766 8899aabbccddeeff"
TICKS = "0080b5f7f57f9f48"
"""EPOCH: .NET's DateTime.UnixEpoch.Ticks is 0x089F7FF5F7B58000; the kind Utc adds 0x4000000000000000."""


class Number(enum.IntEnum):
    """C# has an int of 32 bits for it."""

    NONE = 0
    ANSWER = 42
    MASK = 255
    LAST = 2**31 - 1
    FIRST = -(2**31)


class Wide(enum.IntEnum):
    """C# needs a long for it."""

    SMALL = 1
    LARGE = 2**31


class Side(enum.Enum):
    LEFT = "left"
    RIGHT = "right"


class Point(msgspec.Struct):
    x: int
    y: int = 7


class Empty(msgspec.Struct):
    pass


class Leaf(msgspec.Struct):
    names: list[str]
    point: Point
    spare: Point | None = None


class Tree(msgspec.Struct):
    leaf: int
    one: Tree | None = None
    many: list[Tree] = []
    named: dict[str, Tree] = {}


def alone(kind):
    """Make a message with one field, whose bytes are `01` and then the field's; and its codec."""
    cls = msgspec.defstruct("Alone", [("it", kind)])
    return cls, memorypack.FORMAT.codec(cls)


def bare(text):
    return bytes.fromhex(text)


FIELDS = [
    (int, 5, "0500000000000000"),
    (int, -1, "ffffffffffffffff"),
    (int, 2**63 - 1, "ffffffffffffff7f"),
    (Int32, 5, "05000000"),
    (Int32, -(2**31), "00000080"),
    (Int32, 2**31 - 1, "ffffff7f"),
    (float, 1.5, "000000000000f83f"),
    (bool, True, "01"),
    (bool, False, "00"),
    (str, CLEF, "F7FFFFFF 04000000 41E7958CF09D849E"),
    (str, "hello", "FAFFFFFF 05000000 68656C6C6F"),
    (str, "", "00000000"),
    (str | None, None, "FFFFFFFF"),
    (str | None, "", "00000000"),
    (str | None, "é", "FDFFFFFF 01000000 C3A9"),  # ~2 bytes, 1 unit
    (bytes, b"\x01\x02", "02000000 0102"),
    (bytes, b"", "00000000"),
    (bytes | None, None, "FFFFFFFF"),
    (bytes | None, b"", "00000000"),
    (bytes | None, b"\xff", "01000000 ff"),
    (datetime, EPOCH, TICKS),
    (datetime, datetime(1, 1, 1, tzinfo=UTC), "0000000000000040"),
    # DateTime.MaxValue.Ticks is 0x2BCA2875F4373FFF, which is 900 ns more.
    (datetime, datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "f63f37f47528ca6b"),
    (UUID, KEY, GUID),
    (Number, Number.ANSWER, "2a000000"),
    (Number, Number.FIRST, "00000080"),
    (Wide, Wide.LARGE, "0000008000000000"),
    (Side, Side.RIGHT, "01000000"),
    # Nullable<T>: a byte, padding up to T's alignment, T.
    (int | None, 255, "01 00000000000000 ff00000000000000"),
    (int | None, None, "00 00000000000000 0000000000000000"),
    (Int32 | None, 255, "01 000000 ff000000"),
    (Int32 | None, None, "00 000000 00000000"),
    (bool | None, True, "01 01"),
    (bool | None, False, "01 00"),
    (bool | None, None, "00 00"),
    (float | None, -0.0, "01 00000000000000 0000000000000080"),
    (float | None, None, ZERO + ZERO),
    (datetime | None, EPOCH, "01 00000000000000" + TICKS),
    (datetime | None, None, ZERO + ZERO),
    (UUID | None, KEY, "01 000000" + GUID),
    (UUID | None, None, "00 000000" + ZERO + ZERO),
    (Number | None, Number.MASK, "01 000000 ff000000"),
    (Number | None, None, "00 000000 00000000"),
    (Wide | None, Wide.SMALL, "01 00000000000000 0100000000000000"),
    (Side | None, Side.LEFT, "01 000000 00000000"),
    # Collections: an int, and what a value takes alone.
    (list[int], [], "00000000"),
    (list[int], [1, -1], "02000000 0100000000000000 ffffffffffffffff"),
    (list[Int32], [], "00000000"),
    (list[Int32], [1, -1], "02000000 01000000 ffffffff"),
    (list[Int32 | None], [None, 1], "02000000" + ZERO + "01 000000 01000000"),
    (list[bool], [True, False, True], "03000000 010001"),
    (list[float], [1.5], "01000000 000000000000f83f"),
    (list[str], ["a", "", CLEF], "03000000 FEFFFFFF0100000061 00000000 F7FFFFFF0400000041E7958CF09D849E"),
    (list[str | None], [None, "a"], "02000000 FFFFFFFF FEFFFFFF0100000061"),
    (list[bytes], [b"", b"ab"], "02000000 00000000 020000006162"),
    (list[datetime], [EPOCH], "01000000" + TICKS),
    (list[UUID], [KEY, KEY], "02000000" + GUID + GUID),
    (list[Number], [Number.ANSWER], "01000000 2a000000"),
    (list[bool | None], [True, None, False], "03000000 0101 0000 0100"),
    (list[int | None], [None, 1], "02000000" + ZERO + ZERO + "0100000000000000 0100000000000000"),
    (list[UUID | None], [None, KEY], "02000000 00000000" + ZERO + ZERO + "01000000" + GUID),
    (list[int] | None, None, "FFFFFFFF"),
    (list[int] | None, [], "00000000"),
    (list[list[bool]], [[], [True]], "02000000 00000000 01000000 01"),
    (list[list[bool] | None], [None], "01000000 FFFFFFFF"),
    # A pair without references is a struct; one with a string in it is a key, and then a value.
    (dict[str, int], {"a": 1}, "01000000 FEFFFFFF0100000061 0100000000000000"),
    (dict[int, str], {1: "a"}, "01000000 0100000000000000 FEFFFFFF0100000061"),
    (dict[int, int], {1: 2}, "01000000 0100000000000000 0200000000000000"),
    (dict[int, bool], {1: True}, "01000000 0100000000000000 01 00000000000000"),
    (dict[Int32, Int32], {1: 2, 3: 4}, "02000000 01000000 02000000 03000000 04000000"),
    (dict[Int32, int], {1: 2}, "01000000 01000000 00000000 0200000000000000"),
    (dict[int, Int32], {1: 2}, "01000000 0100000000000000 02000000 00000000"),
    (dict[Int32, bool], {1: True}, "01000000 01000000 01 000000"),
    (dict[bool, Int32 | None], {True: 1}, "01000000 01 000000 01 000000 01000000"),
    (dict[str, Int32], {"a": 1}, "01000000 FEFFFFFF0100000061 01000000"),
    (dict[Int32, str], {1: "a"}, "01000000 01000000 FEFFFFFF0100000061"),
    (dict[bool, int], {True: 1}, "01000000 01 00000000000000 0100000000000000"),
    (dict[bool, bool], {True: False, False: True}, "02000000 0100 0001"),
    (dict[bool, bool | None], {True: False, False: None}, "02000000 010100 000000"),
    (dict[Number, bool], {Number.ANSWER: True}, "01000000 2a000000 01 000000"),
    (dict[bool, Number], {True: Number.ANSWER}, "01000000 01 000000 2a000000"),
    (dict[Number, int], {Number.ANSWER: 1}, "01000000 2a000000 00000000 0100000000000000"),
    (dict[int, Number], {1: Number.ANSWER}, "01000000 0100000000000000 2a000000 00000000"),
    (
        dict[Number, int | None],
        {Number.ANSWER: 1},
        "01000000 2a000000 00000000 0100000000000000 0100000000000000",
    ),
    (
        dict[int, Number | None],
        {1: Number.MASK},
        "01000000 0100000000000000 01000000 ff000000",
    ),
    (dict[bool, UUID], {True: KEY}, "01000000 01 000000" + GUID),
    (dict[UUID, bool], {KEY: True}, "01000000" + GUID + "01 000000"),
    (dict[UUID, float], {KEY: 1.5}, "01000000" + GUID + "000000000000f83f"),
    (dict[UUID, datetime], {KEY: EPOCH}, "01000000" + GUID + TICKS),
    (dict[str, bool | None], {"a": None}, "01000000 FEFFFFFF0100000061 0000"),
    (dict[str, list[bool]], {"": [True]}, "01000000 00000000 01000000 01"),
    (dict[int, int] | None, None, "FFFFFFFF"),
    # Objects: the count of members, and these.
    (Empty, Empty(), "00"),
    (Point, Point(1, 2), "02 0100000000000000 0200000000000000"),
    (Point | None, None, "FF"),
    (Point | None, Point(1, 2), "02 0100000000000000 0200000000000000"),
    (list[Point], [], "00000000"),
    (list[Empty | None], [None, Empty()], "02000000 FF 00"),
    (dict[str, Empty], {"a": Empty()}, "01000000 FEFFFFFF0100000061 00"),
    (dict[bool, Empty], {True: Empty()}, "01000000 01 00"),
    (Leaf, Leaf(["a"], Point(1)), "03 01000000 FEFFFFFF0100000061 02 0100000000000000 0700000000000000 FF"),
]


class TestBytes:
    @pytest.mark.parametrize(("kind", "value", "data"), FIELDS)
    def test_a_field_alone(self, kind, value, data):
        cls, codec = alone(kind)
        assert codec.encode(cls(value)) == b"\x01" + bare(data)
        for given_ in (b"\x01" + bare(data), memoryview(b"\x01" + bare(data))):
            again = codec.decode(given_).it
            assert again == value
            assert type(again) is type(value)

    @pytest.mark.parametrize(
        ("kinds", "values", "data"),
        [
            ([Number, str], [Number.ANSWER, "hello"], "022A000000FAFFFFFF0500000068656C6C6F"),
            ([Number | None, str | None], [Number.MASK, None], "0201000000FF000000FFFFFFFF"),
            # As MemoryPack itself writes them, where C# has int and string.
            ([Int32, str], [42, "hello"], "022A000000FAFFFFFF0500000068656C6C6F"),
            ([Int32 | None, str | None], [255, None], "0201000000FF000000FFFFFFFF"),
            ([int, str], [42, "hello"], "022A00000000000000FAFFFFFF0500000068656C6C6F"),
            ([int | None, str | None], [255, None], "020100000000000000FF00000000000000FFFFFFFF"),
            # Members are not aligned to each other.
            ([bool, int, bool | None, UUID], [True, 1, None, KEY], "04 01 0100000000000000 0000" + GUID),
            (
                [str, str, bytes, str],
                ["", "a", b"", "b"],
                "04 00000000 FEFFFFFF0100000061 00000000 FEFFFFFF0100000062",
            ),
            (
                [str | None, bool, str | None, Number],
                [None, True, "a", Number.MASK],
                "04 FFFFFFFF 01 FEFFFFFF0100000061 FF000000",
            ),
            (
                [list[bool], int, Empty, bool],
                [[True], 1, Empty(), False],
                "04 0100000001 0100000000000000 00 00",
            ),
        ],
    )
    def test_fields_in_order(self, kinds, values, data):
        cls = msgspec.defstruct("Several", [(f"m{place}", kind) for place, kind in enumerate(kinds)])
        codec = memorypack.FORMAT.codec(cls)
        assert codec.encode(cls(*values)) == bare(data)
        assert codec.decode(bare(data)) == cls(*values)

    @pytest.mark.parametrize(
        ("layout", "values", "data"),
        [
            (layouts.nullable(layouts.INT32), (True, 255), "01000000FF000000"),
            (layouts.nullable(layouts.INT64), (True, 255), "0100000000000000FF00000000000000"),
            (layouts.sequence(layouts.INT32, layouts.INT32), (1, 2), "0100000002000000"),
            (layouts.sequence(layouts.INT32, layouts.INT64), (1, 2), "0100000000000000 0200000000000000"),
            (layouts.sequence(layouts.INT64, layouts.INT32), (1, 2), "0100000000000000 0200000000000000"),
            (
                layouts.sequence(layouts.BYTE, layouts.INT32, layouts.BYTE),
                (1, 2, 3),
                "01000000 02000000 03000000",
            ),
        ],
    )
    def test_structs_are_laid_out_as_in_memory(self, layout, values, data):
        assert layout.struct.pack(*values) == bare(data)
        assert layout.size == len(bare(data))

    def test_the_samples_have_the_bytes_that_their_fields_add_up_to(self):
        codec = memorypack.FORMAT.codec(shop.Order)
        for sample in shop.SAMPLES:
            order = shop.order(sample)
            lines = sum(1 + 8 + len(line.article) + 2 * 8 for line in order.lines)
            # header, id, customer, placed, currency, express, discount, count of lines
            assert len(codec.encode(order)) == 1 + 8 + (8 + 34) + 8 + 4 + 1 + 16 + 4 + lines

    def test_another_zone_is_the_same_instant(self):
        cls, codec = alone(datetime)
        away = EPOCH.astimezone(timezone(timedelta(hours=9)))
        assert codec.encode(cls(away)) == b"\x01" + bare(TICKS)
        assert codec.decode(codec.encode(cls(away))).it.utcoffset() == timedelta(0)


class TestReading:
    """What other writers do, and ours does not."""

    @pytest.mark.parametrize(
        ("kind", "data", "value"),
        [
            (str, "04000000 4100 4C75 34D8 1EDD", CLEF),  # UTF-16
            (str | None, "01000000 4100", "A"),
            (str, "F7FFFFFF FFFFFFFF 41E7958CF09D849E", CLEF),  # of unknown length
            (str, "F7FFFFFF 00000000 41E7958CF09D849E", CLEF),
            (bool, "02", True),
            (bool | None, "ff00", False),
            (int | None, "01 aabbccddeeff11 0500000000000000", 5),  # garbage in the padding
            (int | None, "00 aabbccddeeff11 0500000000000000", None),
            (Number | None, "00 aabbcc 07000000", None),
            (dict[Number, bool], "01000000 2a000000 01 aabbcc", {Number.ANSWER: True}),
            (datetime, "0080b5f7f57f9f08", EPOCH),  # DateTimeKind.Unspecified
            (datetime, "0980b5f7f57f9f48", EPOCH),  # 900 ns later
            (datetime, "0a80b5f7f57f9f48", EPOCH + timedelta(microseconds=1)),
        ],
    )
    def test_other_ways_to_write_the_same(self, kind, data, value):
        _, codec = alone(kind)
        assert codec.decode(b"\x01" + bare(data)).it == value

    def test_the_fields_after_a_text_are_found_however_it_is_written(self):
        cls = msgspec.defstruct("Texts", [("a", str), ("b", int), ("c", str | None), ("d", bool)])
        codec = memorypack.FORMAT.codec(cls)
        data = bare("04 01000000 4100 0500000000000000 FFFFFFFF 01")
        assert codec.decode(data) == cls("A", 5, None, True)  # noqa: FBT003 -- its name stands above
        for length in range(len(data)):
            with pytest.raises(ProtocolError, match=r"^Texts(\.[a-d])?: "):
                codec.decode(data[:length])

    def test_defaults_stand_for_members_that_an_older_writer_left_out(self):
        codec = memorypack.FORMAT.codec(Tree)
        first = codec.decode(bare("01 0500000000000000"))
        assert first == Tree(5)
        assert first.many is not codec.decode(bare("01 0500000000000000")).many
        assert codec.decode(bare("02 0500000000000000 FF")) == Tree(5)
        assert codec.decode(bare("02 0500000000000000 01 0600000000000000")) == Tree(5, Tree(6))
        assert codec.decode(bare("03 0500000000000000 FF 01000000 01 0600000000000000")) == Tree(
            5, many=[Tree(6)]
        )

    def test_an_older_object_may_stand_in_a_newer_one(self):
        codec = memorypack.FORMAT.codec(Leaf)
        assert codec.decode(bare("03 00000000 01 0500000000000000 FF")) == Leaf([], Point(5))
        assert codec.decode(bare("02 00000000 01 0500000000000000")) == Leaf([], Point(5))
        _, points = alone(list[Point])
        mixed = "02000000 01 0500000000000000 02 0100000000000000 0200000000000000"
        assert points.decode(b"\x01" + bare(mixed)).it == [Point(5), Point(1, 2)]

    def test_every_default_may_be_left_out(self):
        cls = msgspec.defstruct("Free", [("a", str, "x"), ("b", list[int], [])])
        codec = memorypack.FORMAT.codec(cls)
        assert codec.decode(b"\x00") == cls()
        assert codec.decode(bare("01 00000000")) == cls("")

    def test_a_field_without_a_default_may_not(self):
        with pytest.raises(ProtocolError, match=r"^Leaf\.point is missing: the object has 1 members$"):
            memorypack.FORMAT.codec(Leaf).decode(bare("01 00000000"))
