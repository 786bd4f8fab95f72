"""The requests of a call with streams, on their way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from stacks.errors import ProtocolError

D = TypeVar("D")


class Sent(Iterator[D], Generic[D]):
    """Iterates over requests as the wire takes them, and keeps what went wrong.

    Whoever takes them may be a library's thread, which would swallow it: then they just end, `failure` says
    why, and `stop` is called, which should cut the call short.
    """

    def __init__(self, requests: Iterable[Any], encode: Callable[[Any], D]) -> None:
        """Take the application's requests; nothing is asked of them yet."""
        self._requests = iter(requests)
        self._encode = encode
        self.failure: Exception | None = None
        self.stop: Callable[[], object] = bool

    def __next__(self) -> D:
        """Give the next request as bytes, or whatever `encode` makes of it."""
        try:
            return self._encode(next(self._requests))
        except StopIteration:
            raise
        except Exception as error:
            self.failure = error
            self.stop()
            raise StopIteration from error

    def only(self, name: str) -> D:
        """Give the one request of a server stream; raises what went wrong, `ProtocolError` if none came."""
        for request in self:
            return request
        raise self.failure or ProtocolError(f"{name} takes one request, and none was given")
