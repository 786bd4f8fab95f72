"""MessagePack by arrays: its bytes, worked out by hand, and what is refused."""

from __future__ import annotations

import struct
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from uuid import UUID

import msgpack as library
import msgspec
import pytest

from stacks.codecs import msgpack
from stacks.errors import ProtocolError

sys.path.insert(0, str(Path(__file__).parent))

from kitchens import MOMENT, Kitchen, Spoon, Taste, Vector, kitchen, vector


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
