"""Streams of messages in bodies: whatever pieces they come in, the same messages come out."""

from __future__ import annotations

import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.codecs import json as json_codec
from stacks.codecs import msgpack as msgpack_codec
from stacks.errors import ProtocolError, Refused
from stacks.testing.oracle import Told
from stacks.transports.rest.media import Lines, find

FORMATS = {"json": json_codec.FORMAT, "msgpack": msgpack_codec.FORMAT}
TOLD = st.builds(Told, st.integers(-(2**63), 2**63 - 1), st.text())


def cut(data, places):
    """Cut `data` at some of its places; pieces may be empty."""
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


@pytest.mark.parametrize("name", FORMATS)
@given(st.lists(TOLD), st.lists(st.integers(0, 2**20)), st.none() | st.tuples(st.text(), st.text()))
def test_any_pieces_give_the_messages_that_were_sent_and_what_failed(name, messages, places, failed):
    media, codec = find(name), FORMATS[name].codec(Told)
    data = b"".join(codec.encode(message) + media.close for message in messages)
    if failed is not None:
        data += media.failure(*failed)
    splitter, read = media.splitter(10**6), media.reader(codec)
    entries = [entry for piece in cut(data, places) for entry in splitter.read(piece)]
    splitter.end()
    told = [media.told(entry) for entry in entries]
    assert told == [None] * len(messages) + [failed] * (failed is not None)
    assert [read(entry) for entry in entries[: len(messages)]] == messages


@pytest.mark.parametrize("name", FORMATS)
@given(st.lists(TOLD, min_size=1), st.integers(1, 2**20))
def test_half_a_message_is_no_end(name, messages, place):
    media, codec = find(name), FORMATS[name].codec(Told)
    data = b"".join(codec.encode(message) + media.close for message in messages)
    last = len(codec.encode(messages[-1]) + media.close)
    splitter = media.splitter(10**6)
    splitter.read(data[: len(data) - 1 - place % (last - 1)])
    with pytest.raises(ProtocolError, match="midst"):
        splitter.end()


@pytest.mark.parametrize(
    ("name", "exact", "over"),
    [
        ("json", json.dumps("x" * 98).encode() + b"\n", json.dumps("x" * 99).encode() + b"\n"),
        ("msgpack", msgpack.packb("x" * 98), msgpack.packb("x" * 99)),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_the_limit_is_met_to_the_byte(name, exact, over, piece):
    assert len(exact.rstrip(b"\n")) == 100
    splitter = find(name).splitter(100)
    data = exact * 3
    entries = [entry for k in range(0, len(data), piece) for entry in splitter.read(data[k : k + piece])]
    assert len(entries) == 3
    with pytest.raises(Refused, match="larger than max"):  # noqa: PT012 -- some piece of many is too much
        for k in range(0, len(over), piece):
            splitter.read(over[k : k + piece])


@pytest.mark.parametrize("name", FORMATS)
def test_a_large_piece_is_no_large_message(name):
    codec, media = FORMATS[name].codec(Told), find(name)
    one = codec.encode(Told(1, "x" * 90)) + media.close
    entries = media.splitter(200).read(one * 10_000)
    assert len(entries) == 10_000


def test_empty_lines_are_none():
    assert Lines(10).read(b"\n\r\n1\r\n \n2\n") == [b"1\r", b"2"]


@pytest.mark.parametrize("tree", [None, 1, "x", {}, {"code": 1, "text": ""}, {"text": ""}])
def test_a_tree_that_is_neither_message_nor_failure_is_named(tree):
    with pytest.raises(ProtocolError, match="neither a message nor a failure"):
        find("msgpack").told(tree)


def test_bytes_that_are_no_messagepack_are_named():
    with pytest.raises(ProtocolError, match="no MessagePack"):
        find("msgpack").splitter(100).read(b"\xc1")
