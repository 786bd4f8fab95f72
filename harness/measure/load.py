"""The load process of one arm, started as ``python -P -m harness.measure.load FD DRIVER``."""

import sys


def main() -> None:
    """Patch first, then import: gRPC and `threading` are looked at when they are loaded."""
    descriptor, driver = int(sys.argv[1]), sys.argv[2]
    if driver != "plain":
        import locust  # noqa: F401, PLC0415 -- importing it patches the process for gevent
    from harness.measure import player  # noqa: PLC0415 -- only now may anything else be imported

    player.run(descriptor)


if __name__ == "__main__":
    main()
