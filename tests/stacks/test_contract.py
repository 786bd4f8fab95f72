"""What every stack must keep, whatever it is made of.

A plug-in's author runs this file with a fixture `stack` of their own. A test that asks for more than some
stacks have is marked by `needs`; `golden/abilities.txt` lists who is let off what.
"""

from __future__ import annotations

import dataclasses
import enum
import platform
import socket
import threading
from collections import Counter
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from uuid import UUID

import msgspec
import psutil
import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.errors import AddressError, ConnectionLost, Refused, Remote, SchemaError, Timeout, Unavailable

GOLDEN = Path(__file__).parent / "golden" / "abilities.txt"
SHOP = service.load("stacks.shop:Shop")
LONG = 20.0
"""A timeout that only a call that hangs reaches."""
USERS = 16


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(msgspec.Struct):
    x: int
    y: float


class Wide(msgspec.Struct):
    number: int
    share: float
    sure: bool
    text: str
    data: bytes
    colour: Colour
    when: datetime
    key: UUID
    maybe: str | None
    numbers: list[int]
    prices: dict[str, int]
    points: list[Point]


class Ask(msgspec.Struct):
    id: int
    text: str


class Told(msgspec.Struct):
    id: int
    text: str


class Oracle:
    """Answers, fails and counts as it is asked to; `seen` has how often each id came."""

    package = "contract"

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()

    def same(self, wide: Wide) -> Wide:
        return wide

    def tell(self, ask: Ask) -> Told:
        self.seen[ask.id] += 1
        return Told(ask.id, ask.text)

    def grow(self, ask: Ask) -> Told:
        return Told(ask.id, "x" * ask.id)

    def refuse(self, ask: Ask) -> Told:
        self.seen[ask.id] += 1
        raise Remote(ask.text, f"refused no. {ask.id}")

    def crash(self, ask: Ask) -> Told:
        self.seen[ask.id] += 1
        raise ValueError(ask.text)


WIDE = Wide(
    number=0,
    share=0.0,
    sure=False,
    text="",
    data=b"",
    colour=Colour.RED,
    when=datetime(1970, 1, 1, tzinfo=UTC),
    key=UUID(int=0),
    maybe=None,
    numbers=[],
    prices={},
    points=[],
)
FULL = Wide(
    number=2**63 - 1,
    share=-1.5e300,
    sure=True,
    text="Grüße, 世界 🚚 \x00 \u202e",
    data=bytes(range(256)),
    colour=Colour.BLUE,
    when=datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    key=UUID("12345678-1234-5678-1234-567812345678"),
    maybe="",
    numbers=[-(2**63), -1, 0, 1, 127, 128, 2**31, 2**63 - 1],
    prices={"": 0, "Ä": -1},
    points=[Point(1, 0.1), Point(-(2**63), -0.0)],
)


def needs(feature):
    """Mark a test that is not applicable to stacks without `feature`."""

    def mark(test):
        test.needs = feature
        return test

    return mark


def features(stack):
    """Tell what a stack has: a wire, connections that many can share, messages that become bytes."""
    has = {"wire": stack.wire, "sharing": stack.multiplexes, "bytes": bool(stack.facts.versions)}
    return {name for name, given in has.items() if given}


@pytest.fixture(autouse=True)
def _applicable(request):
    feature = getattr(request.function, "needs", None)
    if feature and feature not in features(request.getfixturevalue("stack")):
        pytest.skip(f"not applicable without {feature}")


@pytest.fixture
def offered():
    return service.read(Oracle)


@pytest.fixture
def seen(offered):
    return offered["Tell"].handler.__self__.seen


def test_who_is_let_off_what():
    tests = {name: test for name, test in globals().items() if getattr(test, "needs", None)}
    lines = []
    for name in stacks.names():
        has = features(stacks.find(name))
        off = sorted(test for test, function in tests.items() if function.needs not in has)
        lines += [f"{name}:", *(f"    {test}" for test in off)] if off else [f"{name}: nothing"]
    assert "\n".join(lines) + "\n" == GOLDEN.read_text()


@pytest.mark.parametrize("sample", shop.SAMPLES)
def test_a_quote_is_what_the_handler_answers(serve, connect, sample):
    quote = connect(serve(SHOP)).unary(SHOP["Quote"])
    order = shop.order(sample)
    assert quote(order, LONG) == SHOP["Quote"].handler(order)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 3_000_000])
def test_bytes_come_back_as_they_went(serve, connect, size):
    echo = connect(serve(SHOP)).unary(SHOP["Echo"])
    note = shop.Note(size, bytes(range(251)) * (size // 251) + bytes(size % 251))
    assert echo(note, LONG) == note


@pytest.mark.parametrize("wide", [WIDE, FULL], ids=["empty", "full"])
def test_every_kind_of_field_comes_back(serve, connect, offered, wide):
    reply = connect(serve(offered)).unary(offered["Same"])(wide, LONG)
    assert reply == wide
    assert type(reply.colour) is Colour


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
        calls = [threading.Thread(target=_lose, args=(user, *lost)) for user in range(4)]
        for call in calls:
            call.start()
        until(lambda: len(seen) == 4, "no user's simulated work keeps another from the handler")
    for call in calls:
        call.join(LONG)
    assert [type(failure) for failure in failures] == [ConnectionLost] * 4
    assert seen == dict.fromkeys(range(4), 1)


def _lose(user, stack, address, offered, failures):
    try:
        _one_call(stack, address, offered, user)
    except Exception as error:  # noqa: BLE001 -- the test looks at its type
        failures.append(error)


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
        _one_call(stack, Address(port=port), offered)


@needs("wire")
def test_a_host_that_does_not_exist_is_unavailable(stack, offered):
    with pytest.raises(Unavailable):
        _one_call(stack, Address("no-such-host.invalid", 1), offered)


def _one_call(stack, address, offered, number=1):
    client = stack.connect(address, Options())
    try:
        client.unary(offered["Tell"])(Ask(number, ""), LONG)
    finally:
        client.close()


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


def test_a_closed_client_takes_no_calls(serve, connect, offered, seen):
    client = connect(serve(offered))
    tell = client.unary(offered["Tell"])
    tell(Ask(1, ""), LONG)
    client.close()
    client.close()
    with pytest.raises(Unavailable):
        tell(Ask(2, ""), LONG)
    assert seen == {1: 1}


@needs("wire")
def test_close_closes_the_socket(stack, serve, offered, leading, until):
    served = serve(offered)
    for _ in range(10):
        client = stack.connect(served.address, Options())
        client.unary(offered["Tell"])(Ask(1, ""), LONG)
        assert leading(served.address.port)
        client.close()
        until(lambda: not leading(served.address.port), "the socket is closed")


def test_nothing_is_left_of_closed_clients(stack, serve, offered, descriptors, until):
    served = serve(offered)
    _one_call(stack, served.address, offered)  # libraries start threads of their own, once

    threads, before = set(threading.enumerate()), descriptors()
    for _ in range(50):
        _one_call(stack, served.address, offered)
    assert set(threading.enumerate()) <= threads
    until(lambda: descriptors() <= before, "the server has closed its ends, too")


def test_nothing_is_left_of_a_stopped_server(stack, offered, descriptors, until):
    with stack.serve(offered, Address(), Options()) as served:
        _one_call(stack, served.address, offered)
    threads, before = set(threading.enumerate()), descriptors()
    for _ in range(5):
        with stack.serve(offered, Address(), Options()) as served:
            _one_call(stack, served.address, offered)
            idle = stack.connect(served.address, Options())
        idle.close()
    until(lambda: set(threading.enumerate()) <= threads, "no thread of the servers is left")
    until(lambda: descriptors() <= before, "no descriptor of the servers is left")


@needs("wire")
def test_a_server_stops_though_connections_come_in_just_then(stack, offered, opened, monkeypatch):
    at_work, gate = threading.Event(), threading.Event()

    def handle(ask):
        at_work.set()
        gate.wait(LONG)
        return Told(ask.id, "")

    held = dataclasses.replace(offered, methods=(dataclasses.replace(offered["Tell"], handler=handle),))
    failures = []
    with stack.serve(held, Address(), Options()) as served:
        call = threading.Thread(target=_lose, args=(1, stack, served.address, offered, failures))
        opened.callback(call.join, LONG)
        call.start()
        assert at_work.wait(LONG)
        # The server is at work: what comes now, and that it is to stop, it sees at once and afterwards.
        where = (served.address.host, served.address.port)
        for _ in range(8):
            opened.enter_context(socket.create_connection(where, LONG))
        join = threading.Thread.join

        def let_go(thread, timeout=None):
            gate.set()
            join(thread, timeout)

        monkeypatch.setattr(threading.Thread, "join", let_go)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, LONG)


def test_a_stopped_servers_port_can_be_had_again(stack, offered):
    with stack.serve(offered, Address(), Options()) as first:
        _one_call(stack, first.address, offered)
    with stack.serve(offered, first.address, Options()) as second:
        assert second.address == first.address
        _one_call(stack, second.address, offered)


def test_a_taken_port_is_named_with_a_remedy(stack, serve, offered, descriptors):
    served = serve(offered)
    threads, before = set(threading.enumerate()), descriptors()
    with (
        pytest.raises(AddressError, match=f"{served.address}.*taken.*port 0"),
        stack.serve(offered, served.address, Options()),
    ):
        pytest.fail("two servers on one port")
    assert set(threading.enumerate()) <= threads
    assert descriptors() == before
    _one_call(stack, served.address, offered)


@needs("wire")
@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "", "a" * 300])
def test_a_host_that_is_not_ours_is_named_with_a_remedy(stack, offered, host):
    address = Address(host, 0)
    with (
        pytest.raises(AddressError, match=f"cannot listen on {address}"),
        stack.serve(offered, address, Options()),
    ):
        pytest.fail(f"a server on {address}")


@needs("wire")
@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_cannot_be_is_named(stack, offered, port):
    with pytest.raises(AddressError, match="65535"), stack.serve(offered, Address(port=port), Options()):
        pytest.fail(f"a server on port {port}")


@needs("wire")
def test_servers_listen_on_loopback_alone(serve, offered):
    served = serve(offered)
    ours = psutil.Process().net_connections("tcp")
    listening = [each.laddr for each in ours if each.status == psutil.CONN_LISTEN]
    assert served.address.port in {where.port for where in listening}
    # An IPv6 socket may take IPv4 connections; its address is then written like this.
    assert {where.ip.removeprefix("::ffff:") for where in listening} == {"127.0.0.1"}


def test_streams_are_not_carried(stack, serve, connect, offered):
    streaming = dataclasses.replace(offered["Tell"], kind=stacks.base.Kind.BIDI)
    client = connect(serve(offered))
    with pytest.raises(SchemaError, match="Tell is a bidi call"):
        client.unary(streaming)
    with (
        pytest.raises(SchemaError, match=r"contract\.Oracle has no unary method"),
        stack.serve(dataclasses.replace(offered, methods=(streaming,)), Address(), Options()),
    ):
        pytest.fail("served without a method")


def test_facts_are_there_and_versions_true(stack):
    facts = stack.facts
    assert all([facts.concurrency, facts.threads, facts.nagle, facts.compression, facts.tls, facts.deadline])
    assert facts.max_message == Options().max_message
    for name, version in facts.versions.items():
        assert version == (platform.python_version() if name == "python" else metadata.version(name))
    assert ("multiplexing" in facts.abilities) == stack.multiplexes


def test_a_stack_is_found_by_its_own_name(stack):
    assert type(stacks.find(stack.name)) is type(stack)
    assert stacks.find(stack.name).name == stack.name
