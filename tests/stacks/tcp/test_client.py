"""The client of MessagePack-RPC, and what it makes of servers of many kinds."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgpack
import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.codecs.msgpack import packer, unpacker
from stacks.errors import ConnectionLost, ProtocolError, Refused, Remote, Timeout, Unavailable

LONG = 20.0
OPTIONS = Options()
USERS = 16
TCP = stacks.find("tcp-msgpack")
SHOP = service.load("stacks.shop:Shop")


@contextlib.contextmanager
def by_hand(talk):
    """Serve one connection with `talk(connection, messages)` in a thread; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        failed = []

        def serve():
            try:
                connection, _ = listening.accept()
                connection.settimeout(LONG)
                with connection:
                    talk(connection, messages(connection))
            except Exception as error:  # noqa: BLE001 -- the test's own thread looks at it
                failed.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Address(port=listening.getsockname()[1])
        finally:
            thread.join(LONG)
            assert not thread.is_alive()
            assert not failed, failed


def messages(connection):
    unpack = unpacker(2**27)
    while data := connection.recv(65536):
        unpack.feed(data)
        yield from unpack


def until_closed(incoming):
    for _ in incoming:
        pass


def reply(message, **changes):
    return packer().pack([1, changes.get("number", message[1]), changes.get("error"), message[3][0]])


def answer_in_reverse(connection, incoming):
    got = [next(incoming) for _ in range(USERS)]
    assert [message[0] for message in got] == [0] * USERS
    assert len({message[1] for message in got}) == USERS
    for message in reversed(got):
        connection.sendall(reply(message))
    until_closed(incoming)


def test_calls_answered_in_reverse_reach_their_own_threads(together):
    with by_hand(answer_in_reverse) as address, contextlib.closing(TCP.connect(address, Options())) as shared:
        echo = shared.unary(SHOP["Echo"])
        notes = together(USERS, lambda user: echo(shop.Note(user, b"x" * user), LONG))
    assert notes == [shop.Note(user, b"x" * user) for user in range(USERS)]


def test_calls_answered_in_reverse_reach_their_own_greenlets():
    script = Path(__file__).parents[1] / "greenlets.py"
    with by_hand(answer_in_reverse) as address:
        command = [sys.executable, "-P", script, TCP.name, str(address.port), "reversed"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr


def test_a_late_reply_is_dropped_while_others_wait(together):
    gone = threading.Event()

    def talk(connection, incoming):
        got = {message[3][0][0]: message for message in (next(incoming) for _ in range(3))}
        gone.wait(LONG)
        for note in (0, 2, 1):
            connection.sendall(reply(got[note]))
        connection.sendall(reply(next(incoming)))
        until_closed(incoming)

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as shared:
        echo = shared.unary(SHOP["Echo"])

        def use(user):
            if user:
                return echo(shop.Note(user, b""), LONG).id
            with pytest.raises(Timeout):
                echo(shop.Note(0, b""), 0.05)
            gone.set()
            return None

        assert together(3, use) == [None, 1, 2]
        assert echo(shop.Note(3, b""), LONG).id == 3
        assert not shared._forgotten
        assert not shared._calls


def test_replies_may_come_in_crumbs_and_in_lumps():
    def talk(connection, incoming):
        for byte in reply(next(incoming)):
            connection.sendall(bytes([byte]))
        two = [next(incoming), next(incoming)]
        connection.sendall(b"".join(map(reply, two)))
        until_closed(incoming)

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as shared:
        echo = shared.unary(SHOP["Echo"])
        assert echo(shop.Note(1, b"crumbs"), LONG) == shop.Note(1, b"crumbs")
        with contextlib.ExitStack() as both:
            results = []
            for note in (shop.Note(2, b"lump"), shop.Note(3, b"lump")):
                thread = threading.Thread(target=lambda note=note: results.append(echo(note, LONG)))
                thread.start()
                both.callback(thread.join, LONG)
        assert sorted(note.id for note in results) == [2, 3]


def test_numbers_start_again_after_32_bits_and_skip_those_in_use():
    numbers = []

    def talk(connection, incoming):
        for message in incoming:
            numbers.append(message[1])
            connection.sendall(reply(message))

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as shared:
        shared._numbers = iter([2**32 - 1, 2**32, 2**32 + 1, 2**32 + 2])
        shared._calls[1] = []
        echo = shared.unary(SHOP["Echo"])
        for note in range(3):
            assert echo(shop.Note(note, b""), LONG).id == note
    assert numbers == [2**32 - 1, 0, 2]


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param([1, 77, None, [1, b""]], id="a number never given out"),
        pytest.param([1, "1", None, [1, b""]], id="a number that is text"),
        pytest.param([1, [], None, [1, b""]], id="a number that is a list"),
        pytest.param([0, 1, "Echo", [[1, b""]]], id="a request"),
        pytest.param([1, 1, None], id="a reply too short"),
        pytest.param({"reply": 1}, id="a map"),
        pytest.param(msgpack.ExtType(5, b""), id="an extension"),
    ],
)
def test_what_is_no_reply_ends_the_connection(junk):
    def talk(connection, incoming):
        next(incoming)
        connection.sendall(packer().pack(junk))
        until_closed(incoming)

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as broken:
        echo = broken.unary(SHOP["Echo"])
        with pytest.raises(ProtocolError):
            echo(shop.Note(1, b""), LONG)
        with pytest.raises(Unavailable, match="has ended"):
            echo(shop.Note(2, b""), LONG)


def test_bytes_that_are_no_messagepack_end_the_connection_for_all(together):
    def talk(connection, incoming):
        for _ in range(4):
            next(incoming)
        connection.sendall(b"\xc1")
        until_closed(incoming)

    def use(_user):
        with pytest.raises(ProtocolError):
            echo(shop.Note(1, b""), LONG)

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as shared:
        echo = shared.unary(SHOP["Echo"])
        together(4, use)


def test_a_reply_of_another_type_fails_its_own_call_alone():
    def talk(connection, incoming):
        connection.sendall(packer().pack([1, next(incoming)[1], None, ["no", "note", "at all"]]))
        connection.sendall(reply(next(incoming)))
        until_closed(incoming)

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as shared:
        echo = shared.unary(SHOP["Echo"])
        with pytest.raises(ProtocolError, match="Note"):
            echo(shop.Note(1, b""), LONG)
        assert echo(shop.Note(2, b""), LONG).id == 2


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (["NOT_FOUND", "no such"], "NOT_FOUND", "no such"),
        ("just text", "UNKNOWN", "'just text'"),
        ([1, 2, 3], "UNKNOWN", "[1, 2, 3]"),
        (["ODD", "text"], "UNKNOWN", "ODD: text"),
    ],
)
def test_errors_of_foreign_servers_are_told(error, code, text):
    def talk(connection, incoming):
        connection.sendall(reply(next(incoming), error=error))
        until_closed(incoming)

    with (
        by_hand(talk) as address,
        contextlib.closing(TCP.connect(address, Options())) as client,
        pytest.raises(Remote) as caught,
    ):
        client.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)
    assert (caught.value.code, caught.value.text) == (code, text)


@pytest.mark.parametrize("size", [100_000, 400_000])
def test_a_reply_that_grows_over_the_limit_is_not_buffered(size):
    def talk(connection, incoming):
        next(incoming)
        with contextlib.suppress(OSError):  # the client hangs up in the middle
            connection.sendall(b"\x94\x01\x01\xc0\x92\x01\xc6\x7f\xff\xff\xff" + bytes(size))
            until_closed(incoming)

    with (
        by_hand(talk) as address,
        contextlib.closing(TCP.connect(address, Options(max_message=50_000))) as client,
    ):
        with pytest.raises(Refused, match="larger than max"):
            client.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)
        with pytest.raises(Unavailable):
            client.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)


def test_all_calls_in_flight_end_with_the_connection(together):
    def talk(connection, incoming):
        for _ in range(USERS):
            next(incoming)

    def use(user):
        with pytest.raises(ConnectionLost):
            echo(shop.Note(user, b""), LONG)
        with pytest.raises((Unavailable, ConnectionLost)):
            echo(shop.Note(user, b""), LONG)

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as shared:
        echo = shared.unary(SHOP["Echo"])
        together(USERS, use)


def test_close_ends_calls_in_flight(together):
    arrived = threading.Semaphore(0)

    def talk(_connection, incoming):
        for _ in incoming:
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

    with by_hand(talk) as address:
        shared = TCP.connect(address, Options())
        echo = shared.unary(SHOP["Echo"])
        together(8, use)


def test_requests_of_many_senders_do_not_mix_when_the_socket_is_full(together):
    body = b"x" * 3_000_000

    def talk(connection, incoming):
        for _ in range(6):
            message = next(incoming)
            assert message[3][0][1] == body
            connection.sendall(packer().pack([1, message[1], None, [message[3][0][0], b""]]))
        until_closed(incoming)

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as shared:
        echo = shared.unary(SHOP["Echo"])
        assert together(6, lambda user: echo(shop.Note(user, body), LONG).id) == list(range(6))


def test_a_request_cut_off_by_its_timeout_ends_the_connection():
    read = threading.Event()

    def talk(_connection, incoming):
        read.wait(LONG)
        until_closed(incoming)

    with (
        by_hand(talk) as address,
        contextlib.closing(TCP.connect(address, Options(max_message=2**26))) as client,
    ):
        echo = client.unary(SHOP["Echo"])
        with pytest.raises(Timeout):
            echo(shop.Note(1, bytes(2**25)), 0.1)
        with pytest.raises(Unavailable, match="cut off"):
            echo(shop.Note(2, b""), LONG)
        client.close()
        read.set()


def test_who_cannot_send_in_time_harms_nobody(together):
    """The first fills the socket and waits; the others' turn to send never comes."""
    gate, stuck = threading.Event(), threading.Semaphore(0)

    def talk(connection, incoming):
        gate.wait(LONG)
        connection.sendall(reply(next(incoming)))
        connection.sendall(reply(next(incoming)))
        until_closed(incoming)

    with (
        by_hand(talk) as address,
        contextlib.closing(TCP.connect(address, Options(max_message=2**26))) as shared,
    ):
        echo = shared.unary(SHOP["Echo"])

        def use(user):
            if user == 0:
                return echo(shop.Note(0, bytes(2**25)), LONG).id
            while not shared._sending.locked():
                pass
            with pytest.raises(Timeout):
                echo(shop.Note(user, b""), 0.05)
            stuck.release()
            if user == 1:
                for _ in range(3):
                    stuck.acquire()
                gate.set()
            return None

        assert together(4, use) == [0, None, None, None]
        assert echo(shop.Note(9, b""), LONG).id == 9


def test_a_host_that_takes_no_connection_is_unavailable():
    # A full backlog: the system neither accepts nor refuses what comes after.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, contextlib.ExitStack() as fillers:
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listening.getsockname())
        with pytest.raises(Unavailable, match="timed out"):
            TCP.connect(Address(port=listening.getsockname()[1]), Options(connect_timeout=0.05))


def test_what_we_send_is_messagepack_rpc():
    got = []

    def talk(connection, incoming):
        got.append(next(incoming))
        connection.sendall(reply(got[0]))
        until_closed(incoming)

    with by_hand(talk) as address, contextlib.closing(TCP.connect(address, Options())) as client:
        client.unary(SHOP["Echo"])(shop.Note(5, b"body"), LONG)
    assert got == [[0, 1, "Echo", [[5, b"body"]]]]


def test_both_sides_send_without_delay(serve_tcp):
    served, client = serve_tcp
    client.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)
    assert client._reading.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert client._writing.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert served.pids


@pytest.fixture
def serve_tcp(opened):
    served = opened.enter_context(TCP.serve(SHOP, Address(), Options()))
    client = TCP.connect(served.address, Options())
    opened.callback(client.close)
    return served, client


def test_a_request_that_cannot_be_written_leaves_the_connection_in_order(serve_tcp):
    echo = serve_tcp[1].unary(SHOP["Echo"])
    with pytest.raises(ProtocolError, match="Note"):
        echo(shop.Note(2**70, b""), LONG)
    assert echo(shop.Note(1, b""), LONG).id == 1


def test_many_users_come_and_go_on_one_connection(serve_tcp, together):
    """Readers hand over all the time; one that is not woken would hang until its timeout."""
    echo = serve_tcp[1].unary(SHOP["Echo"])

    def use(user):
        for turn in range(300):
            assert echo(shop.Note(turn, b"x" * (user % 3)), LONG).id == turn

    together(8, use)


def test_timeouts_among_many_users_lose_nothing(opened, together):
    offered = dataclasses.replace(SHOP, delay=0.004)
    served = opened.enter_context(TCP.serve(offered, Address(), Options()))
    shared = TCP.connect(served.address, Options())
    opened.callback(shared.close)
    echo = shared.unary(SHOP["Echo"])

    def use(user):
        late = 0
        for turn in range(60):
            try:
                assert (
                    echo(shop.Note(100 * user + turn, b""), 0.005 if user % 2 else LONG).id
                    == 100 * user + turn
                )
            except Timeout:
                assert user % 2
                late += 1
        return late

    together(8, use)
    assert not shared._calls
    assert not shared._waiters
    assert shared._token
