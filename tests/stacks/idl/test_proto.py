"""The .proto file as Google's compiler takes it: bytes and calls of what it generates agree with ours."""

from __future__ import annotations

import enum
import importlib
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import grpc
import grpc_tools
import msgspec
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_tools import protoc

import stacks
from stacks import service
from stacks.base import Address, Options
from stacks.codecs import descriptor, protobuf
from stacks.errors import SchemaError
from stacks.idl import inventory, proto
from stacks.testing.oracle import FULL, LONG, WIDE, Ask, Oracle, Told, Wide

KNOWN = Path(grpc_tools.__file__).parent / "_proto"
ORACLE = service.read(Oracle)


class LinesEntry(msgspec.Struct):
    text: str


class message(msgspec.Struct):  # noqa: N801 -- a keyword of protobuf is the point
    optional: int


class Timed(msgspec.Struct):
    at: datetime


class Tricky(msgspec.Struct):
    lines: dict[str, int]
    entry: LinesEntry
    entries: list[LinesEntry]
    message: message
    repeated: dict[int, message]
    stream: Timed | None
    map: list[datetime]
    rpc: UUID


class Tricks:
    package = "acme.google.v1"

    def stream(self, tricky: Tricky) -> message:
        raise NotImplementedError

    def rpc(self, tricky: message) -> Iterator[message]:
        raise NotImplementedError


def compiled(text: str, place: Path, *options: str) -> None:
    (place / "exported.proto").write_text(text)
    options = (*options, f"-I{place}", f"-I{KNOWN}", "exported.proto")
    assert protoc.main(["protoc", *options]) == 0, text


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """What protoc makes of the oracle's export: the messages' module and the stubs' module."""
    place = tmp_path_factory.mktemp("generated")
    compiled(proto.render(ORACLE), place, f"--python_out={place}", f"--grpc_python_out={place}")
    sys.path.insert(0, str(place))
    try:
        yield importlib.import_module("exported_pb2"), importlib.import_module("exported_pb2_grpc")
    finally:
        sys.path.remove(str(place))


@pytest.fixture(scope="module")
def stub(generated):
    """A stub that protoc made, connected to a server of ours."""
    with (
        stacks.find("grpc-protobuf").serve(ORACLE, Address(), Options()) as served,
        grpc.insecure_channel(str(served.address)) as channel,
    ):
        yield generated[1].OracleStub(channel)


@pytest.mark.parametrize("wide", [WIDE, FULL], ids=["empty", "full"])
def test_bytes_of_generated_code_and_ours_are_the_same(generated, wide):
    codec = protobuf.FORMAT.codec(Wide)
    theirs = generated[0].Wide.FromString(codec.encode(wide))
    assert codec.decode(theirs.SerializeToString()) == wide
    assert (theirs.number, theirs.half) == (wide.number, wide.half)
    assert theirs.HasField("maybe") == (wide.maybe is not None)
    assert theirs.when.ToMicroseconds() == round(wide.when.timestamp() * 1_000_000)
    assert theirs.key == wide.key.bytes
    assert dict(theirs.prices) == wide.prices
    assert [(point.x, point.y) for point in theirs.points] == [(point.x, point.y) for point in wide.points]


def test_a_message_that_generated_code_makes_is_read_by_ours(generated):
    messages = generated[0]
    theirs = messages.Wide(
        number=-5,
        half=-(2**31),
        text="Grüße",
        colour=messages.COLOUR_BLUE,
        when=Timestamp(seconds=-1, nanos=250_000_000),
        key=bytes(15) + b"\x07",
        numbers=[1, -1],
        prices={"a": 3},
        points=[messages.Point(x=1, y=2.5)],
    )
    ours = protobuf.FORMAT.codec(Wide).decode(theirs.SerializeToString())
    assert (ours.number, ours.half) == (-5, -(2**31))
    assert (ours.text, ours.colour.name, ours.maybe) == ("Grüße", "BLUE", None)
    assert ours.when.timestamp() == -0.75
    assert ours.key == UUID(int=7)
    assert (ours.numbers, ours.prices, ours.points[0].y) == ([1, -1], {"a": 3}, 2.5)


def test_a_generated_stub_calls_our_server(generated, stub):
    ask = generated[0].Ask
    told = stub.Tell(ask(id=7, text="hello"), timeout=LONG)
    assert (told.id, told.text) == (7, "hello")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Refuse(ask(id=1, text="NOT_FOUND"), timeout=LONG)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "refused no. 1")


def test_a_generated_stub_streams_with_our_server(generated, stub):
    ask = generated[0].Ask
    asks = [ask(id=number, text="abc"[number]) for number in range(3)]
    assert [told.id for told in stub.Count(ask(id=4, text="x"), timeout=LONG)] == [0, 1, 2, 3]
    gathered = stub.Gather(iter(asks), timeout=LONG)
    assert (gathered.id, gathered.text) == (3, "a b c")
    told = [(each.id, each.text) for each in stub.Converse(iter(asks), timeout=LONG)]
    assert told == [(0, "a"), (1, "b"), (2, "c")]


@pytest.mark.parametrize("offered", [ORACLE, service.read(Tricks), service.load(service.DEFAULT)])
def test_what_protoc_reads_is_what_our_codec_goes_by(tmp_path, offered):
    found = tmp_path / "descriptors"
    compiled(proto.render(offered), tmp_path, f"--descriptor_set_out={found}")
    (theirs,) = FileDescriptorSet.FromString(found.read_bytes()).file
    taken = inventory.take(offered)
    ours = descriptor.file_of(taken.messages, taken.package, "exported.proto")
    for each in theirs.message_type:
        for field in (*each.field, *(field for entry in each.nested_type for field in entry.field)):
            field.ClearField("json_name")
    assert [*theirs.message_type] == [*ours.message_type]
    assert [*theirs.enum_type] == [*ours.enum_type]
    assert (theirs.package, [*theirs.dependency]) == (ours.package, [*ours.dependency])
    streams = {
        method.name: (method.client_streaming, method.server_streaming) for method in theirs.service[0].method
    }
    assert streams == {
        method.name: (method.kind in ("client-stream", "bidi"), method.kind in ("server-stream", "bidi"))
        for method in offered.methods
    }


class Shade(enum.Enum):
    RED = 1
    red = 2


Pair = msgspec.defstruct("Pair", [("user_id", int), ("userId", int)])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([("gaps", list[int | None])], r"Odd\.gaps: protobuf has no such place for an inner optional"),
        ([("racks", dict[float | str, int])], r"Odd\.racks"),
        ([("by_key", dict[UUID, int])], r"Odd\.by_key: protobuf has no map with such keys"),
        ([("größe", int)], r"Odd\.größe: a name in protobuf has only the letters"),
        ([("shade", Shade)], "Shade: shade_red and shade_red are equal in all but the case of letters"),
        ([("pair", Pair)], "Pair: user_id and userId are equal in their names in JSON; rename one"),
        ([("told", Told), ("other", msgspec.defstruct("Told", [("x", int)]))], "two types called Told"),
        (
            [("odd", msgspec.defstruct("OddEcho", [("x", int)]))],
            "protobuf does not take its names: .*OddEcho",
        ),
        ([("odd", msgspec.defstruct("Größe", [("x", int)]))], "protobuf does not take its names: .*Gr"),
    ],
)
def test_what_protobuf_cannot_carry_or_name_is_said(fields, said):
    message = msgspec.defstruct("Odd", fields, module=__name__)
    with pytest.raises(SchemaError, match=said):
        proto.render(service.echo(message))


def test_what_authors_wrote_is_kept_as_comments():
    text = proto.render(service.load(service.DEFAULT))
    assert "// What a customer wants.\nmessage Order {" in text
    assert "  // Give `note` back.\n  rpc Echo(Note) returns (Note);" in text


def test_an_ask_without_comment_has_none():
    assert "\n\nmessage Ask {" in proto.render(ORACLE)
    assert Ask.__doc__ is None
