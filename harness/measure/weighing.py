"""Counts the bytes of an arm's calls in a process of its own, for the conductor has a single thread."""

from __future__ import annotations

import os
import signal
import sys
import threading

import msgspec

import stacks
from harness.measure import processes, tapping
from harness.measure.contender import ArmError
from harness.measure.observer import Observer
from harness.measure.processes import Process, StartError
from harness.measure.tapping import Asked
from harness.results import Trial
from harness.tapped import Part
from scenarios.arm import Arm, SpecError
from stacks import service
from stacks.base import Kind
from stacks.errors import CallError, StackError

CALLS = 200
_PATIENCE = 60.0
"""Seconds in which server, tap and hops must have started and all calls been made."""


def weigh(arm: Arm, trial: Trial, observer: Observer) -> Part | None:
    """Give the bytes at the client of calls on a connection that has carried one, where its mode keeps any.

    None where a tap cannot look in: without a wire, under TLS, behind a command of the user's own; and for
    calls with streams, of which a tap makes others. The observer hears why there is none of another arm.
    """
    method = arm.method or trial.method
    unary = service.load(trial.service)[method].kind is Kind.UNARY
    if arm.tls or arm.server or not unary or not stacks.find(arm.stack).wire:
        return None
    asked = Asked(arm, method, trial.sample, 1, CALLS, trial.service)
    command = processes.python(
        arm.python, "harness.measure.weighing", msgspec.json.encode(asked).decode("utf-8")
    )
    try:
        process = Process(command, ())
        try:
            return msgspec.json.decode(process.line(_PATIENCE), type=Part)
        finally:
            process.stop()
    except (StartError, msgspec.DecodeError) as error:
        said = getattr(error, "stderr", "").splitlines()
        observer.note(f"the bytes of {arm.name} are not measured: {said[-1] if said else error}")
        return None


def main() -> None:
    """Count as the JSON of an `Asked` says; a line of JSON goes to standard output."""
    asked = msgspec.json.decode(sys.argv[1], type=Asked)
    threading.Thread(target=follow, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and so end the server and hops first
    try:
        point = tapping.play(asked).points[0]
    except (SpecError, StackError, ArmError, CallError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    sys.stdout.write(msgspec.json.encode(point.steady or point.first).decode("ascii") + "\n")


def follow() -> None:
    """End when standard input does, which comes when the conductor has gone, however it went."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
