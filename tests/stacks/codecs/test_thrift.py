"""Structs in both of Thrift's protocols, by Apache's own library and by hand."""

from __future__ import annotations

import enum
import struct
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thrift.TSerialization import deserialize, serialize

from stacks.codecs import thrift, thrift_walk
from stacks.errors import ProtocolError, SchemaError
from stacks.schema import Int32
from stacks.testing.oracle import FULL, WIDE, Ask, Colour, Point, Wide

sys.path.insert(0, str(Path(__file__).parents[1] / "thrift"))
import apache

BOTH = {encoding.name: encoding for encoding in (thrift.BINARY, thrift.COMPACT)}
MOMENT = datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Taste(enum.Enum):
    SWEET = "sweet"
    SOUR = "sour"


class Spoon(msgspec.Struct):
    length: int
    clean: bool = True


class Pantry(msgspec.Struct):
    """Lists and maps in each other, and maps with keys of all kinds."""

    grid: list[list[float]]
    racks: list[dict[str, list[Spoon]]]
    maybe_names: list[str] | None
    maybe_racks: dict[str, list[Spoon]] | None
    by_key: dict[UUID, list[datetime]]
    by_taste: dict[Taste, UUID]
    by_clean: dict[bool, Spoon]
    by_count: dict[int, dict[int, bool]]
    flags: list[bool]
    halves: dict[Int32, list[Int32]]


class Chain(msgspec.Struct):
    number: int
    rest: Chain | None = None


ints = st.integers(-(2**63), 2**63 - 1)
halves = st.integers(-(2**31), 2**31 - 1)
floats = st.floats(allow_nan=False)
texts = st.text(max_size=9)
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
spoons = st.builds(Spoon, length=ints, clean=st.booleans())
pantries = st.builds(
    Pantry,
    grid=st.lists(st.lists(floats, max_size=20), max_size=20),
    racks=st.lists(st.dictionaries(texts, st.lists(spoons, max_size=3), max_size=3), max_size=3),
    maybe_names=st.none() | st.lists(texts, max_size=3),
    maybe_racks=st.none() | st.dictionaries(texts, st.lists(spoons, max_size=3), max_size=3),
    by_key=st.dictionaries(st.uuids(), st.lists(times, max_size=3), max_size=3),
    by_taste=st.dictionaries(st.sampled_from(Taste), st.uuids()),
    by_clean=st.dictionaries(st.booleans(), spoons),
    by_count=st.dictionaries(ints, st.dictionaries(ints, st.booleans(), max_size=3), max_size=3),
    flags=st.lists(st.booleans(), max_size=30),
    halves=st.dictionaries(halves, st.lists(halves, max_size=20), max_size=3),
)
wides = st.builds(
    Wide,
    number=ints, share=floats, sure=st.booleans(), text=texts, data=st.binary(max_size=9),
    colour=st.sampled_from(Colour), when=times, key=st.uuids(), maybe=st.none() | texts,
    numbers=st.lists(ints, max_size=20), prices=st.dictionaries(texts, ints, max_size=20),
    points=st.lists(st.builds(Point, ints, floats), max_size=20), half=halves,
)  # fmt: skip


@pytest.fixture(params=BOTH)
def encoding(request):
    return BOTH[request.param]


@pytest.mark.parametrize("name", BOTH)
@given(value=wides)
@quick
def test_apache_writes_the_same_bytes_and_reads_ours(name, value):
    codec, theirs = BOTH[name].codec(Wide), apache.wide(value)
    data = serialize(theirs, apache.PROTOCOLS[name])
    assert codec.encode(value) == data
    assert codec.decode(data) == value
    assert deserialize(apache.Wide(), codec.encode(value), apache.PROTOCOLS[name]) == theirs


@pytest.mark.parametrize("name", BOTH)
@given(value=pantries)
@quick
def test_lists_and_maps_of_all_kinds_come_back(name, value):
    codec = BOTH[name].codec(Pantry)
    assert codec.decode(codec.encode(value)) == value


def test_known_bytes():
    assert thrift.BINARY.codec(Ask).encode(Ask(258, "ä")) == bytes.fromhex(
        "0a 0001 0000000000000102"  # i64, field 1
        "0b 0002 00000002 c3a4"  # string, field 2
        "00"  # stop
    )
    assert thrift.COMPACT.codec(Ask).encode(Ask(258, "ä")) == bytes.fromhex(
        "16 8404"  # i64, one field on, zigzag
        "18 02 c3a4"  # binary, one field on
        "00"  # stop
    )


class Half(msgspec.Struct):
    one: Int32
    many: list[Int32] = []
    maybe: Int32 | None = None


def test_an_int_of_32_bits_is_an_i32():
    assert thrift.BINARY.codec(Half).encode(Half(-2, [3], 4)) == bytes.fromhex(
        "08 0001 fffffffe"  # i32, field 1
        "0f 0002 08 00000001 00000003"  # list of i32, field 2
        "08 0003 00000004"  # i32, field 3
        "00"  # stop
    )
    assert thrift.COMPACT.codec(Half).encode(Half(-2, [3], 4)) == bytes.fromhex(
        "15 03"  # i32, one field on, zigzag
        "19 15 06"  # list, one field on: 1 of i32
        "15 08"  # i32, one field on
        "00"  # stop
    )


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ("15 8080808010 19 05 00", "Half.one"),  # zigzag of 2**31
        ("15 02 19 25 02 8180808010 00", "Half.many"),  # of -(2**31) - 1
        ("15 02 19 05 15 8080808010 00", "Half.maybe"),
    ],
)
def test_a_varint_of_more_than_32_bits_is_no_i32(data, where):
    with pytest.raises(ProtocolError, match=rf"^{where}: -?214748364[89] is no int of 32 bits$"):
        thrift.COMPACT.codec(Half).decode(bytes.fromhex(data))


def test_a_time_is_microseconds_a_uuid_its_bytes_an_enum_its_place(encoding):
    data = encoding.codec(Wide).encode(FULL)
    theirs = deserialize(apache.Wide(), data, apache.PROTOCOLS[encoding.name])
    assert (theirs.when, theirs.colour) == (1709251199999999, 1)
    assert theirs.key == bytes.fromhex("12345678123456781234567812345678")


def write(encoding, cls, **values):
    return serialize(cls(**values), apache.PROTOCOLS[encoding.name])


def test_fields_of_a_newer_writer_are_read_over(encoding):
    inner = (apache.TType.STRUCT, [apache.Wide, apache.Wide.thrift_spec], False)
    newer = apache.struct(
        "Newer",
        (1, apache.TType.I64, "id", None, None),
        (2, apache.TType.STRING, "text", "UTF8", None),
        (3, apache.TType.LIST, "wides", inner, None),
        (4, apache.TType.BOOL, "sure", None, None),
        (900, apache.TType.MAP, "map", (apache.TType.STRING, "UTF8", *inner), None),
        (901, apache.TType.DOUBLE, "share", None, None),
    )
    full = apache.wide(FULL)
    data = write(encoding, newer, id=1, text="a", wides=[full] * 3, sure=True, map={"b": full}, share=0.5)
    assert encoding.codec(Ask).decode(data) == Ask(1, "a")


def test_a_field_that_does_not_come_is_its_default_or_named(encoding):
    spoon = apache.struct("Spoon", (apache.TType.I64, "length", None), (apache.TType.BOOL, "clean", None))
    assert encoding.codec(Spoon).decode(write(encoding, spoon, length=4)) == Spoon(4)
    assert encoding.codec(Wide).decode(encoding.codec(Wide).encode(WIDE)).maybe is None
    with pytest.raises(ProtocolError, match=r"^Spoon\.length is missing$"):
        encoding.codec(Spoon).decode(write(encoding, spoon, clean=False))
    inner = apache.wide(FULL)
    inner.points = [apache.Point(y=1.0)]
    with pytest.raises(ProtocolError, match=r"^Point\.x is missing$"):
        encoding.codec(Wide).decode(serialize(inner, apache.PROTOCOLS[encoding.name]))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"colour": 2}, r"^Wide\.colour: 2 is no number of Colour$"),
        ({"when": 2**62}, r"^Wide\.when: .* is no time that a datetime can hold$"),
        ({"key": b"short"}, r"^Wide\.key: b'short' is no UUID of 16 bytes$"),
        ({"text": None}, r"^Wide\.text is missing$"),
    ],
)
def test_values_that_the_schema_does_not_have_are_named(encoding, changes, text):
    theirs = apache.wide(FULL)
    for name, value in changes.items():
        setattr(theirs, name, value)
    with pytest.raises(ProtocolError, match=text):
        encoding.codec(Wide).decode(serialize(theirs, apache.PROTOCOLS[encoding.name]))


def test_text_that_is_no_utf_8_is_refused(encoding):
    data = encoding.codec(Ask).encode(Ask(1, "ab"))
    with pytest.raises(ProtocolError, match=r"^Ask: .*utf-8"):
        encoding.codec(Ask).decode(data.replace(b"ab", b"\xff\xff"))


def test_a_field_of_another_type_is_as_if_it_had_not_come(encoding):
    other = apache.struct("Ask", (apache.TType.STRING, "id", "UTF8"), (apache.TType.STRING, "text", "UTF8"))
    with pytest.raises(ProtocolError, match=r"^Ask\.id is missing$"):
        encoding.codec(Ask).decode(write(encoding, other, id="1", text="a"))


def test_what_stands_after_the_end_is_refused(encoding):
    codec = encoding.codec(Ask)
    with pytest.raises(ProtocolError, match=r"^Ask: not to be decoded: "):
        codec.decode(codec.encode(Ask(1, "a")) + b"\0")


def test_messages_contain_themselves_but_not_too_deeply(encoding):
    chain = Chain(0)
    for number in range(1, 60):
        chain = Chain(number, chain)
    codec = encoding.codec(Chain)
    assert codec.decode(codec.encode(chain)) == chain
    for number in range(60, 5000):
        chain = Chain(number, chain)
    with pytest.raises(ProtocolError, match=r"^Chain: "):
        codec.encode(chain)


class Wrong(enum.Enum):
    FAR = 2**31


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (list[int | None], r"^Bad\.field: Thrift has no None inside a list or map"),
        (dict[str, str | None] | None, r"^Bad\.field: Thrift has no None inside a list or map"),
        (list[dict[int, list[Wrong]]], r"^Bad\.field: Thrift's enums have 32 bits; Wrong has larger"),
        (dict[Wrong, int], r"^Bad\.field: Thrift's enums have 32 bits"),
    ],
)
def test_what_thrift_has_no_place_for_is_named(encoding, shape, text):
    with pytest.raises(SchemaError, match=text):
        encoding.codec(msgspec.defstruct("Bad", [("field", shape)]))


def binary(*parts):
    """Write bytes, numbers of 32 bits, and types of 8 bits as strings of one character."""
    return b"".join(part if isinstance(part, bytes) else struct.pack(">i", part) for part in parts)


HOSTILE = {
    "a long text": binary(b"\x0b\0\x02", 2**31 - 1, b"text"),
    "a text of negative length": binary(b"\x0b\0\x02", -1, b"text"),
    "an unknown long text": binary(b"\x0b\0\x09", 2**31 - 1, b"text"),
    "many items": binary(b"\x0f\0\x01\x0a", 2**31 - 1, b"\0" * 99),
    "many items of no bytes": binary(b"\x0f\0\x01\x00", 2**31 - 1, b"\0"),
    "many items of no bytes in an unknown field": binary(b"\x0f\0\x09\x63", 2**31 - 1, b"\0"),
    "many items of no bytes in a map": binary(b"\x0d\0\x09\x00\x01", 2**31 - 1, b"\0"),
    "many items of no bytes in each other": binary(
        b"\x0f\0\x09\x0f", 50, *([b"\x00", 2**31 - 1] * 50), b"\0"
    ),
    "lists in lists": binary(b"\x0f\0\x09", *([b"\x0f", 1] * 50_000)),
    "maps in maps": binary(b"\x0d\0\x09", *([b"\x03\x0d", 1, b"\0"] * 50_000)),
    "structs in structs": b"\x0c\0\x09" * 50_000,
    "no end": b"\x0a\0\x01" + bytes(8),
    "an unknown type": b"\x63\0\x01\0",
}
HOSTILE_COMPACT = {
    "a long text": b"\x28\xff\xff\xff\xff\x07text",
    "a longer text": b"\x28\xff\xff\xff\xff\xff\xff\xff\xff\x7ftext",
    "a number without end": b"\x16" + b"\xff" * 300_000 + b"\x01\0",
    "a number of 70 bits": b"\x16" + b"\xff" * 9 + b"\x7f\0",
    "a length without end": b"\x28" + b"\xff" * 300_000,
    "an unknown field's number without end": b"\x96" + b"\xff" * 300_000,
    "a field id without end": b"\x06" + b"\xff" * 300_000,
    "many items": b"\x19\xf6\xff\xff\xff\xff\x07" + bytes(99),
    "many items of no bytes": b"\x99\xf0\xff\xff\xff\xff\x07\0",
    "many items of no bytes in a map": b"\x9b\xff\xff\xff\xff\x07\x00\0",
    "many items of an unknown type": b"\x99\xfd\xff\xff\xff\xff\x07\0",
    "lists in lists": b"\x99" + b"\x19" * 50_000,
    "structs in structs": b"\x9c" * 50_000,
    "no end": b"\x16\x02",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("name", "data"),
    [
        *(pytest.param("thrift-binary", data, id=f"binary {what}") for what, data in HOSTILE.items()),
        *(
            pytest.param("thrift-compact", data, id=f"compact {what}")
            for what, data in HOSTILE_COMPACT.items()
        ),
    ],
)
def test_hostile_bytes_are_refused_soon(name, data):
    with pytest.raises(ProtocolError, match=r"^Ask"):
        BOTH[name].codec(Ask).decode(data)


@given(value=wides)
@quick
def test_the_walk_takes_all_that_is_right_and_no_part_of_it(value):
    data = thrift.BINARY.codec(Wide).encode(value)
    thrift_walk.check_struct(data)
    for end in range(0, len(data), 7):
        with pytest.raises(ProtocolError):
            thrift_walk.check_struct(data[:end])
