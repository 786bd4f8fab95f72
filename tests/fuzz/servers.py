"""Servers in processes of their own, and strangers who connect to them."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import IO

import msgspec
import psutil
from declarations import declarations
from mutations import Mutator
from recording import conversations
from tally import FindingError, Tally

import stacks
from stacks import service
from stacks.base import Address, Client, Options, Served, Stack
from stacks.shop import Shop, order

_PATIENCE = 20.0
_BATCH = 64
"""Connections between two looks at the server."""
_ENOUGH = 1024 * 1024
"""Bytes of an answer after which a stranger leaves."""
_CROWD = 200
"""Connections of a flood."""
_HELD = 256 * 1024 * 1024
"""Bytes that a server may keep more in the end; some remember up to 64 MiB of what they were asked."""
_SPARE = 8
"""Descriptors that a server may have more in the end, for what it opens once."""
_KNOWN = "UnicodeDecodeError"
"""What grpc.aio's server ends with when the path of a call is no UTF-8; see docs/robustness.md."""
_LOG = 16 * 1024 * 1024
"""Bytes of a server's log that are looked at."""
_RESET = struct.pack("ii", 1, 0)
_CYCLE = ("mutant",) * 12 + ("half", "slow", "endless")


def names() -> list[str]:
    """Name every stack that has a wire; of gRPC, whose framing is the same in all formats, but two."""
    wired = [name for name in stacks.names() if stacks.find(name).wire]
    return [
        name for name in wired if not name.startswith("grpc-") or name in ("grpc-protobuf", "grpc-msgpack")
    ]


def fuzz(name: str, seed: int, goes_on: Callable[[Tally], bool]) -> Tally:
    """Attack the server of a stack for as long as `goes_on` says; raises `FindingError`."""
    tally = Tally(f"server {name}")
    random = Random(seed)
    start = time.monotonic()
    while goes_on(tally):
        finding: FindingError | None = None
        with _serving(name) as child:
            try:
                _besiege(name, _Victim(stacks.find(name), child, tally), random, goes_on)
            except FindingError as error:
                finding = error
        if finding is not None:
            if not (name.startswith("grpc-") and _KNOWN in child.said):
                raise finding
            tally.outcomes["stopped the server"] += 1
    tally.seconds = time.monotonic() - start
    return tally


def _besiege(name: str, victim: _Victim, random: Random, goes_on: Callable[[Tally], bool]) -> None:
    heard = conversations(stacks.find(name), victim.address, service.read(Shop))
    victim.greet()
    attack = _Attack(victim.address, random, [b"".join(each.asked) for each in heard], victim.tally)
    victim.note()
    while goes_on(victim.tally):
        try:
            attack.batch(victim.greet)
        except OSError as error:
            raise victim.finding(f"it does not accept: {error}") from error
        victim.greet()
    victim.check()


class _Child:
    """A server's process."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        assert process.stdout is not None
        line = process.stdout.readline()
        self._errors = errors
        assert line, f"a server does not start: {self.log()}"
        self.address = msgspec.json.decode(line, type=Served).address
        self.resources = psutil.Process(process.pid)
        self.said = ""
        """What stood in its log when it had ended."""

    def log(self) -> str:
        # Not by `read`: the process has the same place in the file, and writes there.
        return os.pread(self._errors.fileno(), _LOG, 0).decode(errors="replace")


@contextlib.contextmanager
def _serving(name: str) -> Iterator[_Child]:
    command = [sys.executable, "-P", "-m", "stacks", "serve", name, "--with-parent"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        try:
            child = _Child(process, errors)
            yield child
            process.communicate(timeout=_PATIENCE)
            child.said = child.log()
            if process.returncode:
                raise FindingError(
                    f"server {name}", f"it ended with {process.returncode}: {child.said[-1500:]}"
                )
        finally:
            process.kill()


class _Victim:
    """A server as those see it who have done nothing wrong, and as its machine sees it."""

    def __init__(self, stack: Stack, child: _Child, tally: Tally) -> None:
        self._stack = stack
        self._child = child
        self.address = child.address
        self.tally = tally
        self._quote = service.read(Shop)["Quote"]
        self._variants = itertools.count()

    def greet(self) -> None:
        """Connect and make a call, which must be answered rightly; nothing may stand in the server's log.

        But gRPC's core, which is C++, writes down what is wrong with the bytes of its peers.
        """
        request = order("small", next(self._variants))
        start = time.monotonic()
        client: Client | None = None
        try:
            client = self._stack.connect(self.address, Options())
            reply = client.unary(self._quote)(request, _PATIENCE)
        except Exception as error:
            raise self.finding(f"a good call failed: {type(error).__name__}: {error}") from error
        finally:
            if client is not None:
                client.close()
        self.tally.slowest = max(self.tally.slowest, time.monotonic() - start)
        if reply != self._quote.handler(request):
            raise self.finding(f"a good call was answered by {reply!r:.200}")
        log = self._child.log()
        if "Traceback" in log if self._stack.name.startswith("grpc-") else log:
            raise self.finding(f"its log has: {log[-1500:]}")

    def note(self) -> None:
        """Keep what the server has now."""
        self._memory = self._child.resources.memory_info().rss
        self._descriptors = self._child.resources.num_fds()

    def check(self) -> None:
        """See that the server has about what it had before, once it has had time to let go."""
        end = time.monotonic() + _PATIENCE
        while (kept := self._child.resources.num_fds() - self._descriptors) > _SPARE:
            if time.monotonic() > end:
                raise self.finding(f"it keeps {kept} descriptors")
            time.sleep(0.05)
        kept = self._child.resources.memory_info().rss - self._memory
        self.tally.growth = max(self.tally.growth, kept)
        if kept > _HELD:
            raise self.finding(f"it keeps {kept:,} bytes")

    def finding(self, what: str) -> FindingError:
        return FindingError(self.tally.target, f"after {self.tally.tried:,} inputs {what}")


class _Attack:
    """Strangers, one after the other and many at once."""

    def __init__(self, address: Address, random: Random, right: list[bytes], tally: Tally) -> None:
        self._where = (address.host, address.port)
        self._random = random
        self._right = right
        self._mutator = Mutator(random, right, declarations(right))
        self._tally = tally
        self._ways = itertools.cycle(_CYCLE)
        self._batches = itertools.count()

    def batch(self, meanwhile: Callable[[], None]) -> None:
        """Connect so many times, and call `meanwhile` while some of the connections are still open."""
        with contextlib.ExitStack() as opened:
            for _ in range(_BATCH):
                way = next(self._ways)
                if way == "mutant":
                    self._count(self._exchange(self._mutator.make()))
                else:
                    getattr(self, f"_{way}")(opened)
            if next(self._batches) % 8 == 0:
                self._flood(opened)
            meanwhile()

    def _exchange(self, data: bytes) -> str:
        """Say something, and hear what the server says to it."""
        with self._connect() as connection:
            took = _say(connection, data)
            heard = _hear(connection)
        return heard if took else "cut"

    def _half(self, opened: contextlib.ExitStack) -> None:
        """Say half of something, and stay until the end of the batch."""
        data = self._random.choice(self._right)
        connection = opened.enter_context(self._connect())
        self._count(
            "left waiting"
            if _say(connection, data[: self._random.randrange(len(data))], end=False)
            else "cut"
        )

    def _slow(self, _opened: contextlib.ExitStack) -> None:
        """Say something right in small pieces, and hear what the server says to it."""
        data = self._random.choice(self._right)
        with self._connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            size = max(1, len(data) // 50)
            took = all(
                _say(connection, data[at : at + size], end=at + size >= len(data))
                for at in range(0, len(data), size)
            )
            self._count(_hear(connection) if took else "cut")

    def _endless(self, opened: contextlib.ExitStack) -> None:
        """Say something again and again, and never listen."""
        data = self._mutator.make()[:4096] or b"\0"
        connection = opened.enter_context(self._connect())
        connection.settimeout(0.05)
        took = _say(connection, data * (2 * _ENOUGH // len(data)), end=False)
        self._count("left waiting" if took else "cut")

    def _flood(self, opened: contextlib.ExitStack) -> None:
        """Connect many times at once; half of these go without a word, at the end of the batch."""
        for place in range(_CROWD):
            connection = opened.enter_context(self._connect())
            took = _say(connection, self._random.randbytes(20), end=False)
            self._count("left waiting" if took else "cut")
            if place % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _connect(self) -> socket.socket:
        return socket.create_connection(self._where, _PATIENCE)

    def _count(self, outcome: str) -> None:
        self._tally.outcomes[outcome] += 1


def _say(connection: socket.socket, data: bytes, *, end: bool = True) -> bool:
    """Send `data`; tells whether the server took it."""
    try:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
    except TimeoutError:
        return True
    except OSError:
        return False
    return True


def _hear(connection: socket.socket) -> str:
    """Receive until the server ends, or has said enough."""
    heard = 0
    try:
        while heard < _ENOUGH and (data := connection.recv(65536)):
            heard += len(data)
    except TimeoutError:
        return "neither answered nor closed"
    except OSError:
        return "cut"
    return "answered" if heard else "closed"
