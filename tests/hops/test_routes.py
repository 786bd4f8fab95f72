"""Routes as text, as a file, and how one is found."""

from __future__ import annotations

import pytest

from stacks import service
from stacks.base import Address, Route
from stacks.errors import AddressError, StackError
from stacks.hops import routes
from stacks.hops.routes import GRPC, HTTP, Table

HERE = Address("127.0.0.1", 50051)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("127.0.0.1:50051", Route("/", HERE)),
        ("/a.B/=127.0.0.1:50051", Route("/a.B/", HERE)),
        ("/a=b/=grpc://127.0.0.1:50051", Route("/a=b/", HERE, GRPC)),
        ("http://127.0.0.1:50051", Route("/", HERE, HTTP)),
        ("/=[::1]:1", Route("/", Address("::1", 1))),
    ],
)
def test_a_route_is_read(text, wanted):
    assert routes.parse(text) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' is no address"),
        ("/a/=", "'' is no address"),
        ("/a/=nowhere", "'nowhere' is no address"),
        ("/a/=ftp://127.0.0.1:1", "neither grpc:// nor http://"),
        ("a/=127.0.0.1:1", "no path begins with 'a/'"),
    ],
)
def test_what_is_no_route_is_named(text, says):
    with pytest.raises(StackError, match=says):
        routes.parse(text)


def test_a_file_of_routes_is_read(tmp_path):
    path = tmp_path / "routes.toml"
    path.write_text(
        """
        [[route]]
        prefix = "/rpcduel.Shop/"
        upstream = "grpc://127.0.0.1:50051"
        service = "stacks.shop:Shop"

        [[route]]
        upstream = "127.0.0.1:50052"
        """
    )
    shop, rest = routes.read(path)
    assert (shop.prefix, shop.upstream, shop.kind) == ("/rpcduel.Shop/", HERE, GRPC)
    assert "/rpcduel.Shop/Quote" in shop.unary
    assert rest == Route("/", Address("127.0.0.1", 50052))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"no routes; begin each with a line \[\[route\]\]"),
        ("route = 1", "no routes"),
        ("route = [1]", "route 1: 1 is no table"),
        ("[[route]", "line 1, column"),
        ("[[routes]]\nupstream = 'x'", "no key 'routes'"),
        ("[[route]]\nprefix = '/'", "route 1: upstream is missing"),
        ("[[route]]\nupstream = 50051", "route 1: upstream must be text in quotes, not 50051"),
        ("[[route]]\nupstream = 'x'", "route 1: upstream: 'x' is no address"),
        ("[[route]]\nupstream = 'x:1'\nport = 1", "route 1: there is no key 'port'; keys are: prefix, ups"),
        ("[[route]]\nupstream = 'x:1'\nprefix = 'x'", "route 1: prefix: no path begins with 'x'"),
        ("[[route]]\nupstream = 'x:1'\nservice = 'no.such:Thing'", "route 1: service: .*no.such"),
        (
            "[[route]]\nupstream = 'x:1'\n[[route]]\nupstream = 'x:2'",
            "two routes for / .grpc., to x:1 and to x:2",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_named_with_its_place(tmp_path, text, says):
    path = tmp_path / "routes.toml"
    path.write_text(text)
    with pytest.raises(StackError, match=f"routes.toml: .*{says}"):
        routes.read(path)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "routes.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StackError, match=r"routes\.toml: cannot be read"):
        routes.read(path)


def test_the_longest_prefix_of_the_right_kind_is_found():
    every, of_grpc, of_http = Route("/", HERE), Route("/a.B/", HERE, GRPC), Route("/a.B/C", HERE, HTTP)
    given = (every, of_grpc, of_http)
    found = {
        (carried, path): Table(given, carried).find(path)
        for carried in (GRPC, HTTP)
        for path in ("/a.B/C", "/a.B", "*")
    }
    assert found == {
        (GRPC, "/a.B/C"): of_grpc,
        (HTTP, "/a.B/C"): of_http,
        (GRPC, "/a.B"): every,
        (HTTP, "/a.B"): every,
        (GRPC, "*"): None,
        (HTTP, "*"): None,
    }


def test_one_prefix_may_go_two_ways_by_kind_but_not_twice():
    other = Address("127.0.0.1", 1)
    routes.check([Route("/", HERE, GRPC), Route("/", other, HTTP)])
    for first, second in [("", ""), ("", GRPC), (HTTP, "")]:
        with pytest.raises(StackError, match="keep one"):
            routes.check([Route("/", HERE, first), Route("/", other, second)])


def test_unary_methods_are_told_by_a_service():
    [route] = routes.known([Route("/", HERE)], service.load("stacks.shop:Shop"))
    assert {path.rpartition("/")[0] for path in route.unary} == {"/rpcduel.Shop"}
    kinds = {each.name: each.kind for each in service.load("stacks.shop:Shop").methods}
    told = {path.rpartition("/")[2] for path in route.unary}
    assert told == {name for name, kind in kinds.items() if kind == "unary"} != kinds.keys()


def test_an_upstream_of_another_kind_is_an_address_error():
    with pytest.raises(AddressError):
        routes.parse("https://127.0.0.1:1")
