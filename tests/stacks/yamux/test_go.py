"""yamux-msgpack against hashicorp's own yamux, in Go, both ways."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest

import stacks
from stacks import service
from stacks.base import Address, Kind, Method, Options
from stacks.errors import Remote
from stacks.testing.oracle import LONG, Ask, Oracle, Told

SOURCE = Path(__file__).parents[1] / "peers" / "yamux"
YAMUX = stacks.find("yamux-msgpack")
ORACLE = service.read(Oracle)
ENDED = Method("Ended", Ask, Told, Kind.UNARY, ORACLE["Tell"].handler)

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    built = tmp_path_factory.mktemp("peer") / "peer"
    done = subprocess.run(
        ["go", "build", "-o", built, "."],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return built


@pytest.fixture
def client(program, opened):
    """A client of ours at a server in Go; at the end the server must have had nothing to complain of."""
    command = [program, "serve"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            client = YAMUX.connect(Address(port=int(process.stdout.readline())), Options())
            with contextlib.closing(client):
                yield client
        finally:
            _, complaints = process.communicate("", LONG)
    assert "[ERR]" not in complaints
    assert process.returncode == 0


def test_a_client_in_go_calls_our_server(program, serve_oracle):
    done = subprocess.run(
        [program, "call", str(serve_oracle.address.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr
    assert "[ERR]" not in done.stderr


@pytest.fixture
def serve_oracle(opened):
    return opened.enter_context(YAMUX.serve(ORACLE, Address(), Options()))


def test_unary_calls_to_a_server_in_go(client, together):
    tell = client.unary(ORACLE["Tell"])
    large = Ask(1, "é" * 1_500_000)
    assert tell(large, LONG) == Told(1, large.text)
    calls = [[Told(1000 * user + k, "x" * 100 * user) for k in range(20)] for user in range(32)]
    told = together(32, lambda user: [tell(Ask(each.id, each.text), LONG) for each in calls[user]])
    assert told == calls


def test_failures_of_a_server_in_go(client):
    with pytest.raises(Remote) as caught:
        client.unary(ORACLE["Refuse"])(Ask(7, "NOT_FOUND"), LONG)
    assert (caught.value.code, caught.value.text) == ("NOT_FOUND", "refused no. 7")
    with pytest.raises(Remote, match="UNIMPLEMENTED: there is no method Grow"):
        client.unary(ORACLE["Grow"])(Ask(7, ""), LONG)


def test_more_callers_than_the_backlog_of_a_server_in_go(client, together):
    tell = client.unary(ORACLE["Tell"])
    assert together(300, lambda user: tell(Ask(user, ""), LONG).id) == list(range(300))


def test_streams_of_a_server_in_go(client):
    asks = [Ask(number, "x" * 1000) for number in range(1000)]
    assert [each.id for each in client.stream(ORACLE["Count"])([Ask(2000, "c" * 500)], LONG)] == list(
        range(2000)
    )
    assert list(client.stream(ORACLE["Gather"])(asks, LONG)) == [Told(499_500, "x" * 1_000_000)]
    assert list(client.stream(ORACLE["Converse"])(asks, LONG)) == [Told(each.id, each.text) for each in asks]
    endless = (Ask(number, "z" * 1000) for number in iter(int, 1))
    assert list(client.stream(ORACLE["Enough"])(endless, LONG)) == [Told(0, "enough")]


def test_a_stream_that_is_closed_is_reset_at_a_server_in_go(client, until):
    ended = client.unary(ENDED)
    replies = client.stream(ORACLE["Swell"])([Ask(1000, "")], LONG)
    assert [next(replies).id for _ in range(3)] == [0, 1, 2]
    assert ended(Ask(0, ""), LONG).id == 0
    replies.close()
    until(lambda: ended(Ask(0, ""), LONG).id == 1, "the handler has learnt of it")
