"""Services made by chance: whatever is exported is taken by the tools of its language."""

from __future__ import annotations

import io
import json
import tempfile
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
import thriftpy2
from graphql import build_schema
from grpc_tools import protoc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from stacks import examples, service
from stacks.base import Kind, Method, Service
from stacks.codecs.json import FORMAT
from stacks.errors import SchemaError
from stacks.idl import csharp, graphql, jsonschema, proto, thrift
from stacks.schema import Int32
from stacks.shop import Currency, Line
from stacks.testing.oracle import Colour

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KNOWN = Path(protoc.__file__).parent / "_proto"
WORDS = [
    "class",
    "message",
    "string",
    "end",
    "Order",
    "to_string",
    "größe",
    "a_b",
    "aB",
    "map",
    "Line",
    "type",
]

names = st.one_of(st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True), st.sampled_from(WORDS))
scalars = st.sampled_from([int, Int32, float, bool, str, bytes, datetime, UUID, Currency, Colour, Line])
keys = st.sampled_from([int, Int32, bool, str, UUID, Colour])


def shapes():
    inner = st.recursive(
        scalars,
        lambda of: of.map(lambda each: list[each]) | st.builds(lambda key, each: dict[key, each], keys, of),
        max_leaves=3,
    )
    return inner | inner.map(lambda each: each | None)


@st.composite
def services(draw, *, plain=False):
    """A service of one message, which holds another; `plain` where every name is allowed everywhere."""
    allowed = st.from_regex(r"f[a-z]{1,4}x", fullmatch=True) if plain else names
    messages = []
    for name in ("Inner", "Outer"):
        fields = {field: draw(shapes()) for field in draw(st.lists(allowed, max_size=5, unique=True))}
        if messages:
            fields["ix"] = draw(st.sampled_from([messages[0], list[messages[0]], messages[0] | None]))
        messages.append(msgspec.defstruct(name, [*fields.items()], module="made.up"))
    kinds = draw(st.lists(st.sampled_from(Kind), min_size=1, max_size=3))
    methods = [
        Method(f"Do{k}", messages[1], messages[0], kind, lambda value: value, "made.up.Made")
        for k, kind in enumerate((Kind.UNARY, *kinds))
    ]
    return Service("made.up.Made", tuple(methods))


def rendered(render, offered):
    try:
        return render(offered)
    except SchemaError:
        return None


@SLOW
@given(services())
def test_protoc_takes_every_proto(offered):
    text = rendered(proto.render, offered)
    if text is None:
        return
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "made.proto").write_text(text)
        options = [f"-I{place}", f"-I{KNOWN}", f"--descriptor_set_out={place}/set", "made.proto"]
        assert protoc.main(["protoc", *options]) == 0, text


@SLOW
@given(services())
def test_thriftpy2_takes_every_thrift(offered):
    text = rendered(thrift.render, offered)
    if text is not None:
        thriftpy2.parser.parser._thrift_cache.clear()
        made = thriftpy2.load_fp(io.StringIO(text), module_name="made_thrift")
        names = [spec[1].removesuffix("_") for _, spec in sorted(made.Outer.thrift_spec.items())]
        assert names == [name.removesuffix("_") for name in offered.methods[0].request.__struct_fields__]


@SLOW
@given(services(), st.sampled_from(["small", "medium"]))
def test_json_schema_takes_every_example(offered, size):
    text = rendered(jsonschema.render, offered)
    if text is not None:
        document = json.loads(text)
        Draft202012Validator.check_schema(document)
        message = offered.methods[0].request
        written = FORMAT.codec(message).encode(examples.example(message, size))
        Draft202012Validator({**document, "$ref": "#/$defs/Outer"}).validate(json.loads(written))


@SLOW
@given(services())
def test_graphql_core_takes_every_sdl(offered):
    text = rendered(graphql.render, offered)
    if text is not None:
        message = offered.methods[0].request
        assert [*build_schema(text).type_map["OuterInput"].fields] == [*message.__struct_fields__]


@SLOW
@given(services(plain=True))
def test_csharp_has_a_property_for_every_field(offered):
    text = csharp.render(offered)
    fields = [*offered.methods[0].request.__struct_fields__, *offered.methods[0].reply.__struct_fields__]
    places = [text.index(f" {name.capitalize()} {{ get; set; }}") for name in fields]
    assert len(places) == len(fields)
    assert text.count("{") == text.count("}")


@SLOW
@given(services(plain=True))
def test_plain_names_are_refused_for_their_types_alone(offered):
    """The other properties would hold for exports that refuse everything."""
    for render in (proto.render, thrift.render, graphql.render, jsonschema.render):
        try:
            render(offered)
        except SchemaError as error:
            assert str(error).startswith(("Inner.f", "Outer.f"))  # noqa: PT017 -- not raising is right as well


def test_a_lone_message_is_exported():
    assert "rpc Echo(Line) returns (Line);" in proto.render(service.echo(Line))
