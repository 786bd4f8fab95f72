"""Replies that cannot be written, are too large, or are not to be served at all."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import msgspec
import pytest

from stacks.base import Address, Options
from stacks.codecs.graphql import FORMAT
from stacks.errors import Refused, Remote, SchemaError
from stacks.testing.oracle import LONG, WIDE, Ask, Told

sys.path.insert(0, str(Path(__file__).parent))

from documents import SHOP


class TestReplies:
    def serve(self, serve, offered, name, handler, options=None):
        changed = dataclasses.replace(offered[name], handler=handler)
        return serve(dataclasses.replace(offered, methods=(changed,)), options or Options())

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"share": float("nan")}, "same.share: Float cannot represent"),
            ({"share": float("-inf")}, "same.share: Float cannot represent"),
            ({"number": 2**63}, "same.number: Long cannot represent 9223372036854775808"),
            ({"half": 2**31}, "same.half: Int cannot represent non 32-bit signed integer value: 2147483648"),
            ({"number": True}, "same.number: Long cannot represent True"),
            ({"colour": "red"}, "same.colour: Enum 'Colour' cannot represent value: 'red'"),
            ({"text": None}, "same.text: Cannot return null for non-nullable field Wide.text."),
            ({"data": "text"}, "same.data: Bytes cannot represent 'text'"),
            ({"numbers": [1, "x"]}, "same.numbers.1: Long cannot represent 'x'"),
            ({"points": [5]}, "same.points.0.x: 'int' object has no attribute 'x'"),
            ({"text": "half \ud800"}, "surrogates not allowed"),
        ],
    )
    def test_one_that_cannot_be_written_names_its_field(self, serve, connect, offered, change, text):
        served = self.serve(serve, offered, "Same", lambda wide: msgspec.structs.replace(wide, **change))
        with pytest.raises(Remote) as caught:
            connect(served).unary(offered["Same"])(WIDE, LONG)
        assert caught.value.code == "INTERNAL"
        assert caught.value.text.startswith("cannot write the reply: ")
        assert text in caught.value.text

    @pytest.mark.parametrize("other", [None, 5, Ask(1, "")])
    def test_one_of_another_type_is_told(self, serve, connect, offered, other):
        served = self.serve(serve, offered, "Tell", lambda _: other)
        with pytest.raises(Remote, match=r"^INTERNAL: cannot write the reply: tell: .* is no Told"):
            connect(served).unary(offered["Tell"])(Ask(1, ""), LONG)

    def test_the_limit_is_for_the_message_alone(self, serve, connect, offered):
        served = self.serve(
            serve, offered, "Tell", lambda ask: Told(ask.id, "x" * ask.id), Options(max_message=100)
        )
        tell = connect(served).unary(offered["Tell"])
        fits = 100 - len(FORMAT.codec(Told).encode(Told(70, "")))
        assert tell(Ask(fits, ""), LONG) == Told(fits, "x" * fits)
        with pytest.raises(Refused, match=r"reply message larger than max \(101 vs\. 100 bytes\)"):
            tell(Ask(fits + 1, ""), LONG)

    def test_the_clients_limit_is_for_the_message_alone(self, serve, connect, offered):
        grow = connect(serve(offered), Options(max_message=100)).unary(offered["Grow"])
        fits = 100 - len(FORMAT.codec(Told).encode(Told(70, "")))
        assert grow(Ask(fits, ""), LONG) == Told(fits, "x" * fits)
        with pytest.raises(Refused, match="larger than max"):
            grow(Ask(fits + 1, ""), LONG)

    def test_one_that_contains_itself_is_not_served(self, stack):
        class Node(msgspec.Struct):
            below: Node | None

        method = dataclasses.replace(SHOP["Echo"], reply=Node)
        offered = dataclasses.replace(SHOP, methods=(method,))
        with pytest.raises(SchemaError, match=r"Node\.below"), stack.serve(offered, Address(), Options()):
            pytest.fail("served")

    def test_one_with_more_fields_than_a_document_may_have_is_not_served(self, stack):
        wide = msgspec.defstruct("Enormous", [(f"field_{number}", int) for number in range(9000)])
        method = dataclasses.replace(SHOP["Echo"], reply=wide)
        offered = dataclasses.replace(SHOP, methods=(method,))
        with (
            pytest.raises(SchemaError, match="Echo cannot be called"),
            stack.serve(offered, Address(), Options()),
        ):
            pytest.fail("served")
