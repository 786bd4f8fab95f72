"""A service as a .proto file, from the descriptors of the format ``protobuf``, so that the bytes agree.

Syntax: https://protobuf.dev/reference/protobuf/proto3-spec/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from stacks.base import Kind, Service
from stacks.codecs import descriptor
from stacks.errors import SchemaError
from stacks.idl import inventory
from stacks.idl.inventory import Inventory
from stacks.schema import Field, Scalar, walk

_SCALARS = {
    FieldDescriptorProto.TYPE_INT64: "int64",
    FieldDescriptorProto.TYPE_INT32: "int32",
    FieldDescriptorProto.TYPE_DOUBLE: "double",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
}

_TIMESTAMP = ".google.protobuf.Timestamp"


def render(service: Service) -> str:
    """Write `service` as proto3; raises `SchemaError` for what protobuf cannot carry or name."""
    taken = inventory.take(service)
    file = descriptor.file_of(taken.messages, taken.package, f"{taken.name}.proto")
    file.service.append(_service(service, taken))
    _check(file, taken)
    return "\n".join(_File(file, service, taken).lines()) + "\n"


def _service(service: Service, taken: Inventory) -> ServiceDescriptorProto:
    described = ServiceDescriptorProto(name=taken.name)
    for method in service.methods:
        described.method.add(
            name=method.name,
            input_type=f".{taken.package}.{method.request.__name__}",
            output_type=f".{taken.package}.{method.reply.__name__}",
            client_streaming=method.kind in (Kind.CLIENT, Kind.BIDI),
            server_streaming=method.kind in (Kind.SERVER, Kind.BIDI),
        )
    return described


def _check(file: FileDescriptorProto, taken: Inventory) -> None:
    """Refuse what a compiler would: names that are none, or that clash."""
    for message in taken.messages:
        _refuse_equal(message.name, [field.name for field in message.fields], "their names in JSON")
    for enum in file.enum_type:
        _refuse_equal(enum.name, [value.name.lower() for value in enum.value], "all but the case of letters")
    pool = DescriptorPool()
    try:
        pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
        pool.AddSerializedFile(file.SerializeToString())
    except TypeError as error:
        raise SchemaError(f"service {taken.name}: protobuf does not take its names: {error}") from error


def _refuse_equal(owner: str, names: Iterable[str], what: str) -> None:
    """Refuse names that are equal in camel case, which protoc derives from them."""
    known: dict[str, str] = {}
    for name in names:
        camel = re.sub("_+(.?)", lambda found: found.group(1).upper(), name)
        if camel in known:
            raise SchemaError(
                f"{owner}: {known[camel]} and {name} are equal in {what}; rename one for protobuf"
            )
        known[camel] = name


class _File:
    """Writes a descriptor as source."""

    def __init__(self, file: FileDescriptorProto, service: Service, taken: Inventory) -> None:
        self._file = file
        self._taken = taken
        self._notes = {cls.__name__: inventory.note(cls) for cls in taken.types}
        self._handlers = {method.name: inventory.note(method.handler) for method in service.methods}
        inner = {entry.name for message in file.message_type for entry in message.nested_type}
        self._hidden = inner | {"google"} & {*file.package.split("."), *self._notes, taken.name}

    def lines(self) -> Iterator[str]:
        """Give the whole file."""
        yield f"// {self._file.package}.{self._taken.name}, written by rpcduel schema."
        yield 'syntax = "proto3";'
        yield ""
        yield f"package {self._file.package};"
        for path in self._file.dependency:
            yield ""
            yield f'import "{path}";'
        yield from self._service(self._file.service[0])
        for message, described in zip(self._taken.messages, self._file.message_type, strict=True):
            yield from self._message(described, message.fields)
        for enum in self._file.enum_type:
            yield from self._enum(enum)

    def _service(self, service: ServiceDescriptorProto) -> Iterator[str]:
        yield ""
        yield f"service {service.name} {{"
        for method in service.method:
            if note := self._handlers[method.name]:
                yield f"  // {note}"
            request = "stream " * method.client_streaming + self._type(method.input_type)
            reply = "stream " * method.server_streaming + self._type(method.output_type)
            yield f"  rpc {method.name}({request}) returns ({reply});"
        yield "}"

    def _message(self, message: DescriptorProto, fields: tuple[Field, ...]) -> Iterator[str]:
        yield from self._head("message", message.name)
        scope = f".{self._file.package}.{message.name}."
        entries = {scope + entry.name: entry for entry in message.nested_type}
        for found, field in zip(message.field, fields, strict=True):
            entry = entries.get(found.type_name)
            text = self._entry(entry) if entry else self._label(found) + self._field_type(found)
            remark = "  // UUIDs have 16 bytes" if Scalar.UUID in walk(field.shape) else ""
            yield f"  {text} {found.name} = {found.number};{remark}"
        yield "}"

    def _enum(self, enum: EnumDescriptorProto) -> Iterator[str]:
        yield from self._head("enum", enum.name)
        for value in enum.value:
            yield f"  {value.name} = {value.number};"
        yield "}"

    def _head(self, kind: str, name: str) -> Iterator[str]:
        yield ""
        if note := self._notes[name]:
            yield f"// {note}"
        yield f"{kind} {name} {{"

    def _entry(self, entry: DescriptorProto) -> str:
        key, value = (self._field_type(found) for found in entry.field)
        return f"map<{key}, {value}>"

    def _label(self, field: FieldDescriptorProto) -> str:
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return "repeated "
        return "optional " if field.proto3_optional else ""

    def _field_type(self, field: FieldDescriptorProto) -> str:
        return self._type(field.type_name) if field.type_name else _SCALARS[field.type]

    def _type(self, full: str) -> str:
        """Write a type's name, in full where something else of that name could be meant."""
        ours = full.removeprefix(f".{self._file.package}.")
        name = full[1:] if full == _TIMESTAMP else ours
        first = name.partition(".")[0]
        keyword = name == first and not first[0].isupper()
        return full if keyword or first in self._hidden else name
