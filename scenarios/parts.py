"""Parts of a call that are timed alone: a message into bytes, and bytes into a message."""

from __future__ import annotations

from typing import Any

from scenarios.batch import Call
from scenarios.catalog import DECODE, ENCODE
from stacks.base import Codec


def part(codec: Codec[Any], name: str, message: Any, times: int) -> tuple[Call, Any]:
    """Give a call that does part `name` of `message` so many times over, and what it should give.

    Many at once, because reading the clock costs as much as decoding a small message.
    """
    data = codec.encode(message)
    work, given, wanted = {
        ENCODE: (codec.encode, message, data),
        DECODE: (codec.decode, data, message),
    }[name]
    repeated = range(times - 1)

    def call(_request: Any, _timeout: float) -> Any:
        for _ in repeated:
            work(given)
        return work(given)

    return call, wanted
