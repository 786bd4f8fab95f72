"""Which requests gateways take for gRPC; the golden file is the matrix of them all."""

from __future__ import annotations

import json
import socket
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.cli import main
from harness.show import routing
from stacks import hops
from stacks.base import Address, Served
from stacks.errors import ConnectionLost, ProtocolError, Timeout, Unavailable
from stacks.hops import http2, probe
from stacks.hops.probe import QUESTIONS, Answer

GOLDEN = Path(__file__).parent / "golden" / "routing.txt"
GATEWAYS = ("envoy", "nginx", "caddy")
GET = ((":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/"))


def matrix():
    return routing.render({name: probe.probe(hops.find(name)) for name in GATEWAYS}) + "\n"


def test_gateways_tell_grpc_from_rest_as_they_did():
    assert matrix() == GOLDEN.read_text(), (
        "if this is right: python tests/hops/test_probe.py > its golden file"
    )


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_what_is_surely_grpc_or_rest_goes_where_it_belongs(gateway):
    found = {
        (answer.question.protocol, answer.question.content_type): answer.upstream
        for answer in probe.probe(hops.find(gateway))
        if answer.question.method == "POST" and answer.question.path != "/elsewhere"
    }
    assert found["HTTP/1.1", "application/json"] == "http"
    assert found["HTTP/2", "application/json"] == "http"
    assert found["HTTP/2", "application/grpc"] == "grpc"
    assert found["HTTP/2", "application/grpc+proto"] == "grpc"


def test_the_command_shows_it(capsys):
    assert main(["list", "hops", "--probe"]) == 0
    shown = capsys.readouterr().out
    assert "h2 POST application/grpc+proto" in shown
    assert all(len(line) <= 80 for line in shown.partition("\n\n")[2].splitlines())
    assert main(["list", "hops", "--probe", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["hops"]}
    for name in GATEWAYS:
        assert [answer["status"] for answer in rows[name]["probe"]][:4] == [200] * 4


class Straight:
    """A hop that is none: it leads to the first upstream, or nowhere."""

    name = "straight"
    carries = frozenset({"grpc"})
    facts: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, *, dead=False):
        self.dead = dead

    @contextmanager
    def serve(self, routes, listen):
        assert [route.kind for route in routes] == ["grpc"]
        yield Served(Address(port=1) if self.dead else routes[0].upstream, ())


def test_a_hop_for_grpc_alone_is_asked_the_same():
    answers = probe.probe(Straight())
    assert [answer.question for answer in answers] == list(QUESTIONS)
    for answer in answers:
        if answer.question.protocol == "HTTP/2":
            assert answer == Answer(answer.question, "grpc", 200, 0)
        else:
            assert (answer.status, bool(answer.failure)) == (0, True)


def test_one_that_does_not_answer_is_told():
    for answer in probe.probe(Straight(dead=True)):
        assert (answer.upstream, answer.status, answer.grpc_status) == ("", 0, None)
        assert "refused" in answer.failure
    assert "refused" in routing.render({"straight": probe.probe(Straight(dead=True))})


def test_headers_and_trailers_come_back_until_the_end_of_the_context():
    with http2.answering([(":status", "200")], [("x", "y")]) as address:
        assert http2.ask(address, GET, b"", 5.0) == {":status": "200", "x": "y"}
    with pytest.raises(Unavailable):
        http2.ask(address, GET, b"", 5.0)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", Timeout),
        (b"\0\0\1\0\0\0\0\0\0x", ProtocolError),
        (b"\0\0\0\4\0\0\0\0\0" + b"\0\0\4\3\0\0\0\0\1\0\0\0\2", ConnectionLost),
        (b"\0\0\0\4\0\0\0\0\0" + b"\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\1", ConnectionLost),
        (None, ConnectionLost),
    ],
    ids=["nothing", "data of no stream", "reset", "go away", "end"],
)
def test_an_answer_that_is_none_is_an_error(said, error):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                if said is not None:
                    connection.sendall(said)
                    done.wait(20.0)

        done = threading.Event()
        serving = threading.Thread(target=serve)
        serving.start()
        try:
            with pytest.raises(error):
                http2.ask(Address(port=listening.getsockname()[1]), GET, b"", 0.2 if said == b"" else 5.0)
        finally:
            done.set()
            serving.join()


if __name__ == "__main__":
    sys.stdout.write(matrix())
