"""Signals that end a run: the first one interrupts, later ones wait until everything is cleaned up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def once() -> Iterator[None]:
    """Raise `KeyboardInterrupt` at the first SIGINT, SIGTERM or SIGHUP, and ignore those that follow.

    A second Ctrl-C would otherwise break off the clean-up and leave processes behind. A signal
    that was ignored, as by nohup, stays so. Does nothing outside of the main thread, where none arrives.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _frame: object) -> None:
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    heard = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
