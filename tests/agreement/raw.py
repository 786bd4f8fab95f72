"""A client with nothing to it: posts the same bytes over one connection, and spins for a while between calls.

``python raw.py URL BODY MEDIA SECONDS SPIN`` (a file, and ns) prints a line of JSON as `post.lua` does. It
tells what calls cost a server when they come as slowly as those of a client that has more to do.
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from urllib.parse import urlsplit


def main(url: str, body: str, media: str, seconds: str, spin: str) -> None:
    """Call until the time is up."""
    where, data = urlsplit(url), Path(body).read_bytes()
    head = f"POST {where.path} HTTP/1.1\r\nhost: {where.netloc}\r\ncontent-type: {media}\r\n"
    request = head.encode() + b"content-length: %d\r\n\r\n%b" % (len(data), data)
    with socket.create_connection((where.hostname, where.port), 5.0) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = play(connection, request, int(float(seconds) * 1e9), int(spin))
    sys.stdout.write(json.dumps(found) + "\n")


def play(connection: socket.socket, request: bytes, length: int, spin: int) -> dict[str, float]:
    """Make calls one after the other for `length` ns; every response is as long as the first one."""
    connection.sendall(request)
    first = whole(connection)
    size = len(first)
    times, used, start = [], process_time_ns(), perf_counter_ns()
    now, failed = start, int(not first.startswith(b"HTTP/1.1 200"))
    while now - start < length:
        connection.sendall(request)
        reply = received(connection)
        while len(reply) < size:
            reply += received(connection)
        failed += len(reply) != size
        done = perf_counter_ns()
        times.append(done - now)
        now = perf_counter_ns()
        while now - done < spin:
            now = perf_counter_ns()
    micros, used = (now - start) / 1e3, process_time_ns() - used
    half, mean = (function(times) / 1e3 for function in (statistics.median, statistics.fmean))
    return {"calls": len(times), "micros": micros, "failed": failed, "p50": half, "mean": mean, "cpu": used}


def whole(connection: socket.socket) -> bytes:
    """Take a response with all of its body."""
    data = received(connection)
    while b"\r\n\r\n" not in data:
        data += received(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < size:
        body += received(connection)
    return head + b"\r\n\r\n" + body


def received(connection: socket.socket) -> bytes:
    """Take what is there, which must be something."""
    data = connection.recv(65536)
    if not data:
        raise EOFError("the server closed the connection")
    return data


if __name__ == "__main__":
    main(*sys.argv[1:])
