"""Calls as MessagePack-RPC: arrays, one after the other without a length in front.

https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md
"""

from __future__ import annotations

import functools
import struct
from typing import Any

from stacks.codecs.msgpack import packer
from stacks.transports.framing.framing import Framing
from stacks.transports.framing.inbox import Inbox

_HEAD = struct.Struct(">BBBI").pack
"""An array of four, the kind of message, and its number as uint 32."""
_NIL = b"\xc0"


def _packed(tree: Any) -> bytes:
    packed: bytes = packer().pack(tree)
    return packed


FRAMING = Framing(
    request=functools.partial(_HEAD, 0x94, 0, 0xCE),
    named=lambda name: _packed(name) + b"\x91",
    asked=b"",
    reply=functools.partial(_HEAD, 0x94, 1, 0xCE),
    fine=_NIL,
    answered=b"",
    failed=lambda told: _packed(told) + _NIL,
    inbox=Inbox,
)
