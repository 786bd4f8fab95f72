"""A service as JSON Schema 2020-12: its messages, as the format ``json`` writes them, and its methods.

https://json-schema.org/draft/2020-12. The keyword ``methods`` is our own, and to be ignored by validators;
what is to be validated is named by a reference, such as ``#/$defs/Order``.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from stacks.base import Service
from stacks.codecs.json import FORMAT
from stacks.idl import inventory
from stacks.schema import List, Map, Message, Optional, Scalar, Shape

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def render(service: Service) -> str:
    """Write `service` as JSON; raises `SchemaError` for what JSON cannot carry, naming message and field."""
    taken = inventory.take(service)
    classes = [message.cls for message in taken.messages]
    for cls in classes:
        FORMAT.codec(cls)
    references, definitions = msgspec.json.schema_components(classes, ref_template="#/$defs/{name}")
    reference = dict(zip(classes, references, strict=True))
    for message in taken.messages:
        _date(message, definitions[reference[message.cls]["$ref"].rpartition("/")[2]])
    methods = [
        {
            "name": method.name,
            "kind": method.kind.value,
            "request": reference[method.request],
            "reply": reference[method.reply],
        }
        for method in service.methods
    ]
    document = {"$schema": DIALECT, "title": service.name, "methods": methods, "$defs": definitions}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _date(message: Message, definition: dict[str, Any]) -> None:
    """Say of times that they are RFC 3339, which msgspec leaves open since it takes times without zones."""
    properties = definition.get("properties", {})
    for field, found in zip(message.fields, msgspec.structs.fields(message.cls), strict=True):
        _mark(field.shape, properties.get(found.encode_name, {}))


def _mark(shape: Shape, found: dict[str, Any]) -> None:
    match shape:
        case Scalar.DATETIME:
            found["format"] = "date-time"
        case Optional(of):
            for one in found.get("anyOf", [])[:1]:
                _mark(of, one)
        case List(of):
            _mark(of, found.get("items", {}))
        case Map(_, of):
            _mark(of, found.get("additionalProperties", {}))
