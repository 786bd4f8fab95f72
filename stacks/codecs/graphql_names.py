"""Names that GraphQL leaves to us: https://spec.graphql.org/October2021/#sec-Names."""

from __future__ import annotations

import enum
import re
from typing import Any

from stacks import schema
from stacks.base import Method
from stacks.errors import SchemaError
from stacks.schema import Enumeration, Message

_NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NO_ENUM_VALUES = frozenset({"true", "false", "null"})


def check(message: Message) -> None:
    """Raise `SchemaError` that names message, field and what is wanted, for a name that cannot be."""
    _demand(message.name, f"message {message.name}")
    for field in message.fields:
        where = f"{message.name}.{field.name}"
        _demand(field.name, where)
        for shape in schema.walk(field.shape):
            if isinstance(shape, Enumeration):
                _check_enum(shape.cls, where)


def root_field(method: Method[Any, Any]) -> str:
    """Give the name of a method's field: ``GetPrice`` → ``getPrice``; raises `SchemaError`."""
    _demand(method.name, f"method {method.name}")
    return method.name[0].lower() + method.name[1:]


def _check_enum(cls: type[enum.Enum], where: str) -> None:
    _demand(cls.__name__, f"{where}: enum {cls.__name__}")
    for member in cls:
        _demand(member.name, f"{where}: {cls.__name__}.{member.name}")
        if member.name in _NO_ENUM_VALUES:
            raise SchemaError(
                f"{where}: {cls.__name__}.{member.name} cannot be: GraphQL keeps the name; rename it"
            )


def _demand(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise SchemaError(
            f"{where}: {name!r} is no name that GraphQL takes; "
            "letters A to Z, digits and _ are wanted, neither a digit nor __ in front"
        )
