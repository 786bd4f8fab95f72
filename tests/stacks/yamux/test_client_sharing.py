"""Users of yamux-msgpack who share a connection, and wait, send and read for each other."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import sys
import threading
from pathlib import Path
from time import monotonic

import msgpack
import pytest

from stacks import shop
from stacks.base import Address, Options
from stacks.errors import Timeout
from stacks.testing.oracle import Ask
from stacks.transports.yamux.session import ACK, FIN, PING, SYN, UPDATE

sys.path.insert(0, str(Path(__file__).parent))

from talker import LONG, ORACLE, SHOP, YAMUX, frame, reply


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
