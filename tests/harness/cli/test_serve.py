"""`rpcduel serve`: starts, says where, ends on a signal, and refuses what cannot be served."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import stacks
from harness.cli import main

ROOT = Path(__file__).parents[3]


class Stack:
    wire = True


SERVING = """
import contextlib, socket, sys
import stacks
from harness.cli import main
from stacks.base import Address, Served

class Fake:
    name, wire = "fake", True

    @contextlib.contextmanager
    def serve(self, service, address, options):
        with socket.create_server((address.host, address.port)) as listener:
            try:
                yield Served(Address(address.host, listener.getsockname()[1]), (1,))
            finally:  # the signal may come right after the line that says where
                print("closed", service.name, service.delay, file=sys.stderr)

stacks.find = lambda name: Fake()
sys.exit(main(["serve", "fake", *sys.argv[1:]]))
"""


@pytest.fixture
def serving(tmp_path):
    """Start `serve` with a stack that only listens; gives process and first line."""
    started = []

    def start(*args):
        process = subprocess.Popen(
            [sys.executable, "-c", SERVING, *args],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline()

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_until_a_signal(serving, number):
    process, line = serving("--json", "--work", "wait:2ms")
    address = json.loads(line)["address"]
    socket.create_connection((address["host"], address["port"]), timeout=30).close()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "closed rpcduel.Shop 0.002\n")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address["host"], address["port"]), timeout=30)


def test_serve_says_where_and_takes_a_service_of_the_working_directory(serving, tmp_path):
    (tmp_path / "market.py").write_text(
        "import msgspec\n"
        "class A(msgspec.Struct):\n    x: int\n"
        "class Market:\n    def get(self, a: A) -> A:\n        return a\n"
    )
    process, line = serving("--service", "market:Market")
    assert line.startswith("fake serves market.Market on 127.0.0.1:")
    process.send_signal(signal.SIGINT)
    assert "closed market.Market" in process.communicate(timeout=30)[1]


def test_serve_warns_where_others_can_call(serving):
    process, _ = serving("--host", "0.0.0.0")
    process.send_signal(signal.SIGINT)
    assert "0.0.0.0 can be reached from other machines" in process.communicate(timeout=30)[1]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["no-such"], "there is no stack 'no-such'"),
        (["grpc-protobuf", "--port", "70000"], "70000 is not in the range"),
        (["fake", "--service", "nowhere"], "'nowhere' is no service"),
        (["fake", "--work", "rest:1h"], "'rest:1h' is no work"),
    ],
)
def test_serve_errors(args, text, monkeypatch, capsys):
    if args[0] == "fake":
        monkeypatch.setattr(stacks, "find", lambda _: Stack())
    assert main(["serve", *args]) == 2
    assert text in capsys.readouterr().err


def test_a_stack_without_a_wire_cannot_be_served(monkeypatch, capsys):
    monkeypatch.setattr(stacks, "find", lambda _: type("Memory", (), {"wire": False})())
    assert main(["serve", "memory"]) == 2
    assert "'memory' has no wire" in capsys.readouterr().err
