"""Runs a synchronous handler with streams on an asyncio loop, which goes on while the handler waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any, TypeVar, cast

from greenlet import getcurrent, greenlet

from stacks.base import Kind, Method
from stacks.errors import ProtocolError, Remote
from stacks.transports import dispatch

D = TypeVar("D")

Stream = Callable[[AsyncIterator[D]], AsyncIterator[bytes]]
"""Takes the bytes of requests as they come, and gives those of replies."""

STREAMS = frozenset(Kind) - dispatch.UNARY
_WANTED = object()
"""What a handler's greenlet gives to the loop's when it wants the next request."""
_END = object()


def streamer(
    method: Method[Any, Any],
    decode: Callable[[D], Any],
    encode: Callable[[Any], bytes],
    limit: int,
    delay: float = 0.0,
) -> Stream[D]:
    """Join the steps that turn requests into replies, for a method with streams; see `dispatch.answerer`.

    The result raises what the handler raises, and `Remote`: INTERNAL for a message that does not fit the
    schema, RESOURCE_EXHAUSTED for a reply of more than `limit` bytes, INVALID_ARGUMENT for a server stream
    without a request. It waits `delay` seconds before each reply. Close it (`aclosing`) when the call is
    cut short: that ends the handler, too.
    """

    async def requests(given: AsyncIterator[D]) -> AsyncIterator[Any]:
        async for data in given:
            try:
                request = decode(data)
            except ProtocolError as error:
                raise Remote("INTERNAL", f"cannot read the request: {error}") from error
            yield request

    async def stream(given: AsyncIterator[D]) -> AsyncIterator[bytes]:
        async with (
            aclosing(cast("Any", requests(given))) as taken,
            aclosing(cast("Any", converse(method, taken))) as replies,
        ):
            async for reply in replies:
                try:
                    data = encode(reply)
                except ProtocolError as error:
                    raise Remote("INTERNAL", f"cannot write the reply: {error}") from error
                if len(data) > limit:
                    raise Remote("RESOURCE_EXHAUSTED", dispatch.oversize("reply", len(data), limit))
                if delay:
                    await asyncio.sleep(delay)
                yield data

    return stream


async def converse(method: Method[Any, Any], requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Call the handler of a method with streams, and give its replies.

    The handler runs in a greenlet of its own, so that it is written as plain code: its ``for`` loop over the
    requests switches to the loop until the next one is there. Closing this generator ends the handler.
    """
    worker = greenlet(_work)
    try:
        event = worker.switch(method)
        while not worker.dead:
            if event is _WANTED:
                event = worker.switch(await anext(requests, _END))
            else:
                yield event
                event = worker.switch()
    finally:
        if not worker.dead:
            worker.throw()


class _Requests(Iterator[Any]):
    """What a handler iterates over."""

    def __next__(self) -> Any:
        request = _loop().switch(_WANTED)
        if request is _END:
            raise StopIteration
        return request


def replies(method: Method[Any, Any], requests: Iterator[Any]) -> Iterator[Any]:
    """Call the handler of a method with streams; gives its replies as it makes them."""
    match method.kind:
        case Kind.SERVER:
            request = next(requests, _END)
            if request is _END:
                raise Remote("INVALID_ARGUMENT", f"{method.name} takes one request, and none came")
            yield from method.handler(request)
        case Kind.CLIENT:
            yield method.handler(requests)
        case _:
            yield from method.handler(requests)


def _work(method: Method[Any, Any]) -> None:
    loop = _loop()
    for reply in replies(method, _Requests()):
        loop.switch(reply)


def _loop() -> greenlet:
    """Give the greenlet that the running one was started from."""
    parent = getcurrent().parent
    assert parent is not None
    return parent
