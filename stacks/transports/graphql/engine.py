"""Answers GraphQL requests by graphql-core: finds or parses the document, validates and executes it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec
from graphql import (
    DocumentNode,
    ExecutionResult,
    Executor,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    parse,
    specified_rules,
    validate,
)

from stacks.base import Method, Service
from stacks.codecs import graphql_schema
from stacks.codecs.graphql_values import ERRORS, write
from stacks.codecs.graphql_values import parse as parse_json
from stacks.errors import Remote, SchemaError
from stacks.transports import dispatch
from stacks.transports.graphql.client import NOT_FOUND
from stacks.transports.graphql.rules import AliasLimit
from stacks.transports.memo import Memo

SOURCE = 64 * 1024
"""Characters of a document that are parsed."""
TOKENS = 4096
"""Names, punctuators and values of a document that are parsed; some documents take the square of it."""

_AST = 256
"""Bytes that a parsed document takes for each of its characters, about."""
_ERRORS = 10
"""Errors of one request that are told."""
_INVALID = "INVALID_ARGUMENT"
_RULES = (*specified_rules, AliasLimit)


class Answer(msgspec.Struct, frozen=True):
    """What goes back, as JSON."""

    status: int
    """HTTP's, for ``application/graphql-response+json``."""
    body: bytes
    executed: bool = True
    """Whether a handler was, or may have been, at work."""
    wellformed: bool = True
    """Whether the request was one of GraphQL's, so that ``application/json`` has 200 for it."""


class _Rejected(Exception):  # noqa: N818 -- told to the client
    """A request that is not executed."""

    def __init__(self, *errors: dict[str, Any], status: int = 400, wellformed: bool = True) -> None:
        super().__init__(errors)
        body = write({"errors": errors[:_ERRORS]})
        self.answer = Answer(status, body, executed=False, wellformed=wellformed)


class Engine:
    """Answers the requests of one server."""

    def __init__(self, service: Service, limit: int, *, persisted: bool) -> None:
        """Make the schema; replies have up to `limit` bytes, and documents are kept by hash if `persisted`.

        Raises `SchemaError` for a service whose methods cannot all be called by our own client.
        """
        self._schema = graphql_schema.build(service, _resolver)
        self._limit = limit
        self._persisted = persisted
        self._documents: Memo[str, DocumentNode] = Memo()
        for method in dispatch.carried(service, dispatch.UNARY):
            self._check(method)

    def answer(self, body: bytes) -> Answer:
        """Execute the request that `body` is; failures are in the answer."""
        try:
            request = _request(body)
            document = self._document(request)
        except _Rejected as rejected:
            return rejected.answer
        result = execute_sync(
            self._schema,
            document,
            variable_values=request.get("variables"),
            operation_name=request.get("operationName"),
            # The default one takes a quarter longer, to be ready for @defer and @stream.
            executor_class=Executor,
        )
        if result.errors:
            return self._failed(result)
        return self._written({"data": result.data})

    def _document(self, request: dict[str, Any]) -> DocumentNode:
        digest = _digest(request)
        text = request.get("query")
        if digest is None:
            if type(text) is not str:
                _reject("'query' must be the text of a document")
            return self._parsed(text)
        if not self._persisted:
            raise _Rejected(_told("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported"), status=200)
        found = self._documents.get(digest)
        if found is not None:
            return found
        if text is None:
            raise _Rejected(_told(NOT_FOUND, "PersistedQueryNotFound"), status=200)
        if type(text) is not str:
            _reject("'query' must be the text of a document")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            raise _Rejected(_told(_INVALID, "provided sha does not match query"))
        return self._documents.put(digest, self._parsed(text), _AST * len(text))

    def _parsed(self, text: str) -> DocumentNode:
        """Parse and validate; raises `_Rejected`."""
        try:
            document = parse(text, max_lexical_tokens=TOKENS, max_comments=TOKENS, max_source_length=SOURCE)
        except GraphQLError as error:
            raise _Rejected(_formatted(error, _INVALID)) from error
        errors = validate(self._schema, document, _RULES, max_errors=_ERRORS)
        if errors:
            code = _INVALID if self._knows(document) else "UNIMPLEMENTED"
            raise _Rejected(*(_formatted(error, code) for error in errors))
        return document

    def _knows(self, document: DocumentNode) -> bool:
        """Whether the service has every method that `document` calls."""
        mutation = self._schema.mutation_type
        assert mutation is not None
        return all(
            not isinstance(call, FieldNode)
            or call.name.value in mutation.fields
            or call.name.value == "__typename"
            for operation in document.definitions
            if isinstance(operation, OperationDefinitionNode)
            and operation.operation is OperationType.MUTATION
            for call in operation.selection_set.selections
        )

    def _failed(self, result: ExecutionResult) -> Answer:
        errors = [_executed(error) for error in (result.errors or [])[:_ERRORS]]
        if result.data is None and all("path" not in error for error in errors):
            return Answer(400, write({"errors": errors}), executed=False)
        return self._written({"errors": errors, "data": result.data})

    def _written(self, response: dict[str, Any]) -> Answer:
        try:
            body = write(response)
        except ERRORS as error:
            return Answer(200, _alone("INTERNAL", f"cannot write the reply: {error}"))
        if len(body) > self._limit:
            size = sum(len(write(reply)) for reply in (response["data"] or {}).values())
            if size > self._limit:
                return Answer(
                    200, _alone("RESOURCE_EXHAUSTED", dispatch.oversize("reply", size, self._limit))
                )
        return Answer(200, body)

    def _check(self, method: Method[Any, Any]) -> None:
        try:
            self._parsed(graphql_schema.document(method))
        except _Rejected as rejected:
            told = rejected.answer.body.decode()
            raise SchemaError(
                f"{method.name} cannot be called by a document that selects all: {told}"
            ) from rejected


def _resolver(method: Method[Any, Any]) -> Callable[..., Any]:
    handler, reply = method.handler, method.reply

    def resolve(_root: Any, _info: Any, request: Any) -> Any:
        try:
            found = handler(request)
        except Exception as error:
            code, text = dispatch.fault(error)
            raise GraphQLError(text, extensions={"code": code}) from error
        if not isinstance(found, reply):
            raise TypeError(f"{found!r:.100} is no {reply.__name__}")
        return found

    return resolve


def _request(body: bytes) -> dict[str, Any]:
    """Read the parameters; https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters."""
    try:
        request = parse_json(body)
    except ERRORS as error:
        _reject(f"cannot read the request: {error}")
    if type(request) is not dict:
        _reject("a request is a JSON object")
    for name, wanted in (("operationName", str), ("variables", dict), ("extensions", dict)):
        if type(request.get(name)) not in (wanted, type(None)):
            _reject(f"{name!r} must be a JSON {_JSON[wanted]}")
    found: dict[str, Any] = request
    return found


_JSON = {str: "string", dict: "object"}


def _digest(request: dict[str, Any]) -> str | None:
    """Give the hash by which the document is meant.

    https://www.apollographql.com/docs/apollo-server/performance/apq: version 1, SHA-256 in lower-case hex.
    """
    extensions = request.get("extensions")
    if not extensions or (persisted := extensions.get("persistedQuery")) is None:
        return None
    if type(persisted) is not dict or persisted.get("version") != 1:
        _reject("'extensions.persistedQuery' must have version 1")
    digest = persisted.get("sha256Hash")
    if type(digest) is not str:
        _reject("'extensions.persistedQuery.sha256Hash' must be a text")
    return digest


def _reject(text: str) -> NoReturn:
    raise _Rejected(_told(_INVALID, text), wellformed=False)


def _alone(code: str, text: str) -> bytes:
    return write({"errors": [_told(code, text)], "data": None})


def _told(code: str, text: str) -> dict[str, Any]:
    return {"message": text, "extensions": {"code": code}}


def _formatted(error: GraphQLError, code: str) -> dict[str, Any]:
    """Write an error as the specification has it, no longer than may be."""
    _, text = dispatch.fault(Remote("UNKNOWN", error.message))
    return {**error.formatted, "message": text, "extensions": {"code": code}}


def _executed(error: GraphQLError) -> dict[str, Any]:
    """Write an error of the execution: the handler's own, one of the variables, or one of the reply."""
    code = (error.extensions or {}).get("code")
    if code is not None:
        return _formatted(error, code)
    if error.path is None:
        return _formatted(error, _INVALID)
    where = ".".join(map(str, error.path))
    told = _formatted(error, "INTERNAL")
    return {**told, "message": f"cannot write the reply: {where}: {told['message']}"}
