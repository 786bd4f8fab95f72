"""Remembers the newest results up to a number of entries and bytes."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_ENTRIES = 4096
_BYTES = 64 * 1024 * 1024


class Memo(Generic[K, V]):
    """A dict that forgets what was put in first when it becomes too large; `get` is the dict's own."""

    def __init__(self) -> None:
        """Start empty."""
        self._values: dict[K, V] = {}
        self._sizes: dict[K, int] = {}
        self._bytes = 0
        self.get = self._values.get

    def put(self, key: K, value: V, size: int) -> V:
        """Remember `value`, which takes `size` bytes, and give it back."""
        self._drop(key)
        self._values[key] = value
        self._sizes[key] = size
        self._bytes += size
        while len(self._values) > _ENTRIES or self._bytes > _BYTES:
            self._drop(next(iter(self._values)))
        return value

    def _drop(self, key: K) -> None:
        if self._values.pop(key, None) is not None:
            self._bytes -= self._sizes.pop(key)
