"""A MessagePack-RPC server that knows nothing of rpcduel: ``python3 server.py --port 4000``."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable

import msgpack

PRICES = {f"article-{number:03}": 100 + 7 * number for number in range(1000)}
SHELF = list(PRICES.items())


def indexed(article: str) -> int:
    """Version 1: look the price up."""
    return PRICES[article]


def scanning(article: str) -> int:
    """Version 2, after a change that looked harmless: go along the shelf until it is found."""
    return next(price for name, price in SHELF if name == article)


async def serve(port: int, lookup: Callable[[str], int]) -> None:
    """Answer ``[0, id, method, [order]]`` with ``[1, id, error, [customer, total]]``, until killed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = msgpack.Unpacker()
        while data := await reader.read(65536):
            requests.feed(data)
            for _, number, _, ((customer, articles),) in requests:
                bill = [customer, sum(map(lookup, articles))]
                writer.write(msgpack.packb([1, number, None, bill]))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Say what orders cost.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lookup", choices=["indexed", "scanning"], default="indexed")
    given = parser.parse_args()
    asyncio.run(serve(given.port, {"indexed": indexed, "scanning": scanning}[given.lookup]))
