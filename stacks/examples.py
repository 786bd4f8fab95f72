"""Makes values of any message, the same ones every time, of about the size that is asked for."""

from __future__ import annotations

import functools
import inspect
import re
import zlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from stacks import leaves, schema
from stacks.base import MAX_MESSAGE
from stacks.codecs.msgpack import FORMAT
from stacks.errors import ProtocolError, SchemaError
from stacks.schema import Enumeration, List, Map, Message, Nested, Optional, Scalar, Shape, walk

M = TypeVar("M", bound=msgspec.Struct)

SIZES = {"small": 100, "medium": 1024, "large": 64 * 1024}
"""Names of sizes → bytes."""

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_DEEPEST = 3
"""Messages within each other that can contain themselves, where they may end sooner."""
_ENDLESS = 64
_FEW = 3
"""Items at most of a list that does not grow."""
_BLOCK = 16
"""Bytes where bytes do not grow, and for each item of the lists that they grow with."""


def bytes_of(size: str) -> int:
    """Read a size: a name of `SIZES`, or a number of B, KiB or MiB such as ``10KiB``.

    Raises `SchemaError` for any other text, and for less than 1 B or more than 8 MiB.
    """
    if size in SIZES:
        return SIZES[size]
    found = re.fullmatch(r"(\d{1,9})\s?(B|KiB|MiB|GiB)", size, re.ASCII)
    if found is None:
        raise SchemaError(
            f"{size!r} is no size; write {', '.join(SIZES)}, or a number of bytes such as 100B, 10KiB or 1MiB"
        )
    count = int(found[1]) * _UNITS[found[2]]
    if not 0 < count <= MAX_MESSAGE:
        raise SchemaError(
            f"size {size!r} is out of bounds; give from 1B to {MAX_MESSAGE // _UNITS['MiB']}MiB"
        )
    return count


def written(size: str) -> str:
    """Write a size, as `bytes_of` reads it, as it stands in texts: ``10 KiB``; names stay as they are."""
    return re.sub(r"(?<=\d)(?=(B|KiB|MiB|GiB)$)", " ", size)


def example(message: type[M], size: str, variant: int = 0) -> M:
    """Make a value of `message` of about `size`, as `bytes_of` reads it, when written as MessagePack.

    The size is reached by lists, maps and bytes outside of lists, which grow, or by texts where there are
    none of these; it is never more than asked, unless the least value is. Messages without any of them have
    one size. `variant`, from 0 up, tells users apart as far as the message has room for it, and changes no
    length in any format. Equal arguments give equal values, in every process.
    A class with a ``@classmethod def example(cls, size: str, variant: int)`` makes its own values instead;
    within other messages it is asked for ``small`` ones.
    Raises `SchemaError` that names the message, where none can be made.
    """
    target = bytes_of(size)
    own = _own(message)
    if own is not None:
        return cast("M", _made_by(message, own, size, variant))
    described = schema.describe(message)
    return cast("M", _Maker(described, _scale(message, target), variant).value())


@functools.cache
def _own(message: type[msgspec.Struct]) -> Callable[[str, int], Any] | None:
    if isinstance(inspect.getattr_static(message, "example", None), classmethod):
        own: Callable[[str, int], Any] = message.example  # type: ignore[attr-defined]
        return own
    return None


def _made_by(message: type[msgspec.Struct], own: Callable[[str, int], Any], size: str, variant: int) -> Any:
    try:
        value = own(size, variant)
    except Exception as error:
        raise SchemaError(
            f"{message.__name__}.example({size!r}, {variant}) fails: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(value, message):
        raise SchemaError(
            f"{message.__name__}.example gives a {type(value).__name__}; a {message.__name__} is wanted"
        )
    return value


@functools.lru_cache(maxsize=1024)
def _scale(message: type[msgspec.Struct], target: int) -> int:
    """Find the largest scale whose example has at most `target` bytes; 1 if none has, or nothing grows."""
    described = schema.describe(message)
    encode = FORMAT.codec(message).encode

    def size(scale: int) -> int:
        try:
            return len(encode(_Maker(described, scale, 0).value()))
        except ProtocolError as error:
            raise SchemaError(f"{message.__name__}: its example cannot be written: {error}") from error

    low, high = 1, 2
    below, above = size(low), size(high)
    while below < above <= target:
        step = max(1, (above - below) // (high - low))
        low, below, high = high, above, high + max(1, min(3 * high, (target - above) // step + 1))
        above = size(high)
    if below == above:
        return low
    # Sizes grow nearly evenly, so that a guess in proportion is good; halving ends it where it is not.
    guess = True
    while high - low > 1:
        middle = low + (target - below) * (high - low) // (above - below) if guess else (low + high) // 2
        middle = min(max(middle, low + 1), high - 1)
        found = size(middle)
        guess = 4 * min(high - middle, middle - low) < high - low or not guess
        if found <= target:
            low, below = middle, found
        else:
            high, above = middle, found
    return low


@functools.cache
def _is_endless(cls: type[msgspec.Struct]) -> bool:
    """Tell whether a message can contain one of its own type."""
    shapes = (
        shape for part in schema.describe(cls).parts() for field in part.fields for shape in walk(field.shape)
    )
    return Nested(cls) in shapes


def _growing(message: Message, seen: frozenset[type] = frozenset()) -> set[Shape | type]:
    """Give the kinds of parts that are not in a list or map: scalars, and `List` for what has items."""
    kinds: set[Shape | type] = set()
    for field in message.fields:
        shape = field.shape.of if isinstance(field.shape, Optional) else field.shape
        match shape:
            case List() | Map(key=Scalar.INT | Scalar.INT32 | Scalar.STR | Scalar.UUID):
                kinds.add(List)
            case Nested(cls) if cls not in seen:
                kinds |= _growing(shape.message, seen | {cls})
            case Scalar():
                kinds.add(shape)
    return kinds


class _Maker:
    """Makes one value; what grows has `scale` items, bytes or characters."""

    def __init__(self, message: Message, scale: int, variant: int) -> None:
        self._message = message
        self._variant = variant
        kinds = _growing(message)
        self._items = scale
        self._bytes = _BLOCK * scale if List in kinds else scale
        self._characters = 0 if kinds & {List, Scalar.BYTES} else scale
        self._depth = 0
        self._loops = 0
        self._told: set[Scalar] = set()

    def value(self) -> Any:
        """Make it."""
        return self._make(self._message, 0, grows=True)

    def _make(self, message: Message, seed: int, *, grows: bool) -> Any:
        cls = message.cls
        if self._depth > _ENDLESS:
            raise SchemaError(f"{message.name} contains itself without end; let a field be None or a list")
        if self._depth and (own := _own(cls)) is not None:
            return _made_by(cls, own, "small", seed)
        self._depth += 1
        self._loops += _is_endless(cls)
        values = {
            field.name: self._part(
                field.shape, zlib.crc32(f"{message.name}.{field.name}".encode(), seed), grows=grows
            )
            for field in message.fields
        }
        self._loops -= _is_endless(cls)
        self._depth -= 1
        try:
            return cls(**values)
        except Exception as error:
            raise SchemaError(
                f"{message.name} does not take example values ({type(error).__name__}: {error}); "
                "give it a classmethod example(cls, size, variant) that makes some"
            ) from error

    def _part(self, shape: Shape, seed: int, *, grows: bool) -> Any:
        match shape:
            case Optional(of):
                scalar = isinstance(of, Scalar | Enumeration)
                growing = grows and (of is Scalar.BYTES or (of is Scalar.STR and self._characters > 0))
                absent = scalar and not growing and (seed >> 7) % 4 == 0
                return None if absent or self._ends(of) else self._part(of, seed, grows=grows)
            case List(of):
                count = 0 if self._ends(of) else self._count(seed, grows=grows)
                return [self._part(of, _next(seed, k), grows=False) for k in range(count)]
            case Map(key, of):
                count = 0 if self._ends(of) else self._count(seed, grows=grows)
                keys = [leaves.key(key, k) for k in range(min(count, _most(key)))]
                return {one: self._part(of, _next(seed, k), grows=False) for k, one in enumerate(keys)}
            case Nested():
                return self._make(shape.message, seed, grows=grows)
            case Enumeration():
                members = list(shape.members.values())
                return members[seed % len(members)]
        return self._scalar(shape, seed, grows=grows)

    def _ends(self, shape: Shape) -> bool:
        """Tell whether an optional part is left out, as it would go deeper and deeper."""
        if self._loops < _DEEPEST:
            return False
        return any(isinstance(part, Nested) and _is_endless(part.cls) for part in walk(shape))

    def _count(self, seed: int, *, grows: bool) -> int:
        return self._items if grows else 1 + seed % _FEW

    def _scalar(self, scalar: Scalar, seed: int, *, grows: bool) -> Any:
        """Make a value, of which the first of each kind tells the variant."""
        variant = None if scalar in self._told else self._variant
        self._told.add(scalar)
        length = self._characters if grows else 0
        if scalar is Scalar.BYTES:
            length = self._bytes if grows else _BLOCK
        return leaves.value(scalar, seed, variant, length)


def _most(key: Shape) -> int:
    """Give how many keys of a kind there are."""
    if isinstance(key, Enumeration):
        return len(key.members)
    return 2 if key is Scalar.BOOL else MAX_MESSAGE


def _next(seed: int, place: int) -> int:
    return zlib.crc32(place.to_bytes(4), seed)
