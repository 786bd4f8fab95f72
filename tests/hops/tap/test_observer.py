"""What the tap makes of bytes: hand-counted exchanges, however they are cut, and nonsense."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.hops.tap import http2
from stacks.hops.tap.counts import Bytes, Connection
from stacks.hops.tap.observer import Observer
from stacks.hops.tap.script import BODY, Flow, Side
from stacks.hops.tap.value import Value

sys.path.insert(0, str(Path(__file__).parent))

from exchanges import EXCHANGES, PREFACE, grpc, h2

MIB = 1 << 20


def see(steps):
    observer = Observer()
    for way, data in steps:
        (observer.sent, observer.answered)[way](data)
    return observer.counted()


def wanted(exchange):
    return Connection(exchange.protocol, exchange.calls, exchange.out, exchange.back, exchange.streams)


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_is_split_as_counted_by_hand(name):
    exchange = EXCHANGES[name]
    assert see(exchange.steps) == wanted(exchange)


@pytest.mark.parametrize("name", EXCHANGES)
def test_byte_by_byte_it_is_the_same(name):
    exchange = EXCHANGES[name]
    single = [(way, data[k : k + 1]) for way, data in exchange.steps for k in range(len(data))]
    assert see(single) == wanted(exchange)


@given(data=st.data(), name=st.sampled_from(sorted(EXCHANGES)))
def test_in_any_chunks_it_is_the_same(data, name):
    exchange = EXCHANGES[name]
    chunks = []
    for way, whole in exchange.steps:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=8)))
        edges = [0, *cuts, len(whole)]
        chunks += [(way, whole[a:b]) for a, b in pairwise(edges)]
    assert see(chunks) == wanted(exchange)


STARTS = [steps[0][1] if steps[0][0] == 0 else steps[1][1] for steps in (e.steps for e in EXCHANGES.values())]


@given(
    start=st.sampled_from(STARTS),
    steps=st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=200)), max_size=10),
)
def test_nonsense_is_counted_all_the_same(start, steps):
    found = see([(0, start), *steps])
    sizes = [sum(len(data) for way, data in steps if way == each) for each in (0, 1)]
    assert (found.out.total, found.back.total) == (len(start) + sizes[0], sizes[1])
    for each in (found.out, found.back):
        assert min(each.body, each.framing, each.headers, each.control, each.other) >= 0
        assert each.body + each.framing + each.headers + each.control + each.other == each.total


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(width=32)
    | st.text()
    | st.binary(),
    lambda inside: st.lists(inside, max_size=20) | st.dictionaries(st.text(max_size=40), inside, max_size=20),
    max_leaves=50,
)


def skip(data, cuts):
    flow, sizes = Flow(), []

    def script():
        sizes.append((yield Value(BODY)))

    side = Side(script(), flow)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for a, b in pairwise(edges):
        side.feed(data[a:b])
    return sizes, flow.parts[BODY]


@given(tree=TREES, cuts=st.sets(st.integers(0, 500), max_size=6), single=st.booleans())
def test_a_value_of_messagepack_ends_where_it_ends(tree, cuts, single):
    data = msgpack.packb(tree, use_single_float=single)
    assert skip(data + b"more", cuts) == ([len(data)], len(data))


@pytest.mark.parametrize(
    "tree",
    [
        *(msgpack.ExtType(5, bytes(size)) for size in (1, 2, 4, 8, 16, 3, 300, 70_000)),
        *(bytes(size) for size in (255, 256, 65_536)),
        *("x" * size for size in (31, 32, 256, 65_536)),
        *([0] * size for size in (15, 16, 65_536)),
        *(dict.fromkeys(range(size), 0) for size in (15, 16, 65_536)),
        *(sign * 2**power for sign in (1, -1) for power in (0, 6, 7, 8, 15, 16, 31, 32, 63)),
    ],
    ids=lambda tree: f"{type(tree).__name__}-{len(msgpack.packb(tree))}",
)
def test_every_width_of_a_value_is_known(tree):
    data = msgpack.packb(tree)
    assert skip(data + b"\xc0", [3, len(data) - 1]) == ([len(data)], len(data))


def test_what_is_no_value_is_none():
    assert skip(b"\x92\x01\xc1", []) == ([0], 0)


def test_application_grpc_is_known_huffman_coded():
    # As Go writes it: b"_\x8b\x1du\xd0b\r&=LMed".
    assert http2._GRPC == (b"application/grpc", b"\x1du\xd0b\r&=LMed")


def test_a_large_message_is_body_as_it_comes_and_nothing_is_kept():
    observer = Observer()
    observer.sent(PREFACE + h2(1, 4, 1, b"application/grpc") + h2(0, 0, 1, grpc(bytes(MIB)))[: 9 + 5 + 1000])
    assert observer.counted().out == Bytes(24 + 25 + 14 + 1000, 1000, 9 + 9 + 5, 16, 24, 0)
    for _ in range(64):
        observer.sent(bytes(1000))
    assert observer.counted().out.body == 65_000
    assert len(observer._sides[0]._rest) == 0


def test_too_many_streams_are_told_apart_no_more(monkeypatch):
    monkeypatch.setattr(http2, "_STREAMS", 2)
    observer = Observer()
    observer.sent(PREFACE + h2(1, 4, 1, b"application/grpc"))
    for stream in (1, 3, 5, 1):
        observer.sent(h2(0, 0, stream, grpc(b"four")))
    assert observer.counted().out.body == 4 + 4 + 9 + 9
    assert observer.counted().out.other == 0


def test_a_stream_that_was_reset_is_forgotten():
    observer = Observer()
    observer.sent(PREFACE + h2(1, 4, 1, b"application/grpc") + h2(0, 0, 1, grpc(b"four")[:7]))
    observer.answered(h2(3, 0, 1, bytes(4)))
    observer.sent(h2(0, 0, 1, grpc(b"again")))
    assert observer.counted().out.body == 2 + 5


END, HEADERS_END = 1, 4


def opened(stream, flags=HEADERS_END):
    return h2(1, flags, stream, b"application/grpc")


def reset(stream, code):
    return h2(3, 0, stream, code.to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("steps", "streams", "refused"),
    [
        ([(0, opened(1)), (0, opened(3)), (0, opened(5))], 3, 0),
        ([(0, opened(1, HEADERS_END | END)), (1, opened(1, HEADERS_END | END)), (0, opened(3))], 1, 0),
        ([(0, opened(1, HEADERS_END | END)), (0, opened(3))], 2, 0),
        ([(0, opened(1)), (1, opened(1, HEADERS_END | END)), (0, opened(3))], 2, 0),
        ([(0, opened(1)), (0, h2(0, END, 1)), (1, h2(0, END, 1)), (0, opened(3))], 1, 0),
        ([(0, opened(1)), (1, reset(1, 7)), (0, opened(3)), (1, reset(3, 7))], 1, 2),
        ([(0, opened(1)), (0, reset(1, 8)), (0, opened(3)), (1, reset(3, 0))], 1, 0),
        ([(0, opened(1)), (1, h2(3, 0, 1, b"\0\0\0\7more"))], 1, 1),
        ([(0, opened(1)), (1, h2(3, 0, 1, b"\0"))], 1, 0),
    ],
    ids=lambda value: None if isinstance(value, list) else str(value),
)
def test_streams_under_way_and_those_not_taken_are_counted(steps, streams, refused):
    found = see([(0, PREFACE), *steps])
    assert (found.streams, found.refused) == (streams, refused)
    for bytes_ in (found.out, found.back):
        assert bytes_.other == 0


def test_streams_of_which_there_are_too_many_are_counted_no_further(monkeypatch):
    monkeypatch.setattr(http2, "_STREAMS", 4)
    found = see([(0, PREFACE), *((0, opened(stream)) for stream in range(1, 21, 2))])
    assert (found.calls, found.streams) == (10, 4)


def test_a_server_that_speaks_first_and_much_is_not_kept():
    observer = Observer()
    for _ in range(3):
        observer.answered(bytes(30_000))
    assert observer._ahead is None
    observer.sent(PREFACE)
    assert observer.counted() == Connection("unknown", 0, Bytes(24, other=24), Bytes(90_000, other=90_000))


@pytest.mark.parametrize(
    ("sent", "answered", "other"),
    [
        (b"GET / HTTP/1.1\r\n" + b"x" * 70_000, b"", (70_016, 0)),
        (b"GET /\r\n\r\n", b"SMTP\r\n\r\nabc", (0, 11)),
        (b"GET /\r\n\r\nNONSENSE\r\n\r\n", b"", (12, 0)),
        (b"CONNECT a:1 HTTP/1.1\r\n\r\nabc", b"HTTP/1.1 200 OK\r\n\r\ndef", (3, 3)),
    ],
)
def test_what_is_no_http_is_other(sent, answered, other):
    found = see([(0, sent), (1, answered)])
    assert (found.out.other, found.back.other) == other


def test_what_is_no_chunk_is_body():
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert see([(0, head + b"3\r\nabc\r\nnonsense\r\nmore")]).out == Bytes(
        len(head) + 22, 3 + 14, 5, len(head)
    )
