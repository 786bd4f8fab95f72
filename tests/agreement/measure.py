"""Holds our closed loop against wrk and h2load on the same running servers, in alternating turns; no test.

Run it on a quiet machine with wrk and h2load on it (Debian: ``apt-get install wrk nghttp2-client``)::

    python tests/agreement/measure.py [--turns N] [--seconds S] [--only STACK] [-o FILE]

A server is started once and pinned as in a run; client tools are pinned to the cores of clients. For each
number of connections every client has a turn of S seconds in random order, then in its mirror, N times in
all. The server's CPU is read by the clock of its process around each turn. What each says of the same server
is printed as Markdown; 20 turns of 2 s of everything take about ten minutes.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paced
import tools
from msgspec.structs import replace
from tables import OURS, PACED, Turn, explanation, row, table
from tools import Played, Request, ToolError

import stacks
from harness import machine as machines
from harness.measure import cpu, processes, wire
from harness.measure.contender import Contender
from harness.measure.rounds import mirrored
from harness.results import Machine, Trial
from scenarios import catalog, samples
from scenarios.arm import Arm
from scenarios.load import Open
from stacks import service
from stacks.base import Address
from stacks.transports.rest.client import path

USERS = (1, 16)
METHOD, SAMPLE = "Quote", "small"
SERVICE = service.load(service.DEFAULT)
SETTLE = 100_000_000
WARM = wire.Turn(500_000_000, SETTLE, long=False, block=-1)
GRPC_HEADERS = ("te: trailers", "grpc-timeout: 5S", "grpc-accept-encoding: identity, deflate, gzip")
"""What gRPC's own client sends beside the content type, so that the server has the same to do."""
Tool = Callable[[Request, int, int, Sequence[int], Path], Played]


@dataclass(frozen=True)
class Subject:
    """A server of ours, and the tools that can call it."""

    stack: str
    clients: dict[str, Tool]
    media: str
    prefix: Callable[[bytes], bytes]
    """Gives what stands before a message in a body."""
    headers: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    """What tells h2load which HTTP the server speaks."""
    raw: bool = False
    """Whether `raw.py` can call it, too: with nothing in the way, and once more as slowly as ours."""


SUBJECTS = (
    Subject(
        "rest-json",
        {"wrk": tools.wrk, "h2load --h1": tools.h2load_h1},
        "application/json",
        lambda _: b"",
        version=("--h1",),
        raw=True,
    ),
    Subject(
        "grpc-protobuf",
        {"h2load": tools.h2load},
        "application/grpc",
        lambda data: b"\0" + len(data).to_bytes(4, "big"),
        GRPC_HEADERS,
    ),
)


def request_to(subject: Subject, address: Address, folder: Path) -> Request:
    """Write the body that the first user of ours posts, and say how long a good response's is."""
    method, stack = SERVICE[METHOD], stacks.find(subject.stack)
    asked = samples.sample(method, SAMPLE, 0)
    body = folder / subject.stack
    encoded = stack.codec(method.request).encode(asked)
    body.write_bytes(subject.prefix(encoded) + encoded)
    reply = stack.codec(method.reply).encode(method.handler(asked))
    return Request(
        url=f"http://{address}{path(method)}",
        body=body,
        media=subject.media,
        reply=len(subject.prefix(reply)) + len(reply),
        headers=subject.headers,
    )


@contextmanager
def started(stack: str, here: Machine) -> Iterator[tuple[Address, tuple[int, ...]]]:
    """Serve until the context ends; gives address and process ids."""
    server = processes.serve(Arm(name=stack, stack=stack), service.DEFAULT, here.server_cores)
    try:
        served = processes.accepted(server)
        yield served.address, tuple(cpu.members(server.pid))
    finally:
        server.stop()


@contextmanager
def connected(
    stack: str, address: Address, users: int, here: Machine, load: Open | None = None
) -> Iterator[Contender]:
    """Have a load process of ours that is connected to the running server; calls come as `load` says."""
    arm = Arm(name=OURS, stack=stack, at=str(address))
    trial = Trial(
        scenario="unary",
        arms=(arm,),
        baseline=OURS,
        users=users,
        sample=SAMPLE,
        method=METHOD,
        turn=WARM.length,
        settle=SETTLE,
        seconds=0.0,
        forks=1,
        service=service.DEFAULT,
        timeout=catalog.TIMEOUT,
        open=load,
    )
    ours = Contender(arm, trial, here, 0, wire=True)
    try:
        ours.launch()
        ours.link()
        if differs := ours.ready().differs:
            raise ToolError(f"{stack}: {differs}")
        for _ in range(2):
            ours.play(replace(WARM, rate=load.rate) if load else WARM)
        yield ours
    finally:
        ours.stop()


def ours_for(ours: Contender, users: int, seconds: int) -> Played:
    """Play a turn of ours, with the figures that a run would give."""
    turn = wire.Turn(seconds * 1_000_000_000, SETTLE, long=False, block=-1)
    played = ours.play(turn)
    if played.failed or not played.done:
        raise ToolError(f"{played.failed} of {played.calls} calls of ours failed: {played.errors}")
    return Played(
        calls=played.calls,
        seconds=played.busy / 1e9,
        rate=1e9 * played.done / played.window,
        p50=float(played.p50),
        mean=users * played.window / played.done,
        client=float(played.client),
    )


def clients_of(
    subject: Subject, ours: Contender, users: int, seconds: int, here: Machine, request: Request, log: Path
) -> dict[str, Callable[[], Played]]:
    """Bind all clients to their turn."""
    bound = {OURS: lambda: ours_for(ours, users, seconds)}
    for name, tool in subject.clients.items():
        bound[name] = lambda tool=tool: tool(request, users, seconds, here.client_cores, log)
    if users == 1 and subject.raw:
        cores = here.client_cores
        # By medians, since what stops both for a while now and then is no pace.
        spin = round(bound[OURS]().p50 - tools.raw(request, seconds, cores).p50)
        bound["raw"] = lambda: tools.raw(request, seconds, cores)
        bound[PACED] = lambda: tools.raw(request, seconds, cores, max(0, spin))
    return bound


def alternate(
    clients: dict[str, Callable[[], Played]], pids: Sequence[int], turns: int, order: random.Random
) -> dict[str, list[Turn]]:
    """Let every client have `turns` turns, and one more before them that does not count."""
    found: dict[str, list[Turn]] = {name: [] for name in clients}
    rounds = mirrored(list(clients), order)
    for number in range(turns + 1):
        for name in next(rounds):
            before, slept = used(pids), sleeps(pids)
            played = clients[name]()
            turn = Turn(played, used(pids) - before, sleeps(pids) - slept)
            if number:
                found[name].append(turn)
    return found


def used(pids: Sequence[int]) -> int:
    return sum(cpu.cpu_time(pid) or 0 for pid in pids)


def sleeps(pids: Sequence[int]) -> int:
    """Count how often processes went to sleep, all their living threads: when there was nothing to do."""
    status = [path.read_text() for pid in pids for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for text in status)


def compared(
    subject: Subject, turns: int, seconds: int, here: Machine, order: random.Random
) -> Iterator[str]:
    """Measure one server; gives the lines that tell of it."""
    with ExitStack() as stay:
        folder = Path(stay.enter_context(tempfile.TemporaryDirectory(prefix="agreement-")))
        address, pids = stay.enter_context(started(subject.stack, here))
        request, log = request_to(subject, address, folder), folder / "log"
        for users in USERS:
            with connected(subject.stack, address, users, here) as ours:
                clients = clients_of(subject, ours, users, seconds, here, request, log)
                found = alternate(clients, pids, turns, order)
            yield f"\n## {subject.stack}, connections: {users}, {turns} turns of {seconds} s\n"
            yield from [*table(found, users), "", *explanation(found, users)]
            able = float(np.median([turn.played.rate for turn in found[OURS]]))
            theirs = paced.bound(request, users, seconds, here.client_cores, log, *subject.version)
            for rate in (round(share * able) for share in paced.SHARES):
                yield f"\n### {subject.stack}, connections: {users}, {rate:,} calls/s are due\n"
                with connected(subject.stack, address, users, here, Open(rate, users=users)) as ours:
                    pair = paced.Pair(ours, theirs, log, lambda: used(pids))
                    yield from pair.compared(rate, turns, seconds, order)
        yield from logs(log, subject.stack)


def logs(log: Path, stack: str) -> Iterator[str]:
    """Hold our histogram against the last log that h2load wrote."""
    times = tools.logged(log)
    yield f"\n## {stack}: {len(times):,} times that h2load logged, in our histogram\n"
    yield from [row(("quantile", "sorted, µs", "histogram, µs", "same bucket")), "| --: | --: | --: | :-- |"]
    for q, exact, found, same in tools.same_percentiles(times):
        yield row((f"{q:g}", f"{exact / 1e3:g}", f"{found / 1e3:g}", "yes" if same else "NO"))


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=20, help="of every client (default: %(default)d)")
    parser.add_argument("--seconds", type=int, default=2, help="of a turn (default: %(default)d)")
    parser.add_argument("--only", default="", metavar="STACK", help="one of the servers")
    parser.add_argument("--seed", type=int, default=1, help="of the order of turns (default: %(default)d)")
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="write the tables there, too")
    given = parser.parse_args()
    here = machines.look()
    with ExitStack() as stay:
        out = stay.enter_context(closing(given.output.open("w"))) if given.output else None
        try:
            tools.check()
            stay.enter_context(machines.kept_awake(here))
            lines = [f"{here.cpu}, {here.cores} cores, kernel {here.kernel}; {tools.versions()}"]
            for subject in SUBJECTS:
                if given.only in ("", subject.stack):
                    lines = [
                        *lines,
                        *compared(subject, given.turns, given.seconds, here, random.Random(given.seed)),
                    ]
                    say(lines, out)
                    lines = []
        except ToolError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    return 0


def say(lines, out):
    for stream in filter(None, (sys.stdout, out)):
        stream.write("\n".join(lines) + "\n")
        stream.flush()


if __name__ == "__main__":
    sys.exit(main())
