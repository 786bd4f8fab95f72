"""Routes as gateways get them."""

from __future__ import annotations

import pytest

from stacks.base import Address, Route
from stacks.errors import AddressError, StackError
from stacks.hops.branches import Branch, branches

A, B, C = (Address(port=port) for port in (1, 2, 3))


def test_both_kinds_of_a_prefix_stand_together_and_the_longest_prefix_comes_first():
    routes = [Route("/", A), Route("/b.B/", A, "grpc"), Route("/a.A/", B, "http")]
    routes += [Route("/a.A/", C, "grpc"), Route("/a.A/x", C, "grpc")]
    assert branches(routes) == [
        Branch("/a.A/x", grpc=C),
        Branch("/a.A/", grpc=C, http=B),
        Branch("/b.B/", grpc=A),
        Branch("/", grpc=A, http=A),
    ]


@pytest.mark.parametrize(
    ("routes", "error", "text"),
    [
        ([], StackError, "without a route"),
        ([Route("/", A), Route("/", B)], StackError, "two routes of kind grpc for /;"),
        ([Route("/", A), Route("/", B, "http")], StackError, "two routes of kind http for /;"),
        ([Route("/", A, "tcp")], StackError, "no kind 'tcp'; take 'grpc', 'http' or ''"),
        ([Route("", A)], StackError, "'' is no prefix"),
        ([Route("shop/", A)], StackError, "'shop/' is no prefix"),
        ([Route("/a; } http {", A)], StackError, "is no prefix"),
        ([Route("/a\n", A)], StackError, "is no prefix"),
        ([Route("/*", A)], StackError, "is no prefix"),
        ([Route("/", Address("x;y", 1))], AddressError, "x;y:1 is no upstream"),
        ([Route("/", Address(port=0))], AddressError, "127.0.0.1:0 is no upstream"),
        ([Route("/", Address(port=65_536))], AddressError, "is no upstream"),
    ],
)
def test_what_is_wrong_is_named(routes, error, text):
    with pytest.raises(error, match=text):
        branches(routes)
