"""What is shown of a trial: figures with intervals, their validity, and one sentence."""

from __future__ import annotations

import msgspec

SHARED = "shared core"
"""What binds an arm whose processes take one core from each other."""
VALID = "valid"
NOTE = "note"
DOUBTFUL = "doubtful"
INVALID = "invalid"


class Estimate(msgspec.Struct, frozen=True):
    """A value with its bounds."""

    value: float
    low: float | None
    high: float | None
    basis: str
    """``interval``: 95 % over forks, from 4 forks on; ``spread``: within the one start, or the range of
    fewer than 4 forks, which says nothing about the next start; ``none``: no bounds are known."""


class Ratio(msgspec.Struct, frozen=True):
    """A cost of an arm by message, as a multiple of the baseline's; above 1 is slower."""

    metric: str
    """``p50``, ``time`` or ``cpu`` (client + hops + server), per call, or message where calls have many."""
    estimate: Estimate
    difference: float
    """Arm − baseline in ns: of the medians for p50, of the means for time and cpu."""
    resolved: bool
    """Whether 1 lies outside the interval; never true for a spread."""
    long_turns: bool
    """Whether it comes from the long turns, because the arm is turn-sensitive."""


class Finding(msgspec.Struct, frozen=True):
    """Something that limits what a figure may be used for."""

    kind: str
    """``failed``, ``differs``, ``errors``, ``foreign-cpu``, ``company``, ``turn-sensitive``, ``bursty``,
    ``drift``, ``steal``, ``pressure``, ``throttled``, ``out-of-range``, ``few-forks``, ``interrupted``, …"""
    arm: str
    """Empty where it concerns the whole trial."""
    figures: tuple[str, ...]
    """Of ``p50``, ``p99``, ``time``, ``cpu``; empty for all."""
    validity: str
    """``doubtful`` or ``invalid``; ``note`` where nothing is wrong with the figures."""
    text: str


class ArmFigures(msgspec.Struct, frozen=True):
    """One row of the table; times in ns."""

    name: str
    stack: str
    floor: bool
    hops: tuple[str, ...]
    """What its calls pass through, from the client to the service."""
    calls: int
    failed: int
    p50: Estimate | None
    p99: Estimate | None
    """None where fewer than 10 calls from 10 different turns exceed it; infinite where so many calls of an
    open loop failed or were dropped."""
    calls_per_second: float | None
    """In the windows of its turns; bounded by what `bound_by` says."""
    client_cpu: float | None
    """Per call, all calls, settling and drain included."""
    hop_cpu: float | None
    """Per call, of all hops together; None where there is none."""
    server_cpu: float | None
    """None where the server's processes cannot be read, as on another machine."""
    bound_by: str
    """``client``, ``hop``, ``server``, ``shared core``, ``waiting``; empty where not to be known."""
    times_floor: float | None
    """p50 by message as a multiple of the floor's."""
    messages: int
    """Messages of one call; 1 for unary calls."""
    payload: tuple[int, int] | None
    """Bytes of a request and of a reply, encoded; None where they have none, or it is not known."""
    connections: tuple[int, ...]
    """Open after the last turn: the client's first, then those from each hop onwards; empty if not known."""
    first: Estimate | None
    """Median time from the start of a call to its first reply; None for unary calls."""
    gap: Estimate | None
    """Median time between two replies of a call; None where there is but one."""
    ratios: dict[str, Ratio]
    """By metric; empty for the baseline itself, the floor, and arms without a valid figure."""
    validity: str
    """``valid``, ``doubtful`` or ``invalid``."""
    service: Estimate | None = None
    """Of an open loop: median time from sending a call to its reply. `p50` and `p99` are from when it was
    due."""
    lag: Estimate | None = None
    """Of an open loop: p99 of the time by which the generator sent calls late, though a user was free."""
    offered: float | None = None
    """Of an open loop: calls that were due a second; `calls_per_second` are those that ended well."""
    dropped: int = 0
    """Of an open loop: calls that nobody made, since as many waited as may."""


class Piece(msgspec.Struct, frozen=True):
    """A part of the time of a call."""

    name: str
    """``client``, ``hop``, ``server``, ``neither``, ``rest`` (server and neither), or ``overlap``."""
    time: float
    """Per call, in ns."""
    share: Estimate
    """Of the time of a call."""


class Traffic(msgspec.Struct, frozen=True):
    """Bytes on the wire at the client for a million calls, on connections that stand."""

    payload_out: float
    """As the format encodes requests."""
    overhead_out: float
    """All else that goes the same way."""
    payload_in: float
    overhead_in: float


class Anatomy(msgspec.Struct, frozen=True):
    """Where the time of an arm's calls goes, with one user; times in ns per call."""

    arm: str
    time: float
    parts: tuple[Piece, ...]
    """On the CPU of the client, of the hops where there are any, of the server, and neither; they add up to
    `time`, and where processes work at the same time to `time` + `overlap`."""
    overlap: Piece | None
    """What the parts exceed the time by; None where they do not."""
    spans: dict[str, Estimate | None]
    """Times inside of the processes, by the names of `stacks.spans`; None for what is not measured."""
    unattributed: dict[str, float | None]
    """What of ``client`` and ``server`` is in no span; None where none is measured."""
    instrumented: Estimate | None
    """Time per call while spans are measured, as a multiple of what it is without."""
    cpu_seconds: dict[str, float]
    """CPU of ``client``, ``hop`` and ``server`` for a million calls."""
    traffic: Traffic | None
    """None where it is not measured."""


class Absent(msgspec.Struct, frozen=True):
    """An arm that was asked for and is not applicable."""

    name: str
    reason: str


class Comparison(msgspec.Struct, frozen=True):
    """One trial, decided; or several that share a baseline, joined."""

    scenario: str
    method: str
    users: int
    sample: str
    forks: int
    forks_asked: int
    seconds: float
    baseline: str
    turn: int
    arms: tuple[ArmFigures, ...]
    findings: tuple[Finding, ...]
    sentence: str
    """The answer in one sentence."""
    machine: str
    """CPU, cores and kernel in a phrase."""
    started: str
    versions: dict[str, str]
    messages: int = 1
    """Messages of a call of the baseline."""
    part: str = ""
    """``encode`` or ``decode`` where the codec alone was timed."""
    left_out: tuple[Absent, ...] = ()
    trials: int = 1
    """How many trials were joined."""
    open: str = ""
    """Of an open loop, the rate as it was asked for: ``500/s``, or ``50 %`` of each arm's own capacity."""
    arrivals: str = ""
    """``uniform`` or ``poisson``."""
    headline: str = "time"
    """The metric that arms are ranked by: ``time``; in an open loop ``p50``; ``cpu`` where hops share a core
    with the server."""
    anatomy: tuple[Anatomy, ...] = ()
    """Where the time goes, of each arm with valid figures; empty unless the scenario asks for it."""
    lowest: tuple[str, ...] = ()
    """Names of the arm whose `headline` is lowest, then of those that are not told apart from it; with too
    few forks for intervals the one seen to be lowest. Empty where nothing can be told."""
