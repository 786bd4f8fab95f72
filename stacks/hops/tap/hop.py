"""The tap: passes TCP connections on unchanged, and counts them and what is on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata

from stacks.base import Address, Route, Served
from stacks.errors import StackError
from stacks.hops.tap.books import Books
from stacks.hops.tap.counts import Connection, Counts
from stacks.hops.tap.relay import opened
from stacks.transports import loop


class TapHop:
    """A relay for whatever runs over TCP; one object serves once."""

    name = "tap"
    carries: frozenset[str] = frozenset()

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._books = Books()

    @property
    def facts(self) -> Mapping[str, str]:
        """What the fairness sheet says."""
        return {
            "version": f"uvloop {metadata.version('uvloop')}",
            "processes": "one, with one loop",
            "upstream": "a connection for each of the client's",
        }

    @contextmanager
    def serve(self, routes: Sequence[Route], listen: Address) -> Iterator[Served]:
        """Relay to the only upstream until the context ends; raises `StackError` for several of them."""
        upstreams = {route.upstream for route in routes}
        if len(upstreams) != 1:
            raise StackError(
                "the tap does not look at paths, so it passes all on to one address, "
                f"not to {len(upstreams)}; give one route"
            )
        upstream = upstreams.pop()
        with loop.serve(lambda: opened(listen, upstream, self._books)) as served:
            yield served

    def counts(self) -> Counts:
        """Give all connections together, from any thread, also after the end."""
        return self._books.counts()

    def connections(self) -> tuple[Connection, ...]:
        """Give connections one by one, first those that have ended, of which only the last 4,096 are kept."""
        return self._books.connections()
