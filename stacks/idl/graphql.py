"""A service as the GraphQL schema (SDL) that the GraphQL stacks serve."""

from __future__ import annotations

from stacks.base import Kind, Service
from stacks.codecs.graphql_schema import sdl


def render(service: Service) -> str:
    """Write `service` as SDL; raises `SchemaError` for what GraphQL cannot carry or name."""
    comments = [f"# {service.name}, written by rpcduel schema."]
    comments += [
        f"# {method.name} is left out: it is a {method.kind} call, and queries and mutations have no streams."
        for method in service.methods
        if method.kind is not Kind.UNARY
    ]
    return "\n".join(comments) + "\n\n" + sdl(service)
