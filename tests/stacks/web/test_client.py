"""The HTTP client, and what it makes of servers of many kinds, which here are played by hand."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from contextlib import closing

import pytest

from stacks.base import Address, Options
from stacks.errors import ConnectionLost, ProtocolError, Refused, Timeout, Unavailable
from stacks.transports.web.client import HttpClient

LONG = 20.0
OPTIONS = Options()
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Kind: good\r\n\r\nbody"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@contextlib.contextmanager
def by_hand(*talks):
    """Serve as many connections as there are functions of a connection, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        failed = []

        def serve():
            try:
                for talk in talks:
                    connection, _ = listening.accept()
                    connection.settimeout(LONG)
                    with connection:
                        talk(connection)
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


def request(connection):
    """Read one request, whose body is as long as its head says."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += connection.recv(65536)
    return head, body


def until_closed(connection):
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):
            pass


def answering(*answers):
    """Answer a request with each, and then wait for the end."""

    def talk(connection):
        for answer in answers:
            assert request(connection) is not None
            connection.sendall(answer)
        until_closed(connection)

    return talk


@contextlib.contextmanager
def connected(address, options=OPTIONS):
    with closing(HttpClient(address, options)) as client:
        yield client


def post(client, body=b"ask", timeout=LONG):
    return client.post("/some/path", body, "text/plain", timeout)


def test_a_request_has_what_http_wants_and_no_more():
    got = []

    def talk(connection):
        got.append(request(connection))
        connection.sendall(BODY)

    with by_hand(talk) as address, connected(address) as client:
        status, headers, body = post(client)
    assert (status, headers, body) == (200, {b"content-length": b"4", b"x-kind": b"good"}, b"body")
    assert got == [
        (
            b"POST /some/path HTTP/1.1\r\nhost: %b\r\ncontent-type: text/plain\r\ncontent-length: 3"
            % str(address).encode(),
            b"ask",
        )
    ]


def test_many_calls_go_over_one_connection():
    with by_hand(answering(*[BODY] * 50)) as address, connected(address) as client:
        call = client.poster("/", "text/plain")
        assert [call(b"x" * size, LONG)[2] for size in range(50)] == [b"body"] * 50


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(CHUNKED + b"2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", id="chunks"),
        pytest.param(CHUNKED + b"4;a=b\r\nbody\r\n0\r\nx-sum: 1\r\n\r\n", id="trailers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + BODY, id="100 first"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + BODY, id="103 first"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_response_may_come_in_any_form_and_any_pieces(answer, piece):
    def talk(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            request(connection)
            for start in range(0, len(answer), piece):
                connection.sendall(answer[start : start + piece])
        until_closed(connection)

    with by_hand(talk) as address, connected(address) as client:
        for _ in range(2):
            status, headers, body = post(client)
            assert (status, body, headers.get(b"link")) == (200, b"body", None)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody", id="close"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nbody", id="no length"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nbody", id="HTTP/1.0"),
    ],
)
def test_a_response_that_ends_its_connection_is_followed_by_a_new_one(answer):
    def talk(connection):
        request(connection)
        connection.sendall(answer)

    with by_hand(talk, talk) as address, connected(address) as client:
        assert [post(client)[2] for _ in range(2)] == [b"body"] * 2


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (b"", ConnectionLost, "closed the connection"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbody", ConnectionLost, "closed the connection"),
        (CHUNKED + b"4\r\nbody\r\n", ConnectionLost, "closed"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", ConnectionLost, "closed the connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ProtocolError, "no HTTP/1.1 response"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", ProtocolError, "no HTTP/1.1 response"),
        (b"HTTP/1.1 101 X\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", ProtocolError, "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000, ProtocolError, "65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000, ProtocolError, "65536 bytes"),
        (
            CHUNKED + b"0\r\n" + b"x: y\r\n" * 100_000,
            ProtocolError,
            "65536 bytes",
        ),
    ],
)  # fmt: skip
def test_what_is_no_response_is_named_and_the_next_call_gets_a_new_connection(answer, kind, text):
    def talk(connection):
        request(connection)
        with contextlib.suppress(ConnectionError):  # the client has had enough
            connection.sendall(answer)

    with by_hand(talk, answering(BODY)) as address, connected(address) as client:
        with pytest.raises(kind, match=text):
            post(client)
        assert post(client)[2] == b"body"


def test_a_body_that_says_that_it_is_too_large_is_not_waited_for():
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n"
    limited = Options(max_message=1000)
    with (
        by_hand(answering(answer)) as address,
        connected(address, limited) as client,
        pytest.raises(Refused, match="larger than max"),
    ):
        post(client)


def test_a_response_to_nothing_is_not_taken_for_the_next_one():
    with by_hand(answering(BODY + BODY), answering(BODY)) as address, connected(address) as client:
        assert [post(client)[2] for _ in range(2)] == [b"body"] * 2


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["declared", "undeclared"],
)
def test_a_body_over_the_limit_is_refused_before_it_has_come(head):
    taken = []

    def talk(connection):
        request(connection)
        connection.sendall(head)
        with contextlib.suppress(ConnectionError):
            for _ in range(10_000):
                connection.sendall(b"x" * 10_000)
                taken.append(10_000)

    limited = Options(max_message=1000)
    with by_hand(talk, answering(BODY)) as address, connected(address, limited) as client:
        with pytest.raises(Refused, match="larger than max"):
            post(client)
        assert post(client)[2] == b"body"
    assert sum(taken) < 50_000_000, "as much as the system's own buffers hold, but not all"


@pytest.mark.parametrize("size", [1000, 1001])
def test_the_limit_is_met_to_the_byte(size):
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
    chunked = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
    for said in (answer, chunked):
        with by_hand(answering(said)) as address, connected(address, Options(max_message=1000)) as client:
            if size > 1000:
                with pytest.raises(Refused, match=r"1001 vs\. 1000 bytes"):
                    post(client)
            else:
                assert post(client)[2] == b"x" * 1000


def test_the_timeout_is_for_the_whole_call():
    over = threading.Event()

    def drip(connection):
        request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not over.wait(0.01):
                connection.sendall(b"x")

    with by_hand(drip) as address, connected(address) as client:
        start = time.monotonic()
        with pytest.raises(Timeout, match=r"0\.2 s"):
            post(client, timeout=0.2)
        assert time.monotonic() - start >= 0.2
        over.set()


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_without_time_nothing_is_sent(timeout):
    def talk(connection):
        assert request(connection) == (request_head(address), b"last")
        connection.sendall(BODY)

    with by_hand(talk) as address, connected(address) as client:
        with pytest.raises(Timeout):
            post(client, b"first", timeout)
        assert post(client, b"last")[2] == b"body"


def request_head(address):
    lines = ["POST /some/path HTTP/1.1", f"host: {address}", "content-type: text/plain", "content-length: 4"]
    return "\r\n".join(lines).encode()


def test_a_server_that_answers_without_reading_on_is_heard():
    heard = threading.Event()

    def talk(connection):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig")
        assert heard.wait(LONG)

    with by_hand(talk, answering(BODY)) as address, connected(address) as client:
        status, _, body = post(client, bytes(50_000_000))
        heard.set()
        assert (status, body) == (413, b"big")
        # What was left of the request can't be sent any more, so this connection has ended.
        assert post(client)[2] == b"body"


def test_a_server_that_answers_and_closes_without_reading_on_is_heard():
    def talk(connection):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig")

    with by_hand(talk, answering(BODY)) as address, connected(address) as client:
        assert post(client, bytes(50_000_000))[::2] == (413, b"big")
        assert post(client)[2] == b"body"


def test_a_large_request_is_sent_whole_to_a_server_that_takes_its_time():
    begin, got = threading.Event(), []

    def talk(connection):
        assert begin.wait(LONG)
        got.append(request(connection)[1])
        connection.sendall(BODY)

    sent = bytes(range(256)) * 30_000
    with by_hand(talk) as address, connected(address) as client:
        threading.Timer(0.05, begin.set).start()
        assert post(client, sent)[2] == b"body"
    assert got == [sent]


def test_a_server_that_takes_nothing_is_given_up():
    over = threading.Event()
    with by_hand(lambda _: over.wait(LONG)) as address, connected(address) as client:
        with pytest.raises(Timeout):
            post(client, bytes(50_000_000), 0.2)
        over.set()


def test_a_connection_that_ended_between_calls_is_replaced_before_anything_is_sent(monkeypatch):
    closed = threading.Event()

    def once(connection):
        request(connection)
        connection.sendall(BODY)

    def first(connection):
        once(connection)
        connection.close()
        closed.set()

    monkeypatch.setattr("stacks.transports.web.client._FRESH", 0.0)
    with by_hand(first, once) as address, connected(address) as client:
        assert post(client)[2] == b"body"
        assert closed.wait(LONG)
        assert post(client)[2] == b"body"


def test_a_request_whose_connection_ends_is_not_sent_again():
    got = []

    def talk(connection):
        request(connection)
        connection.sendall(BODY)
        got.append(request(connection))

    def second(connection):
        got.append(request(connection))
        connection.sendall(BODY)

    with by_hand(talk, second) as address, connected(address) as client:
        post(client)
        with pytest.raises(ConnectionLost):
            post(client, b"lost")
        assert post(client, b"next")[2] == b"body"
    assert [body for _, body in got] == [b"lost", b"next"]


def test_a_call_beside_another_has_a_connection_of_its_own():
    first_came, second_done = threading.Event(), threading.Event()

    def serve_two(listening, served):
        one, _ = listening.accept()
        two = None
        with one:
            request(one)
            first_came.set()
            two, _ = listening.accept()
            with two:
                request(two)
                two.sendall(BODY)
                assert second_done.wait(LONG)
                one.sendall(BODY.replace(b"body", b"slow"))
                until_closed(one)
                until_closed(two)
        served.append(True)

    served, bodies = [], []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve_two, args=(listening, served))
        server.start()
        with connected(Address(port=listening.getsockname()[1])) as client:
            caller = threading.Thread(target=lambda: bodies.append(post(client)[2]))
            caller.start()
            assert first_came.wait(LONG)
            assert post(client)[2] == b"body"
            second_done.set()
            caller.join(LONG)
        server.join(LONG)
    assert (served, bodies) == ([True], [b"slow"])


def test_closing_ends_a_call_that_another_thread_makes():
    came, failures = threading.Event(), []

    def talk(connection):
        request(connection)
        came.set()
        until_closed(connection)

    def call(client):
        try:
            post(client)
        except ConnectionLost as error:
            failures.append(error)

    with by_hand(talk) as address, connected(address) as client:
        caller = threading.Thread(target=call, args=(client,))
        caller.start()
        assert came.wait(LONG)
        client.close()
        caller.join(LONG)
        assert not caller.is_alive()
        assert len(failures) == 1
        with pytest.raises(Unavailable, match="was closed"):
            post(client)


def test_a_host_that_does_not_take_connections_is_unavailable():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, contextlib.ExitStack() as others:
        where = listening.getsockname()
        for _ in range(4):  # the system drops what does not fit into the queue, so that nobody gets an answer
            waiting = others.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(where)
        with pytest.raises(Unavailable, match=r"within 0\.1 s"):
            HttpClient(Address(port=where[1]), Options(connect_timeout=0.1))
