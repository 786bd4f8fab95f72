"""The GraphQL schema of a service, and the documents that call it.

Every unary method is a field of ``Mutation``, with one argument ``input``: an RPC may have effects, while a
query may be run twice, side by side, or be answered from a cache. Such a field may be null, so that one
that fails leaves the others of its document alone; inside messages only what is optional may be. ``Query``
must be there by the specification, and has the service's name.

A message ``Order`` becomes the type ``Order`` in replies and ``OrderInput`` in requests; a map the list of
its entries, whose type is named after the field; a message without fields has one, ``_``, always null.
https://spec.graphql.org/October2021/#sec-Type-System
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    print_schema,
)

from stacks import schema
from stacks.base import Kind, Method, Service
from stacks.codecs.graphql_inputs import Inputs
from stacks.codecs.graphql_names import root_field
from stacks.codecs.graphql_outputs import Outputs
from stacks.codecs.graphql_types import Names, described
from stacks.errors import SchemaError
from stacks.schema import List, Map, Message, Nested, Optional, Shape

Resolver = Callable[..., Any]
"""Called with the root value, the execution's info, and the request as `request`."""

_WANTED = (
    "a document selects all of a reply, so no message of it may contain itself; only those of requests may"
)


def build(service: Service, resolver: Callable[[Method[Any, Any]], Resolver] | None = None) -> GraphQLSchema:
    """Make the schema of the unary methods of `service`; `resolver` gives what answers a method.

    Raises `SchemaError` that names message and field for what GraphQL cannot carry, and for names that clash.
    """
    names = Names()
    inputs, outputs = Inputs(names), Outputs(names)
    fields: dict[str, GraphQLField] = {}
    for method in service.methods:
        if method.kind is not Kind.UNARY:
            continue
        name = root_field(method)
        if name in fields:
            raise SchemaError(f"{service.name} has two methods {name!r} in GraphQL; rename one")
        fields[name] = GraphQLField(
            outputs.message(schema.describe(method.reply)),
            {"input": GraphQLArgument(
                GraphQLNonNull(inputs.message(schema.describe(method.request))), out_name="request"
            )},
            resolve=resolver(method) if resolver else None,
            description=described(method.handler),
        )  # fmt: skip
    if not fields:
        raise SchemaError(f"service {service.name} has no unary method, and no other is carried")
    return GraphQLSchema(_query(service), GraphQLObjectType("Mutation", fields, description=_MUTATION))


_MUTATION = "The methods of the service."


def _query(service: Service) -> GraphQLObjectType:
    name = service.name
    field = GraphQLField(
        GraphQLNonNull(GraphQLString),
        resolve=lambda _root, _info: name,
        description="Full name of the service, whose methods are mutations.",
    )
    return GraphQLObjectType("Query", {"service": field})


def sdl(service: Service) -> str:
    """Write the schema of the unary methods of `service` in GraphQL's schema definition language.

    Raises `SchemaError` as `build` does.
    """
    return print_schema(build(service)) + "\n"


def document(method: Method[Any, Any]) -> str:
    """Write the document that calls `method` and selects all of its reply.

    Raises `SchemaError` that names the field of a reply that contains itself.
    """
    request = schema.describe(method.request).name
    selection = _selection(schema.describe(method.reply), ())
    field = root_field(method)
    return f"mutation {method.name}($input:{request}Input!){{{field}(input:$input){selection}}}"


def _selection(message: Message, above: tuple[type, ...]) -> str:
    fields = [
        field.name + _selected(field.shape, f"{message.name}.{field.name}", (*above, message.cls))
        for field in message.fields
    ]
    return f"{{{' '.join(fields) or '_'}}}"


def _selected(shape: Shape, where: str, above: tuple[type, ...]) -> str:
    match shape:
        case Optional(of) | List(of):
            return _selected(of, where, above)
        case Map(_, of):
            return f"{{key value{_selected(of, where, above)}}}"
        case Nested(cls):
            if cls in above:
                raise SchemaError(f"{where} contains {cls.__name__} again: {_WANTED}")
            return _selection(shape.message, above)
    return ""
