"""A service as C# classes that MessagePack-CSharp and Cysharp's MemoryPack write as our formats do.

int is long, Int32 int, float double, bytes byte[], datetime DateTime, UUID Guid, list List, dict Dictionary,
and ``T | None`` is T?; an enum has the numbers of the wire, in an int where they fit and else in a long.
Properties stand in field order, which is what both libraries go by; their names are not on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from stacks.base import Kind, Method, Service
from stacks.errors import SchemaError
from stacks.idl import inventory, keywords
from stacks.idl.inventory import Inventory, note
from stacks.schema import RANGE_32, Enumeration, List, Map, Message, Nested, Optional, Scalar, Shape

_SCALARS = {
    Scalar.INT: "long",
    Scalar.INT32: "int",
    Scalar.FLOAT: "double",
    Scalar.BOOL: "bool",
    Scalar.STR: "string",
    Scalar.BYTES: "byte[]",
    Scalar.DATETIME: "DateTime",
    Scalar.UUID: "Guid",
}
_TYPES = {"Array", "DateTime", "Dictionary", "Guid", "List", "MemoryPack", "MessagePack", "System"}
"""What the file itself means by these names."""
_MEMBERS = {
    *("Equals", "Finalize", "GetHashCode", "GetType", "MemberwiseClone", "ReferenceEquals", "ToString"),
    *("Deserialize", "RegisterFormatter", "Serialize"),
}
"""What every class has already, and what MemoryPack's generator adds."""
_HEAD = """\
#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using MemoryPack;
using MessagePack;
"""


def render(service: Service) -> str:
    """Write `service` as C# 10; raises `SchemaError` for names that clash there."""
    taken = inventory.take(service)
    _refuse_types(taken)
    lines = [f"// {service.name}, written by rpcduel schema.", _HEAD]
    lines.append(f"namespace {'.'.join(_escaped(_pascal(part)) for part in taken.package.split('.'))};")
    lines += _interface(service, taken)
    for message in taken.messages:
        lines += _class(message)
    for each in taken.enums:
        lines += _enum(each)
    return "\n".join(lines) + "\n"


def _refuse_types(taken: Inventory) -> None:
    known = {f"I{taken.name}": "the service's interface"}
    for cls in taken.types:
        name = cls.__name__
        if name in _TYPES or name in known:
            raise SchemaError(
                f"{name}: C# has {known.get(name, 'a type of its own')} of that name; rename the class"
            )


def _interface(service: Service, taken: Inventory) -> Iterator[str]:
    yield ""
    yield f"public interface I{taken.name}"
    yield "{"
    for place, method in enumerate(service.methods):
        if place:
            yield ""
        yield from _summary(note(method.handler), "    ")
        yield f"    {_signature(method)};"
    yield "}"


def _signature(method: Method[Any, Any]) -> str:
    request, reply = _escaped(method.request.__name__), _escaped(method.reply.__name__)
    argument = f"{request} request"
    if method.kind in (Kind.CLIENT, Kind.BIDI):
        argument = f"IAsyncEnumerable<{request}> requests"
    many = method.kind in (Kind.SERVER, Kind.BIDI)
    result = f"IAsyncEnumerable<{reply}>" if many else f"ValueTask<{reply}>"
    return f"{result} {_escaped(method.name)}({argument}, CancellationToken cancellation = default)"


def _class(message: Message) -> Iterator[str]:
    yield ""
    yield from _summary(note(message.cls))
    yield "[MessagePackObject, MemoryPackable]"
    yield f"public partial class {_escaped(message.name)}"
    yield "{"
    names = _names(message.name, (field.name for field in message.fields))
    for place, (field, name) in enumerate(zip(message.fields, names, strict=True)):
        if place:
            yield ""
        if name in _MEMBERS or name == message.name:
            raise SchemaError(
                f"{message.name}.{field.name} would be the property {name}, which C# does not allow there; "
                "rename it"
            )
        yield f"    [Key({place})]"
        yield f"    public {_type(field.shape)} {name} {{ get; set; }}{_initial(field.shape)}"
    yield "}"


def _enum(shape: Enumeration) -> Iterator[str]:
    name = shape.cls.__name__
    wide = any(number not in RANGE_32 for number in shape.members)
    yield ""
    yield from _summary(note(shape.cls))
    yield f"public enum {_escaped(name)} : {'long' if wide else 'int'}"
    yield "{"
    members = _names(name, (member.name for member in shape.members.values()))
    for number, member in zip(shape.members, members, strict=True):
        yield f"    {member} = {number},"
    yield "}"


def _type(shape: Shape) -> str:
    match shape:
        case Optional(of):
            return f"{_type(of)}?"
        case List(of):
            return f"List<{_type(of)}>"
        case Map(key, of):
            return f"Dictionary<{_type(key)}, {_type(of)}>"
        case Nested(cls) | Enumeration(cls):
            return _escaped(cls.__name__)
    return _SCALARS[shape]


def _initial(shape: Shape) -> str:
    """Write what stands in a new object where C# would leave null against the property's type."""
    match shape:
        case Scalar.STR:
            return ' = "";'
        case Scalar.BYTES:
            return " = Array.Empty<byte>();"
        case List() | Map() | Nested():
            return " = new();"
    return ""


def _names(owner: str, names: Iterable[str]) -> list[str]:
    """Write names as C# has them; raises `SchemaError` where two become one, or one is none."""
    known: dict[str, str] = {}
    for name in names:
        pascal = _pascal(name)
        if not pascal.isidentifier():
            raise SchemaError(f"{owner}.{name}: {pascal!r} is no name in C#; rename it")
        if pascal in known:
            raise SchemaError(
                f"{owner}.{known[pascal]} and {owner}.{name} are both {pascal} in C#; rename one"
            )
        known[pascal] = name
    return list(known)


def _pascal(name: str) -> str:
    parts = [part for part in name.split("_") if part]
    if name.isupper():
        parts = [part.lower() for part in parts]
    return "".join(part[0].upper() + part[1:] for part in parts)


def _escaped(name: str) -> str:
    return f"@{name}" if name in keywords.CSHARP else name


def _summary(text: str, indent: str = "") -> Iterator[str]:
    if text:
        plain = re.sub("[&<>]", lambda found: {"&": "&amp;", "<": "&lt;", ">": "&gt;"}[found[0]], text)
        yield f"{indent}/// <summary>{plain}</summary>"
