"""Formats that share a wire, each against the one that sets it."""

from __future__ import annotations

import enum
import json as standard
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import msgpack as library
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stacks import shop
from stacks.codecs import json, json_msgspec, json_orjson, msgpack, msgpack_map, msgpack_msgspec
from stacks.errors import ProtocolError, SchemaError
from stacks.testing.oracle import FULL, WIDE, Colour, Point, Wide

JSONS = {module.FORMAT.name: module.FORMAT for module in (json_msgspec, json_orjson)}
MOMENT = datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC)


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2**40


class Nothing(msgspec.Struct):
    pass


class Label(msgspec.Struct, kw_only=True):
    text: str
    size: Size = Size.SMALL


class Crate(msgspec.Struct):
    """What makes codecs turn to one side or the other."""

    number: int
    size: Size
    colour: Colour | None
    points: list[Point]
    point: Point | None
    labels: dict[str, Label]
    sizes: list[Size]
    by_size: dict[Size, Colour]
    by_key: dict[UUID, Point]
    grid: list[list[Point | None]]
    times: list[datetime | None]
    empty: Nothing
    inner: Crate | None = None
    inners: list[Crate] = []


ints = st.integers(-(2**63), 2**63 - 1)
halves = st.integers(-(2**31), 2**31 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=40)
times = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001 -- hypothesis adds the zone
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))]),
)
points = st.builds(Point, x=ints, y=floats)
colours = st.sampled_from(Colour)


def few(of):
    return st.lists(of, max_size=3)


def some(key, of):
    return st.dictionaries(key, of, max_size=3)


wides = st.builds(
    Wide,
    number=ints,
    share=floats,
    sure=st.booleans(),
    text=texts,
    data=st.binary(max_size=40),
    colour=colours,
    when=times,
    key=st.uuids(),
    maybe=st.none() | texts,
    numbers=st.lists(ints, max_size=20),
    prices=some(texts, ints),
    points=few(points),
    half=halves,
)


def crates(**inner):
    return st.builds(
        Crate,
        number=ints,
        size=st.sampled_from(Size),
        colour=st.none() | colours,
        points=few(points),
        point=st.none() | points,
        labels=some(texts, st.builds(Label, text=texts, size=st.sampled_from(Size))),
        sizes=few(st.sampled_from(Size)),
        by_size=some(st.sampled_from(Size), colours),
        by_key=some(st.uuids(), points),
        grid=few(few(st.none() | points)),
        times=few(st.none() | times),
        empty=st.just(Nothing()),
        **inner,
    )


full_crates = crates(inner=st.none() | crates(), inners=few(crates()))
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def crate(**changes):
    plain = Crate(
        5, Size.LARGE, Colour.BLUE, [Point(1, 2.0)], Point(3, 4.0), {"a": Label(text="b")},
        [Size.SMALL], {Size.LARGE: Colour.RED}, {UUID(int=1): Point(5, 6.0)}, [[None, Point(7, 8.0)]],
        [MOMENT, None], Nothing(),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


class TestMsgspecsMessagePack:
    """The same bytes as `stacks.codecs.msgpack` writes, and whatever that reads."""

    @given(value=wides | full_crates)
    @quick
    def test_bytes_are_the_same_and_both_read_them(self, value):
        ours, theirs = (form.codec(type(value)) for form in (msgpack_msgspec.FORMAT, msgpack.FORMAT))
        data = ours.encode(value)
        assert data == theirs.encode(value)
        assert ours.decode(data) == value
        assert theirs.decode(data) == value

    @pytest.mark.parametrize("value", [FULL, WIDE, crate(), crate(inner=crate(), inners=[crate()])])
    def test_types_come_back_as_they_went(self, value):
        codec = msgpack_msgspec.FORMAT.codec(type(value))
        back = codec.decode(codec.encode(value))
        assert back == value
        for was, now in zip(msgspec.structs.astuple(value), msgspec.structs.astuple(back), strict=True):
            assert type(was) is type(now)

    @pytest.mark.parametrize("sample", shop.SAMPLES)
    def test_the_shops_bytes_are_the_same(self, sample):
        order = shop.order(sample)
        for message in (order, shop.Shop().quote(order)):
            ours, theirs = (form.codec(type(message)) for form in (msgpack_msgspec.FORMAT, msgpack.FORMAT))
            assert ours.encode(message) == theirs.encode(message)

    def test_defaults_stand_in_and_what_a_newer_writer_added_is_ignored(self):
        codec = msgpack_msgspec.FORMAT.codec(Crate)
        tree = msgpack.FORMAT.codec(Crate).to_tree(crate())
        for changed in (tree[:-2], [*tree, "new"], [*tree[:3], [[1, 2.0, "new"]], *tree[4:]]):
            assert codec.decode(library.packb(changed, datetime=True)) == crate()

    @pytest.mark.parametrize(
        ("place", "wrong", "text"),
        [
            (0, True, "Crate.number: True is no int"),
            (1, 3, "Crate.size: 3 is no number of Size"),
            (2, "blue", "Crate.colour: 'blue' is no number of Colour"),
            (3, [[1]], "Crate.points.y is missing: the array has 1 elements"),
            (3, [[1, "2"]], "Crate.points.y: '2' is no float"),
            (8, {"x": [1, 2.0]}, "Crate.by_key: 'x' is no UUID"),
            (10, [5], "Crate.times: 5 is no timestamp"),
            (11, 5, "Crate.empty: 5 is no array"),
        ],
    )
    def test_what_does_not_fit_is_refused_by_name(self, place, wrong, text):
        tree = msgpack.FORMAT.codec(Crate).to_tree(crate(inner=crate()))
        tree[place] = wrong
        for form in (msgpack_msgspec.FORMAT, msgpack.FORMAT):
            with pytest.raises(ProtocolError) as caught:
                form.codec(Crate).decode(library.packb(tree, datetime=True))
            assert str(caught.value) == text

    def test_a_message_in_one_of_its_own_type_is_refused_by_its_own_name(self):
        tree = msgpack.FORMAT.codec(Crate).to_tree(crate(inner=crate()))
        tree[12][0] = "five"
        with pytest.raises(ProtocolError, match=r"^Crate\.number: 'five' is no int$"):
            msgpack_msgspec.FORMAT.codec(Crate).decode(library.packb(tree, datetime=True))

    @pytest.mark.parametrize("data", [b"", b"\x92\x01", b"\xc1", b"\x9f", b"\x90\x90", b"\xdd" + b"\xff" * 4])
    def test_other_bytes_are_refused(self, data):
        with pytest.raises(ProtocolError, match=r"^Crate"):
            msgpack_msgspec.FORMAT.codec(Crate).decode(data)

    def test_what_msgspec_takes_beyond_it(self):
        codec = msgpack_msgspec.FORMAT.codec(Wide)
        tree = msgpack.FORMAT.codec(Wide).to_tree(WIDE)
        tree[6] = "2024-02-29T12:30:15.25Z"
        assert codec.decode(library.packb(tree, datetime=True)).when == MOMENT
        tree[6] = "2024-02-29T12:30:15.25"
        with pytest.raises(ProtocolError, match=r"^Wide\.when: .* is no timestamp"):
            codec.decode(library.packb(tree, datetime=True))

    def test_a_uuid_is_text_and_bytes_of_its_length_are_none(self):
        codec = msgpack_msgspec.FORMAT.codec(Wide)
        value = msgspec.structs.replace(FULL, data=bytes(16))
        data = codec.encode(value)
        for form in (data, memoryview(data), bytearray(data)):
            assert codec.decode(form) == value
        tree = msgpack.FORMAT.codec(Wide).to_tree(FULL)
        tree[7] = UUID(int=5).bytes
        with pytest.raises(ProtocolError, match=r"^Wide\.key: .* is no UUID$"):
            codec.decode(library.packb(tree, datetime=True))

    def test_a_datetime_without_zone_is_refused_wherever_it_is(self):
        naive = MOMENT.replace(tzinfo=None)
        for value, where in (
            (crate(times=[None, naive]), r"Crate\.times\[1\]"),
            (crate(inner=crate(times=[naive])), r"Crate\.inner\.times\[0\]"),
        ):
            with pytest.raises(ProtocolError, match=f"^{where}: .* is no datetime with a time zone"):
                msgpack_msgspec.FORMAT.codec(Crate).encode(value)


class TestMapsOfMessagePack:
    codec = msgpack_map.FORMAT.codec(Label)

    def test_bytes_are_a_map_by_field_name(self):
        assert self.codec.encode(Label(text="x", size=Size.SMALL)) == b"\x82\xa4text\xa1x\xa4size\x01"

    @given(value=wides | full_crates)
    @quick
    def test_the_values_are_those_of_the_arrays(self, value):
        maps, arrays = (form.codec(type(value)) for form in (msgpack_map.FORMAT, msgpack.FORMAT))
        assert maps.decode(maps.encode(value)) == value
        assert list(maps.to_tree(value)) == list(type(value).__struct_fields__)
        if type(value) is Wide:  # nothing but the points is a message
            plain = dict(zip(Wide.__struct_fields__, arrays.to_tree(value), strict=True))
            plain["points"] = [{"x": point.x, "y": point.y} for point in value.points]
            assert maps.to_tree(value) == plain

    @given(names=st.permutations(Wide.__struct_fields__))
    @quick
    def test_fields_come_in_any_order(self, names):
        tree = msgpack_map.FORMAT.codec(Wide).to_tree(FULL)
        data = library.packb({name: tree[name] for name in names}, datetime=True)
        assert msgpack_map.FORMAT.codec(Wide).decode(data) == FULL

    def test_the_last_of_two_equal_keys_counts(self):
        assert self.codec.decode(b"\x82\xa4text\xa1x\xa4text\xa1y") == Label(text="y")

    def test_unknown_keys_are_ignored_whatever_they_are(self):
        tree = {"text": "x", "new": [1], 5: 6, b"size": 7, None: 8}
        assert self.codec.decode(library.packb(tree)) == Label(text="x")

    def test_defaults_stand_in_for_what_is_missing(self):
        codec = msgpack_map.FORMAT.codec(Crate)
        tree = codec.to_tree(crate())
        del tree["inner"], tree["inners"], tree["labels"]["a"]["size"]
        assert codec.from_tree(tree) == crate()

    @pytest.mark.parametrize(
        ("tree", "text"),
        [
            ({}, "Label.text is missing: the map has 0 entries"),
            ({"size": 1, "Text": "x"}, "Label.text is missing: the map has 2 entries"),
            ({"text": 5}, "Label.text: 5 is no str"),
            ({"text": "x", "size": 3}, "Label.size: 3 is no number of Size"),
            (["x", 1], "Label: ['x', 1] is no map"),
            (None, "Label: None is no map"),
        ],
    )
    def test_what_does_not_fit_is_refused_by_name(self, tree, text):
        with pytest.raises(ProtocolError) as caught:
            self.codec.decode(library.packb(tree))
        assert str(caught.value) == text

    def test_a_message_within_is_named_by_its_path(self):
        tree = msgpack_map.FORMAT.codec(Crate).to_tree(crate())
        del tree["point"]["y"]
        with pytest.raises(ProtocolError, match=r"^Crate\.point\.y is missing: the map has 1 entries$"):
            msgpack_map.FORMAT.codec(Crate).from_tree(tree)


@pytest.mark.parametrize("name", JSONS)
class TestOtherWritersOfJson:
    """The same objects as `stacks.codecs.json` writes, but for how a float is spelt, and reads those."""

    @given(value=wides | full_crates)
    @quick
    def test_each_reads_what_the_other_writes(self, name, value):
        ours, theirs = JSONS[name].codec(type(value)), json.FORMAT.codec(type(value))
        assert theirs.decode(ours.encode(value)) == value
        assert ours.decode(theirs.encode(value)) == value
        assert standard.loads(ours.encode(value)) == standard.loads(theirs.encode(value))

    @pytest.mark.parametrize("sample", shop.SAMPLES)
    def test_the_shops_bytes_are_the_same(self, name, sample):
        order = shop.order(sample)
        for message in (order, shop.Shop().quote(order)):
            ours, theirs = JSONS[name].codec(type(message)), json.FORMAT.codec(type(message))
            assert ours.encode(message) == theirs.encode(message)

    def test_null_where_it_belongs_is_no_fault(self, name):
        codec = JSONS[name].codec(Wide)
        value = msgspec.structs.replace(WIDE, maybe=None, text="null", prices={"null": 1})
        assert codec.decode(codec.encode(value)) == value

    @pytest.mark.parametrize("share", [float("nan"), float("inf"), float("-inf")])
    def test_a_float_that_is_no_number_is_refused_by_name(self, name, share):
        for value, where in (
            (msgspec.structs.replace(FULL, share=share), r"Wide\.share"),
            (msgspec.structs.replace(FULL, points=[Point(1, 1.0), Point(1, share)]), r"Wide\.points\[1\]\.y"),
            (crate(inner=crate(by_key={UUID(int=1): Point(1, share)})), r"Crate\.inner\.by_key\[.*\]\.y"),
        ):
            with pytest.raises(ProtocolError, match=f"^{where}: -?(nan|inf) is no finite float$"):
                JSONS[name].codec(type(value)).encode(value)

    @pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "null"])
    def test_nothing_else_is_read_as_a_float(self, name, number):
        with pytest.raises(ProtocolError, match=r"^Point"):
            JSONS[name].codec(Point).decode(f'{{"x":1,"y":{number}}}'.encode())

    @pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63)])
    def test_ints_of_64_bits_are_read_and_written_whole(self, name, number):
        codec = JSONS[name].codec(Point)
        assert codec.decode(codec.encode(Point(number, 0.0))).x == number

    @pytest.mark.parametrize("number", [2**64, 2**64 + 1, -(2**63) - 1, 10**30])
    def test_larger_ints_are_read_whole_or_refused(self, name, number):
        try:
            value = JSONS[name].codec(Point).decode(f'{{"x":{number},"y":0.0}}'.encode())
        except ProtocolError as error:
            assert "Point" in str(error)  # noqa: PT017 -- both outcomes are right
        else:
            assert value.x == number

    def test_half_a_surrogate_pair_is_refused(self, name):
        codec = JSONS[name].codec(Label)
        assert codec.decode(b'{"text":"\\ud83d\\ude00"}').text == "\U0001f600"
        for half in (b"\\ud83d", b"\\uDE00", b"\\ude00\\ud83d", b"\\ud83dx"):
            with pytest.raises(ProtocolError, match=r"^Label"):
                codec.decode(b'{"text":"%s"}' % half)

    @pytest.mark.parametrize("text", ['{"text":"x"}y', "[]", "null", "", "{}", '{"text":5}', "\ufeff{}"])
    def test_other_texts_are_refused(self, name, text):
        with pytest.raises(ProtocolError, match=r"^Label"):
            JSONS[name].codec(Label).decode(text.encode())

    @pytest.mark.parametrize("data", [b'{"text":"\xff"}', b'{"text":"\xed\xa0\x80"}', b'{"text":"\xc0\x80"}'])
    def test_text_that_is_no_utf_8_is_refused(self, name, data):
        with pytest.raises(ProtocolError, match=r"^Label"):
            JSONS[name].codec(Label).decode(data)

    def test_a_datetime_without_zone_is_refused_both_ways(self, name):
        codec = JSONS[name].codec(Wide)
        with pytest.raises(ProtocolError, match=r"^Wide\.when: .* is no datetime with a time zone$"):
            codec.encode(msgspec.structs.replace(WIDE, when=MOMENT.replace(tzinfo=None)))
        data = codec.encode(WIDE).replace(b"1970-01-01T00:00:00Z", b"1970-01-01T00:00:00")
        with pytest.raises(ProtocolError, match=r"^Wide\.when: .* is no datetime with a time zone$"):
            codec.decode(data)

    def test_unknown_keys_are_ignored_and_defaults_stand_in(self, name):
        assert JSONS[name].codec(Label).decode(b'{"new":[1], "text": "x" }') == Label(text="x")

    def test_keys_of_bool_are_refused(self, name):
        message = msgspec.defstruct("Switch", [("on", dict[bool, int])])
        with pytest.raises(SchemaError, match=r"^Switch\.on: json has no dict with keys of bool"):
            JSONS[name].codec(message)
