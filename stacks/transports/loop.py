"""Runs an asyncio server on uvloop in a thread of its own, for as long as a context lasts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from threading import Thread

import uvloop

from stacks.base import Address, Served
from stacks.errors import StackError

Open = Callable[[], AbstractAsyncContextManager[Address]]
"""Opens a server on the running loop; leaving its context closes listeners and connections."""

_LAST_CALLS = 10.0
"""Seconds that a handler at work gets when the server stops."""


@contextmanager
def serve(server: Open) -> Iterator[Served]:
    """Serve until the context ends, and then leave no thread and no socket.

    Raises what `server` raises while it opens or closes, and `StackError` when a handler never returns.
    """
    life = _Life(server)
    thread = Thread(target=life.live, name="stacks-server", daemon=True)
    thread.start()
    try:
        address = life.started.result()
        yield Served(address, (os.getpid(),))
    finally:
        life.end()
        thread.join(_LAST_CALLS)
    if thread.is_alive():
        raise StackError(
            f"the server did not stop within {_LAST_CALLS:g} s; most likely a handler is still at work"
        )
    life.ended.result()


class _Life:
    """One server from its start to its stop; `live` runs in the server's thread, all else outside."""

    def __init__(self, server: Open) -> None:
        self.started: Future[Address] = Future()
        self.ended: Future[None] = Future()
        self._server = server
        self._loop = uvloop.new_event_loop()
        self._stop = asyncio.Event()

    def live(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._main())
        except BaseException as error:  # noqa: BLE001 -- whoever started the server wants to know
            waiting = self.ended if self.started.done() else self.started
            waiting.set_exception(error)
        else:
            self.ended.set_result(None)

    async def _main(self) -> None:
        async with self._server() as address:
            self.started.set_result(address)
            await self._stop.wait()

    def end(self) -> None:
        with suppress(RuntimeError):  # the loop is closed where the server could not start
            self._loop.call_soon_threadsafe(self._stop.set)
