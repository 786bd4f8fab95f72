import sys
from collections.abc import Iterable, Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks import service, shop
from stacks.base import Kind
from stacks.errors import SchemaError


class Price(msgspec.Struct):
    amount: int


class Query(msgspec.Struct):
    article: str


class Prices:
    package = "acme.v1"
    discount = 3

    def get_price(self, query: Query) -> Price:
        return Price(len(query.article) - self.discount)

    def watch(self, query: Query) -> Iterator[Price]:
        yield self.get_price(query)

    def sum_up(self, prices: Iterable[Price]) -> Price:
        return Price(sum(price.amount for price in prices))

    def relay(self, queries: Iterator[Query]) -> Iterable[Price]:
        return map(self.get_price, queries)

    def _secret(self, anything):
        raise AssertionError(anything)

    @property
    def size(self) -> int:
        return 1

    @staticmethod
    def helper(x: int) -> int:
        return x


def test_every_public_method_is_an_rpc_with_its_types():
    found = service.read(Prices)
    assert found.name == "acme.v1.Prices"
    assert found.delay == 0
    assert [(m.name, m.request, m.reply, m.kind) for m in found.methods] == [
        ("GetPrice", Query, Price, Kind.UNARY),
        ("Watch", Query, Price, Kind.SERVER),
        ("SumUp", Price, Price, Kind.CLIENT),
        ("Relay", Query, Price, Kind.BIDI),
    ]
    assert {method.service for method in found.methods} == {"acme.v1.Prices"}


def test_handlers_are_bound_to_one_instance():
    found = service.read(Prices)
    assert found["GetPrice"].handler(Query("bolts")) == Price(2)
    assert len({id(method.handler.__self__) for method in found.methods}) == 1


def test_a_service_without_a_package_is_filed_under_its_top_module():
    class Bare(Prices):
        def ask(self, query: Query) -> Price:
            return Price(len(query.article))

    Bare.__module__ = "orders.prices.bare"
    del Prices.package
    try:
        found = service.read(Bare)
    finally:
        Prices.package = "acme.v1"
    assert found.name == "orders.Bare"
    assert [method.name for method in found.methods] == ["Ask"]


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(
        SchemaError,
        match=r"service acme.v1.Prices has no method 'get_price'; it has: GetPrice, Watch, SumUp, Relay",
    ):
        service.read(Prices)["get_price"]


def test_the_default_service_loads():
    found = service.load(service.DEFAULT)
    assert found.name == "rpcduel.Shop"
    assert [method.name for method in found.methods] == [
        *("Quote", "Echo", "Quotes", "Basket", "Haggle", "Upload", "Download", "Relay")
    ]
    assert found["Quote"].handler(shop.order("small")).pieces > 0


def method_of(annotations, *, parameters="query"):
    """Make a class with one method of these annotations."""
    scope = {}
    exec(f"def ask(self, {parameters}): pass", scope)
    scope["ask"].__annotations__ = annotations
    return type("Odd", (), {"ask": scope["ask"]})


ONE = "Odd.ask must have one annotated argument and an annotated result"


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (method_of({}), ONE),
        (method_of({"query": Query}), ONE),
        (method_of({"return": Price}), ONE),
        (method_of({"a": Query, "b": Query, "return": Price}, parameters="a, b"), ONE),
        (method_of({"a": Query, "return": Price}, parameters="a, b"), ONE),
        (method_of({"a": Query, "return": Price}, parameters="a, b=1"), ONE),
        (method_of({"query": Query, "return": None}), "Odd.ask: <class 'NoneType'> is no message"),
        (method_of({"query": int, "return": Price}), "Odd.ask: <class 'int'> is no message"),
        (method_of({"query": Query, "return": list[Price]}), r"Odd.ask: list\[.*Price\] is no message"),
        (method_of({"query": Iterable[int], "return": Price}), "Odd.ask: .*int.* is no message"),
        (method_of({"query": Iterable, "return": Price}), "Odd.ask: .*Iterable.* is no message"),
        (
            method_of({"query": "Nowhere", "return": Price}),
            "Odd.ask: an annotation cannot be found: .*'Nowhere'",
        ),
        (type("Empty", (), {"_hidden": lambda _self: None, "x": 1}), "service Empty has no public method"),
        (
            type("Needy", (), {"__init__": lambda _self, _database: None}),
            "service Needy cannot be made without arguments: .*database",
        ),
    ],
)
def test_a_class_that_is_no_service_is_refused_with_the_method_at_fault(cls, said):
    with pytest.raises(SchemaError, match=said):
        service.read(cls)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "'' is no service; write module:Class, for example stacks.shop:Shop"),
        ("shop", "'shop' is no service; write module:Class"),
        ("shop:", "'shop:' is no service; write module:Class"),
        (":Shop", "':Shop' is no service; write module:Class"),
        (
            "no.such.module:Shop",
            "service 'no.such.module:Shop': there is no module 'no' in ",
        ),
        ("stacks.shop:Kiosk", "service 'stacks.shop:Kiosk': module 'stacks.shop' has no 'Kiosk'"),
        ("stacks.shop:SAMPLES", "service 'stacks.shop:SAMPLES' is a dict; a class is wanted"),
        ("stacks.shop:order", "service 'stacks.shop:order' is a function; a class is wanted"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_with_the_remedy(path, said):
    with pytest.raises(SchemaError) as caught:
        service.load(path)
    assert str(caught.value).startswith(said)


def test_a_users_own_module_loads(tmp_path, monkeypatch):
    (tmp_path / "acme_orders.py").write_text(
        "from __future__ import annotations\n"
        "import msgspec\n"
        "class Order(msgspec.Struct):\n    id: int\n"
        "class Orders:\n    def place(self, order: Order) -> Order:\n        return order\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        found = service.load("acme_orders:Orders")
    finally:
        sys.modules.pop("acme_orders", None)
    assert (found.name, found.methods[0].name) == ("acme_orders.Orders", "Place")


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("quote", "Quote"),
        ("get_price", "GetPrice"),
        ("get_2_prices", "Get2Prices"),
        ("getPrice", "GetPrice"),
        ("v1", "V1"),
    ],
)
def test_names_on_the_wire(name, wire):
    assert service.wire_name(name) == wire


@given(st.lists(st.from_regex(r"[a-z][a-z0-9]*", fullmatch=True), min_size=1, max_size=4))
def test_a_name_on_the_wire_is_its_words_with_capitals(words):
    assert service.wire_name("_".join(words)) == "".join(word[0].upper() + word[1:] for word in words)
