"""What can go wrong with a stack: before a call (`StackError`) and in a call (`CallError`)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StackError(Exception):
    """A stack, message or service cannot be used as asked; the text names the value and the remedy."""


class UnknownStackError(StackError):
    """No stack of that name is registered."""


class MissingPackageError(StackError):
    """A stack is known, but a package that it needs is not installed."""


class SchemaError(StackError):
    """A message or service cannot be described, or a format cannot carry it; names message and field."""


class AddressError(StackError):
    """An address is malformed, taken, or not to be bound."""


class CallError(Exception):
    """A call failed; every adapter translates its library's errors to a subclass of this."""


class Timeout(CallError):  # noqa: N818 -- the field's word for it
    """The deadline of the call passed before its reply came."""


class Unavailable(CallError):  # noqa: N818
    """No connection to the server could be made."""


class Refused(CallError):  # noqa: N818
    """Our side or the peer would not take the call, for instance because a message is over the limit."""


class ConnectionLost(CallError):  # noqa: N818
    """The connection ended while the call was in flight."""


class ProtocolError(CallError):
    """The peer sent bytes that the protocol or the message's schema does not allow."""


class Remote(CallError):  # noqa: N818
    """The server's handler failed.

    `code` is a gRPC status name such as ``INVALID_ARGUMENT``, on every transport.
    """

    def __init__(self, code: str, text: str) -> None:
        """Keep both parts; the message joins them."""
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


def meant(name: str, known: Iterable[str]) -> str:
    """Ask whether the nearest of the `known` names was meant: ``; did you mean 'x'?``, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
