"""Calls with streams: order, flow, ends, failures, and what is left of a call that was cut short."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections import deque

import pytest

from stacks.base import Address, Kind, Options
from stacks.errors import CallError, ConnectionLost, Refused, Remote, Timeout
from stacks.testing.needs import needs
from stacks.testing.oracle import LONG, Ask, Told

MANY = 500


@needs(Kind.SERVER)
@pytest.mark.parametrize("count", [0, 1, MANY])
def test_a_server_stream_gives_every_reply_in_order(serve, connect, offered, count):
    replies = connect(serve(offered)).stream(offered["Count"])([Ask(count, "é")], LONG)
    assert list(replies) == [Told(number, "é") for number in range(count)]


@needs(Kind.CLIENT)
@pytest.mark.parametrize("count", [0, 1, MANY])
def test_a_client_stream_is_read_to_its_end(serve, connect, offered, count):
    gather = connect(serve(offered)).stream(offered["Gather"])
    asks = [Ask(number, "é") for number in range(count)]
    assert list(gather(asks, LONG)) == [Told(sum(range(count)), " ".join(["é"] * count)[:1000])]


@needs(Kind.BIDI)
@pytest.mark.parametrize("count", [0, 1, MANY])
def test_both_directions_keep_their_order(serve, connect, offered, count):
    converse = connect(serve(offered)).stream(offered["Converse"])
    asks = (Ask(number, "é" * (number % 7)) for number in range(count))
    assert list(converse(asks, LONG)) == [Told(number, "é" * (number % 7)) for number in range(count)]


@needs(Kind.BIDI)
def test_a_reply_comes_before_the_next_request_is_made(serve, connect, offered):
    told = []

    def asks():
        yield Ask(0, "")
        for number in range(1, 20):
            assert arrived.wait(LONG), "the reply is kept back until more is asked"
            arrived.clear()
            yield Ask(number, "")

    arrived = threading.Event()
    for reply in connect(serve(offered)).stream(offered["Converse"])(asks(), LONG):
        told.append(reply.id)
        arrived.set()
    assert told == list(range(20))


@needs(Kind.BIDI)
def test_replies_need_not_match_requests_one_for_one(serve, connect, offered):
    fan = connect(serve(offered)).stream(offered["Fan"])
    ids = [reply.id for reply in fan([Ask(3, ""), Ask(0, ""), Ask(1, "")], LONG)]
    assert ids == [0, 1, 2, 0, -1]


@needs(Kind.SERVER)
def test_large_messages_are_streamed(serve, connect, offered):
    replies = connect(serve(offered)).stream(offered["Count"])([Ask(12, "x" * 1_048_576)], LONG)
    assert [(reply.id, len(reply.text)) for reply in replies] == [(number, 1_048_576) for number in range(12)]


@needs(Kind.BIDI)
def test_large_messages_go_both_ways_at_once(serve, connect, offered):
    converse = connect(serve(offered)).stream(offered["Converse"])
    asks = (Ask(number, "y" * 1_048_576) for number in range(12))
    assert [reply.id for reply in converse(asks, LONG)] == list(range(12))


@needs(Kind.CLIENT)
def test_a_server_may_answer_before_the_requests_end(serve, connect, offered):
    asks = (Ask(number, "z" * 1000) for number in itertools.count())
    assert list(connect(serve(offered)).stream(offered["Enough"])(asks, LONG)) == [Told(0, "enough")]


@needs(Kind.SERVER)
def test_a_failure_comes_after_the_replies_before_it(serve, connect, offered):
    client = connect(serve(offered))
    replies = client.stream(offered["Crumble"])([Ask(3, "DATA_LOSS")], LONG)
    assert [next(replies).id for _ in range(3)] == [0, 1, 2]
    with pytest.raises(Remote) as caught:
        next(replies)
    assert (caught.value.code, caught.value.text) == ("DATA_LOSS", "crumbled after 3")
    assert client.unary(offered["Tell"])(Ask(1, "on"), LONG) == Told(1, "on")


@needs(Kind.CLIENT)
def test_a_failure_in_mid_request_is_told(serve, connect, offered):
    client = connect(serve(offered))
    asks = [Ask(0, ""), Ask(1, "crash"), *(Ask(number, "") for number in range(2, 50))]
    with pytest.raises(Remote, match="ValueError: crashed at 1"):
        list(client.stream(offered["Gather"])(asks, LONG))
    assert client.unary(offered["Tell"])(Ask(1, "on"), LONG) == Told(1, "on")


@needs(Kind.BIDI)
def test_a_failure_ends_both_directions(serve, connect, offered):
    client = connect(serve(offered))
    replies = client.stream(offered["Converse"])([Ask(0, ""), Ask(1, "crash"), Ask(2, "")], LONG)
    assert next(replies) == Told(0, "")
    with pytest.raises(Remote, match="ValueError: crashed at 1"):
        next(replies)
    assert client.unary(offered["Tell"])(Ask(1, "on"), LONG) == Told(1, "on")


@needs(Kind.BIDI)
def test_an_exception_of_the_requests_is_raised_from_the_replies(serve, connect, offered):
    client = connect(serve(offered))

    def asks():
        yield Ask(0, "")
        raise LookupError("no more paper")

    with pytest.raises(LookupError, match="no more paper"):
        list(client.stream(offered["Converse"])(asks(), LONG))
    assert client.unary(offered["Tell"])(Ask(1, "on"), LONG) == Told(1, "on")


@needs(Kind.SERVER)
def test_a_caller_who_has_had_enough_ends_the_handler(serve, connect, offered, seen, until):
    client = connect(serve(offered))
    replies = client.stream(offered["Swell"])([Ask(1000, "")], LONG)
    assert [next(replies).id for _ in range(3)] == [0, 1, 2]
    replies.close()
    replies.close()
    assert list(replies) == []
    until(lambda: seen[-1] == 1, "the handler has ended")
    assert client.unary(offered["Tell"])(Ask(1, "on"), LONG) == Told(1, "on")


@needs(Kind.BIDI)
def test_requests_without_end_stop_when_the_call_is_closed(serve, connect, offered, until):
    client, made = connect(serve(offered)), []

    def asks():
        for number in itertools.count():
            made.append(number)
            yield Ask(number, "")

    replies = client.stream(offered["Converse"])(asks(), LONG)
    assert next(replies) == Told(0, "")
    replies.close()
    known = []

    def still():
        known.append(len(made))
        return known[-3:] == [len(made)] * 3

    until(still, "no more requests are made")
    assert client.unary(offered["Tell"])(Ask(1, "on"), LONG) == Told(1, "on")


@needs("wire")
@needs(Kind.SERVER)
def test_a_slow_reader_holds_the_server_back(serve, connect, offered, seen):
    made = []

    def handle(ask):
        for number in range(ask.id):
            made.append(number)
            yield Told(number, "x" * 100_000)

    slow = dataclasses.replace(offered["Count"], handler=handle)
    client = connect(serve(dataclasses.replace(offered, methods=(slow, offered["Tell"]))))
    replies = client.stream(slow)([Ask(2000, "")], LONG)
    next(replies)
    for number in range(20):  # others get on meanwhile, and give the server time to run ahead
        assert connect_and_tell(client, offered, number) == Told(number, "")
    assert len(made) < 1000, "the server buffers without bound for a caller who does not read"
    replies.close()


def connect_and_tell(client, offered, number):
    """Make a unary call beside a stream, on the same connection where that can be."""
    return client.unary(offered["Tell"])(Ask(number, ""), LONG)


@needs(Kind.SERVER)
def test_the_timeout_is_for_the_whole_call(serve, connect, offered):
    client = connect(serve(dataclasses.replace(offered, delay=0.05)))
    replies = client.stream(offered["Count"])([Ask(1000, "")], 0.3)
    with pytest.raises(Timeout):
        deque(replies, maxlen=0)
    assert client.unary(offered["Tell"])(Ask(2, "on"), LONG) == Told(2, "on")


@needs("wire")
@needs(Kind.SERVER)
def test_a_stream_ends_with_the_server(stack, connect, offered):
    with stack.serve(offered, Address(), Options()) as served:
        replies = connect(served).stream(offered["Swell"])([Ask(10, "")], LONG)
        next(replies)
    with pytest.raises(ConnectionLost):
        deque(replies, maxlen=0)


@needs("wire")
@needs(Kind.SERVER)
def test_a_client_closed_in_mid_stream_ends_it(stack, serve, offered, seen, until):
    served = serve(offered)
    client = stack.connect(served.address, Options())
    replies = client.stream(offered["Swell"])([Ask(1000, "")], LONG)
    next(replies)
    client.close()
    with pytest.raises(CallError):
        deque(replies, maxlen=0)
    until(lambda: seen[-1] == 1, "the handler has ended")


@needs("bytes")
@needs(Kind.SERVER)
def test_a_streamed_reply_over_the_limit_is_not_sent(serve, connect, offered):
    client = connect(serve(offered, Options(max_message=1000)))
    with pytest.raises(Refused, match="larger than max"):
        list(client.stream(offered["Swell"])([Ask(1001, "")], LONG))
    assert client.unary(offered["Tell"])(Ask(2, "on"), LONG) == Told(2, "on")


@needs(Kind.SERVER)
def test_a_stream_that_is_not_there_is_unimplemented(serve, connect, offered):
    client = connect(serve(offered))
    with pytest.raises(Remote) as caught:
        list(client.stream(dataclasses.replace(offered["Count"], name="Nothing"))([Ask(1, "")], LONG))
    assert caught.value.code == "UNIMPLEMENTED"


@needs(Kind.BIDI)
def test_streams_side_by_side_get_their_own_replies(serve, connect, offered, together):
    client = connect(serve(offered))
    converse = client.stream(offered["Converse"])

    def use(user):
        asks = (Ask(1000 * user + number, "x" * user) for number in range(50))
        return [reply.id for reply in converse(asks, LONG)]

    assert together(32, use) == [[1000 * user + number for number in range(50)] for user in range(32)]


@needs(Kind.SERVER)
def test_nothing_is_left_of_streams(stack, serve, offered, descriptors, until):
    served = serve(offered)

    def cut_short():
        client = stack.connect(served.address, Options())
        replies = client.stream(offered["Swell"])([Ask(10, "")], LONG)
        next(replies)
        replies.close()
        client.close()

    cut_short()
    threads, before = set(threading.enumerate()), descriptors()
    for _ in range(30):
        cut_short()
    until(lambda: set(threading.enumerate()) <= threads, "no thread of the streams is left")
    until(lambda: descriptors() <= before, "no descriptor of the streams is left")
