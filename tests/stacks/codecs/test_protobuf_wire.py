"""Bytes go to and come from classes that Google's protoc made, in a process of their own."""

from __future__ import annotations

import enum
import json
import subprocess
import sys
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from google.protobuf import descriptor_pb2, timestamp_pb2

from stacks import shop
from stacks.codecs import protobuf
from stacks.errors import ProtocolError, SchemaError
from stacks.schema import Int32

SHOP = """
syntax = "proto3";
package rpcduel;
import "google/protobuf/timestamp.proto";

message Order {
  int64 id = 1;
  string customer = 2;
  google.protobuf.Timestamp placed = 3;
  Currency currency = 4;
  bool express = 5;
  optional double discount = 6;
  repeated Line lines = 7;
}

message Line {
  string article = 1;
  int64 quantity = 2;
  int64 price = 3;
}

enum Currency {
  CURRENCY_EUR = 0;
  CURRENCY_USD = 1;
  CURRENCY_JPY = 2;
}
"""

PEER = """
import importlib, json, sys
from google.protobuf import json_format
from google.protobuf.unknown_fields import UnknownFieldSet
module, name, way = sys.argv[1:]
message = getattr(importlib.import_module(module), name)()
given = sys.stdin.read()
if way == "read":
    message.ParseFromString(bytes.fromhex(given))
    assert not len(UnknownFieldSet(message))
    print(json.dumps(json_format.MessageToDict(message, preserving_proto_field_name=True)))
else:
    print(json_format.ParseDict(json.loads(given), message).SerializeToString().hex())
"""


class Phase(enum.IntEnum):
    NEW = 1
    FULL = 2
    LOST = -3


class Shade(enum.Enum):
    DARK = "dark"
    PALE = "pale"


class Crater(msgspec.Struct):
    depth: float
    name: str | None = None


class Moon(msgspec.Struct):
    """Every kind of field; the words of the names test how protoc takes them."""

    phase: Phase
    shade: Shade
    seen: datetime
    key: UUID
    photo: bytes
    lit: bool
    main_crater: Crater
    import_: int
    maybe_phase: Phase | None
    maybe_count: int | None
    maybe_text: str | None
    maybe_seen: datetime | None
    maybe_key: UUID | None
    maybe_crater: Crater | None
    numbers: list[int]
    ratios: list[float]
    phases: list[Phase]
    times: list[datetime]
    keys: list[UUID]
    craters: list[Crater]
    text_by_number: dict[int, str]
    ratio_by_flag: dict[bool, float]
    crater_by_name: dict[str, Crater]
    time_by_name: dict[str, datetime]
    phase_by_name: dict[str, Phase]
    half: Int32
    maybe_half: Int32 | None
    halves: list[Int32]
    half_by_half: dict[Int32, Int32]
    parent: Moon | None = None
    children: list[Moon] = []


def moon(**changes):
    plain = Moon(
        phase=Phase.LOST, shade=Shade.PALE, seen=datetime(1969, 7, 20, 20, 17, 40, 250_000, tzinfo=UTC),
        key=UUID("00112233-4455-6677-8899-aabbccddeeff"), photo=b"\x00\xff", lit=True,
        main_crater=Crater(0.5, "Tycho"), import_=-5, maybe_phase=Phase.NEW, maybe_count=0, maybe_text="",
        maybe_seen=datetime(1970, 1, 1, tzinfo=UTC), maybe_key=UUID(int=0), maybe_crater=Crater(0.0),
        numbers=[0, -(2**63), 2**63 - 1], ratios=[0.25, -1e300], phases=[Phase.FULL, Phase.LOST],
        times=[datetime(2024, 2, 29, tzinfo=UTC)], keys=[UUID(int=1)], craters=[Crater(1.5), Crater(2.5, "")],
        text_by_number={-1: "é"}, ratio_by_flag={True: 0.5, False: 1.5}, crater_by_name={"": Crater(3.5,
        "x")},
        time_by_name={"t": datetime(2024, 2, 29, tzinfo=UTC)}, phase_by_name={"p": Phase.NEW},
        half=-(2**31), maybe_half=0, halves=[2**31 - 1, -1], half_by_half={-(2**31): 2**31 - 1},
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


PLAIN = {
    "phase": "PHASE_LOST", "shade": "SHADE_PALE", "seen": "1969-07-20T20:17:40.250Z",
    "key": "ABEiM0RVZneImaq7zN3u/w==", "photo": "AP8=", "lit": True,
    "main_crater": {"depth": 0.5, "name": "Tycho"}, "import_": "-5", "maybe_phase": "PHASE_NEW",
    "maybe_count": "0",
    "maybe_text": "", "maybe_seen": "1970-01-01T00:00:00Z", "maybe_key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "maybe_crater": {}, "numbers": ["0", "-9223372036854775808", "9223372036854775807"], "ratios": [0.25,
    -1e300],
    "phases": ["PHASE_FULL", "PHASE_LOST"], "times": ["2024-02-29T00:00:00Z"],
    "keys": ["AAAAAAAAAAAAAAAAAAAAAQ=="],
    "craters": [{"depth": 1.5}, {"depth": 2.5, "name": ""}], "text_by_number": {"-1": "é"},
    "ratio_by_flag": {"true": 0.5, "false": 1.5}, "crater_by_name": {"": {"depth": 3.5, "name": "x"}},
    "time_by_name": {"t": "2024-02-29T00:00:00Z"}, "phase_by_name": {"p": "PHASE_NEW"},
    "half": -(2**31), "maybe_half": 0, "halves": [2**31 - 1, -1],
    "half_by_half": {"-2147483648": 2**31 - 1},
}  # fmt: skip
"""What protobuf's own JSON mapping makes of `moon()`."""


def protoc(folder, *arguments):
    command = [sys.executable, "-m", "grpc_tools.protoc", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done


def peer(folder, module, name, way, given):
    command = [sys.executable, "-P", "-c", PEER, module, name, way]
    environment = {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def shop_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.proto").write_text(SHOP)
    protoc(folder, "-I.", "--python_out=.", "--descriptor_set_out=shop.bin", "shop.proto")
    return folder


@pytest.fixture(scope="module")
def moon_folder(tmp_path_factory):
    """What protoc makes of our own descriptors."""
    folder = tmp_path_factory.mktemp("moon")
    file = protobuf.file_descriptor(Moon)
    files = descriptor_pb2.FileDescriptorSet()
    timestamp_pb2.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.append(file)
    (folder / "set.bin").write_bytes(files.SerializeToString())
    protoc(folder, "--descriptor_set_in=set.bin", "--python_out=.", file.name)
    return folder


def test_the_descriptor_is_what_protoc_makes_of_the_same_file_by_hand(shop_folder):
    made = descriptor_pb2.FileDescriptorSet.FromString((shop_folder / "shop.bin").read_bytes()).file[0]
    for message in made.message_type:
        for field in message.field:
            field.ClearField("json_name")
    ours = protobuf.file_descriptor(shop.Order)
    assert ours.name == "rpcduel/order.proto"
    ours.name = made.name
    assert ours == made


@pytest.mark.parametrize("sample", ["small", "medium"])
def test_protoc_reads_what_we_write(shop_folder, sample):
    order = shop.order(sample)
    data = protobuf.FORMAT.codec(shop.Order).encode(order)
    # EUR and False are zero, and so absent.
    assert json.loads(peer(shop_folder, "shop_pb2", "Order", "read", data.hex())) == {
        "id": "1000000",
        "customer": order.customer,
        "placed": "2024-02-29T12:30:15.250Z",
        "discount": 0.125,
        "lines": [
            {"article": line.article, "quantity": str(line.quantity), "price": str(line.price)}
            for line in order.lines
        ],
    }


def test_we_read_what_protoc_writes(shop_folder):
    given = {
        "id": 5,
        "placed": "1970-01-01T00:00:00Z",
        "currency": "CURRENCY_JPY",
        "lines": [{"price": 7}, {}],
    }
    data = bytes.fromhex(peer(shop_folder, "shop_pb2", "Order", "write", json.dumps(given)))
    assert protobuf.FORMAT.codec(shop.Order).decode(data) == shop.Order(
        id=5,
        customer="",
        placed=datetime(1970, 1, 1, tzinfo=UTC),
        currency=shop.Currency.JPY,
        express=False,
        discount=None,
        lines=[shop.Line("", 0, 7), shop.Line("", 0, 0)],
    )


def test_protoc_reads_every_kind_of_field(moon_folder):
    package = protobuf.file_descriptor(Moon).package
    data = protobuf.FORMAT.codec(Moon).encode(moon(parent=moon(), children=[moon()]))
    found = json.loads(peer(moon_folder, f"{package}.moon_pb2", "Moon", "read", data.hex()))
    assert found == {**PLAIN, "parent": PLAIN, "children": [PLAIN]}


def test_we_read_every_kind_of_field(moon_folder):
    package = protobuf.file_descriptor(Moon).package
    given = json.dumps({**PLAIN, "parent": PLAIN, "children": [PLAIN]})
    data = bytes.fromhex(peer(moon_folder, f"{package}.moon_pb2", "Moon", "write", given))
    assert protobuf.FORMAT.codec(Moon).decode(data) == moon(parent=moon(), children=[moon()])


def test_an_enum_without_zero_gets_one():
    phase, shade = protobuf.file_descriptor(Moon).enum_type
    assert [(value.name, value.number) for value in phase.value] == [
        ("PHASE_UNSPECIFIED", 0),
        ("PHASE_NEW", 1),
        ("PHASE_FULL", 2),
        ("PHASE_LOST", -3),
    ]
    assert [(value.name, value.number) for value in shade.value] == [("SHADE_DARK", 0), ("SHADE_PALE", 1)]


def test_bytes_by_hand():
    codec = protobuf.FORMAT.codec(shop.Order)
    order = shop.Order(
        150,
        "a",
        datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        shop.Currency.USD,
        express=True,
        discount=0.0,
        lines=[],
    )
    data = b"\x08\x96\x01\x12\x01a\x1a\x02\x08\x01\x20\x01\x28\x01\x31" + bytes(8)
    assert codec.encode(order) == data
    assert codec.decode(data) == order
    assert codec.decode(data + b"\x78\x05") == order, "fields that a newer writer added are ignored"


def test_an_int_of_32_bits_is_an_int32():
    message = msgspec.defstruct("Half", [("one", Int32), ("many", list[Int32])])
    codec = protobuf.FORMAT.codec(message)
    types = {field.name: field.type for field in protobuf.file_descriptor(message).message_type[0].field}
    int32 = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
    assert types == {"one": int32, "many": int32}
    # One below 0 takes ten bytes all the same, so that it may be read as an int64, too.
    data = b"\x08" + b"\xff" * 9 + b"\x01" + b"\x12\x01\x05"
    assert codec.encode(message(-1, [5])) == data
    assert codec.decode(data) == message(-1, [5])
    # https://protobuf.dev/programming-guides/proto3/#updating: more bits are cut off, as a cast in C++ does.
    assert codec.decode(b"\x08\x85\x80\x80\x80\x10") == message(5, [])


def test_the_epoch_and_empty_messages_are_present_all_the_same():
    class_ = msgspec.defstruct("Spot", [("when", datetime), ("inner", Crater), ("last", "int | None", None)])
    data = protobuf.FORMAT.codec(class_).encode(class_(datetime(1970, 1, 1, tzinfo=UTC), Crater(0.0)))
    assert data == b"\x0a\x00\x12\x00"


def test_what_is_absent_reads_as_zero():
    value = protobuf.FORMAT.codec(shop.Receipt).decode(b"")
    assert value == shop.Receipt(0, "", shop.Currency.EUR, 0, 0, 0.0, "", datetime(1970, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x08", "Moon: not to be decoded"),
        (b"", "Moon.phase: 0 is no number of Phase"),
        (b"\x08\x09", "Moon.phase: 9 is no number of Phase"),
        (b"\x08\x01\x22\x01a", "Moon.key: b'a' is no UUID of 16 bytes"),
        (b"\x08\x01\x1a\x02\x10\x7f", "Moon.key: b'' is no UUID of 16 bytes"),
        (
            b"\x08\x01\x1a\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "Moon.seen: -1 is no number of nanoseconds",
        ),
        (
            b"\x08\x01\x1a\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            "Moon.seen: 9223372036854775807 is no time",
        ),
        (b"\x08\x01\x5a\x01\xff", "Moon: not to be decoded"),
    ],
)
def test_other_bytes_are_refused(data, text):
    with pytest.raises(ProtocolError) as caught:
        protobuf.FORMAT.codec(Moon).decode(data)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("annotation", "what"),
    [
        (list[list[int]], "inner list"),
        (list[int | None], "inner optional"),
        (list[dict[str, int]], "inner map"),
        (list[int] | None, "inner list"),
        (dict[str, int] | None, "inner map"),
        (dict[str, list[int]], "inner list"),
        (dict[str, int | None], "inner optional"),
        (dict[UUID, int], "no map with such keys"),
        (dict[Phase, int], "no map with such keys"),
    ],
)
def test_what_protobuf_has_no_place_for_is_refused_by_name(annotation, what):
    message = msgspec.defstruct("Place", [("good", int), ("field", annotation)])
    outer = msgspec.defstruct("Outer", [("places", list[message])])
    for one in (message, outer):
        with pytest.raises(SchemaError, match=rf"^Place\.field: .*{what}.*; allowed are: "):
            protobuf.FORMAT.codec(one)


def test_enums_of_more_than_32_bits_are_refused():
    huge = enum.IntEnum("Huge", {"BIG": 2**31})
    with pytest.raises(
        SchemaError, match=r"^One\.size: protobuf's enums have 32 bits; Huge has larger values"
    ):
        protobuf.FORMAT.codec(msgspec.defstruct("One", [("size", huge)]))


def test_names_beyond_ascii_are_refused():
    with pytest.raises(SchemaError, match=r"^One\.größe: a name in protobuf has only"):
        protobuf.FORMAT.codec(msgspec.defstruct("One", [("größe", int)]))


def test_two_types_of_one_name_in_a_message_are_refused():
    first = msgspec.defstruct("Twin", [("a", int)])
    second = msgspec.defstruct("Twin", [("b", int)])
    both = msgspec.defstruct("Both", [("first", first), ("second", list[second])])
    with pytest.raises(SchemaError, match="Both contains two types called Twin"):
        protobuf.FORMAT.codec(both)


def test_messages_of_one_name_do_not_clash_with_each_other():
    first = msgspec.defstruct("Twin", [("a", int)], module="twins")
    second = msgspec.defstruct("Twin", [("a", str)], module="twins")
    assert protobuf.FORMAT.codec(first).decode(b"\x08\x05") == first(5)
    assert protobuf.FORMAT.codec(second).decode(b"\x0a\x015") == second("5")


def test_names_that_clash_only_in_protobuf_are_refused():
    message = msgspec.defstruct("Clash", [("a_b", dict[str, int]), ("aB", dict[str, int])])
    with pytest.raises(SchemaError, match=r"^Clash: protobuf does not take its names"):
        protobuf.FORMAT.codec(message)
