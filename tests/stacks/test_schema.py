from __future__ import annotations

import enum
import typing
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
import pytest

from stacks import schema
from stacks.errors import SchemaError
from stacks.schema import Enumeration, Int32, List, Map, Nested, Optional, Scalar
from stacks.shop import Currency, Line, Order

T = TypeVar("T")


class Grade(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Power(enum.Flag):
    READ = 1


class Mixed(enum.Enum):
    A = 1
    B = "b"


class Box(msgspec.Struct, Generic[T]):
    value: T


class Number(Box[int]):
    pass


class Tree(msgspec.Struct):
    name: str
    kids: list[Tree] = []
    crown: Tree | None = None


class Hen(msgspec.Struct):
    eggs: list[Egg]


class Egg(msgspec.Struct):
    hen: Hen | None


class Bad(msgspec.Struct):
    good: int
    tags: set[str]


class Holder(msgspec.Struct):
    bads: list[Bad]


class Lost(msgspec.Struct):
    here: int
    there: Nowhere  # noqa: F821 -- the name that does not exist is the point


def one(annotation: Any, **default: Any) -> type[msgspec.Struct]:
    field = ("field", annotation, default["default"]) if default else ("field", annotation)
    return msgspec.defstruct("One", [field], module=__name__)


def shape(annotation: Any) -> schema.Shape:
    return schema.describe(one(annotation)).fields[0].shape


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, Scalar.INT),
        (float, Scalar.FLOAT),
        (bool, Scalar.BOOL),
        (str, Scalar.STR),
        (bytes, Scalar.BYTES),
        (datetime, Scalar.DATETIME),
        (Annotated[datetime, msgspec.Meta(tz=True)], Scalar.DATETIME),
        (Annotated[int, msgspec.Meta(description="how many")], Scalar.INT),
        (typing.NewType("Metres", int), Scalar.INT),
        (Int32, Scalar.INT32),
        (Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)], Scalar.INT32),
        (Annotated[Int32, msgspec.Meta(description="how many")], Scalar.INT32),
        (Int32 | None, Optional(Scalar.INT32)),
        (list[Int32], List(Scalar.INT32)),
        (dict[Int32, Int32 | None], Map(Scalar.INT32, Optional(Scalar.INT32))),
        (UUID, Scalar.UUID),
        (Currency, Enumeration(Currency)),
        (int | None, Optional(Scalar.INT)),
        (list[float], List(Scalar.FLOAT)),
        (dict[str, Line], Map(Scalar.STR, Nested(Line))),
        (dict[Grade, int], Map(Enumeration(Grade), Scalar.INT)),
        (dict[int, list[str | None]], Map(Scalar.INT, List(Optional(Scalar.STR)))),
        (list[Line] | None, Optional(List(Nested(Line)))),
        (Number, Nested(Number)),
    ],
)
def test_every_annotation_has_its_shape(annotation, expected):
    assert shape(annotation) == expected


@pytest.mark.parametrize(
    ("annotation", "what"),
    [
        (set[int], "set"),
        (tuple[int, ...], "tuple"),
        (tuple[int, str], "tuple"),
        (Any, "any"),
        (list, "any"),
        (date, "date"),
        (Decimal, "decimal"),
        (bytearray, "bytearray"),
        (complex, "complex"),
        (None, "none"),
        (int | str, "union of int, str"),
        (int | str | None, "union of int, str, none"),
        (Literal["a"], "literal"),
        (Power, "Flag Power"),
        (Mixed, "either all str or all int"),
        (Box[int], "generic"),
        (Line | Order, "must be tagged"),
        (dict[float, int], "keys of float"),
        (dict[Line, int], "keys of Line"),
        (dict[int | None, int], "keys of union"),
        (Annotated[int, msgspec.Meta(ge=1)], r"Meta\(ge=1\), and no limits are carried but those of Int32"),
        (Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)], r"Meta\(ge=0, le=2147483647\)"),
        (Annotated[int, msgspec.Meta(ge=-(2**31))], r"those of Int32, Meta\(ge=-2147483648, le=2147483647\)"),
        (Annotated[Int32, msgspec.Meta(multiple_of=2)], r"Meta\(ge=.*, le=.*, multiple_of=2\)"),
        (Annotated[int, msgspec.Meta(gt=-(2**31) - 1, lt=2**31)], r"Meta\(gt=-2147483649, lt=2147483648\)"),
        (Annotated[float, msgspec.Meta(ge=-(2**31), le=2**31 - 1)], r"Meta\(ge="),
        (dict[Annotated[int, msgspec.Meta(ge=1)], int], r"Meta\(ge=1\)"),
        (Int32 | int, "union of int, int"),
        (Annotated[list[int], msgspec.Meta(max_length=1)], r"Meta\(max_length=1\)"),
        (Annotated[datetime, msgspec.Meta(tz=False)], "without time zone"),
        ("Nowhere", "'Nowhere' is not defined"),
    ],
)
def test_other_annotations_are_refused_by_name(annotation, what):
    with pytest.raises(SchemaError, match=rf"One\.field\b.*{what}.*; allowed are: int, Int32, float"):
        schema.describe(one(annotation))


def test_a_field_that_may_be_unset_is_refused():
    message = one(int | msgspec.UnsetType, default=msgspec.UNSET)
    with pytest.raises(SchemaError, match=r"One\.field is UNSET"):
        schema.describe(message)


def test_lists_within_lists_have_an_end():
    five = list[list[list[list[list[int]]]]]
    assert shape(five) == List(List(List(List(List(Scalar.INT)))))
    with pytest.raises(SchemaError, match=r"One\.field nests more than 5 lists and maps; put a Struct"):
        schema.describe(one(list[five]))


def test_the_field_at_fault_is_named_also_in_a_message_within():
    with pytest.raises(SchemaError, match=r"^Bad\.tags is set"):
        schema.describe(Holder)


def test_a_name_that_does_not_exist_is_shown_with_its_field():
    with pytest.raises(SchemaError, match=r"^Lost\.there: name 'Nowhere' is not defined"):
        schema.describe(Lost)


@pytest.mark.parametrize("thing", [int, "Order", Line("nut", 1, 2), Box[int]])
def test_only_a_struct_is_a_message(thing):
    with pytest.raises(SchemaError, match=r"is no message; a msgspec\.Struct is wanted"):
        schema.describe(thing)


def test_fields_keep_their_order_and_defaults():
    message = schema.describe(Tree)
    assert [field.name for field in message.fields] == ["name", "kids", "crown"]
    name, kids, crown = message.fields
    assert name.default is None
    assert kids.default is not None
    assert kids.default() == []
    assert kids.default() is not kids.default()
    assert crown.default is not None
    assert crown.default() is None


def test_a_message_may_contain_itself():
    message = schema.describe(Tree)
    assert message.fields[1].shape == List(Nested(Tree))
    assert [part.name for part in message.parts()] == ["Tree"]


def test_messages_may_contain_each_other():
    hen = schema.describe(Hen)
    assert [part.name for part in hen.parts()] == ["Hen", "Egg"]
    assert hen.parts()[1] == schema.describe(Egg)


def test_parts_are_all_messages_once_and_the_root_first():
    cart = msgspec.defstruct(
        "Cart", [("orders", dict[int, Order]), ("first", Line | None), ("trees", list[Tree])], module=__name__
    )
    assert [part.name for part in schema.describe(cart).parts()] == ["Cart", "Order", "Line", "Tree"]


def test_the_package_is_what_the_module_says_or_its_top_name():
    assert schema.describe(Order).package == "rpcduel"
    assert schema.describe(Tree).package == __name__.partition(".")[0]
    assert schema.describe(msgspec.defstruct("Far", [("n", int)], module="no.such.module")).package == "no"


def test_members_are_numbered_by_value_if_int_else_by_position():
    assert Enumeration(Currency).numbers == {0: 0, 1: 1, 2: 2}
    assert Enumeration(Currency).members == {0: Currency.EUR, 1: Currency.USD, 2: Currency.JPY}
    assert Enumeration(Grade).numbers == {"low": 0, "high": 1}
    assert Enumeration(Grade).members == {0: Grade.LOW, 1: Grade.HIGH}


def test_a_description_is_made_once():
    assert schema.describe(Order) is schema.describe(Order)
