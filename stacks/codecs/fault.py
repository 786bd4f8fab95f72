"""Says in one way, for every format, what is wrong with a value or with bytes."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from stacks.errors import ProtocolError
from stacks.schema import RANGE_32, Enumeration, List, Map, Message, Nested, Optional, Scalar, Shape


def wrong(where: str, wanted: str, value: object) -> ProtocolError:
    """Make the error for a value at `where` of a kind that the schema does not allow."""
    return ProtocolError(f"{where}: {reprlib.repr(value)} is no {wanted}")


def malformed(message: Message, _: object, error: Exception) -> ProtocolError:
    """Make the error for bytes that the library or the message's class did not take."""
    return ProtocolError(f"{message.name}: not to be decoded: {str(error) or type(error).__name__}")


def refusal(
    message: Message, value: object, error: Exception, *, ints: range | None = None, finite: bool = False
) -> ProtocolError:
    """Make the error for a value that a format did not take; looks for the field at fault.

    The format carries only `ints`, where given, and only `finite` floats, where so.
    """
    try:
        fault = next(_Search(ints, finite).faults(Nested(message.cls), value, message.name), None)
    except RecursionError:
        fault = f"{message.name}: nested too deeply, or contains itself"
    return ProtocolError(fault or f"{message.name}: not to be encoded: {str(error) or type(error).__name__}")


class _Search:
    def __init__(self, ints: range | None, finite: bool) -> None:  # noqa: FBT001 -- private, called once
        self._ints = ints
        self._finite = finite

    def faults(self, shape: Shape, value: Any, where: str) -> Iterator[str]:
        """Walk `value`; give a text for each part that is not of its shape."""
        if isinstance(shape, Optional):
            if value is not None:
                yield from self.faults(shape.of, value, where)
        elif (wanted := self._wanted(shape, value)) is not None:
            yield str(wrong(where, wanted, value))
        else:
            for inner, part, place in _parts(shape, value):
                yield from self.faults(inner, part, where + place)

    def _wanted(self, shape: Shape, value: Any) -> str | None:
        """Name what is wanted instead of `value`; None if it is right as far as its parts are."""
        match shape:
            case List():
                right, wanted = isinstance(value, list | tuple), "list"
            case Map():
                right, wanted = isinstance(value, dict), "dict"
            case Nested(cls) | Enumeration(cls):
                right, wanted = isinstance(value, cls), cls.__name__
            case Scalar.INT | Scalar.INT32 if isinstance(value, int):
                ints, bits = (RANGE_32, 32) if shape is Scalar.INT32 else (self._ints, 64)
                right, wanted = ints is None or value in ints, f"int of {bits} bits"
            case Scalar.FLOAT if isinstance(value, float):
                right, wanted = not self._finite or math.isfinite(value), "finite float"
            case Scalar.STR if isinstance(value, str):
                right, wanted = _is_unicode(value), "Unicode text"
            case Scalar.DATETIME if isinstance(value, datetime):
                right, wanted = value.utcoffset() is not None, "datetime with a time zone"
            case Scalar.FLOAT:
                right, wanted = isinstance(value, int), "float"
            case Scalar(cls=cls):
                right, wanted = isinstance(value, cls), cls.__name__
        return None if right else wanted


def _parts(shape: Shape, value: Any) -> Iterator[tuple[Shape, Any, str]]:
    """Give the parts of a value of `shape`, each with its shape and how to reach it."""
    match shape:
        case List(of):
            yield from ((of, item, f"[{place}]") for place, item in enumerate(value))
        case Map(key, of):
            for one, item in value.items():
                yield key, one, " (key)"
                yield of, item, f"[{reprlib.repr(one)}]"
        case Nested():
            yield from (
                (field.shape, getattr(value, field.name), f".{field.name}") for field in shape.message.fields
            )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
