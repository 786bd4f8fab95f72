"""HTTP/1 on the wire: heads, chunks and bodies (https://www.rfc-editor.org/rfc/rfc9112)."""

from __future__ import annotations

import re
from collections import deque

from stacks.hops.tap.script import ALL, BODY, FRAMING, HEADERS, Flow, Script, Skip, Take, Until

METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT")

_END = b"\r\n\r\n"
_MOST_HEAD = 64 * 1024
_MOST_LINE = 4096
_WAITING = 4096
"""Requests that may wait for their responses on one connection."""
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*\bchunked[ \t]*\r\n", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*[;\r]")
_CONTINUING, _SWITCHING, _FINE = 100, 101, 200
_BODILESS = (204, 304)


def scripts(out: Flow, back: Flow) -> tuple[Script, Script]:
    """Give the scripts of a connection's two directions."""
    asked: deque[bytes] = deque()
    return _requests(out, asked), _responses(back, asked)


def _requests(flow: Flow, asked: deque[bytes]) -> Script:
    while True:
        head = yield Until(_END, _MOST_HEAD)
        method = head.partition(b" ")[0]
        if not head.endswith(_END) or method not in METHODS or len(asked) >= _WAITING:
            return
        flow.parts[HEADERS] += len(head)
        flow.calls += 1
        asked.append(method)
        if _CHUNKED.search(head):
            yield from _chunks(flow)
        elif found := _LENGTH.search(head):
            yield Skip(int(found[1]), BODY)
        if method == b"CONNECT":
            return


def _responses(flow: Flow, asked: deque[bytes]) -> Script:
    while True:
        head = yield Until(_END, _MOST_HEAD)
        found = _STATUS.match(head)
        if not head.endswith(_END) or not found or not asked:
            return
        flow.parts[HEADERS] += len(head)
        status = int(found[1])
        if status == _SWITCHING:
            return
        if status < _FINE:
            continue
        method = asked.popleft()
        if method == b"CONNECT" and status < _FINE + 100:
            return
        if method == b"HEAD" or status in _BODILESS:
            continue
        if _CHUNKED.search(head):
            yield from _chunks(flow)
        else:
            length = _LENGTH.search(head)
            yield Skip(int(length[1]) if length else ALL, BODY)


def _chunks(flow: Flow) -> Script:
    """Read chunks, and the headers that may stand behind them; what is no chunk goes on to the end."""
    while True:
        line = yield Until(b"\r\n", _MOST_LINE)
        found = _SIZE.match(line)
        if not found or not line.endswith(b"\r\n"):
            flow.parts[BODY] += len(line)
            yield Skip(ALL, BODY)
            return
        flow.parts[FRAMING] += len(line)
        size = int(found[1], 16)
        if not size:
            break
        yield Skip(size, BODY)
        yield Take(2)
    while (line := (yield Until(b"\r\n", _MOST_LINE))) != b"\r\n":
        flow.parts[HEADERS] += len(line)
    flow.parts[FRAMING] += len(line)
