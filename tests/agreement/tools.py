"""wrk and h2load: how they are told to make the calls that ours make, and what they say of a turn."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness import histogram
from harness.histogram import Histogram

PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client"}
"""Tool → the package of Debian and Ubuntu that brings it."""
MICROSECOND = 1_000
GRACE = 30
"""Seconds beyond a turn after which a tool counts as hung."""


class ToolError(Exception):
    """A tool is missing or did not do what it should; the text says what and the remedy."""


@dataclass(frozen=True)
class Played:
    """What one turn of ours or of a tool came to; times in ns."""

    calls: int
    seconds: float
    """Length of the turn."""
    rate: float
    """Calls a second, as the tool has it."""
    p50: float
    mean: float
    """Of response times."""
    client: float
    """CPU of the client in the turn."""


@dataclass(frozen=True)
class Request:
    """A call as bytes: what every tool posts."""

    url: str
    body: Path
    media: str
    reply: int
    """Bytes of the body of a good response."""
    headers: tuple[str, ...] = ()


def check() -> None:
    """Raise `ToolError` that says how to get what is missing."""
    for tool, package in PACKAGES.items():
        if shutil.which(tool) is None:
            raise ToolError(f"{tool} is missing; on Debian and Ubuntu: apt-get install {package}")


def versions() -> str:
    """Say which tools these are."""
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    h2load = subprocess.run(["h2load", "--version"], capture_output=True, text=True, check=True).stdout
    return f"{' '.join(wrk.split()[:2])}; {h2load.strip()}"


def wrk(request: Request, users: int, seconds: int, cores: Sequence[int], log: Path) -> Played:
    """Let wrk post in a closed loop on `users` connections; it keeps no log."""
    del log
    script = Path(__file__).with_name("post.lua")
    command = ["wrk", "-t1", f"-c{users}", f"-d{seconds}s", "-s", str(script), request.url]
    told, client = _run(command, seconds, cores, BODY=str(request.body), MEDIA=request.media)
    found = _told(told, client)
    # wrk adds calls that it did not make to its times, behind each that took long ("coordinated omission").
    # Users of a closed loop do nothing but call, so the mean is the users over the rate.
    return replace(found, mean=users / found.rate * 1e9)


def raw(request: Request, seconds: int, cores: Sequence[int], spin: int = 0) -> Played:
    """Let `raw.py` post on one connection, with `spin` ns between two calls."""
    script = str(Path(__file__).with_name("raw.py"))
    command = [sys.executable, script, request.url, str(request.body), request.media, str(seconds), str(spin)]
    return _told(*_run(command, seconds, cores))


def _told(told: str, client: float) -> Played:
    """Read the line of JSON in what a tool told."""
    line = next((line for line in told.splitlines() if line.startswith("{")), None)
    if line is None:
        raise ToolError(f"no figures were told:\n{told}")
    found = json.loads(line)
    if found["failed"] or not found["calls"]:
        raise ToolError(f"{found['failed']} of {found['calls']} calls failed:\n{told}")
    length = found["micros"] / 1e6
    return Played(
        calls=found["calls"],
        seconds=length,
        rate=found["calls"] / length,
        p50=found["p50"] * MICROSECOND,
        mean=found["mean"] * MICROSECOND,
        client=found.get("cpu", client),  # without the start of an interpreter, where it is told
    )


def h2load(request: Request, users: int, seconds: int, cores: Sequence[int], log: Path) -> Played:
    """Let h2load post over HTTP/2 in a closed loop, one call at a time on each of `users` connections."""
    return _h2load(request, users, seconds, cores, log)


def h2load_h1(request: Request, users: int, seconds: int, cores: Sequence[int], log: Path) -> Played:
    """Let h2load do so over HTTP/1.1."""
    return _h2load(request, users, seconds, cores, log, "--h1")


def h2load_at(
    request: Request, users: int, seconds: int, cores: Sequence[int], log: Path, each: float, *more: str
) -> Played:
    """Let h2load post at a rate: `each` calls a second on each of `users` connections."""
    return _h2load(request, users, seconds, cores, log, f"--rps={each:.3f}", *more)


_COUNTS = re.compile(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+)")
_RATE = re.compile(r"finished in [\d.]+m?s, ([\d.]+) req/s")
_DATA = re.compile(r"\((\d+)\) data")


def _h2load(
    request: Request, users: int, seconds: int, cores: Sequence[int], log: Path, *more: str
) -> Played:
    log.unlink(missing_ok=True)
    heads = [f"content-type: {request.media}", *request.headers]
    command = ["h2load", "-t1", f"-c{users}", "-m1", f"-D{seconds}", f"--log-file={log}", *more]
    command += ["-d", str(request.body), *(word for head in heads for word in ("-H", head)), request.url]
    told, client = _run(command, seconds, cores)
    counts, rate, data = (pattern.search(told) for pattern in (_COUNTS, _RATE, _DATA))
    if not (counts and rate and data):
        raise ToolError(f"h2load told no figures:\n{told}")
    done, good = int(counts[2]), int(counts[3])
    # A call that fails under gRPC has status 200, too, but no message.
    if good != done or not good or int(data[1]) < good * request.reply:
        raise ToolError(f"{done - good} of {done} calls of h2load failed, or replies are short:\n{told}")
    times = logged(log)
    return Played(
        calls=done,
        seconds=float(seconds),
        rate=float(rate[1]),
        p50=float(recorded(times).quantile(0.5)),
        mean=float(times.mean()),
        client=client,
    )


def _run(command: list[str], seconds: int, cores: Sequence[int], **environment: str) -> tuple[str, float]:
    """Run a tool on `cores`; gives what it told, and the CPU in ns that it used."""
    pinned = ["taskset", "-c", ",".join(map(str, cores)), *command] if cores else command
    before = _children()
    ended = subprocess.run(
        pinned,
        capture_output=True,
        text=True,
        timeout=seconds + GRACE,
        env={**os.environ, **environment},
        check=False,
    )
    if ended.returncode:
        raise ToolError(f"{command[0]} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout, _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e9


def logged(log: Path) -> np.ndarray:
    """Read the response times in ns that h2load logged: µs in the third column."""
    return np.loadtxt(log, np.int64, delimiter="\t", usecols=2, ndmin=1) * MICROSECOND


def recorded(times: np.ndarray) -> Histogram:
    """Count times in our histogram."""
    counts = histogram.empty()
    histogram.record(counts, times)
    return Histogram.of(counts)


QUANTILES = (0.1, 0.5, 0.9, 0.99, 0.999, 1.0)


def same_percentiles(times: np.ndarray) -> list[tuple[float, int, int, bool]]:
    """Hold our histogram's percentiles against those of the sorted times, taken at the same ranks.

    Gives quantile, the exact time, the histogram's, and whether the exact one falls into the bucket that the
    histogram names by its upper end.
    """
    ordered, ours = np.sort(times), recorded(times)
    rows = []
    for q in QUANTILES:
        exact = int(ordered[max(int(q * len(ordered) + 0.5), 1) - 1])
        found = ours.quantile(q)
        bucket = histogram.UPPER[histogram.indices(np.array([exact]))[0]]
        rows.append((q, exact, found, found == bucket))
    return rows
