"""Bytes as MessagePack-CSharp writes them, worked out by hand from how its formatters do it."""

from __future__ import annotations

import enum
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from stacks.codecs import msgpack, msgpack_map, msgpack_msgspec
from stacks.errors import ProtocolError

ARRAYS = {module.FORMAT.name: module.FORMAT for module in (msgpack, msgpack_msgspec)}
KEY = UUID("00112233-4455-6677-8899-aabbccddeeff")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = 100
"""Nanoseconds of a tick, in which .NET counts."""


class State(enum.IntEnum):
    SENT = 2


class Line(msgspec.Struct):
    """``[MessagePackObject] class Line { [Key(0)] long Sku; [Key(1)] bool Fragile; }``."""

    sku: int
    fragile: bool


class Parcel(msgspec.Struct):
    """The same in C#, its members with ``[Key(0)]`` to ``[Key(9)]``."""

    number: int
    name: str
    sent: datetime
    key: UUID
    weight: float
    state: State
    data: bytes
    counts: dict[str, int]
    lines: list[Line]
    note: str | None


PARCEL = Parcel(
    -200, "né", datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC), KEY, 0.5, State.SENT, b"\x01",
    {"a": 200}, [Line(5, fragile=True)], None,
)  # fmt: skip
SENT = b"\xd7\xff" + struct.pack(">Q", 250_000_000 << 34 | 1_709_209_815)
TEXT = b"\xd9\x24" + b"00112233-4455-6677-8899-aabbccddeeff"
MEMBERS = {
    "number": b"\xd1\xff\x38",  # int 16
    "name": b"\xa3n\xc3\xa9",
    "sent": SENT,
    "key": TEXT,
    "weight": b"\xcb" + struct.pack(">d", 0.5),
    "state": b"\x02",
    "data": b"\xc4\x01\x01",
    "counts": b"\x81\xa1a\xcc\xc8",  # uint 8, as of any number that is not negative
    "lines": b"\x91\x92\x05\xc3",
    "note": b"\xc0",
}


def array(**changes):
    members = {**MEMBERS, **changes}
    return bytes([0x90 | len(members)]) + b"".join(members.values())


@pytest.fixture(params=ARRAYS)
def codec(request):
    return ARRAYS[request.param].codec(Parcel)


def test_classes_with_numbered_keys_are_arrays(codec):
    assert codec.encode(PARCEL) == array()
    assert codec.decode(array()) == PARCEL


def test_classes_with_names_are_maps():
    """As with ``[Key("number")]``, ``[MessagePackObject(keyAsPropertyName: true)]`` or contractless."""
    codec = msgpack_map.FORMAT.codec(Parcel)
    named = {**MEMBERS, "lines": b"\x91\x82\xa3sku\x05\xa7fragile\xc3"}

    def written(names):
        return b"\x8a" + b"".join(bytes([0xA0 | len(name)]) + name.encode() + named[name] for name in names)

    assert codec.encode(PARCEL) == written(named)
    assert codec.decode(written(sorted(named))) == PARCEL


@pytest.mark.parametrize(
    ("ticks", "written"),
    [
        pytest.param(0, b"\xd6\xff" + struct.pack(">I", 0), id="the epoch"),
        pytest.param((2**32 - 1) * 10**7, b"\xd6\xff\xff\xff\xff\xff", id="the last of 32 bits"),
        pytest.param(2**32 * 10**7, b"\xd7\xff" + struct.pack(">Q", 2**32), id="the first of 64 bits"),
        pytest.param(10**7 + 10, b"\xd7\xff" + struct.pack(">Q", 1000 << 34 | 1), id="a microsecond"),
        pytest.param(
            2**34 * 10**7 - 10, b"\xd7\xff" + struct.pack(">Q", 999_999_000 << 34 | 2**34 - 1),
            id="the last of 64 bits",
        ),
        pytest.param(2**34 * 10**7, b"\xc7\x0c\xff" + struct.pack(">Iq", 0, 2**34), id="the first of 96"),
        pytest.param(-10, b"\xc7\x0c\xff" + struct.pack(">Iq", 999_999_000, -1), id="before the epoch"),
        pytest.param(
            -62_135_596_800 * 10**7, b"\xc7\x0c\xff" + struct.pack(">Iq", 0, -62_135_596_800),
            id="DateTime.MinValue",
        ),
    ],
)  # fmt: skip
def test_a_datetime_is_a_timestamp_of_32_64_or_96_bits(codec, ticks, written):
    when = EPOCH + timedelta(microseconds=ticks // 10)
    value = msgspec.structs.replace(PARCEL, sent=when)
    assert codec.encode(value) == array(sent=written)
    assert codec.decode(array(sent=written)) == value


@pytest.mark.parametrize(
    ("ticks", "cut", "rounded"),
    [
        pytest.param(1_234_567, 123_456, 123_457, id="up"),
        pytest.param(1_234_561, 123_456, 123_456, id="down"),
        pytest.param(1, 0, 0, id="one tick"),
    ],
)
@pytest.mark.parametrize("seconds", [0, 1_709_209_815, -1])
def test_ticks_below_a_microsecond_are_cut_off_or_rounded(codec, seconds, ticks, cut, rounded):
    """msgpack cuts, msgspec rounds: so no more than a microsecond is between what they read."""
    nanoseconds = ticks * TICK
    forms = [b"\xc7\x0c\xff" + struct.pack(">Iq", nanoseconds, seconds)]
    if seconds >= 0:
        forms.append(b"\xd7\xff" + struct.pack(">Q", nanoseconds << 34 | seconds))
    microseconds = cut if codec is ARRAYS["msgpack"].codec(Parcel) else rounded
    for written in forms:
        assert codec.decode(array(sent=written)).sent == EPOCH + timedelta(0, seconds, microseconds)


def test_the_last_datetime_of_dotnet_is_read_or_named(codec):
    """``DateTime.MaxValue`` is a tick before the year 10000, which is where msgspec rounds it to."""
    written = b"\xc7\x0c\xff" + struct.pack(">Iq", 999_999_900, 253_402_300_799)
    if codec is ARRAYS["msgpack"].codec(Parcel):
        assert codec.decode(array(sent=written)).sent == datetime.max.replace(tzinfo=UTC)
    else:
        with pytest.raises(
            ProtocolError, match=r"^Parcel: not to be decoded: (year 10000|Timestamp) is out of range"
        ):
            codec.decode(array(sent=written))


def test_a_member_of_type_float_is_read(codec):
    assert codec.decode(array(weight=b"\xca" + struct.pack(">f", 0.25))).weight == 0.25


@pytest.mark.parametrize(
    ("name", "written", "text"),
    [
        pytest.param("key", b"\xc4\x10" + KEY.bytes_le, "is no UUID", id="NativeGuidResolver"),
        pytest.param("sent", b"\xcf" + bytes(8), "0 is no timestamp", id="NativeDateTimeResolver"),
        pytest.param("sent", b"\x92" + SENT + b"\x3c", "is no timestamp", id="DateTimeOffset"),
        pytest.param("state", b"\xa4Sent", "'Sent' is no number of State", id="DynamicEnumAsStringResolver"),
        pytest.param("name", b"\xc0", "None is no str", id="a null string"),
        pytest.param("lines", b"\xc0", "None is no array", id="a null array"),
        pytest.param("lines", b"\x91\xc0", "None is no array", id="a null object"),
    ],
)
def test_what_other_resolvers_and_types_write_is_refused_by_name(codec, name, written, text):
    with pytest.raises(ProtocolError, match=rf"^Parcel\.{name}: .*{text}$"):
        codec.decode(array(**{name: written}))
