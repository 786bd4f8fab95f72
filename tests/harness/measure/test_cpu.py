import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure import cpu
from harness.measure.cpu import Meter, Others, cpu_time, members, steal

MILLISECOND = 1_000_000
CHILD = """
import sys, threading, time

def test_a_listener_is_found_by_its_port():
    with socket.socket() as listening, socket.socket() as idle:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        idle.bind(("127.0.0.1", 0))
        assert cpu.listener(listening.getsockname()[1]) == os.getpid()
        assert cpu.listener(idle.getsockname()[1]) is None


def burn(ms):
    end = time.thread_time_ns() + ms * 1_000_000
    while time.thread_time_ns() < end: pass

print(time.process_time_ns(), flush=True)
for line in sys.stdin:
    word, ms = line.split()
    if word == "burn":
        burn(int(ms))
    else:
        thread = threading.Thread(target=burn, args=[int(ms)])
        thread.start(); thread.join()
    print(time.process_time_ns(), flush=True)
"""


class Child:
    """A process that burns CPU when told to, and says how much it has used in ns."""

    def __init__(self, *, session=False):
        self.popen = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=session,
        )
        self.pid = self.popen.pid
        self.used = int(self.popen.stdout.readline())

    def burn(self, milliseconds, where="burn"):
        """Burn CPU; gives what the child says it used in all by then."""
        self.popen.stdin.write(f"{where} {milliseconds}\n")
        self.popen.stdin.flush()
        self.used = int(self.popen.stdout.readline())
        return self.used

    def end(self):
        self.popen.communicate()


@contextmanager
def child(**options):
    made = Child(**options)
    try:
        yield made
    finally:
        made.end()


def test_cpu_time_is_what_the_process_itself_reads():
    before = time.process_time_ns()
    seen = cpu_time(os.getpid())
    assert before <= seen <= time.process_time_ns()


@pytest.mark.parametrize("where", ["burn", "thread"])
def test_cpu_time_contains_all_threads_living_and_dead(where):
    with child() as one:
        before = one.used
        reported = one.burn(30, where)
        seen = cpu_time(one.pid)
        assert reported - before >= 30 * MILLISECOND
        # it was asked after the child had read its own clock, and wrote a line meanwhile
        assert reported <= seen <= reported + 20 * MILLISECOND


def test_a_process_that_is_gone_has_no_cpu_time():
    with child() as one:
        pid = one.pid
    assert cpu_time(pid) is None


def test_a_meter_counts_from_when_it_began_to_watch():
    with child() as one:
        one.burn(30)
        meter = Meter()
        first = cpu_time(one.pid)
        meter.watch([one.pid])
        assert 0 <= meter.read() <= cpu_time(one.pid) - first
        before = one.used
        used = one.burn(20) - before
        assert used <= meter.read() + (first - before)
        assert meter.read() <= cpu_time(one.pid) - first


def test_a_meter_may_count_from_birth():
    with child() as one:
        reported = one.burn(20)
        meter = Meter()
        meter.watch([one.pid], from_birth=True)
        assert reported <= meter.read() <= cpu_time(one.pid)


def test_watching_twice_counts_once():
    with child() as one:
        meter = Meter()
        first = cpu_time(one.pid)
        meter.watch([one.pid, one.pid])
        meter.watch([one.pid], from_birth=True)
        one.burn(20)
        assert 20 * MILLISECOND <= meter.read() <= cpu_time(one.pid) - first


def test_what_a_process_used_stays_when_it_ends():
    meter = Meter()
    with child() as one, child() as other:
        meter.watch([one.pid, other.pid])
        one.burn(20)
        before = meter.read()
        assert before >= 20 * MILLISECOND
        one.end()
        assert meter.read() >= before
        other.burn(20)
        assert meter.read() >= before + 20 * MILLISECOND
    assert meter.read() >= before + 20 * MILLISECOND


def test_a_process_that_is_gone_cannot_be_watched():
    with child() as one:
        pid = one.pid
    meter = Meter()
    meter.watch([pid], from_birth=True)
    assert meter.read() == 0


pids = st.integers(1, 4)
clocks = st.dictionaries(pids, st.integers(0, 1000))
steps = st.tuples(clocks, st.sets(pids), st.booleans())


@given(st.lists(steps, max_size=12))
def test_sums_never_fall_whatever_processes_come_and_go(steps):
    """Pids come, end, and come back as others with clocks that start anew."""
    clock = {}
    meter = Meter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "cpu_time", clock.get)
        last = 0
        for now, watched, from_birth in steps:
            clock.clear()
            clock.update(now)
            meter.watch(watched, from_birth=from_birth)
            first, again = meter.read(), meter.read()
            assert last <= first == again
            last = first


def test_a_pid_that_another_process_got_starts_anew(monkeypatch):
    clock = {7: 100}
    monkeypatch.setattr(cpu, "cpu_time", clock.get)
    meter = Meter()
    meter.watch([7])
    clock[7] = 130
    assert meter.read() == 30
    clock[7] = 5
    assert meter.read() == 30
    meter.watch([7])
    clock[7] = 9
    assert meter.read() == 34


def test_members_are_the_processes_of_a_group():
    with child(session=True) as one, child() as other:
        assert members(one.pid) == [one.pid]
        assert {os.getpid(), other.pid} <= set(members(os.getpgrp()))
        assert one.pid not in members(os.getpgrp())
        pid = one.pid
    assert members(pid) == []


def test_a_process_may_have_any_name():
    code = r"open('/proc/self/comm', 'wb').write(b') S 1 (\xff '); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as one:
        one.stdout.readline()
        assert Path(f"/proc/{one.pid}/comm").read_bytes() == b") S 1 (\xff \n"
        assert members(one.pid) == [one.pid]
        one.communicate(b"\n")


def test_steal_is_the_kernels_count():
    def ticks():
        return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])

    before, found, after = ticks(), steal(), ticks()
    assert before * 10**9 <= found * os.sysconf("SC_CLK_TCK") <= after * 10**9


def test_others_see_a_foreign_process_that_burns_cpu():
    with child(session=True) as one:
        others = Others([])
        before = others.read()
        one.burn(30)
        assert others.read() - before >= 30 * MILLISECOND


def test_others_see_a_process_that_came_later_from_its_birth_on():
    others = Others([])
    with child(session=True) as one:
        reported = one.burn(30)
        before = others.read()
        others.rescan()
        assert others.read() - before >= reported
        others.rescan()
        others.rescan()
        assert others._last[one.pid] == cpu_time(one.pid)


def test_others_ignore_our_groups_and_ourselves():
    with child(session=True) as ours, child(session=True) as later, child(session=True) as foreign:
        others = Others([ours.pid, later.pid])
        assert ours.pid not in others._last
        assert os.getpid() not in others._last
        assert foreign.pid in others._last
        others.rescan()
        assert not {ours.pid, later.pid, os.getpid()} & set(others._last)


def test_others_ignore_members_that_join_our_groups_later():
    code = (
        "import subprocess as s; input(); p = s.Popen(['sleep', '60']); "
        "print(p.pid, flush=True); input(); p.kill(); p.wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as leader:
        others = Others([leader.pid])
        leader.stdin.write("\n")
        leader.stdin.flush()
        young = int(leader.stdout.readline())
        others.rescan()
        assert young in members(leader.pid)
        assert young not in others._last
        leader.communicate("\n")


def test_others_leave_kernel_threads_out():
    others = Others([])
    kernel = [
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdecimal() and (stat := cpu._stat(int(path.name))) and int(stat[6]) & 0x00200000
    ]
    assert not set(kernel) & set(others._last)


def test_a_process_that_the_kernels_thread_number_belongs_to_is_watched(monkeypatch):
    """In a container pid 2 is a process like any other."""
    stats = {2: "S 1 2 2 0 -1 4194304", 30: "S 2 30 30 0 -1 4194304", 40: "S 0 0 0 0 -1 2129984"}
    monkeypatch.setattr(cpu, "_stat", lambda pid: stats[pid].split())
    monkeypatch.setattr(cpu, "_pids", lambda: list(stats))
    monkeypatch.setattr(cpu, "cpu_time", lambda _pid: 5)
    assert set(Others([])._last) == {2, 30}


def test_others_never_fall_while_processes_come_and_go():
    others, readings, over = Others([]), [], threading.Event()

    def breed():
        while not over.is_set():
            subprocess.run([sys.executable, "-S", "-c", ""], check=True)

    breeder = threading.Thread(target=breed)
    breeder.start()
    try:
        for _ in range(60):
            others.rescan()
            readings.append(others.read())
    finally:
        over.set()
        breeder.join()
    assert readings == sorted(readings)
