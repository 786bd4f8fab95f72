"""The JSON of GraphQL's requests and responses, and how it has what JSON lacks."""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import msgspec

from stacks.codecs.fault import wrong
from stacks.errors import ProtocolError
from stacks.schema import Scalar

T = TypeVar("T")

ERRORS = (ValueError, RecursionError)
"""What `parse` and `write` raise for what is no JSON."""
LONG = range(-(2**63), 2**63)
"""Ints that are carried."""

_dumps = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


def write(tree: Any) -> bytes:
    """Give the JSON of a tree, in UTF-8 and without spaces; raises one of `ERRORS`."""
    return _dumps(tree).encode()


def parse(data: bytes | memoryview) -> Any:
    """Read JSON; raises one of `ERRORS`, for half a surrogate pair and for NaN, too."""
    text = str(data, "utf-8")
    tree = _loads(text)
    if "\\u" in text:
        write(tree)  # half a surrogate pair is no text
    return tree


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


_loads = json.JSONDecoder(parse_constant=_constant).decode


def bytes_to_text(value: bytes) -> str:
    """Write bytes as base64."""
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def datetime_to_text(value: datetime) -> str:
    """Write an instant as RFC 3339; raises `ValueError` for one without a time zone."""
    if value.tzinfo is None:
        raise ValueError("a datetime without time zone")
    text: str = msgspec.to_builtins(value)
    return text


def bytes_from_text(text: str) -> bytes:
    """Read base64; raises `ValueError`."""
    return binascii.a2b_base64(text, strict_mode=True)


def datetime_from_text(text: str) -> datetime:
    """Read RFC 3339; raises `ValueError`, for a datetime without a time zone, too."""
    value = _converted(text, datetime)
    if value.tzinfo is None:
        raise ValueError("a datetime without time zone")
    return value


def uuid_from_text(text: str) -> UUID:
    """Read a UUID; raises `ValueError`."""
    return _converted(text, UUID)


def _converted(text: str, cls: type[T]) -> T:
    try:
        return msgspec.convert(text, cls)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


TO_TEXT: Mapping[Scalar, Callable[[Any], str]] = {
    Scalar.BYTES: bytes_to_text,
    Scalar.DATETIME: datetime_to_text,
    Scalar.UUID: str,
}
"""Scalar that JSON has as text → how it is written."""
FROM_TEXT: Mapping[Scalar, Callable[[str], Any]] = {
    Scalar.BYTES: bytes_from_text,
    Scalar.DATETIME: datetime_from_text,
    Scalar.UUID: uuid_from_text,
}
"""Scalar that JSON has as text → how it is read; raises `ValueError`."""
WANTED: Mapping[Scalar, str] = {
    Scalar.BYTES: "base64 text",
    Scalar.DATETIME: "datetime with a time zone",
    Scalar.UUID: "UUID",
}
"""Scalar that JSON has as text → how errors call it."""


class Members(dict[str, Any]):
    """The members of an enum by their names, for one field."""

    def __init__(self, where: str, cls: Any) -> None:
        """Keep `where` for the error."""
        super().__init__({member.name: member for member in cls})
        self._where = where
        self._wanted = f"name of {cls.__name__}"

    def __missing__(self, name: str) -> NoReturn:
        """Refuse a name that no member has."""
        raise wrong(self._where, self._wanted, name)


def real(tree: Any, where: str) -> float:
    """Take an int where a float is wanted: other writers shorten whole numbers."""
    if type(tree) is not int:
        raise wrong(where, "finite float", tree)
    return float(tree)


def entry(tree: dict[str, Any], where: str) -> tuple[Any, Any]:
    """Give the key and the value of a map's entry; raises `ProtocolError`."""
    try:
        return tree["key"], tree["value"]
    except KeyError as error:
        raise ProtocolError(f"{where}: an entry of a map has no {error}") from None
