"""What the two halves of a MemoryPack codec share: runs of values that one struct packs or unpacks."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from stacks.schema import Message, Nested, Optional, Scalar, Shape, walk

INLINE = 2
"""Messages within messages that are handled in the same function, without a call of their own."""
_LENGTHS = 256
"""Structs that are kept for one run; others are compiled again."""


class Run:
    """Values that go through one struct: fixed ones, at most one text or bytes, fixed ones."""

    def __init__(self) -> None:
        """Start empty."""
        self.codes = ""
        self.names: list[str] = []
        """Expressions of what is packed, or variables for what is unpacked."""
        self.places: list[tuple[str, int]] = []
        """Fields and their sizes in bytes."""
        self.text: Text | None = None

    def add(self, codes: str, names: list[str], where: str) -> None:
        """Append fixed values of a field."""
        run = self if self.text is None else self.text.after
        run.codes += codes
        run.names += names
        run.places.append((where, struct.calcsize("<" + codes)))


class Text:
    """A text or bytes in a run, and the fixed values after it."""

    def __init__(self, shape: Shape, name: str, where: str) -> None:
        """Keep the variable that has it, or gets it."""
        self.optional = isinstance(shape, Optional)
        self.is_bytes = Scalar.BYTES in walk(shape)
        self.name = name
        self.where = where
        self.after = Run()


class ByLength(dict[int, Callable[..., Any]]):
    """Methods of structs that have bytes of some length in them, by that length."""

    def __init__(self, before: str, after: str, method: str) -> None:
        """Keep the codes before and after the bytes, and which method of `struct.Struct` is wanted."""
        super().__init__()
        self._before, self._after, self._method = before, after, method

    def __missing__(self, length: int) -> Callable[..., Any]:
        """Compile it."""
        compiled = struct.Struct(f"<{self._before}{length}s{self._after}")
        method: Callable[..., Any] = getattr(compiled, self._method)
        if len(self) >= _LENGTHS:
            self.clear()
        self[length] = method
        return method


def contains_itself(message: Message) -> bool:
    """Whether messages of this type can stand within each other without end."""
    shapes = (shape for part in message.parts() for field in part.fields for shape in walk(field.shape))
    return any(isinstance(shape, Nested) and shape.cls is message.cls for shape in shapes)
