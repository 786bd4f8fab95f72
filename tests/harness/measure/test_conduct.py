"""The conductor with real servers and real load processes: books, isolation, faults, clean-up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Timer

import msgspec
import numpy as np
import psutil
import pytest

import stacks
from harness import histogram, machine
from harness.decide.compare import decide
from harness.measure import conduct, cpu
from harness.measure.books import Books
from harness.measure.contender import ArmError, Contender
from harness.measure.fork import Fork, warm_up
from harness.measure.tally import Tally
from harness.measure.wire import Played, Turn
from harness.results import Result, Trial
from harness.show.progress import Silent
from scenarios import samples
from scenarios.arm import FLOOR, Arm
from stacks import service, shop

MILLISECOND = 1_000_000
ORDER = shop.order("small")
SHOP = service.load(service.DEFAULT)
GRPC = Arm(name="grpc", stack="grpc-protobuf")
TCP = Arm(name="tcp", stack="tcp-msgpack")


class Watch(Silent):
    """An observer that does something once, at a turn."""

    def __init__(self, act: Callable[[], None] | None = None, *, after: float = 0.3) -> None:
        self.act = act
        self.after = after
        self.notes: list[str] = []
        self.phases: list[str] = []

    def phase(self, text: str) -> None:
        self.phases.append(text)

    def advance(self, arm: str, fork: int, forks: int, fraction: float, seconds_left: float) -> None:
        if self.act and fraction >= self.after:
            act, self.act = self.act, None
            act()

    def note(self, text: str, arm: str = "") -> None:
        self.notes.append(text)


def trial(
    *arms: Arm, users: int = 1, seconds: float = 0.5, forks: int = 1, timeout: float = 5.0, **changes: object
) -> Trial:
    made = Trial(
        scenario="unary",
        arms=arms,
        baseline=arms[0].name,
        users=users,
        sample="small",
        method="Quote",
        turn=5 * MILLISECOND,
        settle=MILLISECOND,
        seconds=seconds,
        forks=forks,
        service=service.DEFAULT,
        timeout=timeout,
    )
    return msgspec.structs.replace(made, **changes)


def play(asked: Trial, observer: Watch | None = None) -> Result:
    return conduct.conduct(asked, machine.look(), 7, "rpcduel test", observer or Watch())


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def server_of(stack: str) -> psutil.Process:
    """Find the server process of an arm by its command line."""
    return next(p for p in children() if "serve" in p.cmdline() and stack in p.cmdline())


@pytest.fixture(autouse=True)
def _nothing_left():
    before = psutil.Process().num_fds()
    yield
    assert children() == []
    assert psutil.Process().num_fds() <= before


def test_a_trial_has_turns_of_every_arm_and_balanced_books():
    result = play(trial(GRPC, TCP, FLOOR, users=4, seconds=1.5, forks=2))

    turns = result.turns
    assert [run.failure for run in result.runs] == [None, None, None]
    assert [run.differs for run in result.runs] == ["", "", ""]
    assert [run.errors for run in result.runs] == [{}, {}, {}]
    assert result.forks_done == 2
    assert set(turns.fork.tolist()) == {0, 1}
    for arm in range(3):
        mine = turns.arm == arm
        assert turns.calls[mine].sum() > 100
        assert (turns.done[mine] <= turns.calls[mine]).all()
        assert (turns.client[mine] > 0).all()
        assert turns.server[mine].sum() > 0
        assert turns.window[mine].sum() < turns.busy[mine].sum()
        assert (turns.done[mine] > 0).any()
    assert (turns.failed == 0).all()
    assert (turns.max >= turns.p50).all()


def test_every_round_has_every_arm_once_and_the_next_is_its_mirror():
    result = play(trial(GRPC, TCP, FLOOR, seconds=1.0))

    turns = result.turns
    orders = [
        turns.arm[(turns.round == r) & (turns.long == 0)].tolist() for r in range(int(turns.round.max()) + 1)
    ]
    orders = [order for order in orders if order]
    assert len(orders) >= 4
    for first, second in zip(orders[::2], orders[1::2], strict=False):
        assert sorted(first) == [0, 1, 2]
        assert second == first[::-1]


def test_histograms_hold_the_calls_of_the_windows():
    result = play(trial(TCP, FLOOR, seconds=1.0))

    assert {(h.arm, h.fork, h.long) for h in result.histograms} >= {(0, 0, False), (1, 0, False)}
    figures = {arm.name: arm for arm in decide(result).arms}
    for k, name in enumerate(("tcp", "floor")):
        p50s = result.turns.p50[(result.turns.arm == k) & (result.turns.long == 0)]
        assert p50s.min() <= figures[name].p50.value <= p50s.max()


def test_all_processes_are_fresh_in_every_fork():
    result = play(trial(GRPC, TCP, seconds=0.6, forks=3))

    pids = [pid for run in result.runs for fork in run.pids for pid in fork]
    assert len(pids) == 2 * 3 * 2
    assert len(set(pids)) == len(pids)


def test_a_server_that_sleeps_a_known_time_is_read_back():
    result = play(trial(Arm(name="slow", stack="tcp-msgpack", work="wait:20ms"), TCP, seconds=2.0))

    figures = {arm.name: arm for arm in decide(result).arms}
    slept = figures["slow"].p50.value - figures["tcp"].p50.value
    assert figures["slow"].p50.value >= 20 * MILLISECOND
    assert slept == pytest.approx(20 * MILLISECOND, rel=0.25)


def test_turns_are_lengthened_for_all_arms_where_calls_are_long():
    asked = trial(Arm(name="slow", stack="tcp-msgpack", work="wait:20ms"), TCP, seconds=1.0)

    result = play(asked)

    assert result.trial.turn >= 6 * 20 * MILLISECOND
    assert result.trial.settle < result.trial.turn
    assert (result.turns.busy[result.turns.long == 0] >= result.trial.turn).all()


def test_foreign_cpu_is_found_while_a_helper_burns_some():
    burner: list[subprocess.Popen[bytes]] = []

    def burn() -> None:
        burner.append(subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True))

    try:
        loud = play(trial(TCP, FLOOR, seconds=2.0), Watch(burn, after=0.0))
    finally:
        for process in burner:
            process.kill()
            process.wait()

    assert float(loud.turns.foreign.sum() / loud.turns.busy.sum()) > 0.2
    assert any(finding.kind == "foreign-cpu" for finding in decide(loud).findings)
    assert float(loud.turns.idle.sum() / loud.turns.busy.sum()) < 0.1  # that is what other arms use


@pytest.mark.parametrize("users", [1, 16])
def test_a_server_that_dies_fails_its_arm_only(users):
    watch = Watch(lambda: server_of("tcp-msgpack").kill())

    result = play(trial(GRPC, TCP, users=users, seconds=1.5), watch)

    failure = result.runs[1].failure
    assert failure is not None
    assert "server ended by signal SIGKILL" in failure.reason
    assert result.runs[0].failure is None
    assert any("tcp failed" in note for note in watch.notes)
    after = result.turns.arm[-3:]
    assert set(after.tolist()) == {0}


def test_a_server_that_hangs_fails_its_arm_within_its_deadline():
    result = play(
        trial(GRPC, TCP, seconds=1.5, timeout=0.4), Watch(lambda: server_of("tcp-msgpack").suspend())
    )

    failure = result.runs[1].failure
    assert failure is not None
    assert "no call succeeded" in failure.reason
    assert "Timeout" in failure.reason
    assert result.runs[0].failure is None


@pytest.mark.parametrize("others", [0, 1])
def test_a_run_ends_where_nothing_is_left_to_hold_an_arm_against(others):
    gone = Arm(name="gone", stack="tcp-msgpack", at="127.0.0.1:1")
    watch = Watch()

    result = play(trial(GRPC, gone, *[TCP] * others, FLOOR, seconds=1.0, forks=2), watch)

    assert result.runs[1].failure is not None
    assert result.forks_done == 1 + others
    assert ("ends here: nothing is left to hold grpc against" in watch.notes) != bool(others)
    assert (result.turns.arm == 0).any()  # what it costs by itself is told all the same


def test_a_run_ends_with_its_baseline():
    gone = Arm(name="gone", stack="tcp-msgpack", at="127.0.0.1:1")
    watch = Watch()
    result = play(trial(gone, GRPC, TCP, FLOOR, seconds=1.0, forks=2), watch)
    assert [run.failure is not None for run in result.runs] == [True, False, False, False]
    assert result.forks_done == 1
    assert "ends here: nothing is left to hold grpc against" in watch.notes


def test_a_load_process_that_dies_fails_its_arm_only():
    def kill() -> None:
        loads = [p for p in children() if "harness.measure.load" in p.cmdline()]
        loads[-1].kill()

    result = play(trial(GRPC, TCP, seconds=1.5), Watch(kill))

    failed = [run for run in result.runs if run.failure]
    assert len(failed) == 1
    assert "load process" in failed[0].failure.reason


def test_the_end_of_a_server_s_stderr_is_kept(tmp_path):
    script = tmp_path / "broken.py"
    script.write_text("import sys\nsys.exit('no licence found')\n")
    arm = Arm(name="broken", stack="tcp-msgpack", server=(sys.executable, str(script), "{port}"))

    result = play(trial(TCP, arm))

    failure = result.runs[1].failure
    assert failure is not None
    assert "ended with exit code 1" in failure.reason
    assert failure.stderr == "no licence found"
    assert result.runs[0].failure is None


HANGS_UP = """
import socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listening.accept()
    connection.recv(1)
    connection.close()
"""


def test_of_a_server_that_hangs_up_at_the_first_call_it_is_asked_what_it_speaks(tmp_path):
    script = tmp_path / "other.py"
    script.write_text(HANGS_UP)
    arm = Arm(name="other", stack="tcp-json", server=(sys.executable, str(script), "{port}"))

    failure = play(trial(TCP, arm)).runs[1].failure

    assert failure is not None
    assert failure.reason.startswith("ConnectionLost: ")
    assert failure.reason.endswith("; does its server speak tcp-json?")


def lying_server(tmp_path: Path, condition: str) -> Arm:
    """Make an arm whose server answers wrongly when `condition` holds of the count of calls."""
    script = tmp_path / "lying.py"
    script.write_text(
        f"""
import dataclasses, itertools, sys, time
import stacks
from stacks import service, shop
from stacks.base import Address, Options
calls = itertools.count()
shop = service.load(service.DEFAULT)
quote = shop["Quote"]
def lie(order):
    receipt = quote.handler(order)
    count = next(calls)
    if {condition}:
        receipt.net += 1
    return receipt
lying = dataclasses.replace(shop, methods=(dataclasses.replace(quote, handler=lie),))
with stacks.find("tcp-msgpack").serve(lying, Address(port=int(sys.argv[1])), Options()):
    time.sleep(60)
"""
    )
    return Arm(name="lying", stack="tcp-msgpack", server=(sys.executable, "-P", str(script), "{port}"))


@pytest.mark.parametrize("condition", ["True", "count > 60"])
def test_wrong_replies_are_found_before_and_between_turns(tmp_path, condition):
    result = play(trial(TCP, lying_server(tmp_path, condition), seconds=1.0))

    assert result.runs[0].differs == ""
    assert "Receipt.net is" in result.runs[1].differs
    figures = {arm.name: arm for arm in decide(result).arms}
    assert figures["lying"].validity == "invalid"
    assert figures["lying"].ratios == {}


def test_stacks_without_a_wire_are_measured_too():
    result = play(trial(Arm(name="memory", stack="memory"), seconds=0.4))

    assert result.runs[0].failure is None
    assert result.turns.calls.sum() > 1000


@pytest.mark.parametrize(("method", "replies"), [("Quotes", 20), ("Basket", 1), ("Haggle", 20)])
def test_streams_are_played_and_their_arrivals_recorded(method, replies):
    memory = Arm(name="memory", stack="memory-msgpack")
    floor = msgspec.structs.replace(FLOOR, method="Quote")

    result = play(trial(GRPC, memory, floor, users=2, seconds=1.5, method=method, messages=20))

    assert [run.failure for run in result.runs] == [None] * 3
    assert [run.differs for run in result.runs] == [""] * 3
    assert [run.messages for run in result.runs] == [20, 20, 1]
    counts = {
        (figure, arm): sum(histogram.decode(text).count for h in found for text in h.blocks)
        for figure in ("response", "first", "gap")
        for arm in range(3)
        if (found := [h for h in result.histograms if (h.figure, h.arm) == (figure, arm)])
    }
    for arm in (0, 1):
        assert counts["first", arm] == counts["response", arm] > 0
        assert counts.get(("gap", arm), 0) == counts["response", arm] * (replies - 1)
    assert ("first", 2) not in counts
    figures = {arm.name: arm for arm in decide(result).arms}
    assert figures["grpc"].first.value <= figures["grpc"].p50.value
    one = samples.request(SHOP[method], "small", 0, 20)
    codecs = [stacks.find("grpc-protobuf").codec(kind) for kind in (SHOP[method].request, SHOP[method].reply)]
    messages = one.requests[0], samples.answers(SHOP[method], one)[0]
    assert figures["grpc"].payload == tuple(
        len(codec.encode(message)) for codec, message in zip(codecs, messages, strict=True)
    )


@pytest.mark.parametrize("part", ["encode", "decode"])
def test_a_codec_is_timed_without_a_server_beside_the_floor(part):
    arms = [Arm(name=name, stack=name) for name in ("memory-msgpack", "memory-json")]

    result = play(trial(*arms, FLOOR, seconds=1.0, part=part, messages=50))

    assert [run.failure for run in result.runs] == [None] * 3
    assert [run.messages for run in result.runs] == [50, 50, 1]
    assert [len(run.pids[0]) for run in result.runs] == [1, 1, 2]
    figures = {arm.name: arm for arm in decide(result).arms}
    assert figures["memory-json"].payload[0] == len(
        stacks.find("memory-json").codec(shop.Order).encode(ORDER)
    )


def test_per_request_and_shared_channels_work_under_load():
    arms = [
        Arm(name=mode, stack="grpc-protobuf", channel=mode) for mode in ("shared", "pool:2", "per-request")
    ]

    result = play(trial(*arms, users=4, seconds=1.5))

    assert [run.failure for run in result.runs] == [None] * 3
    assert [run.errors for run in result.runs] == [{}] * 3
    assert [run.connections[0] for run in result.runs[:2]] == [1, 2]


def test_ctrl_c_keeps_forks_that_were_done():
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(conduct.Interrupted) as stop:
        play(trial(TCP, FLOOR, seconds=2.0, forks=2), Watch(interrupt, after=0.6))

    assert stop.value.result is not None
    assert stop.value.result.forks_done == 1
    assert set(stop.value.result.turns.fork.tolist()) == {0}


def test_ctrl_c_before_the_first_fork_is_done_keeps_nothing():
    with pytest.raises(conduct.Interrupted) as stop:
        play(trial(TCP, seconds=1.0), Watch(lambda: os.kill(os.getpid(), signal.SIGINT), after=0.1))

    assert stop.value.result is None


def test_children_die_with_a_conductor_that_is_killed(tmp_path):
    code = (
        "import sys; from harness.cli import main; "
        f"main(['run', '--stack', 'tcp-msgpack', '--users', '1', '--forks', '1', '--seconds', '60',"
        f" '--out', {str(tmp_path)!r}])"
    )
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert parent.stderr is not None
    for line in parent.stderr:
        if b"warming" in line:
            break
    offspring = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.communicate()

    gone, alive = psutil.wait_procs(offspring, timeout=20)

    assert alive == []
    assert len(gone) >= 3


def test_only_one_core_means_nothing_is_pinned(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})

    here = machine.look()

    assert here.cores == 1
    assert here.client_cores == here.server_cores == ()


def test_no_permission_to_pin_means_nothing_is_pinned(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)

    assert machine.look().client_cores == ()


def test_trials_run_without_pinning():
    here = msgspec.structs.replace(machine.look(), client_cores=(), server_cores=())

    result = conduct.conduct(trial(TCP, FLOOR), here, 7, "", Watch())

    assert [run.failure for run in result.runs] == [None, None]


def test_what_is_fixed_is_not_stretched():
    slow = Arm(name="slow", stack="tcp-msgpack", work="wait:15ms")
    asked = trial(slow, FLOOR, seconds=0.5)

    lengths = [
        conduct.conduct(asked, machine.look(), 7, "", Watch(), fixed=fixed).trial.turn
        for fixed in (False, True)
    ]

    assert lengths[0] > asked.turn
    assert lengths[1] == asked.turn


def test_arms_are_warmed_up_by_no_more_than_a_tenth_of_a_second():
    lengths = [warm_up(msgspec.structs.replace(trial(TCP), turn=k * MILLISECOND)) for k in (5, 20, 500)]
    assert lengths == [50 * MILLISECOND, 100 * MILLISECOND, 500 * MILLISECOND]


def test_stretching_doubles_turns_until_six_calls_fit():
    asked = trial(TCP)

    assert conduct.stretched(asked, 1 * MILLISECOND) == asked
    assert conduct.stretched(asked, 2 * MILLISECOND).turn == 20 * MILLISECOND
    assert conduct.stretched(asked, 5.1 * MILLISECOND).turn == 40 * MILLISECOND
    assert conduct.stretched(asked, 6.7 * MILLISECOND).turn == 80 * MILLISECOND
    assert conduct.stretched(asked, 270 * MILLISECOND).turn == 1_280 * MILLISECOND
    assert conduct.stretched(asked, 1_500 * MILLISECOND).turn == 5_120 * MILLISECOND
    assert conduct.stretched(asked, 1e12).turn == 5_120 * MILLISECOND


def test_cpu_of_a_turn_is_that_of_its_arm():
    spin = Arm(name="spin", stack="tcp-msgpack", work="spin:300us")

    result = play(trial(TCP, spin, seconds=1.5))

    turns = result.turns
    costs = [turns.server[turns.arm == arm].sum() / turns.calls[turns.arm == arm].sum() for arm in (0, 1)]
    assert costs[1] - costs[0] == pytest.approx(300_000, rel=0.35)


class Idler:
    """A contender whose server burns 100 ns in its turn and 7 ns in every turn of another one."""

    served = True
    groups = ()
    failure = None

    def __init__(self, name: str, others: list[Idler]) -> None:
        self.arm = Arm(name=name, stack=name)
        self.seen = (0, 0, 0)
        self.client, self.hop, self.server = Clock(), Clock(), Clock()
        self.others = others
        others.append(self)

    def play(self, turn: object) -> Played:
        self.server.time += 100
        for other in self.others:
            if other is not self:
                other.server.time += 7
        return Played(1, 0, 1, 10, 20, 10, 10, client=50, recording=0, errors={}, differs="", broken="")

    def tidy(self) -> None:
        pass

    def read(self) -> tuple[int, int, int]:
        return self.client.read(), self.hop.read(), self.server.read()


def test_an_arm_that_hangs_does_not_make_its_predecessor_pay():
    idlers: list[Idler] = []
    for k in range(2):
        Idler(f"a{k}", idlers)
    asked = trial(*(idler.arm for idler in idlers), seconds=0.05)
    tally, books = Tally(), [Books(idler.arm, stacks.find("floor").facts) for idler in idlers]
    fork = Fork(asked, dict(enumerate(idlers)), books, Watch())
    fork._others = cpu.Others(())
    played = [0]

    def hang(turn: object) -> Played:
        played[0] += 1
        if played[0] < 4:
            return Idler.play(idlers[1], turn)
        idlers[0].server.time += 5_000_000
        raise ArmError("it hangs")

    idlers[1].play = hang  # type: ignore[method-assign]
    idlers[1].stop = lambda: None  # type: ignore[attr-defined]
    fork.play(asked, 0, Random(1), tally)
    tally.keep()
    assert played[0] == 4
    assert tally.turns().server.max() <= 107


class Clock:
    def __init__(self) -> None:
        self.time = 0

    def read(self) -> int:
        return self.time


@pytest.mark.parametrize("count", [2, 6])
def test_an_arm_is_charged_for_its_turn_and_the_one_after_whatever_the_company(count):
    idlers: list[Idler] = []
    for k in range(count):
        Idler(f"a{k}", idlers)
    asked = trial(*(idler.arm for idler in idlers), seconds=0.05)
    tally, books = Tally(), [Books(idler.arm, stacks.find("floor").facts) for idler in idlers]
    fork = Fork(asked, dict(enumerate(idlers)), books, Watch())
    fork._others = cpu.Others(())
    fork.play(asked, 0, Random(1), tally)
    tally.keep()

    turns = tally.turns()
    assert len(turns.arm) > 2 * count
    # The mirror gives the first arm of a round two turns in a row: then nothing lies in between.
    assert set(turns.server[:-1].tolist()) == {100, 107}
    doubled = np.flatnonzero(turns.arm[1:] == turns.arm[:-1])
    assert (turns.server[doubled] == 100).all()
    assert (turns.idle == 7 * (count - 1)).all()
    assert (turns.foreign >= turns.idle).all()
    assert (turns.server[:-1] == 100).sum() == len(doubled)
    assert (turns.client == 50).all()


class Hearer(Silent):
    """An observer that keeps what it is told of turns and findings."""

    def __init__(self) -> None:
        self.turns: list[tuple[str, int, int, int, int]] = []
        self.notes: list[tuple[str, str]] = []

    def turn(self, arm: str, round_: int, cost: int, units: int, busy: int, foreign: int) -> None:
        self.turns.append((arm, round_, cost, units, busy))

    def note(self, text: str, arm: str = "") -> None:
        self.notes.append((text, arm))


def test_the_observer_hears_of_each_turn_and_once_of_what_is_wrong():
    idlers: list[Idler] = []
    for k in range(2):
        Idler(f"a{k}", idlers)
    asked = trial(*(idler.arm for idler in idlers), seconds=0.05, turn=MILLISECOND // 100)
    tally, books, hearer = (
        Tally(),
        [Books(idler.arm, stacks.find("floor").facts) for idler in idlers],
        Hearer(),
    )

    def err(turn: object) -> Played:
        played = Idler.play(idlers[1], turn)
        errors = {"Timeout": (3, "no reply within 5 s")}
        return msgspec.structs.replace(played, errors=errors, differs="net is 3, not 2")

    idlers[1].play = err  # type: ignore[method-assign]
    for number in range(2):
        fork = Fork(asked, dict(enumerate(idlers)), books, hearer)
        fork._others = cpu.Others(())
        fork.play(asked, number, Random(1), tally)
        tally.keep()
    assert hearer.notes == [
        ("calls of a1 fail: Timeout: no reply within 5 s", ""),
        ("a1: its replies are not what they should be: net is 3, not 2", "a1"),
    ]
    turns = tally.turns()
    assert [heard[:2] for heard in hearer.turns] == [
        (f"a{arm}", round_) for arm, round_ in zip(turns.arm.tolist(), turns.round.tolist(), strict=True)
    ]
    units = [0 if long else 1 for long in turns.long.tolist()]
    assert [heard[2:] for heard in hearer.turns] == [(10, count, 20) for count in units]
    assert {0, 1} == set(units)


def test_who_calls_beside_counts_among_all_calls_and_in_no_other_figure():
    crowd = Arm(name="crowd", stack="tcp-msgpack", channel="shared", beside="1MiB")
    result = play(trial(TCP, crowd, users=2, seconds=2.0, turn=40 * MILLISECOND, settle=MILLISECOND))
    assert [run.failure for run in result.runs] == [None, None]
    assert [run.differs for run in result.runs] == ["", ""]
    alone, beside = decide(result).arms
    assert (alone.connections, beside.connections) == ((2,), (1,))
    assert alone.client_cpu is not None
    assert (beside.client_cpu, beside.server_cpu) == (None, None)
    assert sorted(beside.ratios) == ["p50", "time"]
    turns, mine = result.turns, result.turns.arm == 1
    assert turns.done[mine].sum() < turns.calls[mine].sum()


def test_calls_that_the_server_makes_wait_count_from_the_start():
    work = "wait:20ms"
    free = Arm(name="free", stack="grpc-protobuf", channel="shared", work=work)
    limited = Arm(name="limited", stack="grpc-protobuf", channel="shared", work=work, streams=2)
    result = play(trial(free, limited, users=8, seconds=3.0, turn=200 * MILLISECOND, settle=40 * MILLISECOND))
    # A server may still count a stream that its client has seen end; what it refuses then is counted.
    assert not result.runs[0].errors
    assert all("REFUSED_STREAM" in text or "RST_STREAM" in text for text in result.runs[1].errors)
    # Eight users over two streams: each call waits for three others.
    unlimited, few = (arm.p50.value for arm in decide(result).arms)
    assert few > 2 * unlimited


def test_300_users_in_one_load_process_call_without_errors():
    arm = Arm(name="many", stack="grpc-protobuf")
    result = play(trial(arm, users=300, seconds=1.0, turn=375 * MILLISECOND, settle=75 * MILLISECOND))
    (run,) = result.runs
    assert (run.failure, run.errors, run.differs, run.connections) == (None, {}, "", (300,))
    assert result.turns.calls.sum() > 600


def hop_of(name: str) -> psutil.Process:
    """Find the process of a hop by its command line."""
    return next(p for p in children() if "hop" in p.cmdline() and name in p.cmdline())


def stopped(process: psutil.Process, seconds: float) -> None:
    """Let a process stand still for a while, without waiting for it."""
    process.suspend()
    Timer(seconds, process.resume).start()


@pytest.mark.parametrize("hop", ["python", "envoy"])
def test_a_gateway_that_is_killed_fails_its_arm_only_and_the_calls_are_told(hop):
    through = Arm(name="through", stack="grpc-protobuf", hops=(hop,))
    watch = Watch(lambda: os.killpg(hop_of(hop).pid, signal.SIGKILL))
    result = play(trial(GRPC, through, users=4, seconds=3.0), watch)
    direct, passed = result.runs
    assert (direct.failure, direct.errors) == (None, {})
    assert passed.failure is not None
    told = r"its hop ended by signal SIGKILL; its calls failed with (Unavailable|ConnectionLost): "
    assert re.match(told, passed.failure.reason)


def test_calls_outlast_an_upstream_that_stands_still_for_2_s():
    through = Arm(name="through", stack="grpc-protobuf", hops=("python",))
    watch = Watch(lambda: stopped(server_of("grpc-protobuf"), 2.0))
    result = play(trial(through, users=4, seconds=5.0, turn=20 * MILLISECOND), watch)
    (run,) = result.runs
    assert (run.failure, run.errors, run.differs) == (None, {}, "")
    still = int(result.turns.busy.argmax())
    assert result.turns.busy[still] > 1_000 * MILLISECOND
    assert still < len(result.turns.busy) - 1


@pytest.mark.parametrize(("hop", "behind"), [("python", 1), ("envoy", 1), ("nginx", 4), ("caddy", 1)])
def test_connections_are_counted_while_there_are_calls(hop, behind):
    work = "wait:5ms"  # so that all users' calls are in flight at once
    result = play(trial(Arm("g", "grpc-protobuf", hops=(hop,), work=work), users=4, seconds=0.5))
    assert result.runs[0].connections == (4, behind)


def test_connections_for_a_call_each_are_counted_while_they_are_open():
    arm = Arm("r", "tcp-msgpack", channel="per-request", work="wait:5ms")
    result = play(trial(arm, users=3, seconds=0.5))
    assert 1 <= result.runs[0].connections[0] <= 3


@pytest.mark.parametrize("hop", ["python", "envoy", "nginx", "caddy"])
def test_no_process_of_an_arm_is_foreign_its_gateways_neither(hop):
    asked = trial(Arm(name="through", stack="grpc-protobuf", hops=(hop,)))
    contender = Contender(asked.arms[0], asked, machine.look(), 0, wire=True)
    try:
        contender.launch()
        contender.link()
        contender.ready()
        ours = {*contender.pids}
        assert len(ours) > 2
        assert ours <= set(cpu.Others([])._last)
        assert ours.isdisjoint(cpu.Others(contender.groups)._last)
        before = contender.read()[1]
        contender.play(Turn(200 * MILLISECOND, 0, long=False, block=-1))
        assert contender.read()[1] > before
    finally:
        contender.stop()


def test_a_server_that_runs_already_is_not_foreign_to_its_arm():
    command = [sys.executable, "-P", "-m", "stacks", "serve", "tcp-msgpack"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = msgspec.json.decode(server.stdout.readline())["address"]
        asked = trial(Arm(name="there", stack="tcp-msgpack", at=f"{address['host']}:{address['port']}"))
        contender = Contender(asked.arms[0], asked, machine.look(), 0, wire=True)
        try:
            contender.launch()
            contender.link()
            contender.ready()
            assert server.pid in contender.pids
            assert {*contender.pids}.isdisjoint(cpu.Others(contender.groups)._last)
        finally:
            contender.stop()
            server.terminate()
