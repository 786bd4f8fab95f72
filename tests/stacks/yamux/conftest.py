"""What tests of yamux share: one connection, served by hand."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from pathlib import Path

import pytest

from stacks.base import Address, Options

sys.path.insert(0, str(Path(__file__).parent))

from talker import LONG, YAMUX, YamuxTalker


@pytest.fixture
def by_hand(opened):
    """Serve one connection with `talk(talker)` in a thread; gives a client of it."""

    def by_hand(talk, options=Options()):  # noqa: B008 -- frozen
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        failed = []

        def serve():
            try:
                connection, _ = listening.accept()
                connection.settimeout(LONG)
                with connection, YamuxTalker(connection) as talker:
                    talk(talker)
                    with contextlib.suppress(OSError):
                        while talker.hear() is not None:
                            pass
            except Exception as error:  # noqa: BLE001 -- the test's own thread looks at it
                failed.append(error)

        thread = threading.Thread(target=serve)
        thread.start()

        def end():
            thread.join(LONG)
            assert not thread.is_alive()
            assert not failed, failed

        opened.callback(end)
        client = YAMUX.connect(Address(port=listening.getsockname()[1]), options)
        opened.callback(client.close)
        return client

    return by_hand
