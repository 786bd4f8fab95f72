"""What gateways are asked, to see which requests they take for gRPC and which for plain HTTP, and answers."""

from __future__ import annotations

import msgspec

PREFIX = "/rpcduel.Probe/"
"""Of the paths that routes lead to."""


class Question(msgspec.Struct, frozen=True):
    """One request."""

    protocol: str
    """``HTTP/1.1`` or ``HTTP/2``."""
    method: str
    content_type: str
    """Empty for none."""
    path: str = f"{PREFIX}Ask"

    @property
    def routed(self) -> bool:
        """Tell whether a route leads where it asks."""
        return self.path.startswith(PREFIX)


class Answer(msgspec.Struct, frozen=True):
    """What came of a question."""

    question: Question
    upstream: str
    """Who answered: ``grpc``, ``http``, or empty for the hop itself."""
    status: int
    """The HTTP status; 0 where none came."""
    grpc_status: int | None
    """The gRPC status, where one came."""
    failure: str = ""
    """What happened where no status came."""


QUESTIONS = (
    Question("HTTP/1.1", "POST", "application/json"),
    Question("HTTP/2", "POST", "application/json"),
    Question("HTTP/2", "POST", "application/grpc"),
    Question("HTTP/2", "POST", "application/grpc+proto"),
    Question("HTTP/2", "POST", "application/grpc; x=y"),
    Question("HTTP/1.1", "POST", "application/grpc"),
    Question("HTTP/2", "GET", "application/grpc"),
    Question("HTTP/1.1", "GET", "application/json"),
    Question("HTTP/2", "POST", "application/grpc-web"),
    Question("HTTP/2", "POST", "text/plain"),
    Question("HTTP/2", "POST", ""),
    Question("HTTP/2", "POST", "application/grpc", "/elsewhere"),
    Question("HTTP/1.1", "POST", "application/json", "/elsewhere"),
)
