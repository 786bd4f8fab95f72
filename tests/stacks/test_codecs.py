from __future__ import annotations

import enum
import json as standard
import math
import struct
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from importlib import import_module
from uuid import UUID

import msgpack as library
import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import stacks
from stacks import shop
from stacks.codecs import graphql, json, msgpack, protobuf, thrift
from stacks.errors import ProtocolError, SchemaError
from stacks.schema import Int32

NAMED = [import_module(path).FORMAT for path in stacks._FORMATS.values()]
FORMATS = {form.name: form for form in (*NAMED, thrift.BINARY, thrift.COMPACT, graphql.FORMAT)}
MSGPACKS = [name for name in FORMATS if name.startswith("msgpack")]
JSONS = [name for name in FORMATS if name.startswith("json")]
MOMENT = datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC)


class Heat(enum.IntEnum):
    RAW = 3
    DONE = -7


class Taste(enum.Enum):
    SWEET = "sweet"
    SOUR = "sour"


class Spoon(msgspec.Struct):
    length: int
    clean: bool = True


class Drawer(msgspec.Struct):
    spoons: list[Spoon]
    label: str | None = None


class Empty(msgspec.Struct):
    pass


class Kitchen(msgspec.Struct):
    """Every kind of field that all formats carry."""

    count: int
    weight: float
    lit: bool
    name: str
    blob: bytes
    opened: datetime
    key: UUID
    heat: Heat
    taste: Taste
    drawer: Drawer
    nothing: Empty
    maybe_count: int | None
    maybe_weight: float | None
    maybe_lit: bool | None
    maybe_name: str | None
    maybe_blob: bytes | None
    maybe_opened: datetime | None
    maybe_key: UUID | None
    maybe_taste: Taste | None
    maybe_drawer: Drawer | None
    counts: list[int]
    weights: list[float]
    names: list[str]
    blobs: list[bytes]
    times: list[datetime]
    keys: list[UUID]
    tastes: list[Taste]
    drawers: list[Drawer]
    by_name: dict[str, float]
    by_count: dict[int, str]
    times_by_name: dict[str, datetime]
    keys_by_name: dict[str, UUID]
    heats_by_name: dict[str, Heat]
    drawers_by_count: dict[int, Drawer]
    half: Int32
    maybe_half: Int32 | None
    halves: list[Int32]
    by_half: dict[Int32, Int32]
    inner: Kitchen | None = None
    inners: list[Kitchen] = []


class Cellar(msgspec.Struct):
    """Kinds of fields that protobuf has no place for."""

    grid: list[list[float]]
    gaps: list[int | None]
    racks: list[dict[str, list[Spoon]]]
    maybe_names: list[str] | None
    by_key: dict[UUID, list[datetime]]
    by_taste: dict[Taste, UUID]
    by_heat: dict[Heat, dict[int, Spoon | None]]
    by_half: dict[Int32, list[Int32 | None]]


class Late(msgspec.Struct, kw_only=True):
    first: int
    second: str = "two"


class Mixed(Late):
    third: int = 3


Keyword = msgspec.defstruct(
    "Keyword", [("class", int), ("def", "str | None", None), ("import", list[int], [])]
)
Methods = msgspec.defstruct(
    "Methods",
    [("HasField", int | None), ("SetInParent", Spoon), ("SerializeToString", str), ("extend", list[int])],
)

ints = st.integers(-(2**63), 2**63 - 1)
halves = st.integers(-(2**31), 2**31 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
times = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))])).filter(
    lambda moment: datetime(1, 1, 2, tzinfo=UTC) < moment < datetime(9999, 12, 30, tzinfo=UTC)
)
spoons = st.builds(Spoon, length=ints, clean=st.booleans())
drawers = st.builds(Drawer, spoons=st.lists(spoons, max_size=3), label=st.none() | st.text(max_size=5))


def few(of):
    return st.lists(of, max_size=3)


def some(key, of):
    return st.dictionaries(key, of, max_size=3)


def kitchens(**inner):
    texts, blobs, tastes = st.text(max_size=9), st.binary(max_size=9), st.sampled_from(Taste)
    plain = {
        "count": ints, "weight": floats, "lit": st.booleans(), "name": texts, "blob": blobs, "opened": times,
        "key": st.uuids(), "taste": tastes, "drawer": drawers,
    }  # fmt: skip
    many = {"count": ints, "weight": floats, "name": texts, "blob": blobs, "time": times, "key": st.uuids()}
    return st.builds(
        Kitchen,
        heat=st.sampled_from(Heat),
        nothing=st.just(Empty()),
        **plain,
        **{f"maybe_{name}": st.none() | of for name, of in plain.items()},
        **{f"{name}s": few(of) for name, of in {**many, "taste": tastes, "drawer": drawers}.items()},
        by_name=some(texts, floats),
        by_count=some(ints, texts),
        times_by_name=some(texts, times),
        keys_by_name=some(texts, st.uuids()),
        heats_by_name=some(texts, st.sampled_from(Heat)),
        drawers_by_count=some(ints, drawers),
        half=halves,
        maybe_half=st.none() | halves,
        halves=few(halves),
        by_half=some(halves, halves),
        **inner,
    )


full_kitchens = kitchens(inner=st.none() | kitchens(), inners=few(kitchens()))
cellars = st.builds(
    Cellar,
    grid=few(few(floats)),
    gaps=few(st.none() | ints),
    racks=few(some(st.text(max_size=5), few(spoons))),
    maybe_names=st.none() | few(st.text(max_size=5)),
    by_key=some(st.uuids(), few(times)),
    by_taste=some(st.sampled_from(Taste), st.uuids()),
    by_heat=some(st.sampled_from(Heat), some(ints, st.none() | spoons)),
    by_half=some(halves, few(st.none() | halves)),
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(params=FORMATS)
def form(request):
    return FORMATS[request.param]


def kitchen(**changes):
    plain = Kitchen(
        count=-5, weight=1.5, lit=True, name="müsli", blob=b"\x00\xff", opened=MOMENT, key=UUID(int=7),
        heat=Heat.DONE, taste=Taste.SOUR, drawer=Drawer([Spoon(3)], "left"), nothing=Empty(), maybe_count=0,
        maybe_weight=0.0, maybe_lit=False, maybe_name="", maybe_blob=b"",
        maybe_opened=datetime(1970, 1, 1, tzinfo=UTC),
        maybe_key=UUID(int=0), maybe_taste=Taste.SWEET, maybe_drawer=Drawer([]), counts=[1, -1],
        weights=[0.5],

        names=["a", ""], blobs=[b"", b"b"], times=[MOMENT],
        keys=[UUID(int=1)], tastes=[Taste.SOUR, Taste.SWEET],
        drawers=[Drawer([Spoon(1), Spoon(2, clean=False)])], by_name={"x": 2.5}, by_count={-1: "y"},
        times_by_name={"t": MOMENT}, keys_by_name={"k": UUID(int=2)}, heats_by_name={"h": Heat.RAW},
        drawers_by_count={1: Drawer([Spoon(9)], "nine")}, half=2**31 - 1, maybe_half=-(2**31),
        halves=[-(2**31), -1, 0, 2**31 - 1], by_half={-(2**31): 2**31 - 1, 2**31 - 1: -(2**31)},
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


class TestRoundTrips:
    @given(value=full_kitchens)
    @quick
    @pytest.mark.parametrize("name", FORMATS)
    def test_every_kind_of_field(self, name, value):
        codec = FORMATS[name].codec(Kitchen)
        data = codec.encode(value)
        assert isinstance(data, bytes)
        assert codec.decode(data) == value
        assert codec.decode(memoryview(data)) == value

    @given(value=cellars)
    @quick
    @pytest.mark.parametrize("name", [*MSGPACKS, *JSONS, "memorypack", "graphql-json"])
    def test_what_protobuf_has_no_place_for(self, name, value):
        codec = FORMATS[name].codec(Cellar)
        assert codec.decode(codec.encode(value)) == value

    @given(value=full_kitchens)
    @quick
    @pytest.mark.parametrize("name", ["msgpack", "msgpack-map"])
    def test_trees(self, name, value):
        codec = FORMATS[name].codec(Kitchen)
        tree = codec.to_tree(value)
        assert msgpack.packer().pack(tree) == codec.encode(value)
        unpacker = msgpack.unpacker(1_000_000)
        unpacker.feed(codec.encode(value))
        assert codec.from_tree(unpacker.unpack()) == value

    @given(value=full_kitchens)
    @quick
    def test_trees_of_json(self, value):
        codec = json.FORMAT.codec(Kitchen)
        assert codec.from_tree(json.parse(codec.encode(value))) == value
        assert codec.from_tree(standard.loads(codec.encode(value))) == value

    def test_types_come_back_as_they_went(self, form):
        value = form.codec(Kitchen).decode(form.codec(Kitchen).encode(kitchen(inner=kitchen())))
        assert value == kitchen(inner=kitchen())
        assert type(value.count) is int
        assert type(value.lit) is bool
        assert type(value.blob) is bytes
        assert value.heat is Heat.DONE
        assert value.opened.utcoffset() == timedelta(0)
        assert type(value.counts) is list
        assert type(value.by_name) is dict

    def test_another_zone_is_the_same_instant(self, form):
        away = MOMENT.astimezone(timezone(timedelta(hours=9)))
        codec = form.codec(Kitchen)
        assert codec.decode(codec.encode(kitchen(opened=away))).opened == MOMENT

    def test_the_value_does_not_share_the_buffer(self, form):
        codec = form.codec(Kitchen)
        data = bytearray(codec.encode(kitchen()))
        value = codec.decode(memoryview(data).toreadonly())
        data[:] = bytes(len(data))
        assert value == kitchen()

    @pytest.mark.parametrize("value", [Late(first=1), Mixed(4, first=1, second="zwei"), Empty(), Drawer([])])
    def test_keyword_only_fields_and_messages_without_any(self, form, value):
        codec = form.codec(type(value))
        assert codec.decode(codec.encode(value)) == value

    def test_names_that_are_keywords(self, form):
        value = Keyword(**{"class": 5, "def": "x", "import": [1]})
        assert form.codec(Keyword).decode(form.codec(Keyword).encode(value)) == value

    def test_names_that_are_methods_of_the_library(self, form):
        value = Methods(3, Spoon(1), "s", [2])
        assert form.codec(Methods).decode(form.codec(Methods).encode(value)) == value

    def test_floats_without_a_number_where_the_format_has_them(self):
        for name in ("protobuf", "memorypack", *MSGPACKS):
            codec = FORMATS[name].codec(Kitchen)
            value = codec.decode(codec.encode(kitchen(weight=math.nan, weights=[math.inf, -math.inf])))
            assert math.isnan(value.weight)
            assert value.weights == [math.inf, -math.inf]

    def test_a_codec_is_compiled_once(self, form):
        assert form.codec(Kitchen) is form.codec(Kitchen)

    def test_versions_name_the_libraries(self, form):
        assert all(form.versions.values())
        assert form.versions


@pytest.mark.parametrize("name", FORMATS)
class TestForeignBytes:
    """Whatever comes in, a value that the codec could have made goes out, or a `ProtocolError`."""

    def decode(self, name, data):
        codec = FORMATS[name].codec(Kitchen)
        try:
            value = codec.decode(data)
        except ProtocolError as error:
            assert str(error).startswith(("Kitchen", "Drawer", "Spoon"))  # noqa: PT017 -- both outcomes are right
        else:
            assert type(value) is Kitchen
            codec.encode(value)

    @given(data=st.binary(max_size=200))
    @settings(quick, max_examples=200)
    def test_noise(self, name, data):
        self.decode(name, data)

    @given(data=st.data())
    @settings(quick, max_examples=300)
    def test_damaged_messages(self, name, data):
        good = bytearray(FORMATS[name].codec(Kitchen).encode(kitchen(inner=kitchen())))
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(good) - 1))
            length = data.draw(st.integers(0, 3))
            good[place : place + length] = data.draw(st.binary(max_size=3))
            assume(good)
        self.decode(name, bytes(good))

    def test_cut_short(self, name):
        good = FORMATS[name].codec(Kitchen).encode(kitchen())
        for length in range(len(good)):
            self.decode(name, good[:length])

    @pytest.mark.parametrize("bit", range(8))
    def test_flipped_bits(self, name, bit):
        good = FORMATS[name].codec(Kitchen).encode(kitchen())
        for place in range(len(good)):
            self.decode(name, good[:place] + bytes([good[place] ^ (1 << bit)]) + good[place + 1 :])

    def test_endless_nesting(self, name):
        for data in (b"[" * 100_000, b'{"inner":' * 100_000, b"\x91" * 100_000, b"\x81" * 100_000):
            with pytest.raises(ProtocolError, match="Kitchen"):
                FORMATS[name].codec(Kitchen).decode(data)


class TestRefusedValues:
    @pytest.mark.parametrize(
        ("changes", "where"),
        [
            (
                {"opened": MOMENT.replace(tzinfo=None)},
                r"^Kitchen\.opened: .* is no datetime with a time zone$",
            ),
            (
                {"times": [MOMENT, MOMENT.replace(tzinfo=None)]},
                r"^Kitchen\.times\[1\]: .* is no datetime with",
            ),
            ({"name": "half \ud800"}, r"^Kitchen\.name: .* is no Unicode text$"),
            ({"names": ["a", "\udfff"]}, r"^Kitchen\.names\[1\]: .* is no Unicode text$"),
            ({"by_count": {5: "\ud800"}}, r"^Kitchen\.by_count\[5\]: .* is no Unicode text$"),
            ({"by_name": {"\ud800": 1.5}}, r"^Kitchen\.by_name \(key\): .* is no Unicode text$"),
            (
                {"drawers": [Drawer([]), Drawer([], "\ud800")]},
                r"^Kitchen\.drawers\[1\]\.label: .* is no Unicode",
            ),
            ({"half": 2**31}, r"^Kitchen\.half: 2147483648 is no int of 32 bits$"),
            ({"half": -(2**31) - 1}, r"^Kitchen\.half: -2147483649 is no int of 32 bits$"),
            ({"half": "five"}, r"^Kitchen\.half: 'five' is no int$"),
            ({"maybe_half": 2**31}, r"^Kitchen\.maybe_half: 2147483648 is no int of 32 bits$"),
            ({"halves": [0, 2**70]}, r"^Kitchen\.halves\[1\]: 1180591620717411303424 is no int of 32 bits$"),
            ({"by_half": {2**31: 0}}, r"^Kitchen\.by_half \(key\): 2147483648 is no int of 32 bits$"),
            ({"by_half": {5: 2**31}}, r"^Kitchen\.by_half\[5\]: 2147483648 is no int of 32 bits$"),
        ],
    )
    def test_the_field_is_named(self, form, changes, where):
        value = kitchen(**changes)
        with pytest.raises(ProtocolError, match=where):
            form.codec(Kitchen).encode(value)

    @pytest.mark.parametrize("name", ["protobuf", "memorypack", *MSGPACKS, "json-orjson"])
    @pytest.mark.parametrize("count", [2**64, -(2**63) - 1])
    def test_ints_beyond_64_bits(self, name, count):
        with pytest.raises(ProtocolError, match=r"^Kitchen\.counts\[1\]: .* is no int of 64 bits$"):
            FORMATS[name].codec(Kitchen).encode(kitchen(counts=[0, count]))

    def test_protobuf_has_no_ints_from_2_to_the_63(self):
        with pytest.raises(
            ProtocolError, match=r"^Kitchen\.count: 9223372036854775808 is no int of 64 bits$"
        ):
            protobuf.FORMAT.codec(Kitchen).encode(kitchen(count=2**63))

    @pytest.mark.parametrize("name", JSONS)
    @pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf])
    def test_json_has_only_numbers(self, name, weight):
        codec = FORMATS[name].codec(Kitchen)
        with pytest.raises(ProtocolError, match=r"^Kitchen\.weight: -?(nan|inf) is no finite float$"):
            codec.encode(kitchen(weight=weight))
        with pytest.raises(ProtocolError, match=r"^Kitchen\.inners\[0\]\.by_name\['x'\]: "):
            codec.encode(kitchen(inners=[kitchen(by_name={"x": weight})]))

    @pytest.mark.parametrize(
        ("names", "changes", "where"),
        [
            # What a library writes as it is given is for the reader to refuse.
            ("protobuf memorypack", {"count": "five"}, r"^Kitchen\.count: 'five' is no int$"),
            ("protobuf memorypack", {"counts": 5}, r"^Kitchen\.counts: 5 is no list$"),
            (
                f"protobuf memorypack msgpack-msgspec {' '.join(JSONS)}",
                {"opened": "today"},
                r"^Kitchen\.opened: 'today' is no datetime$",
            ),
            (
                f"protobuf memorypack {' '.join(MSGPACKS)}",
                {"taste": "sour"},
                r"^Kitchen\.taste: 'sour' is no Taste$",
            ),
            (
                f"protobuf memorypack {' '.join(MSGPACKS)}",
                {"drawer": None},
                r"^Kitchen\.drawer: None is no Drawer$",
            ),
            (
                f"protobuf memorypack {' '.join(MSGPACKS)}",
                {"drawers_by_count": [1]},
                r"^Kitchen\.drawers_by_count: \[1\] is no dict$",
            ),
            (
                f"protobuf memorypack {' '.join([*MSGPACKS, *JSONS])}",
                {"name": object()},
                r"^Kitchen\.name: <object .*> is no str$",
            ),
        ],
    )
    def test_objects_of_other_types(self, names, changes, where):
        for name in names.split():
            with pytest.raises(ProtocolError, match=where):
                FORMATS[name].codec(Kitchen).encode(kitchen(**changes))

    def test_a_message_of_another_type(self, form):
        with pytest.raises(ProtocolError, match=r"^Kitchen: (5 is no Kitchen|not to be encoded)"):
            form.codec(Kitchen).encode(5)

    def test_a_value_that_contains_itself(self, form):
        value = kitchen()
        value.inner = value
        with pytest.raises(ProtocolError, match=r"^Kitchen: nested too deeply"):
            form.codec(Kitchen).encode(value)

    def test_to_tree_names_the_field(self):
        with pytest.raises(ProtocolError, match=r"^Kitchen\.taste: 'sour' is no Taste"):
            msgpack.FORMAT.codec(Kitchen).to_tree(kitchen(taste="sour"))


def test_encoding_may_be_entered_again():
    codec = msgpack.FORMAT.codec(Kitchen)
    inner = []

    class Nosy(tzinfo):
        def utcoffset(self, _):
            inner.append(codec.encode(kitchen()))
            return timedelta(0)

    assert codec.encode(kitchen(opened=MOMENT.replace(tzinfo=Nosy()))) == codec.encode(kitchen())
    assert inner
    assert set(inner) == {codec.encode(kitchen())}


def test_a_failed_encode_leaves_no_trace():
    codec = msgpack.FORMAT.codec(Kitchen)
    good = codec.encode(kitchen())
    with pytest.raises(ProtocolError):
        codec.encode(kitchen(counts=[2**70]))
    assert codec.encode(kitchen()) == good


class Vector(msgspec.Struct):
    number: int
    text: str
    when: datetime
    key: UUID
    heat: Heat
    taste: Taste
    ratio: float | None
    blob: bytes
    scores: dict[str, int]
    spoons: list[Spoon]


def vector(**changes):
    plain = Vector(
        300, "né", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), UUID(int=1), Heat.DONE, Taste.SOUR, None,
        b"\x01",
        {"a": 200}, [Spoon(5)],
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


class TestMsgpackBytes:
    """Bytes worked out by hand from the MessagePack specification."""

    codec = msgpack.FORMAT.codec(Vector)

    def test_arrays_in_field_order(self):
        assert self.codec.encode(vector()) == b"".join(
            (
                b"\x9a",  # array of 10
                b"\xcd\x01\x2c",  # uint 16
                b"\xa3n\xc3\xa9",  # str of 3 bytes
                b"\xd6\xff\x00\x00\x00\x01",  # fixext 4, type -1: seconds
                b"\xd9\x24" + b"00000000-0000-0000-0000-000000000001",  # str 8
                b"\xf9",  # -7
                b"\x01",  # position of SOUR
                b"\xc0",  # nil
                b"\xc4\x01\x01",  # bin 8
                b"\x81\xa1a\xcc\xc8",  # map of 1, uint 8
                b"\x91\x92\x05\xc3",  # array of 1: array of 2: 5, true
            )
        )

    @pytest.mark.parametrize(
        ("when", "timestamp"),
        [
            (datetime(1970, 1, 1, tzinfo=UTC), b"\xd6\xff" + struct.pack(">I", 0)),
            (datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC), b"\xd6\xff\xff\xff\xff\xff"),
            (MOMENT, b"\xd7\xff" + struct.pack(">Q", 250_000_000 << 34 | 1_709_209_815)),
            (
                datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC),
                b"\xc7\x0c\xff" + struct.pack(">Iq", 500_000_000, -1),
            ),
        ],
    )
    def test_timestamps_of_all_lengths(self, when, timestamp):
        data = self.codec.encode(vector(when=when))
        assert data[8 : 8 + len(timestamp)] == timestamp
        assert self.codec.decode(data).when == when

    def tree(self, **changes):
        tree = dict(zip(Vector.__struct_fields__, self.codec.to_tree(vector()), strict=True))
        return list({**tree, **changes}.values())

    def test_elements_that_a_newer_writer_added_are_ignored(self):
        assert self.codec.from_tree([*self.tree(), "new", [1]]) == vector()
        assert self.codec.from_tree(self.tree(spoons=[[5, True, "new"]])) == vector()

    def test_defaults_stand_for_elements_that_an_older_writer_left_out(self):
        assert self.codec.from_tree(self.tree(spoons=[[5]])) == vector()
        with pytest.raises(
            ProtocolError, match=r"^Vector\.spoons\.length is missing: the array has 0 elements"
        ):
            self.codec.from_tree(self.tree(spoons=[[]]))
        with pytest.raises(ProtocolError, match=r"^Vector\.blob is missing: the array has 7 elements"):
            self.codec.from_tree(self.tree()[:7])

    def test_defaults_of_every_kind(self):
        class_ = msgspec.defstruct(
            "Defaults",
            [
                ("number", int),
                ("taste", Taste, Taste.SOUR),
                ("key", UUID, UUID(int=3)),
                ("when", datetime, MOMENT),
                ("spoons", list[Spoon], msgspec.field(default_factory=lambda: [Spoon(1)])),
            ],
        )
        codec = msgpack.FORMAT.codec(class_)
        assert codec.decode(b"\x91\x01") == class_(1)
        assert codec.decode(b"\x92\x01\x00") == class_(1, Taste.SWEET)

    def test_a_whole_number_may_stand_for_a_float(self):
        value = self.codec.from_tree(self.tree(ratio=3))
        assert value.ratio == 3.0
        assert type(value.ratio) is float

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"number": True}, "Vector.number: True is no int"),
            ({"number": 1.0}, "Vector.number: 1.0 is no int"),
            ({"number": None}, "Vector.number: None is no int"),
            ({"text": b"bin"}, "Vector.text: b'bin' is no str"),
            ({"when": 5}, "Vector.when: 5 is no timestamp"),
            ({"key": "1"}, "Vector.key: '1' is no UUID"),
            ({"key": 1}, "Vector.key: 1 is no UUID"),
            ({"heat": 4}, "Vector.heat: 4 is no number of Heat"),
            ({"heat": 3.0}, "Vector.heat: 3.0 is no number of Heat"),
            ({"taste": "sour"}, "Vector.taste: 'sour' is no number of Taste"),
            ({"ratio": "1"}, "Vector.ratio: '1' is no float"),
            ({"ratio": True}, "Vector.ratio: True is no float"),
            ({"blob": "str"}, "Vector.blob: 'str' is no bin"),
            ({"scores": []}, "Vector.scores: [] is no map"),
            ({"scores": {1: 1}}, "Vector.scores: 1 is no str"),
            ({"scores": {"a": "b"}}, "Vector.scores: 'b' is no int"),
            ({"spoons": {}}, "Vector.spoons: {} is no array"),
            ({"spoons": [None]}, "Vector.spoons: None is no array"),
            ({"spoons": ["ab"]}, "Vector.spoons: 'ab' is no array"),
            ({"spoons": [["x", True]]}, "Vector.spoons.length: 'x' is no int"),
        ],
    )
    def test_elements_of_other_types_are_refused_by_name(self, changes, text):
        with pytest.raises(ProtocolError) as caught:
            self.codec.from_tree(self.tree(**changes))
        assert str(caught.value) == text
        with pytest.raises(ProtocolError):
            self.codec.decode(msgpack.packer().pack(self.tree(**changes)))

    @pytest.mark.parametrize(
        ("data", "text"),
        [
            (b"", "incomplete input"),
            (b"\x92\x01", "incomplete input"),
            (b"\xc0", "None is no array"),
            (b"\x80", "{} is no array"),
            (b"\xc1", "not to be decoded: FormatError"),
            (b"\x91\xa1\xff", "'utf-8' codec can't decode"),
            (b"\x91\x81\x90\x01", "unhashable"),
            (b"\x90\x90", "extra data"),
            (b"\xc7\x0c\xff" + b"\x7f" * 12, "not to be decoded"),
            (b"\xdd\xff\xff\xff\xff", "max_array_len"),
        ],
    )
    def test_other_bytes_are_refused(self, data, text):
        with pytest.raises(ProtocolError) as caught:
            self.codec.decode(data)
        assert str(caught.value).startswith("Vector")
        assert text in str(caught.value)

    def test_the_unpacker_is_bounded(self):
        unpacker = msgpack.unpacker(16)
        with pytest.raises(msgpack.ERRORS):
            unpacker.feed(bytes(17))
        assert issubclass(library.BufferFull, msgpack.ERRORS)

    def test_the_unpacker_gives_trees_that_codecs_take(self):
        unpacker = msgpack.unpacker(1_000)
        data = self.codec.encode(vector())
        unpacker.feed(data + data[:20])
        assert [self.codec.from_tree(tree) for tree in unpacker] == [vector()]
        unpacker.feed(data[20:])
        assert [self.codec.from_tree(tree) for tree in unpacker] == [vector()]


class TestJsonBytes:
    codec = json.FORMAT.codec(Vector)

    def test_values_are_written_as_msgspec_writes_them(self):
        expected = (
            '{"number":300,"text":"né","when":"1970-01-01T00:00:01Z",'
            '"key":"00000000-0000-0000-0000-000000000001",'
            '"heat":-7,"taste":"sour","ratio":null,"blob":"AQ==","scores":{"a":200},'
            '"spoons":[{"length":5,"clean":true}]}'
        )
        assert self.codec.encode(vector()).decode() == expected
        assert msgspec.json.encode(vector()).decode() == expected

    @given(value=kitchens())
    @quick
    def test_msgspec_reads_what_we_write_and_the_other_way_round(self, value):
        codec = json.FORMAT.codec(Kitchen)
        assert msgspec.json.decode(codec.encode(value), type=Kitchen) == value
        assert codec.decode(msgspec.json.encode(value)) == value

    @given(value=cellars)
    @quick
    def test_the_same_for_keys_of_all_kinds(self, value):
        codec = json.FORMAT.codec(Cellar)
        assert msgspec.json.decode(codec.encode(value), type=Cellar) == value
        assert codec.decode(msgspec.json.encode(value)) == value

    def test_unknown_keys_are_ignored_and_defaults_stand_in(self):
        codec = json.FORMAT.codec(Spoon)
        assert codec.decode(b'{"new":1, "length": 4 }') == Spoon(4)

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"number": "1"}, "Expected `int`, got `str` - at `$.number`"),
            ({"number": True}, "$.number"),
            ({"when": "1970-01-01T00:00:01"}, "Vector.when: datetime.date"),
            ({"when": "yesterday"}, "$.when"),
            ({"key": "1"}, "$.key"),
            ({"heat": 4}, "Invalid enum value 4 - at `$.heat`"),
            ({"taste": 1}, "$.taste"),
            ({"blob": "?"}, "$.blob"),
            ({"scores": {"a": None}}, "$.scores[...]"),
            ({"spoons": [{}]}, "$.spoons[0]"),
        ],
    )
    def test_other_values_are_refused_by_name(self, changes, text):
        tree = {**standard.loads(self.codec.encode(vector())), **changes}
        with pytest.raises(ProtocolError) as caught:
            self.codec.decode(standard.dumps(tree).encode())
        assert str(caught.value).startswith("Vector")
        assert text in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        [
            '{"length":NaN}',
            '{"length":Infinity}',
            '{"length":1}x',
            "[]",
            "null",
            "",
            '{"length":1e}',
            "\ufeff{}",
        ],
    )
    def test_other_texts_are_refused(self, text):
        with pytest.raises(ProtocolError, match=r"^Spoon: "):
            json.FORMAT.codec(Spoon).decode(text.encode())

    def test_only_utf_8_is_read(self):
        for coding in ("utf-16", "utf-32", "latin-1"):
            with pytest.raises(ProtocolError, match=r"^Spoon: "):
                json.FORMAT.codec(Spoon).decode('{"length":1,"ü":2}'.encode(coding))

    def test_numbers_beyond_the_largest_float_are_refused(self):
        data = self.codec.encode(vector(ratio=1.5)).replace(b"1.5", b"1e999")
        with pytest.raises(ProtocolError, match=r"^Vector\.ratio: inf is no finite float"):
            self.codec.decode(data)

    def test_half_a_surrogate_pair_is_refused(self):
        data = self.codec.encode(vector(text="x"))
        whole = data.replace(b'"x"', b'"\\ud83d\\ude00"')
        assert self.codec.decode(whole).text == "\U0001f600"
        for half in (b'"\\ud83d"', b'"\\uDE00"'):
            with pytest.raises(ProtocolError, match=r"^Vector: .*surrogates not allowed"):
                self.codec.decode(data.replace(b'"x"', half))

    def test_ints_may_be_of_any_size(self):
        codec = json.FORMAT.codec(Spoon)
        assert codec.decode(codec.encode(Spoon(2**100))) == Spoon(2**100)

    def test_keys_of_bool_are_refused(self):
        message = msgspec.defstruct("Switch", [("on", dict[bool, int])])
        with pytest.raises(SchemaError, match=r"^Switch\.on: json has no dict with keys of bool"):
            json.FORMAT.codec(message)


class Halves(msgspec.Struct):
    one: Int32
    maybe: Int32 | None
    many: list[Int32]
    by_key: dict[Int32, Int32]


Wholes = msgspec.defstruct(
    "Halves", [("one", int), ("maybe", int | None), ("many", list[int]), ("by_key", dict[int, int])]
)


@pytest.mark.parametrize("name", [*MSGPACKS, *JSONS, "graphql-json"])
class TestIntsOf32BitsWhereTheWireDoesNotTell:
    def read(self, name, **changes):
        written = {"one": 1, "maybe": None, "many": [], "by_key": {}, **changes}
        return FORMATS[name].codec(Halves).decode(FORMATS[name].codec(Wholes).encode(Wholes(**written)))

    def test_those_within_the_limits_are_read(self, name):
        for number in (-(2**31), 0, 2**31 - 1):
            everywhere = {"one": number, "maybe": number, "many": [number], "by_key": {number: number}}
            assert self.read(name, **everywhere) == Halves(**everywhere)

    @pytest.mark.parametrize("number", [-(2**63), -(2**31) - 1, 2**31, 2**63 - 1])
    def test_others_are_refused_by_name(self, name, number):
        changes = {"one": number, "maybe": number, "many": [0, number], "by_key": {0: number}}
        for field, value in [*changes.items(), ("by_key", {number: 0})]:
            with pytest.raises(ProtocolError, match=rf"^Halves.*\b{field}\b"):
                self.read(name, **{field: value})


def test_the_shops_messages_are_carried_by_all(form):
    for sample in shop.SAMPLES:
        order = shop.order(sample)
        assert form.codec(shop.Order).decode(form.codec(shop.Order).encode(order)) == order
        receipt = shop.Shop().quote(order)
        assert form.codec(shop.Receipt).decode(form.codec(shop.Receipt).encode(receipt)) == receipt


def test_what_a_message_raises_when_it_is_made_is_a_protocol_error(form):
    codec = form.codec(Even)
    assert codec.decode(codec.encode(Even(2))) == Even(2)
    value = Even(2)
    value.number = 3
    with pytest.raises(ProtocolError, match=r"Even: .*3 is odd"):
        codec.decode(codec.encode(value))


class Even(msgspec.Struct):
    number: int

    def __post_init__(self):
        if self.number % 2:
            raise ValueError(f"{self.number} is odd")
