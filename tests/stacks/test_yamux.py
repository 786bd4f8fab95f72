"""The client of yamux-msgpack, and what it makes of servers of many kinds."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import socket
import threading
import time
from time import monotonic

import msgpack
import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.errors import ConnectionLost, ProtocolError, Refused, Remote, Timeout, Unavailable
from stacks.testing.oracle import Ask, Oracle, Told
from stacks.transports.yamux.session import ACK, AWAY, DATA, FIN, HEAD, PING, RST, SYN, UPDATE

LONG = 20.0
WINDOW = 262_144
YAMUX = stacks.find("yamux-msgpack")
SHOP = service.load("stacks.shop:Shop")
ORACLE = service.read(Oracle)


def frame(kind, flags, number, length=0, payload=b""):
    return HEAD.pack(0, kind, flags, number, length or len(payload)) + payload


def reply(number, message, flags=FIN):
    """Write a reply with the end in the same frame, as the specification allows."""
    return frame(DATA, flags, number, payload=msgpack.packb([0, message]))


@pytest.fixture
def by_hand(opened, talk_yamux):
    """Serve one connection with `talk(talker)` in a thread; gives a client of it."""

    def by_hand(talk, options=Options()):  # noqa: B008 -- frozen
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        failed = []

        def serve():
            try:
                connection, _ = listening.accept()
                connection.settimeout(LONG)
                with connection, talk_yamux(connection) as talker:
                    talk(talker)
                    with contextlib.suppress(OSError):
                        while talker.hear() is not None:
                            pass
            except Exception as error:  # noqa: BLE001 -- the test's own thread looks at it
                failed.append(error)

        thread = threading.Thread(target=serve)
        thread.start()

        def end():
            thread.join(LONG)
            assert not thread.is_alive()
            assert not failed, failed

        opened.callback(end)
        client = YAMUX.connect(Address(port=listening.getsockname()[1]), options)
        opened.callback(client.close)
        return client

    return by_hand


def test_what_we_send_is_yamux(by_hand):
    got = []

    def talk(server):
        got.append(server.read(12 + 13 + 12))
        server.say(reply(1, [5, b"body"]))
        while (heard := server.hear()) is not None:
            got.append(heard)

    client = by_hand(talk)
    assert client.unary(SHOP["Echo"])(shop.Note(5, b"body"), LONG) == shop.Note(5, b"body")
    client.close()
    assert got[0] == bytes.fromhex(
        "00 00 0001 00000001 0000000d a4 4563686f 92 05 c4 04 626f6479 00 01 0004 00000001 00000000"
    )
    assert got[1:] in ([], [(AWAY, 0, 0, 0, b"")])


def test_a_call_with_streams_goes_out_as_it_is_made(by_hand):
    asked, got = threading.Semaphore(0), []

    def talk(server):
        got.append(server.hear())
        server.say(frame(UPDATE, ACK, 1))
        for number in range(3):
            asked.release()
            got.append(server.hear())
            server.say(reply(1, [number, ""], 0))
        asked.release()
        got.append(server.hear())
        server.say(frame(UPDATE, FIN, 1))

    def asks():
        for number in range(3):
            asked.acquire()
            yield Ask(number, "é")
        asked.acquire()

    replies = by_hand(talk).stream(ORACLE["Converse"])(asks(), LONG)
    assert list(replies) == [Told(number, "") for number in range(3)]
    assert got[0] == (DATA, SYN, 1, 9, b"\xa8Converse")
    assert got[1:4] == [(DATA, 0, 1, 5, msgpack.packb([number, "é"])) for number in range(3)]
    assert got[4] == (UPDATE, FIN, 1, 0, b"")


def test_replies_may_come_in_crumbs_and_in_lumps(by_hand):
    def talk(server):
        server.request()
        for byte in reply(1, [1, b"crumbs"]):
            server.say(bytes([byte]))
        server.request()
        body = msgpack.packb([0, [2, b"frames"]])
        server.say(*(frame(DATA, 0, 3, payload=bytes([byte])) for byte in body), frame(UPDATE, FIN, 3))

    echo = by_hand(talk).unary(SHOP["Echo"])
    assert echo(shop.Note(1, b""), LONG) == shop.Note(1, b"crumbs")
    assert echo(shop.Note(2, b""), LONG) == shop.Note(2, b"frames")


def test_calls_answered_in_reverse_reach_their_own_threads(by_hand, together):
    users = 16

    def talk(server):
        got = [server.request() for _ in range(users)]
        assert {number for number, _ in got} == set(range(1, 2 * users, 2))
        for number, payload in reversed(got):
            server.say(reply(number, msgpack.unpackb(payload[5:])))

    echo = by_hand(talk).unary(SHOP["Echo"])
    notes = together(users, lambda user: echo(shop.Note(user, b"x" * user), LONG))
    assert notes == [shop.Note(user, b"x" * user) for user in range(users)]


@pytest.mark.parametrize(
    ("tree", "error", "text"),
    [
        ([1, "NOT_FOUND", "no such"], Remote, "NOT_FOUND: no such"),
        ([1, "ODD", "text"], Remote, "UNKNOWN: ODD: text"),
        ([1, 5, None], Remote, r"UNKNOWN: \[5, None\]"),
        ([1, "RESOURCE_EXHAUSTED", "larger than max"], Refused, "larger than max"),
        ([2, "NOT_FOUND", "no such"], ProtocolError, "something else than a reply"),
        ([0], ProtocolError, "something else than a reply"),
        ({}, ProtocolError, "something else than a reply"),
        ([0, ["no", "note"]], ProtocolError, "Note"),
    ],
)
def test_what_foreign_servers_answer(by_hand, tree, error, text):
    def talk(server):
        server.request()
        server.say(frame(DATA, FIN, 1, payload=msgpack.packb(tree)))
        server.request()
        server.say(reply(3, [2, b""]))

    echo = by_hand(talk).unary(SHOP["Echo"])
    with pytest.raises(error, match=text):
        echo(shop.Note(1, b""), LONG)
    assert echo(shop.Note(2, b""), LONG).id == 2


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(frame(UPDATE, FIN, 1), id="no reply"),
        pytest.param(frame(DATA, FIN, 1, payload=b"\xc1"), id="no messagepack"),
        pytest.param(reply(1, [1, b""], 0) + reply(1, [1, b""]), id="two replies"),
        pytest.param(frame(DATA, FIN, 1, payload=msgpack.packb([0, [1, b"abc"]])[:-1]), id="half a reply"),
    ],
)
def test_an_answer_that_is_none_fails_its_own_call_alone(by_hand, end):
    def talk(server):
        server.request()
        server.say(end)
        server.request()
        server.say(reply(3, [2, b""]))

    echo = by_hand(talk).unary(SHOP["Echo"])
    with pytest.raises(ProtocolError):
        echo(shop.Note(1, b""), LONG)
    assert echo(shop.Note(2, b""), LONG).id == 2


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="HTTP"),
        pytest.param(frame(DATA, 0, 1, WINDOW + 1), id="beyond the window"),
        pytest.param(frame(UPDATE, 0, 1, 2**32 - 1), id="a window too wide"),
        pytest.param(frame(DATA, SYN, 1), id="a number of ours"),
    ],
)
def test_a_violation_ends_the_connection_for_all(by_hand, together, junk):
    heard = []

    def talk(server):
        for _ in range(4):
            server.request()
        server.say(junk)
        heard.append(server.hear())

    def use(_user):
        with pytest.raises(ProtocolError):
            echo(shop.Note(1, b""), LONG)
        with pytest.raises(Unavailable, match="has ended"):
            echo(shop.Note(2, b""), LONG)

    client = by_hand(talk)
    echo = client.unary(SHOP["Echo"])
    together(4, use)
    client.close()
    assert heard in ([], [None], [(AWAY, 0, 0, 1, b"")])


def test_go_aways_are_heeded(by_hand):
    def talk(server):
        server.request()
        server.say(frame(AWAY, 0, 0, 0), reply(1, [1, b""]))

    client = by_hand(talk)
    echo = client.unary(SHOP["Echo"])
    assert echo(shop.Note(1, b""), LONG).id == 1
    with pytest.raises(Unavailable, match="goes away"):
        echo(shop.Note(1, b""), LONG)


def test_a_server_that_fails_says_so(by_hand):
    def talk(server):
        server.request()
        server.say(frame(AWAY, 0, 0, 2))

    with pytest.raises(ConnectionLost, match="it failed"):
        by_hand(talk).unary(SHOP["Echo"])(shop.Note(1, b""), LONG)


def test_a_reset_refuses_a_call_or_cuts_it_short(by_hand):
    def talk(server):
        server.request()
        server.say(frame(UPDATE, RST, 1))
        server.request()
        server.say(reply(3, [1, b""], 0), frame(UPDATE, RST, 3))
        server.request()
        server.say(reply(5, [1, ""], 0), frame(UPDATE, RST, 5))

    client = by_hand(talk)
    echo = client.unary(SHOP["Echo"])
    with pytest.raises(Refused, match="does not take the call"):
        echo(shop.Note(1, b""), LONG)
    with pytest.raises(ConnectionLost, match="cut the call short"):
        echo(shop.Note(1, b""), LONG)
    replies = client.stream(ORACLE["Count"])([Ask(1, "")], LONG)
    assert next(replies) == Told(1, "")
    with pytest.raises(ConnectionLost, match="cut the call short"):
        next(replies)
    assert list(replies) == []


def test_pings_are_answered_and_streams_of_the_server_refused(by_hand):
    got = []

    def talk(server):
        server.request()
        server.say(frame(PING, SYN, 0, 77), frame(DATA, SYN, 2, payload=b"abc"))
        got.extend([server.hear(), server.hear()])
        server.say(reply(1, [1, b""]))

    assert by_hand(talk).unary(SHOP["Echo"])(shop.Note(1, b""), LONG).id == 1
    assert got == [(PING, ACK, 0, 77, b""), (UPDATE, RST, 2, 0, b"")]


def test_a_timeout_resets_the_stream_and_nothing_else(by_hand):
    got = []

    def talk(server):
        server.request()
        got.append(server.hear())
        server.say(reply(1, [1, b"late"]))
        server.request()
        server.say(reply(3, [3, b""]))

    client = by_hand(talk)
    echo = client.unary(SHOP["Echo"])
    with pytest.raises(Timeout):
        echo(shop.Note(1, b""), 0.02)
    assert echo(shop.Note(3, b""), LONG).id == 3
    assert got == [(UPDATE, RST, 1, 0, b"")]
    assert client._link.session.streams == {}


def test_a_large_request_waits_for_its_window(by_hand):
    pieces = []

    def talk(server):
        pieces.append(server.hear())
        server.say(frame(PING, SYN, 0, 1))
        assert server.hear()[0] == PING, "nothing comes before the window is widened"
        server.say(frame(UPDATE, ACK, 1, 10))
        pieces.append(server.hear())
        server.say(frame(UPDATE, 0, 1, WINDOW * 4))
        while not pieces[-1][1] & FIN:
            pieces.append(server.hear())
        assert pieces.pop() == (UPDATE, FIN, 1, 0, b"")
        server.say(reply(1, [1, b""]))

    echo = by_hand(talk).unary(SHOP["Echo"])
    assert echo(shop.Note(1, bytes(3 * WINDOW)), LONG).id == 1
    assert [each[1] for each in pieces] == [SYN, *[0] * (len(pieces) - 1)]
    assert [each[3] for each in pieces[:2]] == [WINDOW, 10]
    assert max(each[3] for each in pieces) == WINDOW
    body = b"".join(each[4] for each in pieces)
    assert body == msgpack.packb("Echo") + msgpack.packb([1, bytes(3 * WINDOW)])


def test_an_early_failure_stops_a_large_request(by_hand):
    def talk(server):
        server.hear()
        server.say(frame(DATA, ACK | FIN, 1, payload=msgpack.packb([1, "NOT_FOUND", "none"])))
        assert server.hear() == (UPDATE, RST, 1, 0, b"")

    with pytest.raises(Remote, match="none"):
        by_hand(talk).unary(SHOP["Echo"])(shop.Note(1, bytes(3 * WINDOW)), LONG)


def test_a_reply_that_grows_over_the_limit_is_cut_short(by_hand):
    got = []

    def talk(server):
        server.request()
        server.say(frame(DATA, 0, 1, payload=b"\x92\x00\x92\x01\xc6\x7f\xff\xff\xff" + bytes(200_000)))
        got.append(server.hear())
        server.request()
        server.say(reply(3, [3, b""]))

    echo = by_hand(talk, Options(max_message=50_000)).unary(SHOP["Echo"])
    with pytest.raises(Refused, match="larger than max"):
        echo(shop.Note(1, b""), LONG)
    assert echo(shop.Note(3, b""), LONG).id == 3
    assert got == [(UPDATE, RST, 1, 0, b"")]


def test_no_more_than_the_backlog_waits_to_be_accepted(by_hand, together):
    """A server of hashicorp's resets what is more."""
    users, most = 300, []

    def talk(server):
        waiting = [server.request()[0] for _ in range(256)]
        server.say(frame(PING, SYN, 0, 1))
        most.append(server.hear()[0])
        for number in waiting:
            server.say(frame(UPDATE, ACK, number))
        for number in waiting + [server.request()[0] for _ in range(users - 256)]:
            server.say(reply(number, [number, b""]))

    echo = by_hand(talk).unary(SHOP["Echo"])
    numbers = together(users, lambda user: echo(shop.Note(user, b""), LONG).id)
    assert sorted(numbers) == sorted(set(numbers))
    assert most == [PING]


def test_who_waits_for_room_keeps_to_its_timeout(by_hand):
    client = by_hand(lambda _: None)
    session = client._link.session
    while session.open():
        continue
    with pytest.raises(Timeout):
        client.unary(SHOP["Echo"])(shop.Note(1, b""), 0.02)
    assert not client._link._queue
    client.close()


def test_room_that_another_call_leaves_is_taken_at_once(by_hand, opened):
    def talk(server):
        kind, flags, _, value, _ = server.hear()
        assert (kind, flags) == (PING, SYN)
        server.say(frame(PING, ACK, 0, value))
        number, _ = server.request()
        server.say(reply(number, [1, b""]))

    client, told = by_hand(talk), []
    link = client._link
    streams = list(iter(link.session.open, None))
    echo = client.unary(SHOP["Echo"])
    waiting = threading.Thread(target=lambda: told.append(echo(shop.Note(1, b""), LONG)))
    waiting.start()
    while not link._relay.is_read():
        pass
    link.reset(streams[5])
    waiting.join(LONG / 2)
    assert told == [shop.Note(1, b"")]


def test_close_ends_calls_in_flight(by_hand, together):
    arrived = threading.Semaphore(0)

    def talk(server):
        for _ in range(7):
            server.request()
            arrived.release()

    def use(user):
        if user:
            with pytest.raises(ConnectionLost, match="client was closed"):
                echo(shop.Note(user, b""), LONG)
            return
        for _ in range(7):
            arrived.acquire()
        shared.close()
        with pytest.raises(Unavailable):
            echo(shop.Note(user, b""), LONG)

    shared = by_hand(talk)
    echo = shared.unary(SHOP["Echo"])
    together(8, use)


def test_a_call_that_another_thread_closes_ends_at_once(by_hand):
    """The reader sits in the socket; it is the answer to a ping that lets it go."""
    started = threading.Event()

    def talk(server):
        server.request()
        server.say(reply(1, [1, ""], 0))
        while (heard := server.hear())[0] != PING:
            assert heard == (UPDATE, RST, 1, 0, b"")
        server.say(frame(PING, ACK, 0, heard[3]))

    client = by_hand(talk)
    replies = client.stream(ORACLE["Count"])([Ask(1, "")], LONG)
    assert next(replies) == Told(1, "")
    ended = []
    waiting = threading.Thread(target=lambda: (started.set(), ended.extend(replies)))
    waiting.start()
    started.wait(LONG)
    while not client._link._relay.is_read():
        pass
    replies.close()
    waiting.join(LONG / 2)
    assert not waiting.is_alive()
    assert ended == []


def test_who_cannot_send_in_time_harms_nobody(by_hand, together):
    """The server does not read for a while; what was sent in part goes out later, whole."""
    gate, stuck = threading.Event(), threading.Semaphore(0)
    heard = []

    def talk(server):
        gate.wait(LONG)
        while (each := server.hear()) is not None:
            heard.append(each)
            if each[1] & FIN:
                server.say(reply(each[2], [each[2], b""]))

    client = by_hand(talk)
    echo = client.unary(SHOP["Echo"])

    def use(user):
        late = 0
        for _ in range(20):
            with contextlib.suppress(Timeout):
                echo(shop.Note(user, bytes(250_000)), 0.05)
                late -= 1
            late += 1
        stuck.release()
        if user == 0:
            for _ in range(4):
                stuck.acquire()
            gate.set()
        return late

    assert sum(together(4, use)) > 0
    assert echo(shop.Note(9, b""), LONG).id
    assert all(each[4] == msgpack.packb("Echo") + each[4][5:] for each in heard if each[1] & SYN)
    assert client._link._rest == b""


def test_who_need_not_read_after_all_lets_another(by_hand):
    """Woken to read, the first finds its call closed; the second would sleep until its timeout."""
    client = by_hand(lambda _: None)
    relay, order, closed = client._link._relay, [], threading.Event()

    def wait(name, ready):
        relay.wait(name, ready, monotonic() + LONG, LONG)
        order.append(name)

    over = threading.Event()
    relay._read = lambda ready, *_: (order.append("reads"), over.set())
    relay.seize()
    both = [
        threading.Thread(target=wait, args=(name, ready))
        for name, ready in (("late", over.is_set), ("closed", closed.is_set))
    ]
    for place, each in enumerate(both, 1):
        each.start()
        while len(relay.waiters) < place:
            pass
    closed.set()
    relay.yield_up()
    for each in both:
        each.join(LONG / 2)
        assert not each.is_alive()
    assert sorted(order) == ["closed", "late", "reads"]


def test_a_server_that_pings_and_does_not_read_is_let_go(by_hand):
    def talk(server):
        server.request()
        with contextlib.suppress(OSError):
            while True:
                server.say(frame(PING, SYN, 0, 1) * 10_000)

    with pytest.raises(ConnectionLost, match="does not read"):
        by_hand(talk).unary(SHOP["Echo"])(shop.Note(1, b""), LONG)


@pytest.fixture
def served(opened):
    served = opened.enter_context(YAMUX.serve(ORACLE, Address(), Options()))
    client = YAMUX.connect(served.address, Options())
    opened.callback(client.close)
    return client


def test_many_users_come_and_go_on_one_connection(served, together):
    """Readers hand over all the time; one that is not woken would hang until its timeout."""
    tell = served.unary(ORACLE["Tell"])

    def use(user):
        for turn in range(300):
            assert tell(Ask(turn, "x" * (user % 3)), LONG).id == turn

    together(8, use)
    assert served._link.session.streams == {}
    assert not served._link._relay.waiters


def test_calls_of_all_kinds_share_a_connection(served, together):
    def use(user):
        asks = [Ask(number, "x" * 50_000) for number in range(12)]
        if user % 4 == 0:
            return [served.unary(ORACLE["Tell"])(ask, LONG).id for ask in asks]
        if user % 4 == 1:
            return [told.id for told in served.stream(ORACLE["Count"])([Ask(12, "y" * 50_000)], LONG)]
        if user % 4 == 2:
            return [told.id for told in served.stream(ORACLE["Converse"])(asks, LONG)]
        (told,) = served.stream(ORACLE["Gather"])(asks, LONG)
        return told.id

    wanted = [list(range(12))] * 3 + [66]
    assert together(12, use) == wanted * 3
    assert served._link.session.streams == {}


def test_timeouts_among_many_users_lose_nothing(opened, together):
    offered = dataclasses.replace(SHOP, delay=0.004)
    at = opened.enter_context(YAMUX.serve(offered, Address(), Options())).address
    shared = YAMUX.connect(at, Options())
    opened.callback(shared.close)
    echo = shared.unary(SHOP["Echo"])

    def use(user):
        for turn in range(60):
            try:
                assert echo(shop.Note(turn, b""), 0.005 if user % 2 else LONG).id == turn
            except Timeout:
                assert user % 2

    together(8, use)
    assert shared._link.session.streams == {}
    assert not shared._link._relay.waiters
    assert not shared._link._relay.is_read()


def test_the_thread_that_sends_requests_ends_with_its_call(served, until):
    before = set(threading.enumerate())
    for _ in range(10):
        asks = (Ask(number, "z" * 100_000) for number in itertools.count())
        replies = served.stream(ORACLE["Converse"])(asks, LONG)
        next(replies)
        replies.close()
    until(lambda: set(threading.enumerate()) <= before, "no thread is left")
    assert served.unary(ORACLE["Tell"])(Ask(1, ""), LONG).id == 1


def test_a_reply_has_gone_out_before_the_next_is_made(opened):
    arrived, in_time = threading.Event(), []

    def handle(ask):
        yield Told(0, "")
        in_time.append(arrived.wait(LONG / 2))
        yield Told(1, "")

    slow = dataclasses.replace(ORACLE["Count"], handler=handle)
    at = opened.enter_context(YAMUX.serve(dataclasses.replace(ORACLE, methods=(slow,)), Address(), Options()))
    client = YAMUX.connect(at.address, Options())
    opened.callback(client.close)
    replies = client.stream(slow)([Ask(1, "")], LONG)
    assert next(replies) == Told(0, "")
    arrived.set()
    assert list(replies) == [Told(1, "")]
    assert in_time == [True]


def test_the_timeout_holds_though_replies_are_there(by_hand):
    def talk(server):
        server.request()
        server.say(reply(1, [1, ""], 0))
        server.request()
        server.say(reply(1, [2, ""], 0), reply(3, [3, b""]))

    client = by_hand(talk)
    end = monotonic() + 0.1
    replies = client.stream(ORACLE["Count"])([Ask(2, "")], 0.1)
    assert next(replies) == Told(1, "")
    assert client.unary(SHOP["Echo"])(shop.Note(3, b""), LONG).id == 3
    time.sleep(max(0.0, end - monotonic()))
    with pytest.raises(Timeout):
        next(replies)
    assert list(replies) == []


def test_requests_over_the_limit_end_their_call(opened):
    at = opened.enter_context(YAMUX.serve(ORACLE, Address(), Options())).address
    client = YAMUX.connect(at, Options(max_message=1000))
    opened.callback(client.close)
    with pytest.raises(Refused, match="request message larger than max"):
        list(client.stream(ORACLE["Gather"])([Ask(1, ""), Ask(2, "x" * 1001)], LONG))
    with pytest.raises(Refused, match="request message larger than max"):
        client.stream(ORACLE["Count"])([Ask(2, "x" * 1001)], LONG)
    with pytest.raises(ProtocolError, match="takes one request"):
        client.stream(ORACLE["Count"])([], LONG)
    assert client.unary(ORACLE["Tell"])(Ask(1, ""), LONG).id == 1


def test_all_calls_in_flight_end_with_the_connection(by_hand, together):
    def talk(server):
        for _ in range(16):
            server.request()
        server.connection.shutdown(socket.SHUT_RDWR)

    def use(user):
        with pytest.raises(ConnectionLost):
            list(count([Ask(user, "")], LONG))

    shared = by_hand(talk)
    count = shared.stream(ORACLE["Count"])
    together(16, use)
