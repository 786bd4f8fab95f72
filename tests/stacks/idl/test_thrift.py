"""The .thrift file as thriftpy2 reads it."""

from __future__ import annotations

import enum
import io
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
import thriftpy2
from thriftpy2.protocol import TCyBinaryProtocolFactory
from thriftpy2.rpc import client_context
from thriftpy2.thrift import TType
from thriftpy2.transport import TCyFramedTransportFactory
from thriftpy2.utils import deserialize, serialize

import stacks
from stacks import service, shop
from stacks.base import Address, Options
from stacks.codecs.thrift import BINARY
from stacks.errors import SchemaError
from stacks.idl import keywords, thrift
from stacks.testing.oracle import FULL, WIDE, Colour, Oracle, Wide


def loaded(offered, name="exported_thrift"):
    return thriftpy2.load_fp(io.StringIO(thrift.render(offered)), module_name=name)


@pytest.fixture
def oracle():
    return loaded(service.read(Oracle), "oracle_thrift")


def test_fields_count_from_one_in_their_order(oracle):
    spec = oracle.Wide.thrift_spec
    names = [name.replace("when", "when_") for name in Wide.__struct_fields__]
    assert [spec[number][1] for number in range(1, 14)] == names
    types = [
        TType.I64, TType.DOUBLE, TType.BOOL, TType.STRING, TType.BINARY, TType.I32,
        TType.I64, TType.BINARY, TType.STRING, TType.LIST, TType.MAP, TType.LIST, TType.I32,
    ]  # fmt: skip
    assert [spec[number][0] for number in range(1, 14)] == types
    assert "  9: optional string maybe," in thrift.render(service.read(Oracle)).splitlines()


def test_what_is_written_is_read_again(oracle):
    wide = oracle.Wide(
        number=-(2**63),
        share=0.1,
        sure=True,
        text="世界",
        data=b"\xff",
        colour=oracle.Colour.BLUE,
        when_=1_709_210_415_250_000,
        key=UUID(int=5).bytes,
        maybe=None,
        numbers=[1, 2**40],
        prices={"a": 1},
        points=[oracle.Point(x=1, y=0.5)],
        half=-(2**31),
    )
    assert deserialize(oracle.Wide(), serialize(wide)) == wide


@pytest.mark.parametrize("wide", [WIDE, FULL], ids=["empty", "full"])
def test_bytes_of_the_files_classes_and_ours_are_the_same(oracle, wide):
    codec = BINARY.codec(Wide)
    theirs = deserialize(oracle.Wide(), codec.encode(wide))
    assert (theirs.number, theirs.maybe, theirs.prices) == (wide.number, wide.maybe, wide.prices)
    assert (theirs.key, theirs.colour) == (wide.key.bytes, [*Colour].index(wide.colour))
    assert theirs.when_ == (wide.when - WIDE.when) // timedelta(microseconds=1)
    assert codec.decode(serialize(theirs)) == wide


def test_methods_take_a_request_and_fail_with_an_error(oracle):
    tell = oracle.Oracle
    assert tell.Tell_args.thrift_spec[1][:2] == (TType.STRUCT, "request")
    assert tell.Tell_args.thrift_spec[1][2] is oracle.Ask
    assert tell.Tell_result.thrift_spec[0][2] is oracle.Told
    assert tell.Tell_result.thrift_spec[1][1:3] == ("error", oracle.RpcError)
    assert {number: spec[1] for number, spec in oracle.RpcError.thrift_spec.items()} == {1: "code", 2: "text"}


def test_a_client_made_from_the_file_calls_our_server(oracle):
    with (
        stacks.find("thrift-binary").serve(service.read(Oracle), Address(), Options()) as served,
        client_context(
            oracle.Oracle,
            served.address.host,
            served.address.port,
            proto_factory=TCyBinaryProtocolFactory(),
            trans_factory=TCyFramedTransportFactory(),
        ) as client,
    ):
        assert client.Tell(oracle.Ask(id=7, text="ü")) == oracle.Told(id=7, text="ü")
        with pytest.raises(oracle.RpcError) as caught:
            client.Refuse(oracle.Ask(id=1, text="NOT_FOUND"))
        assert (caught.value.code, caught.value.text) == ("NOT_FOUND", "refused no. 1")


def test_streams_are_left_out_and_it_is_said_why(oracle):
    assert oracle.Oracle.thrift_services == ["Same", "Tell", "Grow", "Refuse", "Crash"]
    text = thrift.render(service.read(Oracle))
    assert "  // Gather is left out: it is a client-stream call, and Thrift has no streams.\n" in text


def test_a_message_that_contains_itself_is_read():
    tree = loaded(service.echo(Tree), "tree_thrift")
    value = tree.Tree(name="root", kids=[tree.Tree(name="kid", kids=[])])
    assert deserialize(tree.Tree(), serialize(value)) == value


def test_enums_have_their_numbers(oracle):
    assert oracle.Colour._VALUES_TO_NAMES == {0: "RED", 1: "BLUE"}
    shop_ = loaded(service.read(shop.Shop), "shop_thrift")
    assert shop_.Currency._VALUES_TO_NAMES == {0: "EUR", 1: "USD", 2: "JPY"}


class Tree(msgspec.Struct):
    name: str
    kids: list[Tree]
    leaf: Leaf | None = None


class Leaf(msgspec.Struct):
    tree: Tree | None = None


class Huge(enum.IntEnum):
    ALL = 2**31


class Watcher:
    def watch(self, tree: Tree) -> Iterator[Tree]:
        yield tree


class Asker:
    def ask(self, tree: Tree) -> Tree:
        return tree


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([("end", int), ("end_", int)], "Odd has two parts that are called end_ in Thrift; rename one"),
        ([("größe", int)], r"Odd\.größe: 'größe' is no name"),
        ([("gaps", list[int | None])], r"Odd\.gaps: Thrift has no None in a list or map"),
        ([("gaps", dict[str, int | None])], r"Odd\.gaps: Thrift has no None in a list or map"),
        ([("huge", Huge)], r"Huge\.ALL: Thrift's enums have 32 bits; 2147483648 is more"),
        (
            [("odd", msgspec.defstruct("RpcError", [("x", int)]))],
            "RpcError: in Thrift what calls fail with is called",
        ),
        ([("odd", msgspec.defstruct("OddEcho", [("x", int)]))], "OddEcho: in Thrift the service is called"),
        ([("odd", enum.Enum("Kind", ["begin", "begin_"]))], "Kind has two parts that are called begin_"),
        ([("odd", enum.Enum("Kind", ["größe"]))], r"Kind\.größe: 'größe' is no name in Thrift"),
    ],
)
def test_what_thrift_cannot_carry_or_name_is_said(fields, said):
    with pytest.raises(SchemaError, match=said):
        thrift.render(service.echo(msgspec.defstruct("Odd", fields, module=__name__)))


@pytest.mark.parametrize(("package", "name"), [("acme.end", "Shop"), ("acme", "BEGIN")])
def test_names_on_the_wire_are_not_changed(package, name):
    cls = type(name, (), {"package": package, "ask": Asker.ask})
    with pytest.raises(
        SchemaError, match=f"service {package}.{name}: '.*' is a word that Thrift keeps to itself"
    ):
        thrift.render(service.read(cls))


def test_a_service_of_streams_alone_is_refused():
    with pytest.raises(SchemaError, match=r"Watcher has no unary method, and Thrift carries no streams"):
        thrift.render(service.read(Watcher))


def test_the_words_that_thriftpy2_keeps_are_kept():
    from thriftpy2.parser import lexer

    assert {*lexer.keywords, *lexer.thrift_reserved_keywords} <= keywords.THRIFT
