import pytest

import stacks
from scenarios.parts import part
from stacks import shop

ORDER = shop.order("medium")


class Counting:
    """A codec that counts."""

    def __init__(self, codec):
        self.codec, self.encoded, self.decoded = codec, 0, 0

    def encode(self, value):
        self.encoded += 1
        return self.codec.encode(value)

    def decode(self, data):
        self.decoded += 1
        return self.codec.decode(data)


@pytest.mark.parametrize("name", ["memory-protobuf", "memory-msgpack", "memory-json"])
@pytest.mark.parametrize("times", [1, 7])
def test_a_part_is_done_so_many_times_a_call_and_nothing_else(name, times):
    for which, other in (("encoded", "decoded"), ("decoded", "encoded")):
        codec = Counting(stacks.find(name).codec(shop.Order))
        call, wanted = part(codec, which.removesuffix("d"), ORDER, times)
        before = getattr(codec, which)
        assert call(None, 1.0) == wanted
        assert getattr(codec, which) - before == times
        assert getattr(codec, other) == (which == "decoded")


def test_what_is_decoded_is_the_message_itself():
    codec = stacks.find("memory-msgpack").codec(shop.Order)
    assert part(codec, "decode", ORDER, 3)[0](None, 1.0) == ORDER
    assert codec.decode(part(codec, "encode", ORDER, 3)[0](None, 1.0)) == ORDER


def test_there_are_no_other_parts():
    with pytest.raises(KeyError, match="send"):
        part(stacks.find("memory-msgpack").codec(shop.Order), "send", ORDER, 1)
