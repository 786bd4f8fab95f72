"""Beginnings of messages that declare to be large, or much, in every protocol."""

from __future__ import annotations

import struct


def declarations(right: list[bytes]) -> list[bytes]:
    """Give them all, whatever the protocol; of gRPC, behind the preface of what is `right`."""
    web = b"POST /rpcduel.Shop/%b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    http2 = right[0][:24]
    return [
        b"\xff\xff\xff\xff" * 4,
        b"\x7f\xff\xff\xff\x05Quote",
        b"\x00\x80\x00\x00" + b"x" * 100,
        b"\x94\x00\x01\xa5Quote\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff" * 10,
        b"\xdf\x7f\xff\xff\xff",
        struct.pack(">BBHII", 0, 0, 1, 1, 2**32 - 1),
        struct.pack(">BBHII", 0, 1, 1, 1, 2**32 - 1) * 2,
        b"".join(struct.pack(">BBHII", 0, 0, 1, number, 0) for number in range(1, 6001, 2)),
        b"".join(struct.pack(">BBHII", 0, 2, 1, 0, number) for number in range(5000)),
        web % b"Quote" + b"content-length: 18446744073709551615\r\n\r\n",
        web % b"Quote" + b"content-length: 99999999999999999999999\r\n\r\n",
        web % b"Quote" + b"transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        web % b"Basket" + b"transfer-encoding: chunked\r\n\r\n7fffffff\r\n" + b"[" * 1000,
        web % b"Quote" + b"expect: 100-continue\r\ncontent-length: 8000000\r\n\r\n",
        web % b"Quote" + b"x: " + b"y" * 70_000 + b"\r\n\r\n",
        web % b"Quote" + b"upgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        (web % b"Quote" + b"content-length: 2\r\n\r\n{}") * 600,
        http2 + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
        http2 + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" * 1000,
        http2 + b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"x" * 8,
        http2 + b"\x00\x40\x00\x01\x01\x00\x00\x00\x01" + b"\xff" * 16384,
    ]
