"""A service as a .thrift file, as the Thrift stacks carry it; see `stacks.codecs.thrift_types`.

Words that Thrift keeps to itself get a ``_`` behind them, except for methods, whose names are on the wire.
IDL: https://thrift.apache.org/docs/idl.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stacks.base import Kind, Service
from stacks.errors import SchemaError
from stacks.idl import inventory, keywords
from stacks.idl.inventory import Inventory, note
from stacks.schema import RANGE_32, Enumeration, List, Map, Message, Nested, Optional, Scalar, Shape, walk

_SCALARS = {
    Scalar.INT: "i64",
    Scalar.INT32: "i32",
    Scalar.FLOAT: "double",
    Scalar.BOOL: "bool",
    Scalar.STR: "string",
    Scalar.BYTES: "binary",
    Scalar.DATETIME: "i64",
    Scalar.UUID: "binary",
}
_REMARKS = {Scalar.DATETIME: "times in microseconds since 1970-01-01 UTC", Scalar.UUID: "UUIDs have 16 bytes"}
_ERROR = "RpcError"
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def render(service: Service) -> str:
    """Write `service` as Thrift IDL; raises `SchemaError` for what Thrift cannot carry or name."""
    if not any(method.kind is Kind.UNARY for method in service.methods):
        raise SchemaError(f"service {service.name} has no unary method, and Thrift carries no streams")
    taken = inventory.take(service)
    _refuse_types(taken)
    lines = [f"// {service.name}, written by rpcduel schema.", f"namespace * {taken.package}"]
    for each in taken.enums:
        lines += _enum(each)
    for message in _innermost_first(taken):
        lines += _struct(message)
    lines += _exception()
    lines += _service(service, taken)
    return "\n".join(lines) + "\n"


def _refuse_types(taken: Inventory) -> None:
    for part in (*taken.package.split("."), taken.name):
        _exact(part, f"service {taken.package}.{taken.name}")
    known = {taken.name: "the service", _ERROR: "what calls fail with"}
    for cls in taken.types:
        name = _named(cls.__name__, cls.__name__)
        if name in known:
            raise SchemaError(f"{cls.__name__}: in Thrift {known[name]} is called {name}; rename the class")
        known[name] = f"the type {cls.__name__}"


def _innermost_first(taken: Inventory) -> list[Message]:
    """Order messages so that each stands below what it contains, as far as it does not contain itself."""
    ordered: dict[type, Message] = {}
    entered: set[type] = set()

    def enter(message: Message) -> None:
        if message.cls in entered:
            return
        entered.add(message.cls)
        for field in message.fields:
            for shape in walk(field.shape):
                if isinstance(shape, Nested):
                    enter(shape.message)
        ordered[message.cls] = message

    for message in taken.messages:
        enter(message)
    return list(ordered.values())


def _struct(message: Message) -> Iterator[str]:
    yield from _head("struct", message.cls)
    names = _all_named(message.name, [field.name for field in message.fields])
    for number, (field, name) in enumerate(zip(message.fields, names, strict=True), start=1):
        where = f"{message.name}.{field.name}"
        remarks = [text for scalar, text in _REMARKS.items() if scalar in walk(field.shape)]
        remark = f"  // {', '.join(remarks)}" if remarks else ""
        optional = "optional " if isinstance(field.shape, Optional) else ""
        yield f"  {number}: {optional}{_type(field.shape, where, inner=False)} {name},{remark}"
    yield "}"


def _type(shape: Shape, where: str, *, inner: bool = True) -> str:
    match shape:
        case Optional(of) if not inner:
            return _type(of, where)
        case Optional():
            raise SchemaError(f"{where}: Thrift has no None in a list or map; put it into a Struct")
        case List(of):
            return f"list<{_type(of, where)}>"
        case Map(key, of):
            return f"map<{_type(key, where)}, {_type(of, where)}>"
        case Nested(cls) | Enumeration(cls):
            return _named(cls.__name__, where)
    return _SCALARS[shape]


def _enum(shape: Enumeration) -> Iterator[str]:
    yield from _head("enum", shape.cls)
    owner = shape.cls.__name__
    names = _all_named(owner, [member.name for member in shape.members.values()])
    for number, name in zip(shape.members, names, strict=True):
        if number not in RANGE_32:
            raise SchemaError(f"{owner}.{name}: Thrift's enums have 32 bits; {number} is more")
        yield f"  {name} = {number},"
    yield "}"


def _exception() -> Iterator[str]:
    yield ""
    yield "// A call that failed: a status code of gRPC, such as INVALID_ARGUMENT, and what happened."
    yield f"exception {_ERROR} {{"
    yield "  1: string code,"
    yield "  2: string text,"
    yield "}"


def _service(service: Service, taken: Inventory) -> Iterator[str]:
    yield ""
    yield f"service {taken.name} {{"
    for method in service.methods:
        if method.kind is not Kind.UNARY:
            yield f"  // {method.name} is left out: it is a {method.kind} call, and Thrift has no streams."
            continue
        if text := note(method.handler):
            yield f"  // {text}"
        name = _exact(method.name, f"{taken.name}.{method.name}")
        request, reply = (_named(cls.__name__, name) for cls in (method.request, method.reply))
        yield f"  {reply} {name}(1: {request} request) throws (1: {_ERROR} error),"
    yield "}"


def _head(kind: str, cls: type) -> Iterator[str]:
    yield ""
    if text := note(cls):
        yield f"// {text}"
    yield f"{kind} {_named(cls.__name__, cls.__name__)} {{"


def _all_named(owner: str, names: list[str]) -> list[str]:
    named = [_named(name, f"{owner}.{name}") for name in names]
    for place, name in enumerate(named):
        if name in named[:place]:
            raise SchemaError(f"{owner} has two parts that are called {name} in Thrift; rename one")
    return named


def _named(name: str, where: str) -> str:
    """Write a name that is not on the wire."""
    if not _NAME.fullmatch(name):
        raise SchemaError(f"{where}: {name!r} is no name in Thrift, which takes letters A to Z, digits and _")
    return f"{name}_" if name in keywords.THRIFT else name


def _exact(name: str, where: str) -> str:
    """Write a name that must stay as it is."""
    if _named(name, where) != name:
        raise SchemaError(f"{where}: {name!r} is a word that Thrift keeps to itself; rename it")
    return name
