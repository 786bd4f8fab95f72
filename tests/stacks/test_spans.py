"""What is timed inside of processes, and that nothing is where nobody asked for it."""

from __future__ import annotations

import importlib
import itertools
import json
import signal
import subprocess
import sys
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stacks
from stacks import service, shop, spans
from stacks.base import Address, Kind, Options
from stacks.codecs.msgpack import FORMAT
from stacks.transports.framing import framing

LONG = 20.0
SHOP = service.load(service.DEFAULT)
QUOTE = SHOP["Quote"]
ORDER = shop.order("small")
FORMATTED = {name: encoding for name, (_, encoding) in stacks._BUILT_IN.items() if encoding}
WIRED = [name for name in FORMATTED if not name.startswith("memory-")]
OWN = ["thrift-binary", "graphql-json", "floor"]


class Clock:
    """Takes 7 ns to be read, and goes on by what `work` says."""

    def __init__(self):
        self.now = 0

    def read(self):
        self.now += 7
        return self.now

    def work(self, time):
        self.now += time
        return time


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(spans, "perf_counter_ns", made.read)
    return made


def net(span):
    return span.ns - span.count * span.clock


@given(st.lists(st.integers(0, 10**9)))
def test_a_span_is_the_sum_of_its_times_without_what_reading_the_clock_adds(times):
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "perf_counter_ns", clock.read)
        watch = spans.of_server()
        timed = watch._timed(clock.work, spans._Piece(spans.HANDLER))
        assert [timed(time) for time in times] == times
        told = watch.told()
    if times:
        assert told == {spans.HANDLER: spans.Span(sum(times) + 7 * len(times), len(times), 7)}
        assert net(told[spans.HANDLER]) == sum(times)
    else:
        assert told == {}


def test_what_was_told_is_forgotten(clock):
    watch = spans.of_client()
    timed = watch._timed(clock.work, spans._Piece(spans.CLIENT_ENCODE))
    timed(3)
    assert net(watch.told()[spans.CLIENT_ENCODE]) == 3
    assert watch.told() == {}
    timed(4)
    watch.clear()
    timed(5)
    assert net(watch.told()[spans.CLIENT_ENCODE]) == 5


def test_what_fails_is_raised_and_not_counted(clock):
    def fail(value):
        raise KeyError(value)

    watch = spans.of_client()
    with pytest.raises(KeyError):
        watch._timed(fail, spans._Piece(spans.CLIENT_ENCODE))(1)
    assert watch.told() == {}


@pytest.mark.parametrize("halves", [("tree",), ("bytes",), ("tree", "bytes")])
def test_half_of_decoding_is_no_span(clock, halves):
    watch = spans.of_client()
    for half in halves:
        watch._timed(clock.work, spans._Piece(spans.CLIENT_DECODE, half))(100)
    told = watch.told()
    assert {name: net(span) for name, span in told.items()} == (
        {spans.CLIENT_DECODE: 200} if len(halves) > 1 else {}
    )


@pytest.mark.parametrize(("name", "encoding"), FORMATTED.items())
def test_nothing_is_timed_unless_it_is_asked_for(name, encoding):
    given = importlib.import_module(stacks._FORMATS[encoding]).FORMAT
    watched = stacks.find(name, spans.of_client().format)
    plain = stacks.find(name)
    assert plain._format is given
    assert plain.codec(shop.Order) is given.codec(shop.Order)
    assert type(watched) is type(plain)
    for codec, module in ((plain.codec(shop.Order), False), (watched.codec(shop.Order), True)):
        assert type(codec) is type(given.codec(shop.Order))
        for function in (codec.encode, codec.decode):
            assert (function.__module__ == spans.__name__) == module
    order = plain.codec(shop.Order)
    assert watched.codec(shop.Order).decode(order.encode(ORDER)) == ORDER


@pytest.mark.parametrize("name", OWN)
def test_stacks_with_an_encoding_of_their_own_are_as_ever(name):
    watch = spans.of_client()
    plain, watched = stacks.find(name), stacks.find(name, watch.format)
    assert type(watched) is type(plain)
    watched.codec(shop.Order).encode(ORDER)
    assert watch.told() == {}


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_frames_are_read_without_a_clock_unless_it_is_asked_for(encoding):
    given = importlib.import_module(stacks._FORMATS[encoding]).FORMAT
    plain = importlib.import_module(framing._MODULES[encoding]).FRAMING
    assert framing.find(given) is plain
    assert stacks.find(f"tcp-{encoding}")._framing is plain
    assert framing.find(spans.of_client().format(given)).inbox is not plain.inbox


def test_handlers_are_timed_but_for_those_with_streams():
    timed = spans.of_server().service(SHOP)
    assert (timed.name, timed.delay) == (SHOP.name, SHOP.delay)
    for method, plain in zip(timed.methods, SHOP.methods, strict=True):
        assert (method.handler == plain.handler) == (plain.kind is not Kind.UNARY)
    assert timed["Quote"].handler(ORDER) == QUOTE.handler(ORDER)


def calls(stack, served, number, method=QUOTE, request=ORDER):
    """Serve and call in this process."""
    calling, serving = stack
    with (
        serving.serve(served, Address(), Options()) as server,
        closing(calling.connect(server.address, Options())) as client,
    ):
        call = client.unary(method)
        for _ in range(number):
            assert call(request, LONG) == method.handler(request)


@pytest.mark.parametrize("name", WIRED)
def test_each_side_times_its_own_parts_of_every_call(name):
    client, server = spans.of_client(), spans.of_server()
    calls((stacks.find(name, client.format), stacks.find(name, server.format)), server.service(SHOP), 5)
    ours, theirs = client.told(), server.told()
    assert set(ours) == {spans.CLIENT_ENCODE, spans.CLIENT_DECODE}
    assert set(theirs) == {spans.SERVER_DECODE, spans.HANDLER, spans.SERVER_ENCODE}
    halves = 2 if name.startswith("tcp-") else 1
    assert {name: span.count for name, span in (ours | theirs).items()} == {
        spans.CLIENT_ENCODE: 5,
        spans.CLIENT_DECODE: 5 * halves,
        spans.SERVER_DECODE: 5 * halves,
        spans.HANDLER: 5,
        spans.SERVER_ENCODE: 5,
    }
    assert all(span.ns > 0 for span in (ours | theirs).values())


@pytest.mark.parametrize("name", OWN)
def test_of_an_encoding_that_cannot_be_timed_the_handler_is(name):
    client, server = spans.of_client(), spans.of_server()
    calls((stacks.find(name, client.format), stacks.find(name, server.format)), server.service(SHOP), 3)
    assert client.told() == {}
    assert set(server.told()) == {spans.HANDLER}


def test_without_a_wire_the_message_tells_whose_codec_it_is():
    watch = spans.of_both(QUOTE)
    stack = stacks.find("memory-msgpack", watch.format)
    calls((stack, stack), watch.service(SHOP), 4)
    assert {name: span.count for name, span in watch.told().items()} == dict.fromkeys(spans.SPANS, 4)


def test_a_message_that_goes_both_ways_does_not_tell():
    echo = SHOP["Echo"]
    watch = spans.of_both(echo)
    stack = stacks.find("memory-msgpack", watch.format)
    assert stack.codec(shop.Note).encode is FORMAT.codec(shop.Note).encode
    calls((stack, stack), watch.service(SHOP), 4, echo, shop.Note(1, b"x"))
    assert set(watch.told()) == {spans.HANDLER}


@pytest.mark.parametrize("name", ["grpc-protobuf", "tcp-msgpack", "thrift-binary"])
def test_a_server_tells_what_it_timed_since_it_was_last_asked(name):
    command = [sys.executable, "-P", "-m", "stacks", "serve", name, "--spans"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = Address(**json.loads(process.stdout.readline())["address"])
            with closing(stacks.find(name).connect(address, Options())) as client:
                call = client.unary(QUOTE)
                for number in (3, 2):
                    for _ in itertools.repeat(None, number):
                        assert call(ORDER, LONG)
                    process.send_signal(signal.SIGUSR1)
                    told = json.loads(process.stdout.readline())
                    assert told[spans.HANDLER]["count"] == number
                    assert (spans.SERVER_DECODE in told) == (name != "thrift-binary")
        finally:
            process.terminate()
            process.wait(LONG)
        assert process.returncode == 0
