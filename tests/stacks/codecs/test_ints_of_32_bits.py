"""Ints of 32 bits, in formats whose wire has ints of one kind alone."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from stacks.errors import ProtocolError
from stacks.schema import Int32

sys.path.insert(0, str(Path(__file__).parent))

from kitchens import FORMATS, JSONS, MSGPACKS


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
