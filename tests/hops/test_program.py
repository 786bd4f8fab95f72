"""A gateway's program from its start to its end, with shells in the parts of gateways."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading

import psutil
import pytest

from stacks.base import Address
from stacks.errors import StackError
from stacks.hops import program
from stacks.hops.program import Plan
from stacks.testing.fixtures import until  # noqa: F401 -- a fixture

# It answers whoever connects, and says its group.
ANSWERING = """
import os, signal, socket, sys
{before}
listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
listening.bind(("127.0.0.1", int(sys.argv[1])))
listening.listen()
while True:
    listening.accept()[0].sendall(b"what?")
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Where temporary directories go, to see that none is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def shell(text):
    return lambda directory, address: Plan(["/bin/sh", "-c", text])


def answering(before=""):
    return lambda directory, address: Plan(
        [sys.executable, "-c", ANSWERING.format(before=before), str(address.port)]
    )


def fails(prepare, text):
    threads = set(threading.enumerate())
    with pytest.raises(StackError, match=text), program.run("gate", prepare, Address()):
        pytest.fail("it runs")
    assert set(threading.enumerate()) <= threads


def test_one_that_ends_is_quoted():
    fails(shell("echo no such thing >&2; exit 3"), "gate ended with exit code 3 .* said: no such thing")
    fails(shell("kill -9 $$"), "gate ended by signal 9 .* said: nothing")


def test_only_the_end_of_what_it_said_is_quoted():
    with (
        pytest.raises(StackError) as caught,
        program.run("gate", shell("yes | head -c 1000000 >&2; echo >&2; seq 1000 >&2; exit 1"), Address()),
    ):
        pytest.fail("it runs")
    text = str(caught.value)
    assert text.endswith("999\n1000")
    assert len(text) < 500


def test_one_that_cannot_be_run_is_named():
    fails(lambda *_: Plan(["/no/such/gateway"]), "said: /no/such/gateway: No such file or directory")


def test_one_that_never_answers_is_given_up_and_ended(monkeypatch, until, elsewhere):  # noqa: F811
    monkeypatch.setattr(program, "START", 0.3)
    fails(shell("sleep 3600 & sleep 3600"), r"does not answer on 127\.0\.0\.1:\d+ within 0\.3 s")
    until(lambda: not running(elsewhere), "nothing runs there any more")


def running(directory):
    """Find processes that work in `directory`, where every program of ours starts."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(directory)):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_one_that_does_not_listen_to_sigterm_is_killed_with_all_its_processes(monkeypatch, until, elsewhere):  # noqa: F811
    monkeypatch.setattr(program, "_PATIENCE", 0.2)
    ignoring = "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork()"
    with program.run("gate", answering(ignoring), Address()) as served:
        assert len(running(elsewhere)) == 2
        assert sorted(served.pids) == sorted(process.pid for process in running(elsewhere))
        assert os.getpgid(served.pids[1]) == served.pids[0] != os.getpgid(0)
    until(lambda: not running(elsewhere), "nothing is left")


def test_one_that_was_killed_meanwhile_leaves_nothing(until, elsewhere):  # noqa: F811
    with program.run("gate", answering(), Address()) as served:
        os.kill(served.pids[0], 9)
    until(lambda: not running(elsewhere), "nothing is left")


def test_it_has_the_environment_that_was_planned():
    def prepare(directory, address):
        return Plan(["/bin/sh", "-c", 'echo "$HOME in $PWD" >&2; exit 1'], {"HOME": "/nowhere"})

    fails(prepare, "/nowhere in .*rpcduel-gate-")


def test_a_port_is_held_until_the_program_listens():
    with program._reserved(Address()) as address:
        where = (address.host, address.port)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(where)
        with socket.socket() as alone, pytest.raises(OSError, match="in use"):
            alone.bind(where)
        with socket.socket() as shared:
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind(where)


def test_a_package_without_its_program_is_named():
    with pytest.raises(ModuleNotFoundError, match="pytest is installed without /gateway") as caught:
        program.find("pytest", "/gateway")
    assert caught.value.name == "pytest"
