"""MemoryPack of every shape against a slow second writer; and what is refused."""

from __future__ import annotations

import ctypes
import enum
import struct
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stacks import shop
from stacks.codecs import memorypack
from stacks.codecs.memorypack_run import ByLength
from stacks.codecs.memorypack_values import NESTED
from stacks.errors import ProtocolError, SchemaError
from stacks.schema import Enumeration, Int32, List, Map, Nested, Optional, Scalar

MOMENT = datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEY = UUID("00112233-4455-6677-8899-aabbccddeeff")
ZERO = bytes(8).hex()


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


class Guid(ctypes.LittleEndianStructure):
    """System.Guid's own fields."""

    _fields_ = (
        ("a", ctypes.c_uint32), ("b", ctypes.c_uint16), ("c", ctypes.c_uint16), ("d", ctypes.c_uint8 * 8)
    )  # fmt: skip


C_TYPES = {
    Scalar.INT: ctypes.c_int64,
    Scalar.INT32: ctypes.c_int32,
    Scalar.FLOAT: ctypes.c_double,
    Scalar.BOOL: ctypes.c_bool,
    Scalar.DATETIME: lambda value: ctypes.c_uint64(
        (value - datetime(1, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10 | 1 << 62
    ),
    Scalar.UUID: lambda value: Guid(*value.fields[:3], (ctypes.c_uint8 * 8)(*value.bytes[8:])),
}


def in_c(shape, value):
    """Make the C value of what has no references; None for what has."""
    if isinstance(shape, Optional):
        something = in_c(shape.of, PLAIN[type(shape.of)](shape.of) if value is None else value)
        if something is None:
            return None
        return together(ctypes.c_bool(value is not None), type(something)() if value is None else something)
    if isinstance(shape, Enumeration):
        wide = max(shape.members) >= 2**31 or min(shape.members) < -(2**31)
        return (ctypes.c_int64 if wide else ctypes.c_int32)(shape.numbers[value.value])
    return C_TYPES[shape](value) if shape in C_TYPES else None


PLAIN = {
    Scalar: lambda of: MOMENT if of is Scalar.DATETIME else KEY if of is Scalar.UUID else of.cls(),
    Enumeration: lambda of: next(iter(of.cls)),
    List: lambda of: [],
    Map: lambda of: {},
    Nested: lambda of: None,
}


def together(*values):
    fields = [(f"m{place}", type(value)) for place, value in enumerate(values)]
    cls = type("Together", (ctypes.LittleEndianStructure,), {"_fields_": fields})
    made = cls()
    for (name, _), value in zip(fields, values, strict=True):
        simple = isinstance(value, ctypes.Structure)
        setattr(made, name, value if simple else value.value)
    return made


def reference(shape, value):
    """Write as the specification reads, a value after the other."""
    if isinstance(shape, Optional) and in_c(shape, value) is None:
        if value is None:
            return b"\xff" if isinstance(shape.of, Nested) else struct.pack("<i", -1)
        return reference(shape.of, value)
    match shape:
        case Scalar.STR:
            data = value.encode()
            header = struct.pack("<ii", ~len(data), len(value.encode("utf-16-le")) // 2) if data else bytes(4)
        case Scalar.BYTES:
            header, data = struct.pack("<i", len(value)), value
        case List(of):
            header, data = struct.pack("<i", len(value)), b"".join(reference(of, item) for item in value)
        case Map(key, of):
            header = struct.pack("<i", len(value))
            data = b"".join(_pair(key, of, *item) for item in value.items())
        case Nested():
            header = bytes([len(shape.message.fields)])
            parts = [(field.shape, getattr(value, field.name)) for field in shape.message.fields]
            data = b"".join(reference(*part) for part in parts)
        case _:
            header, data = b"", bytes(in_c(shape, value))
    return header + data


def _pair(key, of, one, item):
    left, right = in_c(key, one), in_c(of, item)
    if left is not None and right is not None:
        return bytes(together(left, right))
    return reference(key, one) + reference(of, item)


ints = st.integers(-(2**63), 2**63 - 1)
halves = st.integers(-(2**31), 2**31 - 1)
texts = st.text(max_size=6)
times = st.datetimes(timezones=st.just(UTC))
points = st.builds(Point, ints, ints)
KEYS = [
    (int, ints), (Int32, halves),
    (bool, st.booleans()), (str, texts), (UUID, st.uuids()), (Side, st.sampled_from(Side)),
    (Number, st.sampled_from(Number)), (Wide, st.sampled_from(Wide)),
]  # fmt: skip
PLAINS = [
    *KEYS, (float, st.floats(allow_nan=False)), (bytes, st.binary(max_size=6)), (datetime, times),
    (Point, points), (Empty, st.builds(Empty)),
    (Leaf, st.builds(Leaf, st.lists(texts, max_size=3), points, st.none() | points)),
    (Tree, st.recursive(st.builds(Tree, ints), lambda of: st.builds(
        Tree, ints, st.none() | of, st.lists(of, max_size=2), st.dictionaries(texts, of, max_size=2)
    ), max_leaves=4)),
]  # fmt: skip


@st.composite
def kinds(draw, depth=3):
    """Draw a type of a field, and a strategy of its values."""
    way = draw(st.sampled_from(["plain", "optional", "list", "dict"] if depth else ["plain"]))
    if way == "plain":
        return draw(st.sampled_from(PLAINS))
    kind, values = draw(kinds(depth=depth - 1))
    if way == "optional":
        return (kind | None, st.none() | values)
    if way == "list":
        return (list[kind], st.lists(values, max_size=3))
    key, keys = draw(st.sampled_from(KEYS))
    return (dict[key, kind], st.dictionaries(keys, values, max_size=3))


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_messages_of_every_shape_are_as_a_slow_writer_has_them(data):
    fields = data.draw(st.lists(kinds(), min_size=1, max_size=6))
    cls = msgspec.defstruct("Drawn", [(f"m{place}", kind) for place, (kind, _) in enumerate(fields)])
    value = cls(*(data.draw(values) for _, values in fields))
    codec = memorypack.FORMAT.codec(cls)
    encoded = codec.encode(value)
    assert encoded == reference(Nested(cls), value)
    assert codec.decode(encoded) == value
    length = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(ProtocolError, match=r"^(Drawn|Leaf|Point|Tree)"):
        codec.decode(encoded[:length])


REFUSED = [
    (int, "", "cut short: it takes 8 bytes, and 0 are left"),
    (int, "05000000", "cut short: it takes 8 bytes, and 4 are left"),
    (Int32, "050000", "cut short: it takes 4 bytes, and 3 are left"),
    (Int32 | None, "01000000 050000", "cut short: it takes 8 bytes, and 7 are left"),
    (list[Int32], "02000000 01000000 000000", "2 is no count of items within the 7 bytes left"),
    (dict[Int32, Int32], "02000000" + ZERO + ZERO, "a key comes twice"),
    (str, "0000", "cut short: it takes 4 bytes, and 2 are left"),
    (str, "FAFFFFFF 05000000 6865", "cut short: it takes 9 bytes, and 6 are left"),
    (str, "00000080 00000000", "cut short: it takes 2147483651 bytes, and 4 are left"),
    (str, "ffffff7f 0000", "cut short: it takes 4294967294 bytes, and 2 are left"),
    (str, "FFFFFFFF", "None is no str"),
    (str, "FEFFFFFF 01000000 ff", r"b'\xff' is no UTF-8 text"),
    (str, "FCFFFFFF 01000000 eda080", r"b'\xed\xa0\x80' is no UTF-8 text"),  # half a surrogate pair
    (str, "FDFFFFFF 01000000 c080", r"b'\xc0\x80' is no UTF-8 text"),  # a zero in two bytes
    (str, "01000000 00d8", r"b'\x00\xd8' is no UTF-16 text"),
    (str, "FEFFFFFF 02000000 61", "2 is no number of UTF-16 code units of 'a'"),
    (str, "FDFFFFFF 02000000 c3a9", "2 is no number of UTF-16 code units of 'é'"),
    (str, "FBFFFFFF 01000000 F09D849E", "1 is no number of UTF-16 code units of"),
    (bytes, "03000000 0102", "cut short: it takes 3 bytes, and 2 are left"),
    (bytes, "ffffff7f", "cut short: it takes 2147483647 bytes, and 0 are left"),
    (bytes, "FFFFFFFF", "None is no bytes"),
    (bytes, "FEFFFFFF", "-2 is no length of bytes"),
    (bytes | None, "00000080", "-2147483648 is no length of bytes"),
    (datetime, "0000000000000080", "no time in UTC, but of kind Local"),
    (datetime, "00000000000000c0", "no time in UTC, but of kind Local"),
    (datetime, "004037f47528ca6b", "is no time in the years 1 to 9999"),
    (datetime, "ffffffffffffff7f", "is no time in the years 1 to 9999"),
    (Number, "05000000", "5 is no number of Number"),
    (Number | None, "01000000 05000000", "5 is no number of Number"),
    (list[Side], "02000000 00000000 09000000", "9 is no number of Side"),
    (list[int], "FFFFFFFF", "None is no list or dict"),
    (list[int], "FEFFFFFF", "-2 is no count of items within the 0 bytes left"),
    (list[int] | None, "FEFFFFFF", "-2 is no count of items within the 0 bytes left"),
    (list[int], "02000000 0100000000000000", "2 is no count of items within the 8 bytes left"),
    (list[int], "ffffff7f", "2147483647 is no count of items"),
    (list[bool], "ffffff7f 0000", "2147483647 is no count of items within the 2 bytes left"),
    (list[str], "ffffff7f 00000000", "2147483647 is no count of items"),
    (list[Point], "ffffff7f 00000000", "2147483647 is no count of items"),
    (dict[str, int], "ffffff7f 00000000", "2147483647 is no count of items"),
    (dict[int, bool], "02000000" + ZERO + ZERO, "2 is no count of items within the 16 bytes left"),
    (dict[int, int], "FFFFFFFF", "None is no list or dict"),
    (dict[bool, bool], "02000000 0101 0100", "a key comes twice"),
    (dict[str, bool], "02000000 00000000 01 00000000 00", "a key comes twice"),
    (Point, "FF", "None is no Point"),
    (list[Point], "01000000 FF", "None is no Point"),
    (Tree, "FF", "None is no Tree"),
    (Point, "03", "the object has 3 members; Point has 2"),
    (Point | None, "FE", "the object has 254 members; Point has 2"),
    (Point, "", "cut short: it takes 1 bytes, and 0 are left"),
    (Point | None, "", "cut short: it takes 1 bytes, and 0 are left"),
]


class TestForeignBytes:
    @pytest.mark.parametrize(("kind", "data", "text"), REFUSED)
    def test_other_bytes_are_refused_by_name(self, kind, data, text):
        with pytest.raises(ProtocolError) as caught:
            alone(kind)[1].decode(b"\x01" + bare(data))
        assert str(caught.value).startswith("Alone.it: ")
        assert text in str(caught.value)

    @pytest.mark.parametrize(
        ("data", "text"),
        [
            ("", "Point: cut short: it takes 1 bytes, and 0 are left"),
            ("FF", "Point: None is no Point"),
            ("03", "Point: the object has 3 members; Point has 2"),
            ("00", "Point.x is missing: the object has 0 members"),
            ("02 0000000000000000 00", "Point.y: cut short: it takes 8 bytes, and 1 are left"),
            ("01", "Point.x: cut short: it takes 8 bytes, and 0 are left"),
            ("02" + ZERO + ZERO + "0000", "Point: 2 bytes are left over at its end"),
        ],
    )
    def test_what_is_wrong_with_an_object_is_said(self, data, text):
        with pytest.raises(ProtocolError) as caught:
            memorypack.FORMAT.codec(Point).decode(bare(data))
        assert str(caught.value) == text

    def test_the_field_at_which_a_run_is_cut_is_named(self):
        codec = memorypack.FORMAT.codec(shop.Order)
        order = shop.order("small")
        data = codec.encode(order)
        names = []
        for length in range(len(data)):
            with pytest.raises(ProtocolError) as caught:
                codec.decode(data[:length])
            names.append(str(caught.value).partition(":")[0])
        assert list(dict.fromkeys(names)) == [
            "Order", "Order.id", "Order.customer", "Order.placed", "Order.currency", "Order.express",
            "Order.discount", "Order.lines", "Line.article", "Order.lines.article", "Order.lines.quantity",
            "Order.lines.price",
        ]  # fmt: skip
        assert names[-1] == "Order.lines.price"

    def test_counts_that_lie_cost_no_memory(self):
        codecs = [
            alone(kind)[1] for kind in (list[int], list[Tree], dict[int, int], str, bytes, list[list[str]])
        ]
        for first in ("ffffff7f", "00000080", "00000001"):
            data = b"\x01" + bare(first) + bytes(1000)
            tracemalloc.start()
            for codec in codecs:
                with pytest.raises(ProtocolError):
                    codec.decode(data)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 2_000_000

    def test_nesting_has_a_bound_both_ways(self):
        codec = memorypack.FORMAT.codec(Tree)
        deepest = Tree(0)
        for _ in range(NESTED):
            deepest = Tree(1, deepest)
        data = codec.encode(deepest)
        assert codec.decode(data) == deepest
        with pytest.raises(ProtocolError, match=r"^Tree: nested too deeply"):
            codec.encode(Tree(1, many=[deepest]))
        with pytest.raises(ProtocolError, match=r"^Tree: nested too deeply"):
            codec.decode(b"\x02" + bytes(8) + data)
        with pytest.raises(ProtocolError, match=r"^Tree: nested too deeply"):
            codec.decode((b"\x04" + bytes(8)) * 100_000)


class TestRefusedValues:
    @pytest.mark.parametrize(
        ("kind", "value", "text"),
        [
            (bool, 5, "5 is no bool"),
            (bool, "yes", "'yes' is no bool"),
            (bool | None, [], "[] is no bool"),
            (int, 1.0, "1.0 is no int"),
            (int, 2**63, "is no int of 64 bits"),
            (int | None, -(2**63) - 1, "is no int of 64 bits"),
            (float, "1", "'1' is no float"),
            (str, b"a", "b'a' is no str"),
            (str, None, "None is no str"),
            (bytes, "a", "'a' is no bytes"),
            (bytes | None, "a", "'a' is no bytes"),
            (UUID, "1", "'1' is no UUID"),
            (datetime, EPOCH.replace(tzinfo=None), "is no datetime with a time zone"),
            (
                datetime,
                datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
                "is no time in the years 1 to 9999",
            ),
            (
                datetime,
                datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-1))),
                "is no time in the years 1 to 9999",
            ),
            (Side, "left", "'left' is no Side"),
            (list[int], None, "None is no list"),
            (dict[int, int], [1], "[1] is no dict"),
            (dict[str, int], {1: 1}, "1 is no str"),
            (Point, None, "None is no Point"),
            (Tree, None, "None is no Tree"),
        ],
    )
    def test_the_field_is_named(self, kind, value, text):
        cls, codec = alone(kind)
        with pytest.raises(ProtocolError) as caught:
            codec.encode(cls(value))
        assert str(caught.value).startswith("Alone.it")
        assert text in str(caught.value)

    def test_messages_have_at_most_249_fields(self):
        fields = [(f"m{place}", bool) for place in range(250)]
        widest = msgspec.defstruct("Widest", fields[:249])
        codec = memorypack.FORMAT.codec(widest)
        value = widest(*[True] * 249)
        assert codec.encode(value) == b"\xf9" + b"\x01" * 249
        assert codec.decode(codec.encode(value)) == value
        outer = msgspec.defstruct("Outer", [("inner", msgspec.defstruct("Wider", fields))])
        with pytest.raises(
            SchemaError, match=r"^Wider has 250 fields; memorypack takes at most 249: put some"
        ):
            memorypack.FORMAT.codec(outer)


def test_texts_of_many_lengths():
    cls, codec = alone(str)
    for length in (*range(600), 70_000):
        for letter in ("a", "é"):
            assert codec.decode(codec.encode(cls(letter * length))).it == letter * length


def test_structs_that_are_kept_have_a_bound():
    packs = ByLength("i", "?", "pack")
    for length in range(1000):
        assert packs[length](length, b"x" * length, 1) == struct.pack("<i", length) + b"x" * length + b"\1"
        assert len(packs) <= 256
    assert packs[999] is packs[999]


def test_lists_may_be_nested_as_deep_as_the_schema_allows():
    inner = msgspec.defstruct("Inner", [("deep", list[list[list[list[list[str]]]]])])
    middle = msgspec.defstruct("Middle", [("deep", list[list[list[list[list[inner]]]]])])
    outer = msgspec.defstruct("Outer", [("deep", list[dict[str, list[dict[str, list[middle]]]]])])
    value = outer([{"a": [{"b": [middle([[[[[inner([[[[["x"]]]]])]]]]])]}]}])
    codec = memorypack.FORMAT.codec(outer)
    assert codec.decode(codec.encode(value)) == value
