import json
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.measure import processes
from harness.measure.processes import Process, StartError, accepted, accepted_foreign, serve_foreign
from harness.measure.wire import Failed, Setup
from scenarios.arm import Arm
from stacks.base import Address, Served

PATIENCE = 20.0
"""Seconds after which a test gives up; nothing waits that long."""


@pytest.fixture(autouse=True)
def nothing_stays():
    """Fail a test that leaves a child or a file open."""
    files = sorted(Path("/proc/self/fd").iterdir())
    yield
    assert psutil.Process().children(recursive=True) == []
    # Threads of libraries may close theirs meanwhile.
    assert len(list(Path("/proc/self/fd").iterdir())) <= len(files)


@contextmanager
def running(code):
    """Run a Python program for as long as the context lasts."""
    process = Process([sys.executable, "-c", code], ())
    try:
        yield process
    finally:
        process.stop()


SERVER = """
import socket, sys
print("listening on", sys.argv[1:], flush=True)
with socket.create_server(("127.0.0.1", int(sys.argv[1].removeprefix("--port=")))) as server:
    while True:
        with server.accept()[0] as connection:
            connection.sendall(sys.argv[2].encode())
"""


def test_a_foreign_server_gets_its_port_and_is_awaited():
    command = [sys.executable, "-c", SERVER, "--port={port}", "{port}:{port}", "{other}"]
    process, address = serve_foreign(command, ())
    try:
        served = accepted_foreign(process, address)
        assert served == Served(address=address, pids=(process.pid,))
        assert address.host == "127.0.0.1"
        with socket.create_connection((address.host, address.port), PATIENCE) as connection:
            assert connection.recv(100).decode() == f"{address.port}:{address.port}"
        arguments = [f"--port={address.port}", f"{address.port}:{address.port}", "{other}"]
        assert process.tail() == f"listening on {arguments}"
    finally:
        process.stop()


def test_a_foreign_server_that_ends_says_how_and_what_it_wrote():
    code = "import sys; print('on output'); sys.stdout.flush(); sys.exit('no such port')"
    process, address = serve_foreign([sys.executable, "-c", code, "{port}"], ())
    try:
        with pytest.raises(StartError, match=r"^ended with exit code 1$") as caught:
            accepted_foreign(process, address)
        assert caught.value.stderr == "on output\nno such port"
    finally:
        process.stop()


def test_a_foreign_server_that_never_accepts_is_given_up(monkeypatch):
    monkeypatch.setattr(processes, "START", 0.1)
    process, address = serve_foreign([sys.executable, "-c", "import time; time.sleep(600)", "{port}"], ())
    try:
        with pytest.raises(StartError, match=f"^does not accept on {address} within 0.1 s$"):
            accepted_foreign(process, address)
    finally:
        process.stop()


def test_a_server_of_ours_tells_its_address():
    said = json.dumps({"address": {"host": "127.0.0.1", "port": 4711}, "pids": [1, 2]})
    with running(f"print({said!r}, flush=True); input()") as process:
        assert accepted(process) == Served(address=Address("127.0.0.1", 4711), pids=(1, 2))


@pytest.mark.parametrize("text", ["", "hello", "[]", '{"address": {}}', '{"pids": []}'])
def test_a_server_that_tells_something_else_is_refused(text):
    code = f"import sys; print('why', file=sys.stderr); print({text!r}, flush=True); input()"
    with running(code) as process:
        with pytest.raises(StartError, match=r"^printed no address: ") as caught:
            accepted(process)
        assert caught.value.stderr == "why"


def test_a_users_folder_is_never_taken_for_ours(tmp_path):
    assert processes.python("", "stacks") == [sys.executable, "-P", "-m", "stacks"]
    assert processes.python("/other/python", "stacks", "serve")[0] == "/other/python"
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "base.py").write_text("raise SystemExit('not ours')")
    command = [*processes.python("", "x")[:2], "-c", "import stacks.base; print(stacks.base.__file__)"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert Path(done.stdout.strip()).samefile(sys.modules["stacks.base"].__file__)


SETUP = Setup(
    arm=Arm(name="a", stack="nope"),
    service="stacks.shop:Shop",
    method="Quote",
    sample="small",
    users=1,
    messages=1,
    part="",
    timeout=1.0,
    address=Address(port=1),
)


def test_a_load_process_answers_over_the_baton():
    process, baton = processes.load("plain", "", ())
    try:
        baton.send(SETUP)
        answer = baton.receive(PATIENCE)
        assert isinstance(answer, Failed)
        assert answer.reason.startswith("UnknownStackError: there is no stack 'nope'")
        with pytest.raises(EOFError):
            baton.receive(PATIENCE)
    finally:
        process.stop()
        baton.close()


def test_a_load_process_ends_when_its_conductor_is_gone():
    process, baton = processes.load("plain", "", ())
    try:
        baton.close()
        process._child.wait(PATIENCE)
        assert process.ended() == "with exit code 1"
        assert not process.tail()
    finally:
        process.stop()


def test_a_load_process_that_cannot_be_started_leaves_no_socket():
    with pytest.raises(StartError, match=r"^/no/python: cannot be started: No such file or directory$"):
        processes.load("plain", "/no/python", ())
