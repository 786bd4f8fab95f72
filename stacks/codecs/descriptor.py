"""Describes a message as Protocol Buffers do: a file of proto3."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

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

TIMESTAMP = "google/protobuf/timestamp.proto"
_KEYS = (Scalar.INT, Scalar.INT32, Scalar.BOOL, Scalar.STR)
_ALLOWED = (
    "T, T | None, list[T] and dict[K, T], where T has no list, dict or None in it "
    "and K is int, Int32, bool or str"
)
_TYPES = {
    Scalar.INT: FieldDescriptorProto.TYPE_INT64,
    Scalar.INT32: FieldDescriptorProto.TYPE_INT32,
    Scalar.FLOAT: FieldDescriptorProto.TYPE_DOUBLE,
    Scalar.BOOL: FieldDescriptorProto.TYPE_BOOL,
    Scalar.STR: FieldDescriptorProto.TYPE_STRING,
    Scalar.BYTES: FieldDescriptorProto.TYPE_BYTES,
    Scalar.UUID: FieldDescriptorProto.TYPE_BYTES,
}


def file_descriptor(message: Message) -> FileDescriptorProto:
    """Describe `message` and all that it contains in one file, under the message's package.

    Fields are numbered from 1 in field order. int → int64, Int32 → int32, float → double, UUID → bytes (16),
    datetime → google.protobuf.Timestamp, ``T | None`` → optional. An enum whose members are all other
    than 0 gets ``<ENUM>_UNSPECIFIED = 0``, as proto3 wants a zero. Raises `SchemaError` that names
    message, field and what is allowed.
    """
    _refuse_clashes(message)
    return file_of(message.parts(), message.package, f"{message.package}/{_snake(message.name)}.proto")


def file_of(messages: Sequence[Message], package: str, name: str) -> FileDescriptorProto:
    """Describe `messages`, which are all that any of them contains, in one file; see `file_descriptor`."""
    file = FileDescriptorProto(name=name, package=package, syntax="proto3")
    shapes = [shape for message in messages for field in message.fields for shape in walk(field.shape)]
    if Scalar.DATETIME in shapes:
        file.dependency.append(TIMESTAMP)
    for message in messages:
        file.message_type.append(_message(message, f".{package}."))
    for cls in dict.fromkeys(shape.cls for shape in shapes if isinstance(shape, Enumeration)):
        file.enum_type.append(_enum(Enumeration(cls)))
    return file


def _message(message: Message, scope: str) -> DescriptorProto:
    described = DescriptorProto(name=message.name)
    for number, field in enumerate(message.fields, start=1):
        where = f"{message.name}.{field.name}"
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", field.name):
            raise SchemaError(f"{where}: a name in protobuf has only the letters A to Z, digits and _")
        added = described.field.add(name=field.name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        match field.shape:
            case List(of):
                added.label = FieldDescriptorProto.LABEL_REPEATED
                _set_type(added, of, scope, where)
            case Map(key, of):
                added.label = FieldDescriptorProto.LABEL_REPEATED
                added.type = FieldDescriptorProto.TYPE_MESSAGE
                entry = _entry(field, key, of, scope, where)
                described.nested_type.append(entry)
                added.type_name = f"{scope}{message.name}.{entry.name}"
            case Optional(of):
                _set_type(added, of, scope, where)
                added.proto3_optional = True
            case shape:
                _set_type(added, shape, scope, where)
    # Real oneofs would have to come first; an optional field is alone in a synthetic one.
    for added in described.field:
        if added.proto3_optional:
            added.oneof_index = len(described.oneof_decl)
            described.oneof_decl.add(name=f"_{added.name}")
    return described


def _entry(field: Field, key: Shape, of: Shape, scope: str, where: str) -> DescriptorProto:
    if key not in _KEYS:
        raise SchemaError(f"{where}: protobuf has no map with such keys; allowed are: {_ALLOWED}")
    camel = re.sub(r"(?:^|_)([a-z0-9])", lambda found: found.group(1).upper(), field.name)
    entry = DescriptorProto(name=f"{camel}Entry")
    entry.options.map_entry = True
    for number, (name, shape) in enumerate((("key", key), ("value", of)), start=1):
        added = entry.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        _set_type(added, shape, scope, where)
    return entry


def _set_type(added: FieldDescriptorProto, shape: Shape, scope: str, where: str) -> None:
    match shape:
        case Scalar.DATETIME:
            added.type = FieldDescriptorProto.TYPE_MESSAGE
            added.type_name = ".google.protobuf.Timestamp"
        case Scalar():
            added.type = _TYPES[shape]
        case Enumeration(cls):
            if any(number not in RANGE_32 for number in shape.members):
                raise SchemaError(f"{where}: protobuf's enums have 32 bits; {cls.__name__} has larger values")
            added.type = FieldDescriptorProto.TYPE_ENUM
            added.type_name = scope + cls.__name__
        case Nested(cls):
            added.type = FieldDescriptorProto.TYPE_MESSAGE
            added.type_name = scope + cls.__name__
        case _:
            kind = type(shape).__name__.lower()
            raise SchemaError(
                f"{where}: protobuf has no such place for an inner {kind}; allowed are: {_ALLOWED}"
            )


def _enum(shape: Enumeration) -> EnumDescriptorProto:
    # Values share their enum's scope, so the style guide has them begin with its name.
    prefix = _snake(shape.cls.__name__).upper()
    described = EnumDescriptorProto(name=shape.cls.__name__)
    members = {number: member.name for number, member in shape.members.items()}
    zero = members.pop(0, "UNSPECIFIED")
    for number, name in {0: zero, **members}.items():
        described.value.add(name=f"{prefix}_{name}", number=number)
    return described


def _refuse_clashes(message: Message) -> None:
    types: dict[str, type] = {}
    for cls in _types(message):
        if types.setdefault(cls.__name__, cls) is not cls:
            raise SchemaError(
                f"{message.name} contains two types called {cls.__name__} "
                f"({types[cls.__name__].__module__} and {cls.__module__}); protobuf wants one: rename one"
            )


def _types(message: Message) -> Iterable[type]:
    for part in message.parts():
        yield part.cls
        for field in part.fields:
            for shape in walk(field.shape):
                if isinstance(shape, Enumeration):
                    yield shape.cls


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
