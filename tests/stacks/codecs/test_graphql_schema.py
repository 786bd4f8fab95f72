"""Schemas and documents of services, with graphql-core as the judge of both."""

from __future__ import annotations

import enum
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import graphql as library
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks import service
from stacks.base import Kind, Method, Service
from stacks.codecs import graphql_schema
from stacks.codecs.graphql import FORMAT
from stacks.errors import SchemaError
from stacks.schema import Int32
from stacks.testing.oracle import Oracle

GOLDEN = Path(__file__).parent / "golden" / "shop.graphql"
SHOP = service.load("stacks.shop:Shop")


class Size(enum.IntEnum):
    SMALL = 3
    LARGE = 7
    BIG = 7


class Knob(msgspec.Struct):
    turns: int
    label: str | None


class Empty(msgspec.Struct):
    pass


class Board(msgspec.Struct):
    """Every shape there is, twice nested where it may be."""

    number: int
    share: float
    sure: bool
    text: str
    blob: bytes
    when: datetime
    key: UUID
    size: Size
    knob: Knob
    none: Empty
    maybe: float | None
    maybe_knob: Knob | None
    gaps: list[int | None]
    grid: list[list[float]]
    knobs: list[Knob]
    by_size: dict[Size, str]
    by_flag: dict[bool, Knob]
    knobs_by_key: dict[UUID, list[Knob | None]]
    deep: dict[str, dict[int, datetime]]
    racks: list[dict[str, bytes]]
    maybe_map: dict[str, int] | None
    count: int = 5
    names: list[str] = []
    sizes: dict[str, Size] = msgspec.field(default_factory=lambda: {"a": Size.LARGE})
    stamp: UUID | None = UUID(int=9)
    half: Int32 = 7
    halves: dict[Int32, list[Int32]] = {}


class Boards:
    def same(self, board: Board) -> Board:
        return board


class Node(msgspec.Struct):
    value: int
    below: list[Node]


def of(request, reply=None, name="Try", kind=Kind.UNARY, handler=None):
    methods = (Method(name, request, reply or request, kind, handler or (lambda value: value), "test.Tries"),)
    return Service("test.Tries", methods)


def message(*fields, name="Message", **options):
    return msgspec.defstruct(name, fields, **options)


def execute(offered, payload, document=None):
    """Execute a call as a plain user of graphql-core would; gives what the handler got, and the data."""
    got = []

    def resolver(method):
        def resolve(_root, _info, request):
            got.append(request)
            return method.handler(request)

        return resolve

    schema = graphql_schema.build(offered, resolver)
    text = document or graphql_schema.document(offered.methods[0])
    result = library.graphql_sync(schema, text, variable_values={"input": json.loads(payload)})
    assert result.errors is None
    return got[0], result.data


whens = st.datetimes(datetime(1000, 1, 1), datetime(3000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds
longs = st.integers(-(2**63), 2**63 - 1)
halves = st.integers(-(2**31), 2**31 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
texts, sizes = st.text(max_size=4), st.sampled_from(Size)
knobs = st.builds(Knob, turns=longs, label=st.none() | texts)


def few(each):
    return st.lists(each, max_size=3)


def some(key, each):
    return st.dictionaries(key, each, max_size=3)


boards = st.builds(
    Board,
    number=longs, share=floats, sure=st.booleans(), text=texts, blob=st.binary(max_size=9), when=whens,
    key=st.uuids(), size=sizes, knob=knobs, none=st.just(Empty()), maybe=st.none() | floats,
    maybe_knob=st.none() | knobs, gaps=few(st.none() | longs), grid=few(few(floats)), knobs=few(knobs),
    by_size=some(sizes, texts), by_flag=some(st.booleans(), knobs),
    knobs_by_key=some(st.uuids(), few(st.none() | knobs)), deep=some(texts, some(longs, whens)),
    racks=few(some(texts, st.binary(max_size=3))), maybe_map=st.none() | some(texts, longs), count=longs,
    names=few(texts), sizes=some(texts, sizes), stamp=st.none() | st.uuids(), half=halves,
    halves=some(halves, few(halves)),
)  # fmt: skip
BOARD = Board(
    1, 1.5, bool(1), "ä", b"\xff", datetime(2024, 2, 29, tzinfo=UTC), UUID(int=1), Size.SMALL, Knob(1, None),
    Empty(), None, None, [None], [[0.5]], [Knob(2, "k")], {Size.SMALL: "s"}, {True: Knob(3, "t")},
    {UUID(int=2): [None]}, {"d": {1: datetime(2024, 1, 1, tzinfo=UTC)}}, [{"r": b"x"}], None,
)  # fmt: skip


class TestTypes:
    def test_the_shop(self):
        assert graphql_schema.sdl(SHOP) == GOLDEN.read_text()

    @pytest.mark.parametrize("offered", [SHOP, service.read(Boards), service.read(Oracle), of(Node)])
    def test_another_reader_takes_the_text_and_writes_the_same(self, offered):
        text = graphql_schema.sdl(offered)
        schema = library.build_schema(text)
        assert library.validate_schema(schema) == []
        assert library.print_schema(schema) + "\n" == text

    def test_only_what_is_optional_is_nullable(self):
        board = graphql_schema.build(service.read(Boards)).type_map["Board"]
        types = {name: str(field.type) for name, field in board.fields.items()}
        assert types == {
            "number": "Long!", "share": "Float!", "sure": "Boolean!", "text": "String!", "blob": "Bytes!",
            "when": "DateTime!", "key": "UUID!", "size": "Size!", "knob": "Knob!", "none": "Empty!",
            "maybe": "Float", "maybe_knob": "Knob", "gaps": "[Long]!", "grid": "[[Float!]!]!",
            "knobs": "[Knob!]!", "by_size": "[BoardBySizeEntry!]!", "by_flag": "[BoardByFlagEntry!]!",
            "knobs_by_key": "[BoardKnobsByKeyEntry!]!", "deep": "[BoardDeepEntry!]!",
            "racks": "[[BoardRacksEntry!]!]!", "maybe_map": "[BoardMaybeMapEntry!]", "count": "Long!",
            "names": "[String!]!", "sizes": "[BoardSizesEntry!]!", "stamp": "UUID",
            "half": "Int!", "halves": "[BoardHalvesEntry!]!",
        }  # fmt: skip

    def test_defaults_are_declared(self):
        fields = graphql_schema.build(service.read(Boards)).type_map["BoardInput"].fields
        assert {name: field.default.value for name, field in fields.items() if field.default} == {
            "count": 5, "names": [], "sizes": [{"key": "a", "value": "LARGE"}], "stamp": str(UUID(int=9)),
            "half": 7, "halves": [],
        }  # fmt: skip

    def test_a_default_that_is_new_every_time_is_not_declared(self):
        counter = iter(range(100))
        made = message(("n", int, msgspec.field(default_factory=lambda: next(counter))))
        assert graphql_schema.build(of(made)).type_map["MessageInput"].fields["n"].default is None

    def test_an_alias_of_an_enums_member_is_no_value_of_its_own(self):
        size = graphql_schema.build(service.read(Boards)).type_map["Size"]
        assert list(size.values) == ["SMALL", "LARGE"]

    def test_methods_with_streams_are_left_out(self):
        assert set(graphql_schema.build(service.read(Oracle)).mutation_type.fields) == {
            "same", "tell", "grow", "refuse", "crash",
        }  # fmt: skip

    def test_the_name_of_the_service_can_be_asked(self):
        result = library.graphql_sync(graphql_schema.build(SHOP), "{service}")
        assert result.data == {"service": "rpcduel.Shop"}


class TestRefused:
    @pytest.mark.parametrize(
        ("made", "where"),
        [
            (message(("größe", int)), r"^Message\.größe: 'größe' is no name that GraphQL takes"),
            (message(("__size__", int)), r"^Message\.__size__: '__size__' is no name that GraphQL takes"),
            (message(("x", int), name="Über"), r"^message Über: 'Über' is no name"),
            (message(("x", enum.Enum("E", ["true"]))), r"^Message\.x: E\.true cannot be"),
            (message(("x", enum.Enum("E", ["null"]))), r"^Message\.x: E\.null cannot be"),
            (message(("x", dict[enum.Enum("E", ["ä"]), int])), r"^Message\.x: E\.ä: 'ä' is no name"),
            (message(("x", int), name="__Message"), r"^message __Message: "),
        ],
    )
    def test_names_that_graphql_does_not_take(self, made, where):
        with pytest.raises(SchemaError, match=where):
            FORMAT.codec(made)
        with pytest.raises(SchemaError, match=where):
            graphql_schema.sdl(of(made))

    @pytest.mark.parametrize("name", ["String", "Long", "DateTime", "Query", "Mutation", "Boolean"])
    def test_names_that_graphql_keeps(self, name):
        with pytest.raises(SchemaError, match=f"and GraphQL are both {name} in GraphQL; rename one"):
            graphql_schema.sdl(of(message(("x", int), name=name)))

    def test_two_messages_of_one_name(self):
        first, second = message(("x", int), name="Twin"), message(("y", int), name="Twin")
        with pytest.raises(SchemaError, match="are both TwinInput"):
            graphql_schema.sdl(of(message(("a", first), ("b", second)), Empty))
        with pytest.raises(SchemaError, match="are both Twin in"):
            graphql_schema.sdl(of(Empty, message(("a", first), ("b", second))))

    def test_a_reply_named_like_the_input_of_a_request(self):
        other = message(("y", int), name="EmptyInput")
        with pytest.raises(SchemaError, match="are both EmptyInput"):
            graphql_schema.sdl(of(Empty, other))

    def test_two_methods_of_one_name(self):
        both = Service("test.Both", (*of(Empty, name="Try").methods, *of(Empty, name="try").methods))
        with pytest.raises(SchemaError, match=r"test\.Both has two methods 'try'"):
            graphql_schema.sdl(both)

    def test_a_method_that_is_no_name(self):
        with pytest.raises(SchemaError, match="method Prüfe: 'Prüfe' is no name"):
            graphql_schema.sdl(of(Empty, name="Prüfe"))

    def test_no_unary_method(self):
        with pytest.raises(SchemaError, match=r"test\.Tries has no unary method"):
            graphql_schema.sdl(of(Empty, kind=Kind.BIDI))

    def test_a_default_of_another_type(self):
        with pytest.raises(SchemaError, match=r"^Message\.x has a default that GraphQL cannot carry"):
            graphql_schema.sdl(of(message(("x", int, "one"))))

    def test_a_reply_that_contains_itself(self):
        with pytest.raises(SchemaError, match=r"^Node\.below contains Node again"):
            graphql_schema.document(of(Node).methods[0])


class TestDocuments:
    def test_all_of_the_reply_is_selected(self):
        assert graphql_schema.document(SHOP["Quote"]) == (
            "mutation Quote($input:OrderInput!){quote(input:$input)"
            "{order customer currency pieces net tax longest due}}"
        )

    @pytest.mark.parametrize("offered", [SHOP, service.read(Boards), service.read(Oracle), of(Empty)])
    def test_graphql_core_finds_them_valid(self, offered):
        schema = graphql_schema.build(offered)
        for method in offered.methods:
            if method.kind is Kind.UNARY:
                document = library.parse(graphql_schema.document(method))
                assert library.validate(schema, document) == []

    def test_a_request_may_contain_itself(self):
        tree = Node(1, [Node(2, []), Node(3, [Node(4, [])])])
        got, data = execute(of(Node, Empty, handler=lambda _: Empty()), FORMAT.codec(Node).encode(tree))
        assert got == tree
        assert data == {"try": {"_": None}}


class TestWhatIsCarried:
    @given(board=boards)
    @settings(max_examples=100, deadline=None)
    def test_graphql_core_and_the_codec_agree(self, board):
        codec = FORMAT.codec(Board)
        got, data = execute(service.read(Boards), codec.encode(board))
        assert got == board
        assert codec.from_tree(data["same"]) == board

    def test_types_come_as_the_application_has_them(self):
        got, _ = execute(service.read(Boards), FORMAT.codec(Board).encode(BOARD))
        assert got == BOARD
        assert type(got.size) is Size
        assert type(got.knob) is Knob
        assert type(got.key) is UUID
        assert type(got.by_flag) is dict

    def test_what_is_left_out_has_its_default_or_is_none(self):
        tree = json.loads(FORMAT.codec(Board).encode(BOARD))
        for name in ("count", "names", "sizes", "stamp", "maybe", "maybe_knob", "maybe_map"):
            del tree[name]
        got, _ = execute(service.read(Boards), json.dumps(tree))
        assert got == BOARD
        assert FORMAT.codec(Board).from_tree(tree) == BOARD

    def test_defaults_are_not_shared_between_requests(self):
        made = message(
            ("names", list[str], []), ("knobs", list[list[Knob]], msgspec.field(default_factory=list))
        )
        seen = []

        def resolve(_root, _info, request):
            seen.append((list(request.names), list(request.knobs)))
            request.names.append("left by another")
            request.knobs.append([])
            return request

        schema = graphql_schema.build(of(made), lambda _: resolve)
        for text in ("mutation{try(input:{}){names}}",) * 2:
            assert library.graphql_sync(schema, text).data == {"try": {"names": ["left by another"]}}
        assert seen == [([], []), ([], [])]

    def test_literals_instead_of_variables(self):
        schema = graphql_schema.build(of(Board), lambda _: lambda _root, _info, request: request)
        value = json.loads(FORMAT.codec(Board).encode(BOARD))
        tree = library.value_to_literal(value, schema.type_map["BoardInput"])
        selection = graphql_schema.document(of(Board).methods[0]).partition("$input)")[2]
        result = library.graphql_sync(schema, f"mutation{{try(input:{library.print_ast(tree)}){selection}")
        assert result.errors is None
        assert FORMAT.codec(Board).from_tree(result.data["try"]) == BOARD

    @pytest.mark.parametrize(
        ("field", "wrong"),
        [
            ("number", 2**63), ("number", -(2**63) - 1), ("number", True), ("number", "1"), ("number", 1.5),
            ("share", "1"), ("share", 1e999), ("sure", 1), ("text", 1), ("blob", "?"), ("blob", "QQ"),
            ("when", "2024-02-29T12:00:00"), ("when", "today"), ("when", 5), ("key", "12"), ("size", "HUGE"),
            ("size", 3), ("knob", {}), ("knob", {"turns": 1, "label": None, "x": 1}), ("gaps", [None, "x"]),
            ("by_size", [{"key": "SMALL"}]), ("by_size", {"SMALL": "s"}), ("number", None),
            ("by_size", [{"key": "SMALL", "value": "a"}, {"key": "SMALL", "value": "b"}]),
        ],
    )  # fmt: skip
    def test_what_is_wrong_in_a_request_is_told(self, field, wrong):
        tree = json.loads(FORMAT.codec(Board).encode(BOARD)) | {field: wrong}
        schema = graphql_schema.build(service.read(Boards), lambda _: pytest.fail)
        text = graphql_schema.document(service.read(Boards).methods[0])
        result = library.graphql_sync(schema, text, variable_values={"input": tree})
        assert result.data is None
        assert result.errors
        assert result.errors[0].path is None


class TestCodec:
    """What only this format has; the rest stands in the tests of all codecs."""

    def test_a_known_answer(self):
        assert FORMAT.codec(Board).encode(BOARD).decode() == (
            '{"number":1,"share":1.5,"sure":true,"text":"ä","blob":"/w==","when":"2024-02-29T00:00:00Z",'
            '"key":"00000000-0000-0000-0000-000000000001","size":"SMALL","knob":{"turns":1,"label":null},'
            '"none":{},"maybe":null,"maybe_knob":null,"gaps":[null],"grid":[[0.5]],'
            '"knobs":[{"turns":2,"label":"k"}],"by_size":[{"key":"SMALL","value":"s"}],'
            '"by_flag":[{"key":true,"value":{"turns":3,"label":"t"}}],'
            '"knobs_by_key":[{"key":"00000000-0000-0000-0000-000000000002","value":[null]}],'
            '"deep":[{"key":"d","value":[{"key":1,"value":"2024-01-01T00:00:00Z"}]}],'
            '"racks":[[{"key":"r","value":"eA=="}]],"maybe_map":null,"count":5,"names":[],'
            '"sizes":[{"key":"a","value":"LARGE"}],"stamp":"00000000-0000-0000-0000-000000000009",'
            '"half":7,"halves":[]}'
        )

    def test_options_of_the_class_change_nothing(self):
        made = message(
            ("n", int, 0), ("many", list[int], []),
            rename="camel", omit_defaults=True, array_like=True, tag=True, forbid_unknown_fields=True,
        )  # fmt: skip
        assert FORMAT.codec(made).encode(made()) == b'{"n":0,"many":[]}'
        assert FORMAT.codec(made).decode(b'{"n":1,"many":[2],"other":3}') == made(1, [2])

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"number": 2**63}, r"^Board\.number: 9223372036854775808 is no int of 64 bits$"),
            ({"gaps": [1, None, -(2**63) - 1]}, r"^Board\.gaps\[2\]: -9223372036854775809 is no int of 64"),
            ({"half": 2**31}, r"^Board\.half: 2147483648 is no int of 32 bits$"),
            ({"halves": {0: [-(2**31) - 1]}}, r"^Board\.halves\[0\]\[0\]: -2147483649 is no int of 32 bits$"),
            ({"number": "five"}, r"^Board\.number: 'five' is no int$"),
            ({"share": float("nan")}, r"^Board\.share: nan is no finite float$"),
            ({"grid": [[1.0, float("-inf")]]}, r"^Board\.grid\[0\]\[1\]: -inf is no finite float$"),
            ({"size": "SMALL"}, r"^Board\.size: 'SMALL' is no Size$"),
            ({"knob": None}, r"^Board\.knob: None is no Knob$"),
            ({"by_size": [1]}, r"^Board\.by_size: \[1\] is no dict$"),
            ({"when": "today"}, r"^Board\.when: 'today' is no datetime$"),
            ({"blob": "text"}, r"^Board\.blob: 'text' is no bytes$"),
        ],
    )
    def test_what_cannot_be_written_names_the_field(self, change, where):
        with pytest.raises(Exception, match=where) as caught:
            FORMAT.codec(Board).encode(msgspec.structs.replace(BOARD, **change))
        assert type(caught.value).__name__ == "ProtocolError"

    @pytest.mark.parametrize(
        ("field", "wrong", "where"),
        [
            ("number", 2**63, r"^Board\.number: 9223372036854775808 is no int of 64 bits$"),
            ("number", 1.0, r"^Board\.number: 1\.0 is no int of 64 bits$"),
            ("number", True, r"^Board\.number: True is no int of 64 bits$"),
            ("half", 2**31, r"^Board\.half: 2147483648 is no int of 32 bits$"),
            ("half", True, r"^Board\.half: True is no int of 32 bits$"),
            ("halves", [{"key": 2**31, "value": []}], r"^Board\.halves: 2147483648 is no int of 32 bits$"),
            ("share", "1", r"^Board\.share: '1' is no finite float$"),
            ("share", 1e999, r"^Board\.share: inf is no finite float$"),
            ("sure", 0, r"^Board\.sure: 0 is no bool$"),
            ("blob", "QQ", r"^Board\.blob: 'QQ' is no base64 text$"),
            ("when", "2024-02-29T12:00:00", r"^Board\.when: .* is no datetime with a time zone$"),
            ("key", "x", r"^Board\.key: 'x' is no UUID$"),
            ("size", "HUGE", r"^Board\.size: 'HUGE' is no name of Size$"),
            ("knob", {"turns": 1.5}, r"^Board\.knob\.turns: 1\.5 is no int"),
            ("knob", {}, r"^Board\.knob\.turns is missing: the object has 0 entries$"),
            ("knob", [], r"^Board\.knob: \[\] is no object$"),
            ("knobs", [None], r"^Board\.knobs: None is no object$"),
            ("by_size", [{"key": "SMALL"}], r"^Board\.by_size: an entry of a map has no 'value'$"),
            ("by_size", [["SMALL", "a"]], r"^Board\.by_size: \['SMALL', 'a'\] is no entry of a map$"),
            ("by_size", {}, r"^Board\.by_size: {} is no list of entries$"),
            ("deep", [{"key": "a", "value": []}] * 2, r"^Board\.deep: 'a' is no key that comes once$"),
            ("gaps", [None, "x"], r"^Board\.gaps: 'x' is no int of 64 bits$"),
        ],
    )
    def test_what_cannot_be_read_names_the_field(self, field, wrong, where):
        tree = json.loads(FORMAT.codec(Board).encode(BOARD)) | {field: wrong}
        with pytest.raises(Exception, match=where) as caught:
            FORMAT.codec(Board).from_tree(tree)
        assert type(caught.value).__name__ == "ProtocolError"

    def test_whole_numbers_are_floats_where_floats_are_wanted(self):
        tree = json.loads(FORMAT.codec(Board).encode(BOARD)) | {"share": 2}
        assert repr(FORMAT.codec(Board).from_tree(tree).share) == "2.0"
