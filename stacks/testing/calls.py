"""Unary calls: what comes back, what fails and how, and what a connection stands."""

from __future__ import annotations

import dataclasses
import socket
import threading

import msgspec
import pytest

from stacks import service, shop
from stacks.base import Address, Options
from stacks.errors import ConnectionLost, ProtocolError, Refused, Remote, Timeout, Unavailable
from stacks.schema import RANGE_32
from stacks.testing.needs import needs
from stacks.testing.oracle import FULL, LEAST, LONG, WIDE, Ask, Colour, Told, lose, one_call

SHOP = service.load("stacks.shop:Shop")
USERS = 32


@pytest.mark.parametrize("sample", shop.SAMPLES)
def test_a_quote_is_what_the_handler_answers(serve, connect, sample):
    quote = connect(serve(SHOP)).unary(SHOP["Quote"])
    order = shop.order(sample)
    assert quote(order, LONG) == SHOP["Quote"].handler(order)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1_048_576, 3_000_000])
def test_bytes_come_back_as_they_went(serve, connect, size):
    echo = connect(serve(SHOP)).unary(SHOP["Echo"])
    note = shop.Note(size, bytes(range(251)) * (size // 251) + bytes(size % 251))
    assert echo(note, LONG) == note


@pytest.mark.parametrize("wide", [WIDE, FULL, LEAST], ids=["empty", "full", "least"])
def test_every_kind_of_field_comes_back(serve, connect, offered, wide):
    reply = connect(serve(offered)).unary(offered["Same"])(wide, LONG)
    assert reply == wide
    assert type(reply.colour) is Colour


@pytest.mark.parametrize("share", [float("nan"), float("inf"), float("-inf")])
def test_a_float_that_is_no_number_comes_back_or_is_named(serve, connect, offered, share):
    same = connect(serve(offered)).unary(offered["Same"])
    try:
        reply = same(msgspec.structs.replace(WIDE, share=share), LONG)
    except ProtocolError as error:
        assert "Wide.share" in str(error)  # noqa: PT017 -- to come back is just as right
    else:
        assert repr(reply.share) == repr(share)
    assert same(WIDE, LONG) == WIDE


@pytest.mark.parametrize("half", [RANGE_32[0] - 1, RANGE_32[-1] + 1])
def test_an_int_of_more_than_32_bits_comes_back_or_is_named(serve, connect, offered, half):
    same = connect(serve(offered)).unary(offered["Same"])
    try:
        reply = same(msgspec.structs.replace(WIDE, half=half), LONG)
    except ProtocolError as error:
        assert "Wide.half" in str(error)  # noqa: PT017 -- to come back is just as right
    else:
        assert reply.half == half
    assert same(WIDE, LONG) == WIDE


def test_many_calls_on_one_connection(serve, connect, offered, seen):
    tell = connect(serve(offered)).unary(offered["Tell"])
    for number in range(300):
        assert tell(Ask(number, f"text {number}"), LONG) == Told(number, f"text {number}")
    assert seen == dict.fromkeys(range(300), 1)


def test_two_methods_on_one_connection(serve, connect, offered):
    client = connect(serve(offered))
    tell, grow = client.unary(offered["Tell"]), client.unary(offered["Grow"])
    assert [tell(Ask(3, "a"), LONG), grow(Ask(3, "a"), LONG)] == [Told(3, "a"), Told(3, "xxx")]


def test_users_with_a_connection_each_get_their_own_replies(serve, connect, offered, together):
    served = serve(offered)

    def use(user):
        tell = connect(served).unary(offered["Tell"])
        return [tell(Ask(1000 * user + turn, "x" * user), LONG).id for turn in range(20)]

    assert together(USERS, use) == [[1000 * user + turn for turn in range(20)] for user in range(USERS)]


@needs("sharing")
def test_users_of_a_shared_connection_get_their_own_replies(
    serve, connect, offered, together, leading, stack
):
    served = serve(offered)
    tell = connect(served).unary(offered["Tell"])

    def use(user):
        return [tell(Ask(1000 * user + turn, "x" * (500 * user)), LONG).id for turn in range(20)]

    assert together(USERS, use) == [[1000 * user + turn for turn in range(20)] for user in range(USERS)]
    if stack.wire:
        assert len({each.laddr for each in leading(served.address.port)}) == 1


@needs("wire")
def test_users_wait_side_by_side_and_their_calls_end_with_the_server(stack, offered, seen, until):
    failures = []
    with stack.serve(dataclasses.replace(offered, delay=3600.0), Address(), Options()) as served:
        lost = (stack, served.address, offered, failures)
        calls = [threading.Thread(target=lose, args=(user, *lost)) for user in range(4)]
        for call in calls:
            call.start()
        until(lambda: len(seen) == 4, "no user's simulated work keeps another from the handler")
    for call in calls:
        call.join(LONG)
    assert [type(failure) for failure in failures] == [ConnectionLost] * 4
    assert seen == dict.fromkeys(range(4), 1)


@pytest.mark.parametrize(
    "code",
    ["INVALID_ARGUMENT", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED", "UNKNOWN"],
)
def test_a_handlers_error_keeps_its_code_and_is_not_tried_again(serve, connect, offered, seen, code):
    client = connect(serve(offered))
    with pytest.raises(Remote) as caught:
        client.unary(offered["Refuse"])(Ask(7, code), LONG)
    assert (caught.value.code, caught.value.text) == (code, "refused no. 7")
    assert seen == {7: 1}
    assert client.unary(offered["Tell"])(Ask(8, "on"), LONG) == Told(8, "on")


@pytest.mark.parametrize("code", ["OK", "NO_SUCH_CODE", ""])
def test_a_code_that_grpc_does_not_have_is_unknown(serve, connect, offered, code):
    with pytest.raises(Remote, match=r"refused no\. 1") as caught:
        connect(serve(offered)).unary(offered["Refuse"])(Ask(1, code), LONG)
    assert caught.value.code == "UNKNOWN"


def test_an_unexpected_exception_is_told_by_kind_and_text_alone(serve, connect, offered, seen):
    client = connect(serve(offered))
    with pytest.raises(Remote) as caught:
        client.unary(offered["Crash"])(Ask(1, "no such 🚚"), LONG)
    assert (caught.value.code, caught.value.text) == ("UNKNOWN", "ValueError: no such 🚚")
    assert seen == {1: 1}
    assert client.unary(offered["Tell"])(Ask(2, "on"), LONG) == Told(2, "on")


def test_a_long_text_of_an_exception_is_cut(serve, connect, offered):
    with pytest.raises(Remote) as caught:
        connect(serve(offered)).unary(offered["Crash"])(Ask(1, "ö" * 100_000), LONG)
    assert caught.value.text.startswith("ValueError: öö")
    assert 500 < len(caught.value.text) < 2000


def test_a_method_that_is_not_there_is_unimplemented(serve, connect, offered):
    client = connect(serve(offered))
    with pytest.raises(Remote) as caught:
        client.unary(dataclasses.replace(offered["Tell"], name="Nothing"))(Ask(1, ""), LONG)
    assert caught.value.code == "UNIMPLEMENTED"
    assert client.unary(offered["Tell"])(Ask(2, "on"), LONG) == Told(2, "on")


def test_after_a_timeout_the_next_call_gets_its_own_reply(serve, connect, offered, seen):
    tell = connect(serve(dataclasses.replace(offered, delay=0.1))).unary(offered["Tell"])
    for number in range(1, 4):
        with pytest.raises(Timeout, match=r"0\.02 s"):
            tell(Ask(number, "late"), 0.02)
    assert tell(Ask(9, "in time"), LONG) == Told(9, "in time")
    assert max(seen.values()) == 1


def test_a_timeout_of_nothing_is_over_at_once(serve, connect, offered):
    tell = connect(serve(dataclasses.replace(offered, delay=0.05))).unary(offered["Tell"])
    with pytest.raises(Timeout):
        tell(Ask(1, ""), 0.0)
    assert tell(Ask(2, ""), LONG) == Told(2, "")


def test_where_nobody_listens_is_unavailable(stack, offered):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unavailable):
        one_call(stack, Address(port=port), offered)


@needs("wire")
def test_a_host_that_does_not_exist_is_unavailable(stack, offered):
    with pytest.raises(Unavailable):
        one_call(stack, Address("no-such-host.invalid", 1), offered)


def test_a_server_that_stops_between_calls_is_noticed(stack, connect, offered):
    with stack.serve(offered, Address(), Options()) as served:
        tell = connect(served).unary(offered["Tell"])
        tell(Ask(1, ""), LONG)
    for number in (2, 3):
        with pytest.raises((ConnectionLost, Unavailable)):
            tell(Ask(number, ""), LONG)


@needs("bytes")
def test_a_request_over_the_limit_is_not_sent(serve, connect, offered, seen):
    served, options = serve(offered), Options(max_message=1000)
    tell = connect(served, options).unary(offered["Tell"])
    with pytest.raises(Refused, match="larger than max"):
        tell(Ask(1, "x" * 1001), LONG)
    assert tell(Ask(2, "y" * 900), LONG) == Told(2, "y" * 900)
    assert seen == {2: 1}


@needs("bytes")
def test_a_reply_over_the_servers_limit_is_not_sent(serve, connect, offered):
    client = connect(serve(offered, Options(max_message=1000)))
    with pytest.raises(Refused, match="larger than max"):
        client.unary(offered["Grow"])(Ask(1001, ""), LONG)
    assert client.unary(offered["Grow"])(Ask(900, ""), LONG) == Told(900, "x" * 900)


@needs("bytes")
def test_a_reply_over_the_clients_limit_is_not_taken(serve, connect, offered):
    served = serve(offered)
    other = connect(served).unary(offered["Grow"])
    with pytest.raises(Refused, match="larger than max"):
        connect(served, Options(max_message=1000)).unary(offered["Grow"])(Ask(300_000, ""), LONG)
    assert other(Ask(300_000, ""), LONG) == Told(300_000, "x" * 300_000)


@needs("bytes")
def test_a_request_over_the_servers_limit_is_not_taken(serve, connect, offered, seen):
    served = serve(offered, Options(max_message=1000))
    other = connect(served).unary(offered["Tell"])
    other(Ask(1, ""), LONG)
    with pytest.raises((Refused, ConnectionLost)):
        connect(served).unary(offered["Tell"])(Ask(2, "x" * 300_000), LONG)
    assert other(Ask(3, ""), LONG) == Told(3, "")
    assert set(seen) == {1, 3}


@needs("wire")
@pytest.mark.parametrize("junk", [b"\xc1", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 70_000, b"\0" * 300, b""])
def test_a_peer_that_sends_junk_disturbs_nobody(serve, connect, offered, junk):
    served = serve(offered)
    tell = connect(served).unary(offered["Tell"])
    tell(Ask(1, ""), LONG)
    with socket.create_connection((served.address.host, served.address.port), LONG) as peer:
        peer.sendall(junk)
        assert tell(Ask(2, ""), LONG) == Told(2, "")
    assert tell(Ask(3, ""), LONG) == Told(3, "")
