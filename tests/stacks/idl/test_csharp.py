"""The C# export, by inspection: no compiler of it is at hand."""

from __future__ import annotations

import enum
from uuid import UUID

import msgspec
import pytest

from stacks import service, shop
from stacks.errors import SchemaError
from stacks.idl import csharp
from stacks.schema import Int32
from stacks.testing.oracle import Oracle


class Wide(enum.Enum):
    IN_TRANSIT = 1
    LOST = 2**40


class event(msgspec.Struct):  # noqa: N801 -- a keyword of C# is the point
    at: int


class Odd(msgspec.Struct):
    user_id: int
    class_: str
    maxTTL: float  # noqa: N815 -- a name as others write them
    wide: Wide
    maybe: Wide | None
    gaps: list[int | None]
    racks: dict[Wide, list[bytes]] | None
    first: event
    last: event | None
    keys: dict[UUID, event]
    halves: dict[Int32, Int32 | None]


def render(*fields):
    return csharp.render(service.echo(msgspec.defstruct("Odd", fields, module=__name__)))


def properties(text):
    return [line.strip() for line in text.splitlines() if "{ get; set; }" in line]


def test_every_kind_of_field_has_its_type():
    assert properties(csharp.render(service.read(Oracle)))[:13] == [
        "public long Number { get; set; }",
        "public double Share { get; set; }",
        "public bool Sure { get; set; }",
        'public string Text { get; set; } = "";',
        "public byte[] Data { get; set; } = Array.Empty<byte>();",
        "public Colour Colour { get; set; }",
        "public DateTime When { get; set; }",
        "public Guid Key { get; set; }",
        "public string? Maybe { get; set; }",
        "public List<long> Numbers { get; set; } = new();",
        "public Dictionary<string, long> Prices { get; set; } = new();",
        "public List<Point> Points { get; set; } = new();",
        "public int Half { get; set; }",
    ]


def test_names_and_inner_types_are_as_csharp_writes_them():
    assert properties(csharp.render(service.echo(Odd)))[:11] == [
        "public long UserId { get; set; }",
        'public string Class { get; set; } = "";',
        "public double MaxTTL { get; set; }",
        "public Wide Wide { get; set; }",
        "public Wide? Maybe { get; set; }",
        "public List<long?> Gaps { get; set; } = new();",
        "public Dictionary<Wide, List<byte[]>>? Racks { get; set; }",
        "public @event First { get; set; } = new();",
        "public @event? Last { get; set; }",
        "public Dictionary<Guid, @event> Keys { get; set; } = new();",
        "public Dictionary<int, int?> Halves { get; set; } = new();",
    ]


def test_keys_count_from_zero_in_field_order():
    text = csharp.render(service.echo(Odd))
    lines = [line.strip() for line in text.partition("class Odd")[2].splitlines()]
    keys = [line for line in lines if line.startswith("[Key(")][:10]
    assert keys == [f"[Key({number})]" for number in range(10)]


def test_enums_have_their_numbers_in_an_int_where_they_fit():
    text = csharp.render(service.echo(Odd))
    assert "public enum Wide : long\n{\n    InTransit = 1,\n    Lost = 1099511627776,\n}" in text
    assert "public enum Currency : int\n{\n    Eur = 0,\n" in csharp.render(service.read(shop.Shop))


def test_calls_of_all_kinds_are_in_the_interface():
    text = csharp.render(service.read(Oracle))
    for line in (
        "ValueTask<Told> Tell(Ask request",
        "IAsyncEnumerable<Told> Count(Ask request",
        "ValueTask<Told> Gather(IAsyncEnumerable<Ask> requests",
        "IAsyncEnumerable<Told> Converse(IAsyncEnumerable<Ask> requests",
    ):
        assert f"\n    {line}, CancellationToken cancellation = default);\n" in text


def test_the_package_is_the_namespace():
    class Orders:
        package = "acme.orders_v1"

        def place(self, order: event) -> event:
            return order

    Orders.place.__annotations__ = {"order": event, "return": event}
    assert "\nnamespace Acme.OrdersV1;\n" in csharp.render(service.read(Orders))


def test_comments_are_xml():
    class Less(msgspec.Struct):
        """a < b & c."""

        a: int

    assert "/// <summary>a &lt; b &amp; c.</summary>\n[MessagePackObject" in csharp.render(service.echo(Less))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            [("user_id", int), ("userId", int)],
            r"Odd\.user_id and Odd\.userId are both UserId in C#; rename one",
        ),
        ([("odd", int)], r"Odd\.odd would be the property Odd, which C# does not allow there"),
        ([("to_string", int)], r"Odd\.to_string would be the property ToString"),
        ([("serialize", int)], r"Odd\.serialize would be the property Serialize"),
        ([("_1", int)], r"Odd\._1: '1' is no name in C#; rename it"),
        ([("_", int)], r"Odd\._: '' is no name in C#"),
        ([("a", enum.Enum("Kind", ["a", "A"]))], r"Kind\.a and Kind\.A are both A in C#"),
        ([("a", msgspec.defstruct("Guid", [("x", int)]))], "Guid: C# has a type of its own of that name"),
        ([("a", msgspec.defstruct("IOddEcho", [("x", int)]))], "IOddEcho: C# has the service's interface"),
    ],
)
def test_names_that_csharp_does_not_have_are_said(fields, said):
    with pytest.raises(SchemaError, match=said):
        render(*fields)
