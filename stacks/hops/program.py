"""Runs a gateway's program in a process group of its own, for as long as a context lasts."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from stacks.base import Address, Served
from stacks.errors import AddressError, StackError
from stacks.transports import listener

START = 20.0
"""Seconds in which a gateway must answer."""
_PATIENCE = 1.0
"""Seconds that it gets to end by itself: fewer than we get from whoever stops us."""
_PAUSE = 0.01
_TAIL = 40
"""Lines of its standard error that are kept."""
_LINE = 500
"""Bytes of a line that are kept."""
_NONSENSE = b"rpcduel asks whether anybody is there\r\n\r\n"
"""What every server of HTTP refuses by itself, without a look at its routes.

It is longer than HTTP/2's preface, for which some wait.
"""

_LEASH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)
if os.getppid() == int(sys.argv[1]):
    try:
        os.execv(sys.argv[2], sys.argv[2:])
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")
"""
"""Has the kernel send SIGTERM when whoever started the program is gone, and becomes the program.

A function between fork and exec would do the same, but may hang where the parent has threads.
1 is PR_SET_PDEATHSIG of prctl(2).
"""


class Plan(NamedTuple):
    """How to run a program: its command line, and what its environment has beside ours."""

    command: Sequence[str | Path]
    environment: Mapping[str, str] = {}


Prepare = Callable[[Path, Address], Plan]
"""Writes a configuration into an empty directory, for an address to listen on, and gives the plan."""


def find(package: str, suffix: str) -> Path:
    """Give the file of an installed package whose path ends with `suffix`.

    Raises `ModuleNotFoundError` with the name of the package when it is not installed.
    """
    for file in metadata.distribution(package).files or ():
        if str(file).endswith(suffix):
            return Path(str(file.locate())).resolve()
    raise ModuleNotFoundError(f"{package} is installed without {suffix}", name=package)


@contextmanager
def run(name: str, prepare: Prepare, listen: Address) -> Iterator[Served]:
    """Run the gateway `name` until the context ends, and then leave no process and no file.

    `Served.pids` are the processes of its group when it first answers. It ends with the thread that
    entered the context, however that ends. Raises `AddressError` for an address that cannot be had, and
    `StackError` with the end of what the program said when it does not answer.
    """
    with (
        _reserved(listen) as address,
        tempfile.TemporaryDirectory(prefix=f"rpcduel-{name}-") as directory,
        _started(name, prepare(Path(directory), address), directory) as program,
    ):
        _await_answer(name, program, address)
        yield Served(address, _group(program.pid))


class _Program:
    """A running child, at the head of its session and group, and the end of what it writes."""

    def __init__(self, plan: Plan, directory: str) -> None:
        self._child = subprocess.Popen(  # noqa: S603 -- the program of an installed package
            [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *map(str, plan.command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=directory,
            env={**os.environ, **plan.environment},
            start_new_session=True,
        )
        self.pid = self._child.pid
        self._said: deque[bytes] = deque(maxlen=_TAIL)
        self._reader = Thread(target=self._read, name="gateway-stderr", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        stream = self._child.stderr
        assert stream is not None
        with stream:
            for line in iter(lambda: stream.readline(_LINE), b""):
                self._said.append(line)

    def ended(self) -> str:
        code = self._child.poll()
        if code is None:
            return ""
        self._reader.join(_PATIENCE)
        return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def said(self) -> str:
        return b"".join(self._said).decode(errors="replace").strip() or "nothing"

    def stop(self) -> None:
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(_PATIENCE)
        # Whatever did not end with its head; where the head is gone, too, there is no group left.
        self._signal(signal.SIGKILL)
        self._child.wait()
        self._reader.join(_PATIENCE)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


@contextmanager
def _started(name: str, plan: Plan, directory: str) -> Iterator[_Program]:
    try:
        program = _Program(plan, directory)
    except OSError as error:
        raise StackError(f"{name} cannot be started: {error}") from error
    try:
        yield program
    finally:
        program.stop()


@contextmanager
def _reserved(listen: Address) -> Iterator[Address]:
    """Hold a port for a program that listens with SO_REUSEPORT.

    Meanwhile nobody gets it who asks for any free port, be it a server or a client that connects.
    """
    # Alone at first: where another program shares its port, this one would get half of the connections.
    with listener.listen(listen) as alone:
        address = listener.bound(alone, listen)
        family = alone.family
    with socket.socket(family) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            held.bind((address.host, address.port))
        except OSError as error:
            raise AddressError(f"cannot listen on {address}: {error.strerror}; take another port") from error
        yield address


def _await_answer(name: str, program: _Program, address: Address) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end:
        if how := program.ended():
            raise StackError(f"{name} {how} before it listened; it said: {program.said()}")
        with suppress(OSError):
            if _answers(address):
                return
        time.sleep(_PAUSE)
    raise StackError(f"{name} does not answer on {address} within {START:g} s; it said: {program.said()}")


def _answers(address: Address) -> bool:
    # A connection alone says little: the system makes it before there is a worker.
    with socket.create_connection((address.host, address.port), _PATIENCE) as connection:
        connection.sendall(_NONSENSE)
        return bool(select.select([connection], [], [], _PATIENCE)[0])


def _group(leader: int) -> tuple[int, ...]:
    """Find the processes of a group, its leader first; proc_pid_stat(5) has the group as fifth field."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                _, _, rest = (entry / "stat").read_text().rpartition(") ")
                if int(rest.split()[2]) == leader:
                    found.append(int(entry.name))
    return tuple(sorted(found, key=lambda pid: (pid != leader, pid)))
