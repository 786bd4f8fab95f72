"""Clients under gevent, each in a process of its own that gevent may patch."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import stacks
from stacks import service
from stacks.base import Address, Kind, Options
from stacks.testing.oracle import Oracle

SCRIPT = Path(__file__).parent / "greenlets.py"
SHOP = service.load("stacks.shop:Shop")
WIRED = [name for name in stacks.names() if stacks.find(name).wire]
MODES = [
    (name, mode)
    for name in WIRED
    for mode in ("own", "shared", "late")
    if mode == "own" or stacks.find(name).multiplexes
]


def run(name, port, mode, *more):
    command = [sys.executable, "-P", SCRIPT, name, str(port), mode, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_greenlets_get_their_own_replies(name, mode):
    offered = dataclasses.replace(SHOP, delay=0.1 if mode == "late" else 0.0)
    with stacks.find(name).serve(offered, Address(), Options()) as served:
        done = run(name, served.address.port, mode)
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr


@pytest.mark.parametrize("name", [name for name in WIRED if Kind.BIDI in stacks.find(name).kinds])
def test_greenlets_stream_side_by_side(name):
    with stacks.find(name).serve(service.read(Oracle), Address(), Options()) as served:
        done = run(name, served.address.port, "streams")
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *(("grpc-protobuf", mode) for mode in ("own", "shared", "streams")),
        *(("tcp-msgpack", mode) for mode in ("own", "shared", "late")),
        *(("yamux-msgpack", mode) for mode in ("own", "shared", "late", "streams")),
        *((name, "own") for name in ("rest-json", "graphql-json", "thrift-binary")),
    ],
)
def test_greenlets_call_over_tls(name, mode, tls):
    offered = dataclasses.replace(SHOP, delay=0.1 if mode == "late" else 0.0)
    served = service.read(Oracle) if mode == "streams" else offered
    with stacks.find(name).serve(served, Address(), Options(tls=tls)) as server:
        done = run(name, server.address.port, mode, tls.ca)
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr
