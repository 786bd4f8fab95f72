"""The GraphQL schema, which is the one that the stacks serve; graphql-core reads it."""

from __future__ import annotations

from graphql import build_schema, print_schema

from stacks import service
from stacks.codecs.graphql_schema import sdl
from stacks.idl import graphql
from stacks.testing.oracle import Oracle

ORACLE = service.read(Oracle)


def test_it_is_what_is_served():
    assert print_schema(build_schema(graphql.render(ORACLE))).strip() == sdl(ORACLE).strip()


def test_streams_are_left_out_and_it_is_said_why():
    text = graphql.render(ORACLE)
    assert "# Fan is left out: it is a bidi call, and queries and mutations have no streams.\n" in text
    assert "fan(" not in text
