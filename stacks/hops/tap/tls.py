"""TLS on the wire: heads of records are framing, handshakes and alerts control; the rest nobody can tell.

https://www.rfc-editor.org/rfc/rfc8446#section-5.1; TLS 1.3 hides the later part of its handshake in records
that look like data.
"""

from __future__ import annotations

from stacks.hops.tap.script import CONTROL, Flow, Pass, Script, Side, Skip, Take

_CHANGE, _HANDSHAKE, _DATA, _HEARTBEAT = 20, 22, 23, 24
_MAJOR = 3


def scripts(out: Flow, back: Flow) -> tuple[Script, Script]:
    """Give the scripts of a connection's two directions."""
    return _records(out), _records(back)


def _records(flow: Flow) -> Script:
    sealed = Side(_nothing(), flow)
    while True:
        kind, major, _, *length = yield Take(5)
        if major != _MAJOR or not _CHANGE <= kind <= _HEARTBEAT:
            return
        size = int.from_bytes(bytes(length), "big")
        yield Pass(size, sealed) if kind == _DATA else Skip(size, CONTROL)


def _nothing() -> Script:
    """Count bytes as of no kind."""
    yield from ()
