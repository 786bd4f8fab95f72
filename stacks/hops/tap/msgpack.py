"""MessagePack-RPC on the wire, and its messages as lines of JSON.

https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md
"""

from __future__ import annotations

import re

from stacks.hops.tap.script import BODY, FRAMING, Flow, Past, Script, Take, Until
from stacks.hops.tap.value import Value

_REQUEST, _REPLY, _NOTICE = b"\x94\x00", b"\x94\x01", b"\x93\x02"
_ARRAY = range(0x90, 0xA0)
_LOOK = 512
_LINE_CALL = re.compile(rb'\[(?:0,\d+|2),"[^"\\]*",\[')
_LINE_REPLY = re.compile(rb"\[1,\d+,null,")


def scripts(out: Flow, back: Flow) -> tuple[Script, Script]:
    """Give the scripts of a connection's two directions in MessagePack."""
    return _messages(out), _messages(back)


def line_scripts(out: Flow, back: Flow) -> tuple[Script, Script]:
    """Give the scripts of a connection's two directions in lines of JSON."""
    return _lines(out), _lines(back)


def _messages(flow: Flow) -> Script:
    while True:
        head = yield Take(2)
        if head == _REPLY:
            yield from _reply(flow)
            continue
        if head not in (_REQUEST, _NOTICE):
            flow.parts[FRAMING] -= 2
            return
        flow.calls += 1
        yield Value(FRAMING)
        if head == _REQUEST:
            yield Value(FRAMING)
        params = (yield Take(1))[0]
        if params not in _ARRAY:
            return
        for _ in range(params & 15):
            yield Value(BODY)


def _reply(flow: Flow) -> Script:
    yield Value(FRAMING)
    error = yield Value(FRAMING)
    if error == 1:
        yield Value(BODY)
    else:
        flow.parts[FRAMING] -= error
        flow.parts[BODY] += error
        yield Value(FRAMING)


def _lines(flow: Flow) -> Script:
    """Read lines; what stands before and behind a message in one is framing, and of another line the end."""
    parts = flow.parts
    while True:
        start = yield Until(b"\n", _LOOK)
        whole = start.endswith(b"\n")
        call = _LINE_CALL.match(start)
        found = call or _LINE_REPLY.match(start)
        flow.calls += call is not None
        front = found.end() if found else 0
        size = len(start) - front
        parts[FRAMING] += front
        parts[BODY] += size
        if not whole:
            size += yield Past(b"\n", BODY)
        behind = min(size, 3 if call else 2 if found else 1)
        parts[BODY] -= behind
        parts[FRAMING] += behind
