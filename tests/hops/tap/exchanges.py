"""Exchanges in every protocol that the tap knows, written by hand and counted by hand."""

from __future__ import annotations

import struct
from typing import NamedTuple

from stacks.hops.tap.counts import Bytes


class Exchange(NamedTuple):
    protocol: str
    calls: int
    out: Bytes
    back: Bytes
    steps: list  # of (0 for out or 1 for back, bytes)
    streams: int = 0


def counted(body=0, framing=0, headers=0, control=0, other=0):
    return Bytes(body + framing + headers + control + other, body, framing, headers, control, other)


def h2(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def grpc(message):
    return b"\0" + struct.pack(">I", len(message)) + message


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LITERAL = b"\x83\x86" + b"\x0f\x10\x10application/grpc" + b"\x84"
HUFFMAN = bytes.fromhex("5f 8b 1d 75 d0 62 0d 26 3d 4c 4d 65 64")
"""content-type: application/grpc as Go and Envoy write it."""


def grpc_exchange(opening):
    return Exchange(
        "HTTP/2",
        2,
        counted(body=14, framing=4 * 9 + 9 + 2 * 5, headers=len(opening) + 3, control=24 + 9 + 15 + 13),
        counted(body=7, framing=5 * 9 + 2 * 5, headers=20 + 10 + 11, control=15 + 9 + 17),
        [
            (1, h2(4, 0, 0, bytes(6))),
            (0, PREFACE + h2(4, 0, 0)),
            (0, h2(4, 0, 0, bytes(6)) + h2(1, 4, 1, opening) + h2(0, 1, 1, grpc(b"request"))),
            (1, h2(4, 1, 0) + h2(1, 4, 1, bytes(20)) + h2(0, 0, 1, grpc(b"one") + grpc(b"four"))),
            (1, h2(1, 5, 1, bytes(10))),
            # The block of the second refers to the first; the 5 bytes before its message are torn apart.
            (0, h2(1, 4, 3, b"\x83\x86\xbe") + h2(0, 0, 3, grpc(b"request")[:3])),
            (0, h2(0, 1, 3, grpc(b"request")[3:]) + h2(8, 0, 0, bytes(4))),
            (1, h2(6, 0, 0, bytes(8)) + h2(0, 0, 3) + h2(1, 5, 3, bytes(11))),
        ],
        streams=1,
    )


def thrift(kind, name, field, struct_, tail=b"\0"):
    message = b"\x80\x01\0" + bytes((kind,)) + struct.pack(">I", len(name)) + name + b"\0\0\0\7"
    message += field + struct_ + tail
    return struct.pack(">I", len(message)) + message


def yamux(kind, flags, stream, payload=b"", length=None):
    return struct.pack(">BBHII", 0, kind, flags, stream, len(payload) if length is None else length) + payload


def compact(head, name, rest):
    message = head + bytes((len(name),)) + name + rest
    return struct.pack(">I", len(message)) + message


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:  5 \r\n\r\n"
SENT = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EMPTY = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"
ENDLESS = b"HTTP/1.0 200 OK\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
TRAILER = b"Checksum: 1\r\n"
LONG_TEXT = b"x" * 700
LONG_STRUCT = b"\x0b\0\1" + struct.pack(">I", 700) + LONG_TEXT + b"\0"

EXCHANGES = {
    "gRPC": grpc_exchange(LITERAL),
    "gRPC, Huffman-coded": grpc_exchange(HUFFMAN),
    "HTTP/2 without gRPC": Exchange(
        "HTTP/2",
        1,
        counted(body=8, framing=9 + 9, headers=4, control=24 + 9),
        counted(body=6, framing=3 * 9 + 1 + 3, headers=5 + 6, control=13),
        [
            (0, PREFACE + h2(4, 0, 0) + h2(1, 4, 1, b"head") + h2(0, 1, 1, b"\0\0\0\0\3abc")),
            # Padded: a byte that says so, and three behind the data.
            (1, h2(1, 0, 1, b"start") + h2(9, 4, 1, b"on now") + h2(0, 9, 1, b"\3answer\0\0\0")),
            (1, h2(3, 0, 1, bytes(4))),
        ],
        streams=1,
    ),
    "HTTP/1": Exchange(
        "HTTP/1",
        5,
        counted(
            body=5 + 3 + 16,
            framing=(3 + 2) + (15 + 2) + (3 + 2),
            headers=2 * len(GET) + len(POST) + len(SENT) + len(HEAD) + len(TRAILER),
        ),
        counted(
            body=4 + 3 + 3,
            framing=(3 + 2) + (3 + 2),
            headers=2 * len(FINE) + len(CHUNKED) + len(EMPTY) + len(CONTINUE) + len(ENDLESS),
        ),
        [
            (0, GET),
            (1, FINE + b"four"),
            (0, POST + b"five!"),
            (1, CONTINUE + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"),
            (0, SENT + b'3\r\nabc\r\n10 ;ext="a b"\r\n' + 16 * b"y" + b"\r\n0\r\n" + TRAILER + b"\r\n"),
            (1, EMPTY),
            (0, HEAD),
            (1, FINE),
            (0, GET),
            (1, ENDLESS + b"end"),
        ],
    ),
    "HTTP/1 that becomes something else": Exchange(
        "HTTP/1",
        1,
        counted(headers=len(GET), other=4),
        counted(headers=len(SWITCH), other=6),
        [(0, GET), (1, SWITCH + b"foobar"), (0, b"quux")],
    ),
    "Thrift, binary": Exchange(
        "Thrift",
        2,
        counted(body=8 + len(LONG_STRUCT), framing=2 * (4 + 12 + 5 + 3 + 1)),
        counted(body=1 + 6, framing=4 + 12 + 5 + 3 + 1 + 4 + 12 + 5),
        [
            (0, thrift(1, b"Quote", b"\x0c\0\1", b"\x08\0\1\0\0\0\5\0")),
            (1, thrift(2, b"Quote", b"\x0c\0\0", b"\0")),
            (0, thrift(1, b"Quote", b"\x0c\0\1", LONG_STRUCT)),
            (1, thrift(3, b"Quote", b"", b"\x08\0\2\0\0\0", tail=b"")),
        ],
    ),
    "Thrift, compact": Exchange(
        "Thrift",
        1,
        counted(body=3, framing=4 + 2 + 2 + 1 + 5 + 1 + 1),
        counted(body=3, framing=4 + 2 + 1 + 1 + 5 + 2 + 1),
        [
            # The sequence id takes two bytes; the result's field 0 says its number in a byte of its own.
            (0, compact(b"\x82\x21\x80\x01", b"Quote", b"\x1c\x15\x0a\0\0")),
            (1, compact(b"\x82\x41\x07", b"Quote", b"\x0c\0\x15\x0a\0\0")),
        ],
    ),
    "MessagePack-RPC": Exchange(
        "MessagePack-RPC",
        3,
        counted(body=4 + 3 + 709, framing=(2 + 5 + 6 + 1) + (2 + 1 + 2 + 1) + (2 + 2 + 1)),
        counted(body=8 + 4, framing=(2 + 5 + 1) + (2 + 1 + 1)),
        [
            (0, b"\x94\0\xce\0\0\0\1\xa5Quote\x91\x92\x01\xa1a"),
            (1, b"\x94\1\xce\0\0\0\1\xc0\x81\xa1k\xca\0\0\0\0"),
            # Two arguments, of which neither is in an array of its own.
            (0, b"\x94\0\x05\xa1q\x92\x03\xd0\x80"),
            (1, b"\x94\1\x05\x92\x01\xa1e\xc0"),
            (0, b"\x93\2\xa1n\x91" + b"\xdd\0\0\0\2\xda\2\xbc" + LONG_TEXT + b"\xc0"),
        ],
    ),
    "JSON lines": Exchange(
        "JSON lines",
        2,
        counted(body=7 + 702, framing=14 + 3 + 8 + 3),
        counted(body=2 + 20, framing=10 + 2 + 1),
        [
            (0, b'[0,1,"Quote",[{"a":1}]]\n'),
            (1, b"[1,1,null,42]\n"),
            (0, b'[2,"n",[' + b'"' + LONG_TEXT + b'"' + b"]]\n"),
            (1, b'[1,2,["X","y"],null]\n'),
        ],
    ),
    "yamux": Exchange(
        "yamux",
        2,
        counted(body=5 + 3, framing=(12 + 6) + 12 + (12 + 3) + 12, control=12 + 12),
        counted(body=5 + 4, framing=(12 + 2) + 12 + (12 + 2), control=12 + 12 + 12),
        [
            (0, yamux(0, 1, 1, b"\xa5Quote\x92") + yamux(0, 0, 1, b"\1\xa2hi")),
            (1, yamux(1, 2, 1) + yamux(0, 0, 1, b"\x92\0\x82\1") + yamux(0, 4, 1, b"\2\3\4")),
            (0, yamux(1, 4, 1) + yamux(2, 1, 0, length=9)),
            (1, yamux(2, 2, 0, length=9)),
            (0, yamux(0, 5, 3, b"\xd9\1n\xa2hi")),
            # A failure: its code and text.
            (1, yamux(0, 0, 3, b"\x93\1\xa1X\xa1y") + yamux(1, 8, 3)),
            (0, yamux(0, 0, 3)),
        ],
    ),
    "TLS": Exchange(
        "TLS",
        0,
        counted(framing=4 * 5, control=7 + 1 + 2, other=9),
        counted(framing=2 * 5, control=11, other=30),
        [
            (0, b"\x16\3\1\0\7" + bytes(7)),
            (1, b"\x16\3\3\0\x0b" + bytes(11) + b"\x17\3\3\0\x1e" + bytes(30)),
            (0, b"\x14\3\3\0\1\1" + b"\x17\3\3\0\x09" + bytes(9) + b"\x15\3\3\0\2\1\0"),
        ],
    ),
    "nothing known": Exchange(
        "unknown", 0, counted(other=12), counted(other=5), [(1, b"hello"), (0, b"\0\0\0\x08\5Quote\1\2")]
    ),
    "not enough to tell": Exchange(
        "unknown", 0, counted(other=2), counted(other=3), [(0, b"PR"), (1, b"220")]
    ),
}
