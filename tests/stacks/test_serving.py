"""``python -P -m stacks serve`` as its users start it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager

import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.errors import StackError, Unavailable
from stacks.serving import serve

LONG = 20.0
SHOP = service.load("stacks.shop:Shop")
WIRED = [name for name in stacks.names() if stacks.find(name).wire]


def command(*arguments):
    return [sys.executable, "-P", "-m", "stacks", "serve", *arguments]


@contextmanager
def started(*arguments, cwd=None):
    """Start a server and read its line; it is killed if the test has not stopped it."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(*arguments), stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=cwd
    ) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            if process.poll() is None:
                process.kill()


def call(name, line):
    address = Address(**line["address"])
    with closing(stacks.find(name).connect(address, Options())) as client:
        return client.unary(SHOP["Quote"])(shop.order("small"), LONG)


def failed(*arguments):
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return done.returncode, lines[0]


@pytest.mark.parametrize("name", WIRED)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_then_calls_then_a_signal(name, number):
    with started(name) as (process, line):
        assert set(line) == {"address", "pids"}
        assert line["address"]["host"] == "127.0.0.1"
        assert line["pids"] == [process.pid]
        assert call(name, line) == SHOP["Quote"].handler(shop.order("small"))
        process.send_signal(number)
        assert process.wait(LONG) == 0
        assert process.stdout.read() == ""
        assert process.stderr.read() == ""
    with pytest.raises(Unavailable):
        call(name, line)


def test_with_parent_the_end_of_standard_input_stops_it():
    with started("floor", "--with-parent") as (process, line):
        process.stdin.write("what is said does not matter\n")
        process.stdin.flush()
        assert call("floor", line)
        process.stdin.close()
        assert process.wait(LONG) == 0


def test_without_parent_the_end_of_standard_input_is_nothing():
    with started("floor") as (process, line):
        process.stdin.close()
        assert call("floor", line)
        assert process.poll() is None


def test_a_parent_that_is_killed_takes_its_server_along():
    parent = "import subprocess, sys; subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", parent, *command("floor", "--with-parent")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        line = json.loads(process.stdout.readline())
        process.kill()
        # The server writes to the same pipe, which therefore ends when both have gone.
        assert process.stdout.read() == ""
    with pytest.raises(Unavailable):
        call("floor", line)


@pytest.mark.parametrize("name", WIRED)
def test_a_taken_port_is_one_line_and_exit_2(name):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, line = failed(name, "--port", str(port))
    assert code == 2
    assert line == (
        f"error: cannot listen on 127.0.0.1:{port}: the port is taken; "
        "stop what listens there, or give port 0 to get a free one"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("grpc-protobof",), "there is no stack 'grpc-protobof'; did you mean 'grpc-protobuf'"),
        (("memory",), "stack 'memory' has no wire"),
        (("floor", "--service", "shop"), "'shop' is no service; write module:Class"),
        (("floor", "--work", "spin:9"), "'spin:9' is no work"),
        (("floor", "--host", "192.0.2.1"), "cannot listen on 192.0.2.1:0: this machine has no such address"),
        (("floor", "--port", "65536"), "a host and a port up to 65535 are wanted"),
        (("floor", "--max-message", "0"), "max-message 0 is no size"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_exit_2(arguments, says):
    code, line = failed(*arguments)
    assert code == 2
    assert line.startswith("error: ")
    assert says in line


def test_options_reach_the_server():
    arguments = ("--service", "stacks.shop:Shop", "--work", "wait:1ms", "--max-message", "2000")
    with started("tcp-msgpack", *arguments) as (_, line):
        assert call("tcp-msgpack", line)
        with closing(stacks.find("tcp-msgpack").connect(Address(**line["address"]), Options())) as client:
            note = shop.Note(1, bytes(300_000))
            with pytest.raises(stacks.errors.ConnectionLost):
                client.unary(SHOP["Echo"])(note, LONG)


def test_a_folder_called_stacks_is_not_taken_for_ours(tmp_path):
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "__init__.py").write_text("raise SystemExit('the wrong stacks')")
    with started("floor", cwd=tmp_path) as (_, line):
        assert call("floor", line)


def test_signals_are_as_before_when_serving_has_failed():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(StackError, match="no wire"):
        serve("memory")
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    wakeup = signal.set_wakeup_fd(-1)
    assert wakeup == -1


def test_a_server_uses_the_certificate_that_it_is_given(tls):
    with started("rest-json", "--tls-cert", tls.certificate, "--tls-key", tls.key) as (process, line):
        address = Address(**line["address"])
        with closing(stacks.find("rest-json").connect(address, Options(tls=tls))) as client:
            assert client.unary(SHOP["Quote"])(shop.order("small"), LONG)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 0


def test_a_certificate_without_a_key_is_refused(tls):
    assert "came alone" in failed("rest-json", "--tls-cert", tls.certificate)[1]
    assert "came alone" in failed("rest-json", "--tls-key", tls.key)[1]
    assert "has no TLS" in failed("floor", "--tls-cert", tls.certificate, "--tls-key", tls.key)[1]
    assert "cannot be used" in failed("rest-json", "--tls-cert", tls.key, "--tls-key", tls.key)[1]
