"""What all transports do with a call on the server: decode, handle, encode, and tell what failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from stacks.base import Kind, Method, Service
from stacks.errors import CallError, ProtocolError, Refused, Remote, SchemaError

D = TypeVar("D")

CODES = (
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""gRPC's status codes without OK; https://grpc.io/docs/guides/status-codes/."""

_TEXT = 1024
"""Bytes of an error's text that travel: gRPC puts it into a header, and a peer may not make it large."""
_LARGER = "larger than max"
"""What gRPC's own text says too when a message is over the limit."""


UNARY = frozenset({Kind.UNARY})


def carried(service: Service, kinds: frozenset[Kind]) -> tuple[Method[Any, Any], ...]:
    """Give the methods whose `kinds` a transport carries; raises `SchemaError` if there are none."""
    methods = tuple(method for method in service.methods if method.kind in kinds)
    if not methods:
        raise SchemaError(f"service {service.name} has no {_listed(kinds)} method, and no other is carried")
    return methods


def check(method: Method[Any, Any], kinds: frozenset[Kind]) -> None:
    """Raise `SchemaError` for a method of another kind than these."""
    if method.kind not in kinds:
        raise SchemaError(
            f"{method.name} is a {method.kind} call, which is not applicable here: {_listed(kinds)} calls are"
        )


def refuse(method: Method[Any, Any]) -> NoReturn:
    """Raise `SchemaError`, for a transport without streams."""
    raise SchemaError(
        f"{method.name} is a {method.kind} call, which is not applicable here: no streams are carried"
    )


def _listed(kinds: frozenset[Kind]) -> str:
    return " or ".join(kind for kind in Kind if kind in kinds)


def answerer(
    decode: Callable[[D], Any], handle: Callable[[Any], Any], encode: Callable[[Any], bytes], limit: int
) -> Callable[[D], bytes]:
    """Join the steps that turn a request into its reply's bytes.

    The result raises whatever `handle` raises, and `Remote`: INTERNAL for a request or reply that
    does not fit the schema, RESOURCE_EXHAUSTED for a reply of more than `limit` bytes.
    """

    def answer(data: D) -> bytes:
        try:
            request = decode(data)
        except ProtocolError as error:
            raise Remote("INTERNAL", f"cannot read the request: {error}") from error
        reply = handle(request)
        try:
            encoded = encode(reply)
        except ProtocolError as error:
            raise Remote("INTERNAL", f"cannot write the reply: {error}") from error
        if len(encoded) > limit:
            raise Remote("RESOURCE_EXHAUSTED", oversize("reply", len(encoded), limit))
        return encoded

    return answer


def oversize(what: str, size: int, limit: int) -> str:
    """Say that a message is over the limit, and what to do; `failure` knows the text again."""
    return f"{what} message {_LARGER} ({size} vs. {limit} bytes); raise max_message on both sides"


def reject(name: object) -> NoReturn:
    """Raise `Remote` for a method that the service does not have."""
    raise Remote("UNIMPLEMENTED", f"there is no method {str(name)[:100]!r}")


def fault(error: Exception) -> tuple[str, str]:
    """Give the code and the text by which the caller learns of a handler's exception, without traceback."""
    if isinstance(error, Remote):
        code = error.code if error.code in CODES else "UNKNOWN"
        return code, _cut(error.text)
    return "UNKNOWN", _cut(f"{type(error).__name__}: {error}")


def failure(code: str, text: str) -> CallError:
    """Make the caller's exception from what `fault` gave: `Refused` for size, else `Remote`."""
    if code == "RESOURCE_EXHAUSTED" and _LARGER in text:
        return Refused(text)
    return Remote(code, text) if code in CODES else Remote("UNKNOWN", f"{code}: {text}")


def _cut(text: str) -> str:
    return text.encode(errors="replace")[:_TEXT].decode(errors="ignore")
