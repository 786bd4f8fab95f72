"""Channels by the thousand, one a call, and what they leave behind in the process; no test.

    python tests/stacks/churn.py [CALLS [STACK ...]]

Runs under gevent, as a load process does. After a first tenth that warms up, and after all calls, it looks at
descriptors, threads and memory. Exits with 1 when descriptors or threads are left, or memory grows by more
than a KiB a channel.
"""

import sys

import locust  # noqa: F401 -- patches the process, before anything else is imported

from harness.measure.player import _patch_grpc

_patch_grpc()

# ruff: noqa: E402 -- only now may anything else be imported
import gc
import subprocess
import time
from contextlib import suppress

import msgspec
import psutil

import stacks
from scenarios import channels
from stacks import service, shop
from stacks.base import Options, Served

STACKS = ("grpc-protobuf", "rest-json", "tcp-msgpack", "thrift-binary", "yamux-msgpack")
QUOTE = service.load("stacks.shop:Shop")["Quote"]
LONG = 10.0
PATIENCE = 10.0
KIB = 1024


def look():
    """Give descriptors, threads and bytes of memory when nothing goes on any more."""
    process, before = psutil.Process(), None
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        time.sleep(0.2)
        gc.collect()
        now = process.num_fds(), process.num_threads()
        if now == before:
            break
        before = now
    return *now, process.memory_info().rss


def churn(name, calls):
    stack, order = stacks.find(name), shop.order("small")
    command = [sys.executable, "-P", "-m", "stacks", "serve", name, "--with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        address = msgspec.json.decode(server.stdout.readline(), type=Served).address
        wanted = QUOTE.handler(order)
        with channels.opened(
            "per-request",
            1,
            lambda: stack.connect(address, Options()),
            QUOTE,
            multiplexes=stack.multiplexes,
        ) as (call,):
            for _ in range(calls // 10):
                assert call(order, LONG) == wanted
            before = look()
            for _ in range(calls):
                assert call(order, LONG) == wanted
            after = look()
        server.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            server.wait(LONG)
        server.kill()
    return before, after


def main(calls="10000", *names):
    calls, good = int(calls), True
    sys.stdout.write(f"{'stack':16}{'descriptors':>16}{'threads':>12}{'KiB a channel':>16}\n")
    for name in names or STACKS:
        before, after = churn(name, calls)
        grown = (after[2] - before[2]) / calls / KIB
        # gRPC starts and ends threads of its pool as it sees fit.
        good = good and after[0] <= before[0] and after[1] <= before[1] + 2 and grown < 1
        sys.stdout.write(
            f"{name:16}{before[0]:>8} → {after[0]:<5}{before[1]:>5} → {after[1]:<4}{grown:>16.3f}\n"
        )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
