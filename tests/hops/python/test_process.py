"""The hop in Python as a process of its own, and upstreams that stop, die and come back."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Options, Route
from stacks.errors import CallError, Timeout

LONG = 20.0
SHOP = service.load("stacks.shop:Shop")
STACKS = ("grpc-protobuf", "rest-json")


@pytest.fixture
def client(opened):
    def client(name, address):
        return opened.enter_context(closing(stacks.find(name).connect(address, Options())))

    return client


def address_of(line):
    return Address(**line["address"])


def echo(client):
    call = client.unary(SHOP["Echo"])
    return lambda timeout=LONG: call(shop.Note(1, b"x"), timeout) == shop.Note(1, b"x")


@pytest.mark.parametrize("name", STACKS)
def test_calls_outlast_an_upstream_that_stands_still(run, client, pass_on, together, name):
    process, line = run("serve", name)
    hop = pass_on(Route("/", address_of(line)))
    calls = [echo(client(name, hop)) for _ in range(4)]
    assert all(call() for call in calls)
    process.send_signal(signal.SIGSTOP)

    def use(user):
        if user == 0:
            with pytest.raises(Timeout):
                calls[0](2.0)
            process.send_signal(signal.SIGCONT)
        return user == 0 or calls[user]()

    assert all(together(4, use))
    assert all(call() for call in calls)


@pytest.mark.parametrize("name", STACKS)
def test_an_upstream_that_was_killed_and_started_again_is_reached(run, client, pass_on, until, name):
    process, line = run("serve", name)
    hop = pass_on(Route("/", address_of(line)))
    call = echo(client(name, hop))
    assert call()
    process.kill()
    process.wait(LONG)
    with pytest.raises(CallError):
        call()
    run("serve", name, "--port", address_of(line).port)

    def reached():
        try:
            return call(1.0)
        except CallError:
            return False

    until(reached, "the upstream is reached again")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_a_file_of_routes_until_a_signal(run, client, tmp_path, end):
    grpcs, rests = (address_of(run("serve", name)[1]) for name in STACKS)
    path = tmp_path / "routes.toml"
    path.write_text(
        f'[[route]]\nupstream = "grpc://{grpcs}"\nservice = "stacks.shop:Shop"\n'
        f'[[route]]\nupstream = "http://{rests}"\n'
    )
    process, line = run("hop", "python", "--config", path)
    assert line["pids"] == [process.pid]
    assert all(echo(client(name, address_of(line)))() for name in STACKS)
    assert psutil.Process(process.pid).children() == []
    process.send_signal(end)
    assert process.wait(LONG) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give --route or --config"),
        (("--route", "nowhere"), "'nowhere' is no address"),
        (("--route", "127.0.0.1:1", "--route", "127.0.0.1:2"), "two routes for /"),
        (("--config", "no-such.toml"), "no-such.toml: cannot be read"),
        (("--route", "127.0.0.1:1", "--service", "no.such:Thing"), "no.such"),
        (("--route", "127.0.0.1:1", "--host", "192.0.2.1"), "cannot listen on 192.0.2.1"),
    ],
)
def test_what_cannot_be_passed_on_is_said_in_a_line(arguments, says):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "stacks", "hop", "python", *arguments],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert says in line


def test_calls_of_all_kinds_side_by_side_leave_nothing(run, together, until):
    upstreams = {name: address_of(run("serve", name)[1]) for name in STACKS}
    arguments = [
        f"--route={scheme}://{at}" for scheme, at in zip(("grpc", "http"), upstreams.values(), strict=True)
    ]
    process, line = run("hop", "python", *arguments)
    hop = psutil.Process(process.pid)

    def use(user):
        end, made = time.monotonic() + 2.5, 0
        while time.monotonic() < end:
            made += call_all(STACKS[user % 2], address_of(line))
        return made

    assert min(together(16, use)) > 0
    open_before, held_before = hop.num_fds(), hop.memory_info().rss
    assert min(together(16, use)) > 0
    # A connection to the HTTP upstream is kept for each call that was ever in flight, so a few may have come.
    until(lambda: hop.num_fds() <= open_before + 16, "no descriptor is left of the calls")
    assert hop.memory_info().rss - held_before < 16 * 1024 * 1024
    assert hop.num_threads() < 20


def call_all(name, address):
    """Call every method once, on a connection of its own; gives how many there were."""
    stack = stacks.find(name)
    with closing(stack.connect(address, Options())) as client:
        methods = [method for method in SHOP.methods if method.kind in stack.kinds]
        for method in methods:
            request = method.request.example("small", 0)
            if method.kind == "unary":
                assert client.unary(method)(request, LONG) == method.handler(request)
            else:
                replies = client.stream(method)([request], LONG)
                assert isinstance(next(replies), method.reply)
                replies.close()  # cut short, where more would come
    return len(methods)
