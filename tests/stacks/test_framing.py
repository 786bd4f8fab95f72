"""Where messages end, however the bytes of a connection come."""

from __future__ import annotations

import json
import math

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stacks
from stacks.errors import ProtocolError, Refused, StackError
from stacks.transports.framing import framing
from stacks.transports.framing.json import ENVELOPE
from stacks.transports.tcp.stack import TcpStack

WRITERS = {
    "msgpack": msgpack.packb,
    "json": lambda tree: json.dumps(tree, ensure_ascii=False).encode() + b"\n",
}
LIMIT = 100
values = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20)
trees = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@pytest.fixture(params=WRITERS)
def name(request):
    return request.param


def find(name):
    return framing.find(stacks.find(f"memory-{name}")._format)


def pieces(data, sizes):
    """Cut `data` into pieces of these sizes, over and over."""
    place = 0
    while place < len(data):
        for size in sizes:
            yield data[place : place + size]
            place += size


@pytest.mark.parametrize("name", WRITERS)
@given(messages=st.lists(trees, max_size=8), sizes=st.lists(st.integers(1, 50), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_messages_are_the_same_however_their_bytes_are_cut(name, messages, sizes):
    inbox = find(name).inbox(LIMIT)
    data = b"".join(map(WRITERS[name], messages))
    assert [message for piece in pieces(data, sizes) for message in inbox.read(piece)] == messages


@pytest.mark.parametrize("name", WRITERS)
@given(chunks=st.lists(st.binary(max_size=30) | trees.map(lambda tree: json.dumps(tree).encode() + b"\n")))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_messages_or_a_fault_of_the_peer(name, chunks):
    inbox = find(name).inbox(LIMIT)
    try:
        for chunk in chunks:
            assert isinstance(inbox.read(chunk), list)
    except (ProtocolError, Refused) as error:
        assert "the peer sent no" in str(error) or "larger than max" in str(error)  # noqa: PT017 -- either is right


@pytest.mark.parametrize(("number", "method"), [(0, "Echo"), (2**32 - 1, 'a "quote" \n and ü'), (255, "")])
def test_what_is_framed_is_one_message_each(name, number, method):
    framed, write = find(name), WRITERS[name]
    body = write([5, "é"]).rstrip(b"\n")
    wire = framed.request(number) + framed.named(method) + body + framed.asked
    wire += framed.reply(number) + framed.fine + body + framed.answered
    wire += framed.reply(number) + framed.failed(("NOT_FOUND", 'no "such"\nthing'))
    assert framed.inbox(LIMIT).read(wire) == [
        [0, number, method, [[5, "é"]]],
        [1, number, None, [5, "é"]],
        [1, number, ["NOT_FOUND", 'no "such"\nthing'], None],
    ]


@pytest.mark.parametrize("share", [0.5, 1.0, 3.0])
def test_a_message_without_end_is_refused_while_it_comes(name, share):
    start = {"msgpack": b"\xc6\x7f\xff\xff\xff", "json": b'"'}[name]
    inbox = find(name).inbox(100_000)
    assert inbox.read(start) == []
    with pytest.raises(Refused, match="larger than max"):  # noqa: PT012 -- some piece is the first too many
        for _ in range(math.ceil(200_000 / (share * 65_536))):
            inbox.read(b"x" * int(share * 65_536))


def test_a_whole_message_over_the_limit_is_refused_and_one_at_the_limit_is_not(name):
    whole = WRITERS[name]("x" * 50_000)
    assert find(name).inbox(50_000).read(whole) == ["x" * 50_000]
    with pytest.raises(Refused, match="larger than max"):
        find(name).inbox(10_000).read(whole)


def test_many_small_messages_may_come_at_once_whatever_the_limit(name):
    many = WRITERS[name]([1, 2]) * 20_000
    inbox = find(name).inbox(LIMIT)
    assert [message for piece in pieces(many, [65_536]) for message in inbox.read(piece)] == [[1, 2]] * 20_000


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"[1,2\n", "delimiter"),
        (b"\n", "Expecting value"),
        (b"[1][2]\n", "Extra data"),
        (b"\xff\n", "utf-8"),
        (b'"\\ud800"\n', "surrogates"),
        (b"NaN\n", "NaN"),
        (b"[-Infinity]\n", "Infinity"),
        (b"[" * 50_000 + b"\n", "recursion"),
        (b'{"a":' * 20_000 + b"\n", "recursion"),
        (b"9" * 10_000 + b"\n", "digits"),
        (b"\xef\xbb\xbf[]\n", "Expecting value"),
    ],
)
def test_lines_that_are_no_json_are_refused(data, text):
    with pytest.raises(ProtocolError, match=f"(?i)the peer sent no JSON: .*{text}"):
        find("json").inbox(1_000_000).read(data)


def test_a_line_may_end_in_a_carriage_return_and_have_spaces():
    assert find("json").inbox(LIMIT).read(b' [1, {"a" : 2} ]\r\n\t"x"\n[') == [[1, {"a": 2}], "x"]


def test_what_is_kept_of_a_line_is_what_has_come_of_it():
    inbox = find("json").inbox(LIMIT)
    for _ in range(LIMIT + ENVELOPE):
        inbox.read(b"x")
    assert len(inbox._rest) == LIMIT + ENVELOPE
    with pytest.raises(Refused):
        inbox.read(b"x")


def test_a_format_without_framing_is_named_with_those_that_have_one():
    with pytest.raises(StackError, match=r"^tcp does not carry 'protobuf'; it carries: msgpack, json$"):
        TcpStack(stacks.find("memory-protobuf")._format)
