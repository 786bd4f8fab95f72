"""What is stored of a trial, and how it is written and read.

Format history
--------------
1   2026-11: first.
2   2026-11: calls with streams and parts of a call: `messages`, `part` and `left_out` of a trial, `method` of
    an arm, `payload` and `messages` of a run, histograms of ``first`` and ``gap``; hops: `hops` of an arm,
    the column `hop`.
3   2026-11: open loops: `open` and `slo` of a trial, `rate` and `capacity` of a run, the columns `scheduled`,
    `dropped`, `due`, `memory` and `descriptors`, histograms of ``wait``, ``lag`` and ``service``; `streams`
    and `beside` of an arm; `broken_off`; anatomy: `twin_of` of an arm, `spans` and `tapped` of a run.
    Gates: `needs` of an arm. Claims: `within` and `routed` of a trial, `routing` of a run.
4   2026-11: the column `idle`.
5   2026-11: `hops` of a run; its `connections` are those open at most in a turn, no longer those that were
    still open after the last one.

What A/A sessions leave in the folder `NOISE` beside the runs has a history of its own: `harness/noise.py`.
"""

from __future__ import annotations

import base64
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import get_origin

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.tapped import Part
from scenarios.arm import Arm
from scenarios.load import Open
from stacks.base import Facts
from stacks.hops.routing import Answer
from stacks.spans import Span

FORMAT = 5
_LATER = ("hop", "scheduled", "dropped", "due", "memory", "descriptors", "idle")
"""Columns that older formats have not."""
Column = NDArray[np.int64]
NOISE = "noise"
"""Folder beside the runs that holds no run: what A/A sessions said of machines."""


class ResultError(Exception):
    """A result cannot be read or written; the text names the file and the reason."""


class LeftOut(msgspec.Struct, frozen=True):
    """An arm that was asked for and has no part in a trial."""

    arm: str
    reason: str


class Trial(msgspec.Struct, frozen=True):
    """Arms that are measured against each other at one point; times in ns."""

    scenario: str
    arms: tuple[Arm, ...]
    """In the order shown; the floor, where there is one, is the last and called ``floor``."""
    baseline: str
    """Name of the arm that ratios refer to."""
    users: int
    sample: str
    method: str
    turn: int
    settle: int
    seconds: float
    """Measuring time of all forks and arms together."""
    forks: int
    service: str
    """``module:Class``."""
    timeout: float
    """Deadline of every call, in seconds."""
    messages: int = 1
    """Requests of a call with streams, or how often `part` is repeated in a call."""
    part: str = ""
    """Empty for whole calls; ``encode`` or ``decode`` for the codec alone."""
    left_out: tuple[LeftOut, ...] = ()
    open: Open | None = None
    """How calls arrive; None for a closed loop of `users`."""
    slo: str = ""
    """What response times must keep, such as ``p99<10ms``; empty where nothing is asked."""
    within: str = ""
    """Scenario that is made of others and asked for this one; empty where it was asked for by itself."""
    routed: bool = False
    """Whether gateways were asked which calls they take for gRPC and which for REST."""


class Machine(msgspec.Struct, frozen=True):
    """Where a trial ran."""

    cpu: str
    cores: int
    """Cores that this process may use."""
    client_cores: tuple[int, ...]
    """Cores that load processes are pinned to; empty where nothing is pinned."""
    server_cores: tuple[int, ...]
    memory: int
    """Bytes."""
    kernel: str
    python: str
    versions: dict[str, str]
    fingerprint: str
    """The same for sessions on the same kind of machine."""
    awake: bool = False
    """Whether idle cores were kept from sleeping while turns were played."""


class Turns(msgspec.Struct, frozen=True, eq=False):
    """One row a turn, in the order played; equally long columns of int64, times in ns.

    `client` is CPU of the load process in its turn and the one after, less recording; `server` and
    `hop` likewise.
    `foreign` is CPU that others used during this turn: other arms and other processes of the machine.
    """

    arm: Column
    """Index into the trial's arms."""
    fork: Column
    round: Column
    long: Column
    """1 for turns ten times as long, that find out turn-sensitivity."""
    calls: Column
    """All calls that ended, good or failed, with settling and drain."""
    failed: Column
    done: Column
    """Good calls sent in the window, which is the turn without its settling time."""
    window: Column
    """Time that all calls sent in the window took, whole, divided by the users: window / done is the time
    per call, and its inverse the calls/s, since a closed loop's users do nothing else."""
    busy: Column
    """From the start of the turn until its last call had drained."""
    p50: Column
    """Median response time of good calls sent in the window; -1 where there was none."""
    max: Column
    """Longest such response time; -1 where there was none."""
    client: Column
    server: Column
    foreign: Column
    steal: Column
    """CPU time that the hypervisor took away during this turn; the kernel's clock ticks, so coarse."""
    hop: Column = msgspec.field(default_factory=lambda: np.empty(0, np.int64))
    """Like `client`, of all that stands between it and the server; 0 where nothing does."""
    scheduled: Column = msgspec.field(default_factory=lambda: np.empty(0, np.int64))
    """Calls that were due in the turn: calls + dropped; 0 in a closed loop.

    In an open loop `done` counts the good calls that ended in a window of the same length, later by a median
    response time, and `window` is that length: done / window is the rate that was achieved. `p50` and `max`
    are of response times, from when a call was due; one that failed or was dropped counts as the longest.
    """
    dropped: Column = msgspec.field(default_factory=lambda: np.empty(0, np.int64))
    due: Column = msgspec.field(default_factory=lambda: np.empty(0, np.int64))
    """Of `scheduled`, those that were due in the window."""
    memory: Column = msgspec.field(default_factory=lambda: np.empty(0, np.int64))
    """Resident bytes of hops and server after a turn of an open loop; 0 or -1 where they are not known."""
    descriptors: Column = msgspec.field(default_factory=lambda: np.empty(0, np.int64))
    """Like `memory`, the descriptors that they have open."""
    idle: Column = msgspec.field(default_factory=lambda: np.empty(0, np.int64))
    """Of `foreign`, what arms used whose turn it was not; 0 where an older format does not tell it apart."""


class Histograms(msgspec.Struct, frozen=True):
    """Times of one arm in one fork, as HdrHistogram V2 (base64) per block of consecutive turns."""

    arm: int
    fork: int
    long: bool
    figure: str
    """``response``; of calls with streams also ``first`` and ``gap``; of open loops also ``wait``, ``lag``
    and ``service``, which a response time is the sum of."""
    blocks: tuple[str, ...]


class Failure(msgspec.Struct, frozen=True):
    """Why an arm could not be measured to the end."""

    fork: int
    reason: str
    stderr: str
    """The end of what its processes wrote to standard error."""


class Run(msgspec.Struct, frozen=True):
    """What is known of one arm, all forks."""

    arm: str
    facts: Facts
    pids: tuple[tuple[int, ...], ...]
    """Process ids per fork, the load process first."""
    errors: dict[str, int]
    """Failed calls by kind, and the first text seen of each: ``Timeout: no reply within 5 s``."""
    differs: str
    """Where a reply differed from what it should be; empty if none did."""
    out_of_range: int
    """Response times above the histograms' upper limit; they count as that limit."""
    failure: Failure | None = None
    payload: tuple[int, int] | None = None
    """Bytes of a request and of a reply, encoded; None where they have none, or it is not known."""
    messages: int = 1
    """Messages of one call, requests or replies, whichever are more: calls × messages are the messages."""
    rate: float = 0.0
    """Calls that were due a second; 0 in a closed loop."""
    capacity: float = 0.0
    """Calls a second in a closed loop before the open one, where `rate` is a share of it."""
    connections: tuple[int, ...] = ()
    """Open at most in a turn of the last fork: the client's first, then those from each hop onwards."""
    spans: tuple[dict[str, Span], ...] = ()
    """Of a twin, per fork: what its processes timed in their turns, by the names of `stacks.spans`."""
    tapped: Part | None = None
    """Bytes on the wire at the client, for calls that were made for that alone; None where nobody counted."""
    routing: tuple[Answer, ...] = ()
    """What its gateway answered when it was asked; empty where nobody asked."""
    hops: dict[str, dict[str, str]] = {}
    """What its hops state of themselves, by name; empty where there is none, or in older formats."""


class Pressure(msgspec.Struct, frozen=True):
    """How the machine was while turns were played; shares of that time, None where not to be known."""

    stall: float | None
    """Some task waited for a CPU (PSI)."""
    throttled: float | None
    """This process' cgroup was throttled."""


class Result(msgspec.Struct, frozen=True, eq=False):
    """A trial as it ran."""

    format: int
    rpcduel: str
    started: str
    """ISO 8601 with offset."""
    command: str
    """The command line that reproduces it."""
    seed: int
    trial: Trial
    machine: Machine
    runs: tuple[Run, ...]
    turns: Turns
    histograms: tuple[Histograms, ...]
    pressure: Pressure
    forks_done: int
    """Forks that were measured to the end; fewer than asked for after Ctrl-C."""
    broken_off: bool = False
    """Whether the last of them, of an open loop, was ended by the user."""


def write(result: Result, path: Path) -> None:
    """Write `result` to `path` atomically; raises `ResultError`."""
    put(msgspec.json.format(msgspec.json.encode(result, enc_hook=_to_json), indent=1) + b"\n", path)


def put(data: bytes, path: Path) -> None:
    """Let `path` hold `data`, in one step; what stood there stays whole if this fails with `ResultError`."""
    made: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".writing-", delete=False) as file:
            made = Path(file.name)
            file.write(data)
        made.chmod(0o644)
        made.replace(path)
    except OSError as error:
        if made is not None:
            with suppress(OSError):
                made.unlink()
        raise ResultError(f"{path}: cannot be written: {error.strerror}") from error


def read(path: Path) -> Result:
    """Read one stored trial; raises `ResultError` with file and reason."""
    try:
        data = path.read_bytes()
        form = msgspec.json.decode(data, type=_Form).format
        if form > FORMAT:
            raise ResultError(f"{path}: has format {form}, this rpcduel reads up to {FORMAT}; update rpcduel")
        result = msgspec.json.decode(data, type=Result, dec_hook=_from_json)
    except OSError as error:
        raise ResultError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError, zlib.error) as error:
        raise ResultError(f"{path}: is no whole rpcduel result: {error}") from error
    zeros = np.zeros_like(result.turns.client)
    missing = {name: zeros for name in _LATER if not len(getattr(result.turns, name))}
    result = msgspec.structs.replace(result, turns=msgspec.structs.replace(result.turns, **missing))
    lengths = {len(getattr(result.turns, name)) for name in Turns.__struct_fields__}
    if len(lengths) != 1:
        raise ResultError(f"{path}: its columns differ in length: {sorted(lengths)}")
    return result


def read_all(place: Path) -> list[Result]:
    """Read the trials of a run: a directory of files, or one file; oldest first.

    Of a directory of runs it reads the newest. Raises `ResultError` for what cannot be read.
    """
    if not place.exists():
        raise ResultError(f"{place}: there is no such result; `rpcduel run` makes one")
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not files and place.is_dir() and any(place.glob("*/*.json")):
        return read_all(newest(place))
    if not files:
        raise ResultError(f"{place}: holds no result file (*.json)")
    found = []
    for file in files:
        try:
            found.append(read(file))
        except ResultError as error:
            if len(files) == 1:
                raise
            raise ResultError(f"{error}; move it out of the way to read the others of its run") from error
    return found


def stored(root: Path) -> list[Path]:
    """List the runs under `root`, oldest first; `NOISE` is none."""
    return sorted({path.parent for path in root.glob("*/*.json") if path.parent.name != NOISE})


def newest(root: Path) -> Path:
    """Find the newest run under `root`; raises `ResultError` where there is none."""
    runs = stored(root)
    if not runs:
        raise ResultError(f"{root}: holds no results yet; `rpcduel run` makes some")
    return runs[-1]


def writable(directory: Path) -> None:
    """Make `directory` and prove that files can be written there; raises `ResultError`."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ResultError(
            f"{directory}: cannot be written to: {error.strerror}; choose another --out"
        ) from error


class _Form(msgspec.Struct):
    format: int


def _to_json(value: object) -> str:
    """Write a column as base64 of the zlib stream of its little-endian bytes, all first bytes first."""
    if isinstance(value, np.ndarray):
        planes = value.astype("<i8").view(np.uint8).reshape(-1, 8).T
        return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")
    raise NotImplementedError(type(value))


def _from_json(kind: type, value: object) -> object:
    if get_origin(kind) is np.ndarray:
        if not isinstance(value, str):
            raise ValueError(f"a column is text, not {value!r}")
        planes = np.frombuffer(zlib.decompress(base64.b64decode(value)), np.uint8).reshape(8, -1)
        return np.ascontiguousarray(planes.T).view("<i8").reshape(-1).astype(np.int64)
    raise NotImplementedError(kind)
