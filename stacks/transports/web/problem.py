"""How failures are told over HTTP: a status for each gRPC code, and a problem (RFC 9457) as body."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

from stacks.errors import CallError
from stacks.transports import dispatch

MEDIA: Final = b"application/problem+json"
LIMIT: Final = 16 * 1024
"""Bytes of a failure's body that a client takes, whatever it allows a message."""

_CLOSED_REQUEST = 499
_STATUSES = {
    "CANCELLED": _CLOSED_REQUEST,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}
"""https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto; all others are 500."""

_CODES = {
    400: "INTERNAL",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "UNIMPLEMENTED",
    413: "RESOURCE_EXHAUSTED",
    429: "UNAVAILABLE",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "UNAVAILABLE",
}
"""What a status means where no problem says it: a proxy, or some other server than ours, made it.

https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md, and 413.
"""


class Problem(msgspec.Struct):
    """RFC 9457, with the gRPC code as an extension; the type is ``about:blank``."""

    title: str = ""
    status: int = 0
    detail: str = ""
    code: str = ""


def status(code: str) -> int:
    """Give the HTTP status of a gRPC code."""
    return _STATUSES.get(code, 500)


def written(number: int, code: str, text: str) -> bytes:
    """Write the body for a status, a gRPC code and its text."""
    title = HTTPStatus(number).phrase if number != _CLOSED_REQUEST else "Client Closed Request"
    return msgspec.json.encode(Problem(title, number, text, code))


def told(number: int, media: bytes, body: bytes) -> CallError:
    """Make the caller's exception from a response whose status is no success."""
    if media.partition(b";")[0].strip().lower() == MEDIA:
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except (msgspec.DecodeError, UnicodeDecodeError):
            problem = Problem()
        if problem.code:
            return dispatch.failure(problem.code, problem.detail)
    shown = body[:200].decode(errors="replace").strip()
    if number == 413:  # noqa: PLR2004 -- as HTTP has it
        shown = f"larger than max: {shown}"
    return dispatch.failure(_CODES.get(number, "UNKNOWN"), f"HTTP status {number}: {shown}")
