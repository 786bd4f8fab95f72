"""Asks a gateway in a process of its own which calls it takes for gRPC and which for REST."""

from __future__ import annotations

import signal
import sys
import threading

import msgspec

from harness.measure import processes
from harness.measure.observer import Observer
from harness.measure.processes import Process, StartError
from harness.measure.weighing import follow
from stacks import hops
from stacks.errors import StackError
from stacks.hops.routing import Answer

_PATIENCE = 60.0
"""Seconds in which it must have started and answered everything."""


def ask(name: str, observer: Observer) -> tuple[Answer, ...]:
    """Give the answers of the hop `name`; none of one that does not carry both, or fails, which is told."""
    if not {"grpc", "rest"} <= hops.find(name).carries:
        return ()
    try:
        process = Process(processes.python("", "harness.measure.asking", name), ())
        try:
            return msgspec.json.decode(process.line(_PATIENCE), type=tuple[Answer, ...])
        finally:
            process.stop()
    except (StartError, msgspec.DecodeError) as error:
        said = getattr(error, "stderr", "").splitlines()
        observer.note(f"what {name} takes for gRPC is not known: {said[-1] if said else error}")
        return ()


def main() -> None:
    """Ask the hop that the first argument names; a line of JSON goes to standard output."""
    from stacks.hops.probe import probe  # noqa: PLC0415 -- its packages are wanted here alone

    threading.Thread(target=follow, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and so end the gateway first
    try:
        answers = probe(hops.find(sys.argv[1]))
    except (StackError, ModuleNotFoundError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    sys.stdout.write(msgspec.json.encode(answers).decode("ascii", "replace") + "\n")


if __name__ == "__main__":
    main()
