"""One arm in one fork: its server, its load process, and the baton between it and the conductor."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import msgspec

from harness.measure import cpu, holdings, processes
from harness.measure.processes import Process, StartError
from harness.measure.wire import Baton, Failed, Finish, Finished, Message, Played, Ready, Setup, Turn
from harness.results import Failure, Machine, Trial
from scenarios.arm import Arm
from stacks.base import Address, Tls
from stacks.spans import Span

_GRACE = 10.0
"""Seconds beyond the deadlines of its calls after which a load process counts as hung."""
_LOOK = 0.002
"""Seconds between two looks at the connections of an arm that plays."""
_BARREN = 3
"""Turns in a row without a good call after which an arm has failed."""


class ArmError(Exception):
    """The arm cannot go on in this fork; the text says why."""


class Contender:
    """Starts, plays and ends an arm; every method but `stop` raises `ArmError` when the arm fails."""

    def __init__(
        self,
        arm: Arm,
        trial: Trial,
        machine: Machine,
        fork: int,
        *,
        wire: bool,
        seed: int = 0,
        tls: Tls | None = None,
    ) -> None:
        """Prepare; `wire` tells whether the stack has a server process at all, `tls` what ours secures."""
        self.arm = arm
        self.client = cpu.Meter()
        self.hop = cpu.Meter()
        self.server = cpu.Meter()
        self.seen = (0, 0, 0)
        """Readings of the three meters when its last turn was over."""
        self.failure: Failure | None = None
        self.served = not wire
        """Whether we know the server's processes and so its CPU; one that there is not uses none."""
        self.hops: dict[str, dict[str, str]] = {}
        """What its hops state of themselves, by name."""
        self._trial = trial
        self._machine = machine
        self._fork = fork
        self._seed = seed
        self._wire = wire
        self._tls = (Tls(ca=arm.ca) if arm.ca else tls) if arm.tls else None
        self._stay = ExitStack()
        self._load: Process | None = None
        self._server: Process | None = None
        self._hops: list[Process] = []
        self._hop_pids: tuple[int, ...] = ()
        self._baton: Baton | None = None
        self._address = Address(port=1)
        self._ports: list[int] = []
        """Of what calls pass through, the service's first."""
        self._pids: tuple[int, ...] = ()
        self._patience = processes.START + (len(trial.arms) - 1) * processes.EACH
        self._barren = 0
        self._outstanding = 0.0
        """Seconds in which a turn must be over that nobody has waited for; 0 where there is none."""

    @property
    def pids(self) -> tuple[int, ...]:
        """Ids of its processes, the load process first."""
        servers = (*self._hop_pids, *self._pids)
        return (self._load.pid, *servers) if self._load else servers

    @property
    def groups(self) -> tuple[int, ...]:
        """Ids of its process groups, and pids of what runs elsewhere: gateways, a server that ran already."""
        return (*(process.pid for process in self._processes()), *self._hop_pids, *self._pids)

    def read(self) -> tuple[int, int, int]:
        """Read the CPU clocks of client, hops and server, in ns."""
        return self.client.read(), self.hop.read(), self.server.read()

    def _processes(self) -> list[Process]:
        return [process for process in (self._load, *self._hops, self._server) if process]

    def launch(self) -> None:
        """Start the server and the load process, without waiting for them: most of it is importing."""
        arm, cores = self.arm, self._machine.server_cores
        try:
            if arm.server:
                self._server, self._address = processes.serve_foreign(arm.server, cores)
            elif arm.at:
                self._address = Address.parse(arm.at)
                self._pids = cpu.server(self._address)
                self.served = bool(self._pids)
            elif self._wire:
                self._server = processes.serve(arm, self._trial.service, cores, self._tls)
        except StartError as error:
            raise self.fail(str(error), error.stderr) from error
        if self._server:
            self._stay.callback(self._server.stop)
        try:
            self._load, self._baton = processes.load(arm.driver, arm.python, self._machine.client_cores)
        except StartError as error:
            raise self.fail(str(error), error.stderr) from error
        self._stay.callback(self._load.stop)
        self._stay.callback(self._baton.close)

    def link(self) -> None:
        """Wait until the server accepts; then tell the load process of it, without waiting for its users."""
        arm, trial = self.arm, self._trial
        try:
            if self._server:
                served = (
                    processes.accepted_foreign(self._server, self._address, self._patience)
                    if arm.server
                    else processes.accepted(self._server, self._patience)
                )
                self._address, self._pids, self.served = served.address, served.pids, True
        except StartError as error:
            raise self.fail(f"its server {error}", error.stderr) from error
        for name in reversed(arm.hops):
            self._pass_through(name)
        self._send(
            Setup(
                arm=arm,
                service=trial.service,
                method=arm.method or trial.method,
                sample=trial.sample,
                users=trial.users,
                messages=trial.messages,
                part="" if arm.stack == "floor" else trial.part,
                timeout=trial.timeout,
                address=self._address,
                tls=self._tls,
                open=trial.open,
                seed=self._seed,
            )
        )

    def _pass_through(self, name: str) -> None:
        """Start a hop in front of what is at our address, and let that be its own."""
        try:
            process = processes.hop(
                name, self._address, self.arm.stack, self._trial.service, self._machine.server_cores
            )
            self._hops.append(process)
            self._stay.callback(process.stop)
            served = processes.accepted(process, self._patience)
        except StartError as error:
            raise self.fail(f"its hop {name} {error}", error.stderr) from error
        self.hops[name] = served.facts
        self._ports.append(self._address.port)
        self._address = served.address
        self._hop_pids = (*served.pids, *self._hop_pids)

    def ready(self) -> Ready:
        """Wait until its users are connected; gives what it says of itself and its replies."""
        answer = self._receive(self._patience + self._trial.timeout)
        if not isinstance(answer, Ready):
            raise self.fail(f"its load process answered {type(answer).__name__} instead of Ready")
        assert self._load is not None
        # It has pinned itself, if it is of this version; another interpreter may bring another one.
        cpu.pin(self._load.pid, self._machine.client_cores)
        self.client.watch(cpu.members(self._load.pid))
        self.hop.watch(
            {pid for process in self._hops for pid in cpu.members(process.pid)} | {*self._hop_pids}
        )
        self.server.watch(cpu.members(self._server.pid) if self._server else self._pids)
        return answer

    def play(self, turn: Turn, meanwhile: Callable[[], object] | None = None) -> Played:
        """Give the baton and wait until it comes back; `meanwhile` is done again and again until it does."""
        began = time.monotonic()
        self._send(turn)
        # In an open loop a call may wait for a user as long as for its reply.
        patience = self._trial.timeout * (2 if turn.rate else 1)
        self._outstanding = turn.length / 1e9 + patience + _GRACE
        while meanwhile and time.monotonic() - began < self._outstanding and not self._wait():
            meanwhile()
        played = self._receive(self._outstanding)
        self._outstanding = 0.0
        if not isinstance(played, Played):
            raise self.fail(f"its load process answered {type(played).__name__} instead of Played")
        for what, process in (("server", self._server), *(("hop", hop) for hop in self._hops)):
            if process and (how := process.ended()):
                raise self.fail(f"its {what} ended {how}{_first(played.errors)}")
        if played.broken:
            raise self.fail(played.broken)
        # In an open loop a turn may well have no call at all.
        self._barren = self._barren + 1 if played.calls and played.calls == played.failed else 0
        waited = time.monotonic() - began - (turn.length / 1e9 if turn.rate else 0)
        if self._barren == _BARREN or (self._barren and waited > self._trial.timeout):
            raise self.fail(f"no call succeeded in {_plural(self._barren, 'turn')}{_first(played.errors)}")
        return played

    def spans(self) -> dict[str, Span]:
        """Give what a twin's server, where it is ours, has timed since it was last asked; else nothing."""
        if not self.arm.twin_of or self._server is None or self.arm.server:
            return {}
        try:
            return msgspec.json.decode(self._server.told(), type=dict[str, Span])
        except (StartError, msgspec.DecodeError) as error:
            raise self.fail(f"its server did not tell its spans: {error}") from error

    def count(self, turn: Turn) -> tuple[int, ...]:
        """Count the connections open at most while a turn is played, from the client's to the service's.

        A gateway may close what it has no use for just now, so it is looked at while there are calls.
        """
        seen = [self._connections()]
        self.play(turn, lambda: seen.append(self._connections()))
        most = [*map(max, zip(*seen, strict=True))]
        if most and self.arm.channel == "per-request":
            # A user has one at a time; the kernel's list of what comes and goes is of no single moment.
            most[0] = min(most[0], self._trial.users)
        return tuple(most)

    def _connections(self) -> tuple[int, ...]:
        local = (self._wire and self._address.host in cpu.LOCAL) or bool(self._ports)
        ports = [*self._ports, self._address.port] if local else []
        return tuple(cpu.connections(port) for port in reversed(ports))

    def holdings(self) -> tuple[int, int]:
        """Read memory in bytes and descriptors of hops and server; -1 where they cannot be seen."""
        pids = (*self._hop_pids, *self._pids)
        return holdings.read(pids) if pids else (-1, -1)

    def finish(self) -> Finished:
        """End the load process' work and take its histograms, and what a twin has timed.

        A turn that was broken off while it was played is waited for first.
        """
        self._send(Finish())
        if self._outstanding:
            self._receive(self._outstanding)
        answer = self._receive(_GRACE)
        if not isinstance(answer, Finished):
            raise self.fail(f"its load process answered {type(answer).__name__} instead of Finished")
        return msgspec.structs.replace(answer, spans={**answer.spans, **self.spans()})

    def tidy(self) -> None:
        """Keep pipes and files small, and find children of a user's server; call it between turns."""
        if self._server and self.arm.server:
            self.server.watch(cpu.members(self._server.pid), from_birth=True)
        for process in self._processes():
            process.tidy()

    def stop(self) -> None:
        """End its processes, whatever they do; may be called twice."""
        self._stay.close()

    def _send(self, message: Message) -> None:
        assert self._baton is not None
        try:
            self._baton.send(message)
        except OSError as error:
            raise self.fail(f"its load process is gone: {error.strerror}") from error

    def _wait(self) -> bool:
        assert self._baton is not None
        return self._baton.waits(_LOOK)

    def _receive(self, timeout: float) -> Message:
        assert self._baton is not None
        try:
            message = self._baton.receive(timeout)
        except TimeoutError as error:
            raise self.fail(f"its load process did not answer within {timeout:.0f} s") from error
        except EOFError as error:
            raise self.fail(f"its load process ended in mid-run: {error}") from error
        if isinstance(message, Failed):
            raise self.fail(message.reason)
        return message

    def fail(self, reason: str, stderr: str = "") -> ArmError:
        """Note the failure with what the server, else the load process, last said."""
        for process in reversed(self._processes()):
            stderr = stderr or process.tail()
        self.failure = Failure(fork=self._fork, reason=reason, stderr=stderr)
        return ArmError(reason)


def _first(errors: dict[str, tuple[int, str]]) -> str:
    for kind, (_, text) in errors.items():
        return f"; its calls failed with {kind}: {text}"
    return ""


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
