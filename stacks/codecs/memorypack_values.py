"""Values of MemoryPack that take more than a struct: times and texts; and what is said of wrong bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stacks.codecs.fault import wrong
from stacks.errors import ProtocolError

_Data = bytes | memoryview
_Read = tuple[str | None, int]

_START = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_END = 3_652_059 * 86_400 * 10**7
"""Ticks from the year 1 to the year 10000; a tick is 100 ns."""
_UTC = 1 << 62
"""DateTimeKind.Utc in the top two bits."""
_LOCAL = 2 << 62
_TICKS = _UTC - 1

NESTED = 200
"""Messages that may stand within each other where a message can contain itself."""


def ticks(value: datetime, where: str) -> int:
    """Give the 64 bits of a C# DateTime: 100 ns since the year 1, and UTC in the top two bits.

    Source: https://learn.microsoft.com/dotnet/api/system.datetime.tobinary. Raises `ProtocolError` where
    the time in UTC lies outside of the years 1 to 9999, and `TypeError` for one without a time zone.
    """
    count = (value - _START) // _MICROSECOND * 10
    if not 0 <= count < _END:
        raise wrong(where, "time in the years 1 to 9999 of UTC", value)
    return count | _UTC


def moment(bits: int, where: str) -> datetime:
    """Read a C# DateTime, down to the microsecond.

    One without a kind is taken for UTC, as MemoryPack's TypeScript client writes it; one of another
    zone, which the bytes don't tell, raises `ProtocolError`.
    """
    if bits >= _LOCAL:
        raise wrong(where, "time in UTC, but of kind Local", bits)
    try:
        return _START + _MICROSECOND * ((bits & _TICKS) // 10)
    except OverflowError as error:
        raise wrong(where, "time in the years 1 to 9999", bits) from error


def units(text: str) -> int:
    """Count the UTF-16 code units of `text`."""
    return len(text.encode("utf-16-le")) // 2


def agree(text: str, count: int, where: str) -> None:
    """Refuse a text that has not `count` UTF-16 code units; 0 or less means that nobody counted."""
    if count > 0 and count != units(text):
        raise wrong(where, f"number of UTF-16 code units of {text!r:.40}", count)


def other_text(data: _Data, at: int, end: int, length: int, where: str, *, optional: bool) -> _Read:
    """Read at `at` a text whose header, `length`, is −1 (null), 0 (empty) or more: so many units of UTF-16.

    Gives the text and the place after it.
    """
    if length <= 0:
        if length and not optional:
            raise wrong(where, "str", None)
        return None if length else "", at
    after = at + 2 * length
    if after > end:
        raise cut(((where, 2 * length),), end - at)
    try:
        return str(data[at:after], "utf-16-le"), after
    except UnicodeDecodeError as error:
        raise wrong(where, "UTF-16 text", bytes(data[at:after])) from error


def other_bytes(_: _Data, at: int, __: int, length: int, where: str, *, optional: bool) -> _Read:
    """Read as `other_text` does, bytes whose header is below 0, of which only −1 (null) is right."""
    if length != -1:
        raise wrong(where, "length of bytes", length)
    if not optional:
        raise wrong(where, "bytes", None)
    return None, at


def cut(places: tuple[tuple[str, int], ...], left: int, longer: int = 0) -> ProtocolError:
    """Make the error for bytes that end within `places`: names and their sizes, the first `longer` yet."""
    for where, size in places:
        if left < size + longer:
            return ProtocolError(f"{where}: cut short: it takes {size + longer} bytes, and {left} are left")
        left -= size + longer
        longer = 0
    raise AssertionError("all of it is there")


def uncountable(where: str, count: int, left: int) -> ProtocolError:
    """Make the error for a count of items that the bytes left cannot hold."""
    if count == -1:
        return wrong(where, "list or dict", None)
    return wrong(where, f"count of items within the {left} bytes left", count)


def twice(where: str) -> ProtocolError:
    """Make the error for a dict of which a key comes again; C#'s takes none either."""
    return ProtocolError(f"{where}: a key comes twice")


def deep(name: str) -> ProtocolError:
    """Make the error for messages within messages beyond `NESTED`."""
    return ProtocolError(f"{name}: nested too deeply, or contains itself: more than {NESTED} times")


def left_over(name: str, count: int) -> ProtocolError:
    """Make the error for bytes after the end."""
    return ProtocolError(f"{name}: {count} bytes are left over at its end")


def unlike(where: str, name: str, count: int, most: int) -> ProtocolError:
    """Make the error for an object's header that says null, or more members than the `most` of `name`."""
    if count == 255:  # noqa: PLR2004 -- MemoryPackCode.NullObject
        return wrong(where, name, None)
    return ProtocolError(f"{where}: the object has {count} members; {name} has {most}")


def missing(where: str, count: int) -> ProtocolError:
    """Make the error for an object of an older writer, without a field that has no default."""
    return ProtocolError(f"{where} is missing: the object has {count} members")
