"""CPU per call of the hop in Python against the shortest correct proxy in grpc.aio, in turns; no test.

Run it on a quiet machine::

    python tests/hops/python/bench.py [ROUNDS [CALLS]]

Each round makes CALLS unary calls through every hop, in random order; the CPU is that of the hop's process,
all its threads, and the figures are medians over rounds.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager

import stacks
from stacks import service, shop
from stacks.base import Address, Options

SHORTEST = """
import asyncio, sys
import grpc.aio, uvloop

async def main():
    channel = grpc.aio.insecure_channel(sys.argv[1], [("grpc.enable_retries", 0)])

    def handler(path):
        open_ = channel.stream_stream(path, None, None)

        async def serve(requests, context):
            metadata = [each for each in context.invocation_metadata() if each[0] != "user-agent"]
            call = open_(requests, timeout=context.time_remaining(), metadata=metadata)
            try:
                await context.send_initial_metadata(tuple(await call.initial_metadata()))
                async for reply in call:
                    await context.write(reply)
                context.set_trailing_metadata(tuple(await call.trailing_metadata()))
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details(), tuple(error.trailing_metadata()))
            finally:
                call.cancel()

        return grpc.stream_stream_rpc_method_handler(serve)

    class Handlers(grpc.GenericRpcHandler):
        kept = {}

        def service(self, details):
            if details.method not in self.kept:
                self.kept[details.method] = handler(details.method)
            return self.kept[details.method]

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print('{"address": {"host": "127.0.0.1", "port": %d}}' % port, flush=True)
    await server.wait_for_termination()

uvloop.run(main())
"""
LONG = 20.0
SHOP = "stacks.shop:Shop"


@contextmanager
def started(*arguments):
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        yield process.pid, Address(**json.loads(process.stdout.readline())["address"])
    finally:
        process.terminate()
        process.wait(LONG)
        process.stdout.close()


def hop(*arguments):
    return started("-P", "-m", "stacks", "hop", "python", *arguments)


def cpu(pid):
    return time.clock_gettime_ns((~pid << 3) | 2)


def connected(stack, address, everything):
    client = everything.enter_context(closing(stacks.find(stack).connect(address, Options())))
    return client.unary(service.load(SHOP)["Quote"])


def turn(pid, call, order, calls):
    before, start = cpu(pid), time.perf_counter_ns()
    for _ in range(calls):
        call(order, LONG)
    return (cpu(pid) - before) / calls / 1000, (time.perf_counter_ns() - start) / calls / 1000


def say(line):
    sys.stdout.write(line + "\n")


def main(rounds=30, calls=200):
    with ExitStack() as everything:
        enter = everything.enter_context
        _, grpcs = enter(started("-P", "-m", "stacks", "serve", "grpc-protobuf"))
        _, rests = enter(started("-P", "-m", "stacks", "serve", "rest-json"))
        hops = {
            "shortest": ("grpc-protobuf", enter(started("-c", SHORTEST, str(grpcs)))),
            "grpc alone": ("grpc-protobuf", enter(hop("--route", f"grpc://{grpcs}"))),
            "grpc alone, kinds known": (
                "grpc-protobuf",
                enter(hop("--route", f"grpc://{grpcs}", "--service", SHOP)),
            ),
            "one port": ("grpc-protobuf", enter(hop("--route", str(grpcs)))),
            "one port, kinds known": ("grpc-protobuf", enter(hop("--route", str(grpcs), "--service", SHOP))),
            "one port, rest": ("rest-json", enter(hop("--route", f"http://{rests}"))),
        }
        arms = {
            name: (pid, connected(stack, where, everything)) for name, (stack, (pid, where)) in hops.items()
        }
        order, seen = shop.order("small"), {name: [] for name in arms}
        for number in range(rounds + 1):
            for name in random.sample(list(arms), len(arms)):
                taken = turn(*arms[name], order, calls)
                if number:  # the first round warms up
                    seen[name].append(taken)
        base = statistics.median(spent for spent, _ in seen["shortest"])
        say(f"{'hop':26}{'CPU µs/call':>12}{'ratio':>8}{'latency µs':>12}")
        for name, turns in seen.items():
            spent, waited = (statistics.median(each) for each in zip(*turns, strict=True))
            say(f"{name:26}{spent:12.1f}{spent / base:8.2f}{waited:12.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
