"""``python -P -m stacks hop tap``: says where, what it has counted when it is asked, and again at its end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from stacks.hops.tap.counts import Bytes, Counts

sys.path.insert(0, str(Path(__file__).parent))

from sockets import LONG, read

COMMAND = [sys.executable, "-P", "-m", "stacks", "hop", "tap"]


@contextmanager
def started(*arguments):
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, *arguments], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            if process.poll() is None:
                process.kill()


def counts(process):
    return msgspec.json.decode(process.stdout.readline(), type=Counts)


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_it_tells_while_it_runs_and_at_its_end(listening):
    with started("--route", f"127.0.0.1:{listening.getsockname()[1]}") as (process, line):
        assert line["pids"] == [process.pid]
        process.send_signal(signal.SIGUSR1)
        assert counts(process) == Counts()
        address = (line["address"]["host"], line["address"]["port"])
        with socket.create_connection(address, LONG) as client, listening.accept()[0] as server:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            read(server, 18)
            server.sendall(b"HTTP/1.1 204 No\r\n\r\n")
            read(client, 19)
            wanted = Counts(1, 1, 1, 0, 1, {"HTTP/1": 1}, Bytes(18, headers=18), Bytes(19, headers=19))
            while (found := asked(process)) != wanted:
                # What has been passed on may not have been counted yet.
                assert found.back.total == 0
        process.send_signal(signal.SIGTERM)
        found = counts(process)
        assert (found.connections, found.out, found.back) == (1, wanted.out, wanted.back)
        assert process.wait(LONG) == 0
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


def asked(process):
    process.send_signal(signal.SIGUSR1)
    return counts(process)


def test_it_ends_with_its_parent_who_reads_no_more(listening):
    route = f"127.0.0.1:{listening.getsockname()[1]}"
    with started("--route", route, "--with-parent") as (process, _):
        process.stdout.close()
        process.stdin.close()
        assert process.wait(LONG) == 0
        assert process.stderr.read() == b""


def test_asked_by_somebody_who_reads_no_more_it_goes_on(listening):
    with started("--route", f"127.0.0.1:{listening.getsockname()[1]}") as (process, line):
        process.stdout.close()
        process.send_signal(signal.SIGUSR1)
        address = (line["address"]["host"], line["address"]["port"])
        with socket.create_connection(address, LONG) as client, listening.accept()[0] as server:
            client.sendall(b"x")
            assert read(server, 1) == b"x"
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 0
        assert process.stderr.read() == b""


def test_several_places_are_refused_in_a_line():
    routes = ["--route", "/a/=127.0.0.1:1", "--route", "/b/=127.0.0.1:2"]
    done = subprocess.run([*COMMAND, *routes], capture_output=True, text=True, timeout=LONG, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: the tap does not look at paths, so it passes all on to one address, not to 2; "
        "give one route\n"
    )
