"""Twins with real servers and real load processes, and bytes that are really counted."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import psutil
import pytest

from harness import machine, results
from harness.decide.compare import decide
from harness.measure import conduct, processes, tapping, weighing
from harness.plan.trials import expand
from harness.plan.wish import Wish
from harness.results import Result
from harness.show import progress
from scenarios.arm import FLOOR, Arm
from stacks import service, shop, spans, work
from stacks.spans import HANDLER, SPANS

SPIN = 200_000
SHOP = service.load(service.DEFAULT)


@pytest.fixture(autouse=True)
def _nothing_left():
    yield
    assert psutil.Process().children(recursive=True) == []


class Notes(progress.Silent):
    def __init__(self):
        self.notes: list[str] = []

    def note(self, text: str, arm: str = "") -> None:
        self.notes.append(text)


def asked(*arms: Arm, seconds: float = 1.5, **wish: object):
    (trial,) = expand(Wish(scenario="anatomy", arms=arms, seconds=seconds, forks=1, **wish))
    return trial


def play(*arms: Arm, **wish: object) -> Result:
    return conduct.conduct(asked(*arms, **wish), machine.look(), 7, "rpcduel test", progress.Silent())


@pytest.fixture(scope="module")
def spun() -> Result:
    """Measure three stacks whose handlers spin for 200 µs."""
    names = ("memory-msgpack", "tcp-msgpack", "grpc-protobuf")
    return play(*(Arm(name, name, work="spin:200us") for name in names), seconds=4.0)


def least() -> int:
    """Time the same handler here: the least of many is what it takes when nobody comes between."""
    watch = spans.of_server()
    handle = watch.service(work.add(SHOP, "spin:200us"))["Quote"].handler
    order, times = shop.order("small"), []
    for _ in range(50):
        handle(order)
        told = watch.told()[HANDLER]
        times.append(told.ns - told.clock)
    return min(times)


def test_a_handler_that_burns_a_known_time_is_read_back(spun):
    found = {one.arm: one for one in decide(spun).anatomy}
    reference = least()
    assert reference >= SPIN
    for name in ("memory-msgpack", "tcp-msgpack", "grpc-protobuf"):
        span = found[name].spans[HANDLER].value
        assert span >= SPIN
        assert span >= 0.8 * reference
        # A call cannot be shorter than its handler.
        assert span <= found[name].time * found[name].instrumented.value * 1.2


def test_every_span_of_a_stack_with_a_format_is_measured(spun):
    for one in decide(spun).anatomy:
        measured = {name for name, span in one.spans.items() if span}
        assert measured == (set() if one.arm == "floor" else set(SPANS))
        for name in measured - {HANDLER}:
            assert 0 < one.spans[name].value < one.spans[HANDLER].value


def test_only_twins_carry_instruments(spun):
    for run in spun.runs:
        assert [set(fork) for fork in run.spans] == ([set(SPANS)] if run.arm.endswith("(spans)") else [])


def test_spans_are_of_the_calls_of_the_turns_alone(spun):
    for index, run in enumerate(spun.runs):
        for fork in run.spans:
            assert fork[HANDLER].count == spun.turns.calls[spun.turns.arm == index].sum()


def test_parts_and_bytes_are_stored_and_shown(spun, tmp_path):
    results.write(spun, tmp_path / "trial.json")
    comparison = decide(results.read(tmp_path / "trial.json"))
    assert comparison == decide(spun)
    found = {one.arm: one for one in comparison.anatomy}
    assert list(found) == ["memory-msgpack", "tcp-msgpack", "grpc-protobuf", "floor"]
    assert [part.name for part in found["memory-msgpack"].parts] == ["client", "neither"]
    assert [part.name for part in found["tcp-msgpack"].parts][:2] == ["client", "server"]
    assert found["memory-msgpack"].traffic is None
    for name in ("tcp-msgpack", "grpc-protobuf", "floor"):
        traffic = found[name].traffic
        payload = next(run.payload for run in spun.runs if run.arm == name)
        assert (traffic.payload_out, traffic.payload_in) == tuple(1e6 * size for size in payload)
        assert traffic.overhead_out > 0
    assert found["grpc-protobuf"].traffic.overhead_out > found["tcp-msgpack"].traffic.overhead_out


def test_of_an_encoding_of_its_own_the_handler_alone_is_measured():
    (one, *_) = decide(play(Arm("thrift", "thrift-binary"), seconds=1.0)).anatomy
    assert {name for name, span in one.spans.items() if span} == {HANDLER}
    assert one.unattributed["client"] is None
    assert one.traffic.payload_out > 0


def test_what_cannot_be_tapped_is_not_measured():
    notes = Notes()
    trial = asked(Arm("a", "memory"))
    arms = (
        Arm("a", "memory"),
        Arm("t", "tcp-msgpack", tls=True),
        Arm("s", "tcp-msgpack", server=("true", "{port}")),
    )
    assert [weighing.weigh(arm, trial, notes) for arm in arms] == [None] * 3
    assert notes.notes == []


def test_why_nothing_could_be_counted_is_said():
    notes = Notes()
    arm = Arm("gone", "tcp-msgpack", at="127.0.0.1:1")
    assert weighing.weigh(arm, asked(Arm("a", "memory")), notes) is None
    (note,) = notes.notes
    assert note.startswith("the bytes of gone are not measured: ")
    assert "127.0.0.1" in note or "connection" in note


@pytest.mark.parametrize(("mode", "calls"), [("per-user", 199), ("per-request", 200)])
def test_calls_are_counted_on_connections_that_stand_where_there_are_any(mode, calls):
    arm = Arm("a", "tcp-msgpack", channel=mode)
    assert weighing.weigh(arm, asked(arm), Notes()).calls == calls


def test_the_floor_is_counted_too():
    part = weighing.weigh(FLOOR, asked(Arm("a", "memory")), Notes())
    assert part.bytes_out > part.payload_out > 0


def test_who_is_stopped_while_counting_takes_its_server_along():
    slow = Arm("slow", "tcp-msgpack", work="wait:100ms")
    wanted = msgspec.json.encode(tapping.Asked(slow, calls=200)).decode()
    process = processes.Process(processes.python("", "harness.measure.weighing", wanted), ())
    try:
        servers: list[psutil.Process] = []
        while not servers and not process.ended():
            servers = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.stop()
    assert servers
    _, alive = psutil.wait_procs(servers, timeout=20)  # it ends when its input does
    assert not alive


def test_a_run_shows_where_the_time_goes(tmp_path):
    command = [sys.executable, "-P", "-m", "harness", "run", "anatomy", "--stack", "tcp-msgpack,memory-json"]
    found = subprocess.run(
        [*command, "--quick", "--seconds", "1.5"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert found.returncode == 0, found.stderr
    assert found.stderr.startswith("2 arms, twins and the floor × 1 point × 1 fork, about ")
    assert "Where the time of a call goes" in found.stdout
    assert "tcp-msgpack (spans)" not in found.stdout
    assert "client encode" in found.stdout
