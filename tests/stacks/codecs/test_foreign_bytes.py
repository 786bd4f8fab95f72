"""Noise, damaged messages and cut ones, in every format."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stacks.errors import ProtocolError

sys.path.insert(0, str(Path(__file__).parent))

from kitchens import FORMATS, Kitchen, kitchen, quick


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
