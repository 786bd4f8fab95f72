"""Keeps the counts of all connections, for whoever asks from whichever thread."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from threading import Lock

from stacks.hops.tap.counts import Bytes, Connection, Counts
from stacks.hops.tap.observer import Observer

_KEPT = 4096
"""Connections that have ended and are still told one by one; of those before them there is the sum."""


class Books:
    """Counts that grow."""

    def __init__(self) -> None:
        """Start without any."""
        self._lock = Lock()
        self.unreached = 0
        self._running: dict[Observer, None] = {}
        self._ended: deque[Connection] = deque(maxlen=_KEPT)
        self._opened = self._most = 0
        self._calls = self._streams = self._refused = 0
        self._out = self._back = Bytes()
        self._protocols: Counter[str] = Counter()

    def begin(self) -> Observer:
        """Open the account of a connection."""
        observer = Observer()
        with self._lock:
            self._running[observer] = None
            self._opened += 1
            self._most = max(self._most, len(self._running))
        return observer

    def end(self, observer: Observer) -> None:
        """Close it; may be called twice."""
        with self._lock:
            if observer not in self._running:
                return
            del self._running[observer]
            counted = observer.counted()
            self._ended.append(counted)
            self._calls += counted.calls
            self._streams = max(self._streams, counted.streams)
            self._refused += counted.refused
            self._out += counted.out
            self._back += counted.back
            if observer.protocol:
                self._protocols[observer.protocol] += 1

    def seeing(self, see: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Wrap what an observer sees by, so that nobody reads counts meanwhile."""
        lock = self._lock

        def seeing(data: bytes) -> None:
            with lock:
                see(data)

        return seeing

    def connections(self) -> tuple[Connection, ...]:
        """Give connections one by one, first those that have ended, of which only the last 4,096 are kept."""
        with self._lock:
            return (*self._ended, *(each.counted() for each in self._running))

    def counts(self) -> Counts:
        """Give all of them together."""
        with self._lock:
            running = [each.counted() for each in self._running]
            spoken = Counter(each.protocol for each in self._running if each.protocol)
            return Counts(
                connections=self._opened,
                open=len(running),
                most=self._most,
                unreached=self.unreached,
                calls=self._calls + sum(each.calls for each in running),
                protocols=dict(self._protocols + spoken),
                out=sum((each.out for each in running), self._out),
                back=sum((each.back for each in running), self._back),
                streams=max([self._streams, *(each.streams for each in running)]),
                refused=self._refused + sum(each.refused for each in running),
            )
