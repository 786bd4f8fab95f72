"""The load process of one arm, started as ``python -P -m harness.measure.load FD DRIVER [CORE,…]``."""

import os
import sys


def main() -> None:
    """Patch first, then import: gRPC and `threading` are looked at when they are loaded.

    Imports may use every core, since they are most of what a start takes; all else is pinned.
    """
    descriptor, driver = int(sys.argv[1]), sys.argv[2]
    cores = [int(core) for core in sys.argv[3].split(",")] if sys.argv[3:] else []
    if driver != "plain":
        import locust  # noqa: F401, PLC0415 -- importing it patches the process for gevent
    from harness.measure import cpu, player  # noqa: PLC0415 -- only now may anything else be imported

    cpu.pin(os.getpid(), cores)
    player.run(descriptor)


if __name__ == "__main__":
    main()
