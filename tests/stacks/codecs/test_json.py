"""JSON with msgspec as the judge, and what is refused."""

from __future__ import annotations

import json as standard
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from stacks.codecs import json
from stacks.errors import ProtocolError, SchemaError

sys.path.insert(0, str(Path(__file__).parent))

from kitchens import Cellar, Kitchen, Spoon, Vector, cellars, kitchens, quick, vector


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
