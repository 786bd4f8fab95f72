"""What tests do at both ends of a relayed connection; no test."""

from __future__ import annotations

import threading
from contextlib import contextmanager

LONG = 20.0


@contextmanager
def aside(work):
    """Run something in a thread meanwhile, and raise what it raises."""
    failed = []

    def run():
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- raised again
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(LONG)
    assert not thread.is_alive(), "it hangs"
    if failed:
        raise failed[0]


def read(connection, size):
    """Read exactly so many bytes."""
    data = bytearray()
    while len(data) < size:
        part = connection.recv(1 << 16)
        assert part, f"the end after {len(data)} of {size} bytes"
        data += part
    return bytes(data)
