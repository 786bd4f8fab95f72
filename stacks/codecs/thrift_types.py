"""Messages and services as Thrift has them: the library's classes, made at run time, and the mapping to IDL.

===================  ==========================================================================
Python               Thrift
===================  ==========================================================================
``int``              ``i64``
``Int32``            ``i32``
``float``            ``double``
``bool``             ``bool``
``str``              ``string``, in UTF-8
``bytes``            ``binary``
``Enum``             ``enum`` (i32): the member's value if all are ints, else its position from 0
``datetime``         ``i64``: microseconds since 1970-01-01T00:00:00Z
``UUID``             ``binary`` of 16 bytes, the most significant first (RFC 9562)
``T | None``         an ``optional`` field; only as a field, not inside lists and maps
``list[T]``          ``list<T>``
``dict[K, V]``       ``map<K, V>``
``Struct``           ``struct``, which may contain itself
===================  ==========================================================================

Fields are numbered from 1 in field order. All but the optional ones have the default requiredness: they are
always written; one that does not come reads as its Python default, and is an error where there is none.
Names do not travel, so that a field whose name is reserved in IDL (``when``) may be spelt otherwise there.

A method under its wire name, without the service's, is ``Reply Method(1: Request request) throws
(1: RpcError error)``, and what a handler raises is ``exception RpcError {1: string code, 2: string text}``,
where `code` is a gRPC status name. A method that is not there is a ``TApplicationException``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from thriftpy2.thrift import TException, TPayload, TType

from stacks.errors import SchemaError
from stacks.schema import (
    RANGE_32,
    Enumeration,
    Field,
    List,
    Map,
    Message,
    Nested,
    Optional,
    Scalar,
    Shape,
    walk,
)

_TYPES = {
    Scalar.INT: TType.I64,
    Scalar.INT32: TType.I32,
    Scalar.FLOAT: TType.DOUBLE,
    Scalar.BOOL: TType.BOOL,
    Scalar.STR: TType.STRING,
    Scalar.BYTES: TType.BINARY,
    Scalar.DATETIME: TType.I64,
    Scalar.UUID: TType.BINARY,
}
Types = dict[type[msgspec.Struct], type[TPayload]]
"""Message → the library's class for it."""


class RpcError(TException):
    """What a caller learns of a handler's exception."""

    thrift_spec: ClassVar[dict[int, Any]] = {
        1: (TType.STRING, "code", False),
        2: (TType.STRING, "text", False),
    }
    default_spec: ClassVar[list[tuple[str, Any]]] = [("code", ""), ("text", "")]
    code: str
    text: str


@dataclass(frozen=True)
class Envelope:
    """The classes around a method's messages."""

    args: type[Any]
    """Has the request as ``request``, field 1."""
    result: type[Any]
    """Has ``success``, field 0, or ``error``, field 1; what is not there is None."""


def attribute(number: int) -> str:
    """Name the attribute of a field's value; not by the field's own name, which may be a keyword."""
    return f"f{number}"


def struct_types(message: Message) -> Types:
    """Make classes for `message` and all that it contains.

    A field that was not read has no attribute where it must be given, else None. Raises `SchemaError` that
    names message and field.
    """
    parts = message.parts()
    made: Types = {part.cls: type(part.name, (TPayload,), {}) for part in parts}
    for part in parts:
        cls: Any = made[part.cls]
        cls.thrift_spec = {}
        for number, field in enumerate(part.fields, start=1):
            cls.thrift_spec[number] = _spec(attribute(number), field, made, f"{part.name}.{field.name}")
            if field.default is not None or isinstance(field.shape, Optional):
                setattr(cls, attribute(number), None)
    return made


def envelope(name: str, request: type[TPayload], reply: type[TPayload]) -> Envelope:
    """Make the classes around the messages of the method `name`."""
    given = {1: (TType.STRUCT, "request", request, False)}
    args = type(f"{name}_args", (TPayload,), {"thrift_spec": given, "default_spec": [("request", None)]})
    answer = {0: (TType.STRUCT, "success", reply, False), 1: (TType.STRUCT, "error", RpcError, False)}
    members = {"thrift_spec": answer, "success": None, "error": None, "oneway": False}
    return Envelope(args, type(f"{name}_result", (TPayload,), members))


def _spec(name: str, field: Field, made: Types, where: str) -> tuple[Any, ...]:
    """Describe a field as thriftpy2 does: type, name, what is inside if anything, required."""
    shape = field.shape.of if isinstance(field.shape, Optional) else field.shape
    for part in walk(shape):
        if isinstance(part, Optional):
            raise SchemaError(f"{where}: Thrift has no None inside a list or map; put it into a Struct")
    found = _type(shape, made, where)
    return (*found, name, False) if len(found) == 1 else (found[0], name, found[1], False)


def _type(shape: Shape, made: Types, where: str) -> tuple[Any, ...]:
    """Give the type's number, and in a second place what is inside, if anything."""
    match shape:
        case Enumeration(cls):
            if any(number not in RANGE_32 for number in shape.members):
                raise SchemaError(f"{where}: Thrift's enums have 32 bits; {cls.__name__} has larger values")
            return (TType.I32,)
        case List(of):
            return TType.LIST, _element(of, made, where)
        case Map(key, of):
            return TType.MAP, (_element(key, made, where), _element(of, made, where))
        case Nested(cls):
            return TType.STRUCT, made[cls]
        case Scalar():
            return (_TYPES[shape],)
    raise AssertionError(shape)


def _element(shape: Shape, made: Types, where: str) -> Any:
    found = _type(shape, made, where)
    return found[0] if len(found) == 1 else found
