"""Child processes in process groups of their own, pinned to their cores and gone when told so."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

import msgspec

from harness.measure.wire import Baton
from scenarios.arm import Arm
from stacks.base import LOOPBACK, Address, Served, Tls

START = 20.0
"""Seconds in which a server must accept connections, if nothing else starts meanwhile."""
EACH = 2.0
"""Seconds more for every arm that starts beside it."""
_PATIENCE = 2.0
_PAUSE = 0.02
_TAIL = 2000
_MOST_STDERR = 1 << 20
_PIPE = 1 << 16
"""Bytes that a pipe holds."""
_MOST_LINE = 1 << 16
_PR_SET_PDEATHSIG = 1
_KINDS = {"grpc": "grpc", "rest": "http", "graphql": "http"}
"""Transport → what a route to it is called."""


class StartError(Exception):
    """A process did not start; the text holds the reason, `stderr` the end of what it wrote."""

    def __init__(self, text: str, stderr: str = "") -> None:
        """Keep both."""
        super().__init__(text)
        self.stderr = stderr


class Process:
    """A running child with its own session and process group, whose standard error is kept."""

    def __init__(
        self,
        command: Sequence[str],
        cores: Sequence[int],
        *,
        pass_fds: Sequence[int] = (),
        foreign: bool = False,
    ) -> None:
        """Start `command` on `cores` (anywhere if empty); raises `StartError`.

        Our own programs end when their standard input does, so they cannot outlive us; `foreign` ones
        are killed by the kernel then.
        """
        self._stderr: IO[bytes] = tempfile.TemporaryFile(mode="ab+")  # noqa: SIM115 -- closed by `stop`
        try:
            with _pinned(cores):
                self._child = subprocess.Popen(  # noqa: S603 -- the commands are ours or the user's own
                    command,
                    stdin=subprocess.PIPE,
                    stdout=self._stderr if foreign else subprocess.PIPE,
                    stderr=self._stderr,
                    start_new_session=True,
                    pass_fds=pass_fds,
                    preexec_fn=_die_with_parent if foreign else None,  # noqa: PLW1509 -- we have one thread
                )
        except OSError as error:
            self._stderr.close()
            raise StartError(f"{command[0]}: cannot be started: {error.strerror}") from error
        if self._child.stdout:
            os.set_blocking(self._child.stdout.fileno(), False)
        self.pid = self._child.pid
        """Also the id of its process group."""
        self.command = " ".join(command)

    def line(self, timeout: float) -> bytes:
        """Read the first line of its standard output; raises `StartError` when none comes in time."""
        assert self._child.stdout is not None
        descriptor = self._child.stdout.fileno()
        end = time.monotonic() + timeout
        data = b""
        while b"\n" not in data:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise StartError(f"said nothing within {timeout:g} s", self.tail())
            part = os.read(descriptor, 4096)
            if not part:
                with suppress(subprocess.TimeoutExpired):
                    self._child.wait(_PATIENCE)
                how = self.ended()
                raise StartError(f"ended at once {how}" if how else "closed its output", self.tail())
            data += part
            if len(data) > _MOST_LINE:
                raise StartError(f"said {len(data)} bytes that are no address", self.tail())
        return data[: data.index(b"\n") + 1]

    def told(self) -> bytes:
        """Ask a program of ours that counts for a line of what it has counted; raises `StartError`."""
        self.tidy()  # what it said before is not the answer
        self._child.send_signal(signal.SIGUSR1)
        return self.line(START)

    def ended(self) -> str:
        """Say how it ended, such as ``with exit code 1``; empty while it runs."""
        code = self._child.poll()
        if code is None:
            return ""
        return f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"

    def tail(self) -> str:
        """Give the end of what it wrote to standard error."""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _TAIL))
        return self._stderr.read().decode("utf-8", "replace").strip()

    def tidy(self) -> None:
        """Throw away what it printed, so that neither pipe nor file fill up; call it between turns."""
        stdout = self._child.stdout
        if stdout is not None:
            with suppress(BlockingIOError):
                os.read(stdout.fileno(), _PIPE)
        if self._stderr.seek(0, os.SEEK_END) > _MOST_STDERR:
            self._stderr.truncate(0)

    def stop(self) -> None:
        """End the whole process group, by force if it does not listen, and reap the child."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(_PATIENCE)
        self._signal(signal.SIGKILL)
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def python(interpreter: str, *arguments: str) -> list[str]:
    """Command line of a Python program of ours; ``-P`` keeps a user's own `stacks/` folder out."""
    return [interpreter or sys.executable, "-P", "-m", *arguments]


def serve(arm: Arm, service: str, cores: Sequence[int], tls: Tls | None = None) -> Process:
    """Start a server of ours for `arm`, without waiting for it; raises `StartError`."""
    extra = ["--work", arm.work] if arm.work else []
    if arm.streams:
        extra += ["--max-streams", str(arm.streams)]
    if arm.twin_of:
        extra += ["--spans"]
    if tls is not None:
        extra += ["--tls-cert", tls.certificate, "--tls-key", tls.key]
    started = ["stacks", "serve", arm.stack, "--service", service, "--with-parent", *extra]
    return Process(python(arm.python, *started), cores)


def hop(name: str, upstream: Address, stack: str, service: str, cores: Sequence[int]) -> Process:
    """Start a hop that passes calls of `stack` on to `upstream`, without waiting for it.

    It is told what a gateway's configuration would tell it: the kind of upstream, and the service.
    Raises `StartError`.
    """
    kind = _KINDS.get(stack.partition("-")[0], "")
    told = ["--service", service] if kind == "grpc" else []
    route = f"{kind}://{upstream}" if kind else str(upstream)
    return Process(python("", "stacks", "hop", name, "--route", route, *told, "--with-parent"), cores)


def accepted(server: Process, within: float | None = None) -> Served:
    """Wait until a server of ours says that it accepts, for `within` s or `START`; raises `StartError`."""
    try:
        return msgspec.json.decode(server.line(START if within is None else within), type=Served)
    except msgspec.DecodeError as error:
        raise StartError(f"printed no address: {error}", server.tail()) from error


def serve_foreign(command: Sequence[str], cores: Sequence[int]) -> tuple[Process, Address]:
    """Start a user's server command with a free ``{port}``, without waiting; raises `StartError`."""
    address = Address(LOOPBACK, _free_port())
    filled = [part.replace("{port}", str(address.port)) for part in command]
    return Process(filled, cores, foreign=True), address


def accepted_foreign(server: Process, address: Address, within: float | None = None) -> Served:
    """Wait until a user's server accepts on `address`, for `within` s or `START`; raises `StartError`."""
    within = START if within is None else within
    end = time.monotonic() + within
    while time.monotonic() < end:
        if how := server.ended():
            raise StartError(f"ended {how}", server.tail())
        with suppress(OSError), socket.create_connection((address.host, address.port), timeout=1):
            return Served(address=address, pids=(server.pid,))
        time.sleep(_PAUSE)
    raise StartError(f"does not accept on {address} within {within:g} s", server.tail())


def load(driver: str, interpreter: str, cores: Sequence[int]) -> tuple[Process, Baton]:
    """Start a load process, which pins itself to `cores`; gives it with our end of the baton."""
    ours, theirs = socket.socketpair()
    with theirs:
        descriptor = theirs.fileno()
        pinned = [",".join(map(str, cores))] if cores else []
        command = python(interpreter, "harness.measure.load", str(descriptor), driver, *pinned)
        try:
            return Process(command, (), pass_fds=[descriptor]), Baton(ours)
        except StartError:
            ours.close()
            raise


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _pinned(cores: Sequence[int]) -> Iterator[None]:
    """Pin ourselves for a moment: a child inherits it before its first instruction."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _die_with_parent() -> None:
    """Have the kernel kill us when our parent goes; to be called in a child, before it runs its program."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
