"""The JSON Schema as the package ``jsonschema`` takes it: it fits what our JSON is, and nothing else."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

import msgspec
import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from stacks import service, shop
from stacks.codecs.json import FORMAT
from stacks.errors import SchemaError
from stacks.idl import jsonschema
from stacks.testing.oracle import FULL, LEAST, WIDE, Oracle, Wide


def document(offered):
    return json.loads(jsonschema.render(service.read(offered)))


def validator(offered, message):
    return Draft202012Validator({**document(offered), "$ref": f"#/$defs/{message.__name__}"})


@pytest.mark.parametrize("offered", [Oracle, shop.Shop])
def test_it_is_json_schema(offered):
    Draft202012Validator.check_schema(document(offered))


@pytest.mark.parametrize(
    ("offered", "value"),
    [
        (Oracle, WIDE),
        (Oracle, FULL),
        (Oracle, LEAST),
        (shop.Shop, shop.order("small")),
        (shop.Shop, shop.Note(1, b"\xff\x00")),
    ],
)
def test_it_takes_what_our_json_is(offered, value):
    written = json.loads(FORMAT.codec(type(value)).encode(value))
    validator(offered, type(value)).validate(written)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", "1"),
        ("number", 1.5),
        ("half", 2**31),
        ("half", -(2**31) - 1),
        ("sure", None),
        ("maybe", 3),
        ("colour", "green"),
        ("prices", {"a": "dear"}),
        ("points", [{"x": 1}]),
    ],
)
def test_it_refuses_what_is_none_of_ours(field, value):
    written = json.loads(FORMAT.codec(Wide).encode(WIDE))
    with pytest.raises(ValidationError):
        validator(Oracle, Wide).validate({**written, field: value})


def test_methods_are_listed_with_their_messages():
    assert document(Oracle)["methods"][1] == {
        "name": "Tell",
        "kind": "unary",
        "request": {"$ref": "#/$defs/Ask"},
        "reply": {"$ref": "#/$defs/Told"},
    }
    assert {method["name"]: method["kind"] for method in document(Oracle)["methods"]}["Fan"] == "bidi"


class Dated(msgspec.Struct, rename="camel"):
    at_once: datetime
    at_last: datetime | None
    at_times: list[datetime | None]
    by_name: dict[str, list[datetime]] = {}
    name: str | None = None


def test_times_are_said_to_be_times_wherever_they_are():
    found = json.loads(jsonschema.render(service.echo(Dated)))["$defs"]["Dated"]["properties"]
    time = {"type": "string", "format": "date-time"}
    maybe = {"anyOf": [time, {"type": "null"}]}
    assert (found["atOnce"], found["atLast"], found["atTimes"]["items"]) == (time, maybe, maybe)
    assert found["byName"]["additionalProperties"]["items"] == time
    assert found["name"]["anyOf"][0] == {"type": "string"}


class Keyed(msgspec.Struct):
    times: dict[UUID, datetime]
    inner: Keyed | None = None


def test_a_message_may_contain_itself_and_keys_are_texts():
    value = Keyed({UUID(int=1): shop.order("small").placed}, Keyed({}))
    found = json.loads(jsonschema.render(service.echo(Keyed)))
    Draft202012Validator({**found, "$ref": "#/$defs/Keyed"}).validate(
        json.loads(FORMAT.codec(Keyed).encode(value))
    )


def test_a_map_that_json_cannot_carry_is_named():
    odd = msgspec.defstruct("Odd", [("flags", dict[bool, int])])
    with pytest.raises(SchemaError, match=r"Odd\.flags: json has no dict with keys of bool"):
        jsonschema.render(service.echo(odd))
