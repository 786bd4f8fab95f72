"""Values that are not of their type, named by their field in every format."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from stacks.codecs import msgpack, protobuf
from stacks.errors import ProtocolError

sys.path.insert(0, str(Path(__file__).parent))

from kitchens import FORMATS, JSONS, MOMENT, MSGPACKS, Drawer, Kitchen, kitchen


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
