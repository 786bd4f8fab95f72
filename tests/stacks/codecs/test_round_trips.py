"""What is written by a format is read by it as it was, in every format."""

from __future__ import annotations

import json as standard
import math
import sys
from datetime import timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from stacks import shop
from stacks.codecs import json, msgpack
from stacks.errors import ProtocolError

sys.path.insert(0, str(Path(__file__).parent))

from kitchens import (
    FORMATS,
    JSONS,
    MOMENT,
    MSGPACKS,
    Cellar,
    Drawer,
    Empty,
    Heat,
    Kitchen,
    Spoon,
    cellars,
    full_kitchens,
    kitchen,
    quick,
)


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
