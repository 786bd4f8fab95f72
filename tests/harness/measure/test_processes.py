import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.measure import processes
from harness.measure.processes import Process, StartError

PATIENCE = 20.0
"""Seconds after which a test gives up; nothing waits that long."""
SLEEP = "import time; time.sleep(600)"
ASK = """
import sys
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
"""A child that runs the lines it is sent, and says so after each."""


@pytest.fixture
def start():
    """Start Python programs as children, and stop those that are left."""
    started = []

    def run(code, cores=(), **options):
        started.append(Process([sys.executable, "-c", code], cores, **options))
        return started[-1]

    yield run
    for process in started:
        process.stop()


@pytest.fixture(autouse=True)
def nothing_stays():
    """Fail a test that leaves a child or a file open."""
    files = sorted(Path("/proc/self/fd").iterdir())
    yield
    assert psutil.Process().children(recursive=True) == []
    # Threads of libraries may close theirs meanwhile.
    assert len(list(Path("/proc/self/fd").iterdir())) <= len(files)


@pytest.fixture
def impatient(monkeypatch):
    """Let those that don't listen be killed soon."""
    monkeypatch.setattr(processes, "_PATIENCE", 0.2)


def tell(process, line):
    """Have an `ASK` child run a line, and wait until it has."""
    process._child.stdin.write(line.encode() + b"\n")
    process._child.stdin.flush()
    return process.line(PATIENCE)


def await_end(pid):
    """Wait until process `pid`, whoever its parent is, runs no more."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = select.select([handle], [], [], PATIENCE)
        assert ready, f"process {pid} still runs"
    finally:
        os.close(handle)


def is_gone(pid):
    """Whether `pid` is no process, or one that only waits to be reaped by its new parent."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_line_gives_the_first_line(start):
    assert start("print('one', flush=True); input()").line(PATIENCE) == b"one\n"


def test_line_comes_together_from_parts(start):
    code = "import os, sys\nfor k in range(9):\n    os.write(1, b'%d' % k)\nos.write(1, b'\\n'); input()"
    assert start(code).line(PATIENCE) == b"012345678\n"


def test_further_lines_do_not_matter(start):
    assert start("print('one\\ntwo\\nthr', end='', flush=True); input()").line(PATIENCE) == b"one\n"


def test_line_gives_up_after_the_timeout_with_what_stands_on_standard_error(start):
    process = start(ASK)
    tell(process, "sys.stderr.write('thinking'); sys.stderr.flush()")
    with pytest.raises(StartError, match=r"^said nothing within 0.05 s$") as caught:
        process.line(0.05)
    assert caught.value.stderr == "thinking"


def test_half_a_line_is_no_line(start):
    with pytest.raises(StartError, match=r"said nothing within 0.5 s"):
        start("import os; os.write(1, b'half'); input()").line(0.5)


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("sys.exit(3)", "with exit code 3"),
        ("sys.exit()", "with exit code 0"),
        ("os.kill(os.getpid(), 9)", "by signal SIGKILL"),
    ],
)
def test_a_child_that_ends_at_once_says_how(start, end, how):
    process = start(f"import os, sys; print('oh no', file=sys.stderr, flush=True); {end}")
    with pytest.raises(StartError, match=f"^ended at once {how}$") as caught:
        process.line(PATIENCE)
    assert caught.value.stderr == "oh no"
    assert process.ended() == how


@pytest.mark.usefixtures("impatient")
def test_a_child_that_closes_its_output_and_lives_on_is_no_server(start):
    process = start(f"import os; os.close(1); {SLEEP}")
    with pytest.raises(StartError, match=r"^closed its output$"):
        process.line(PATIENCE)
    assert not process.ended()


def test_a_line_without_end_is_refused(start):
    process = start("import os\nwhile True: os.write(1, b'x' * 65536)")
    with pytest.raises(StartError, match=r"said [0-9]+ bytes that are no address"):
        process.line(PATIENCE)


def test_ended_is_empty_while_it_runs(start):
    process = start(ASK)
    tell(process, "pass")
    assert not process.ended()


def test_tail_gives_the_end_of_standard_error(start):
    process = start(ASK)
    assert not process.tail()
    tell(process, "sys.stderr.write('a' * 5000 + 'z\\n'); sys.stderr.flush()")
    assert process.tail() == "a" * 1998 + "z"
    tell(process, "sys.stderr.buffer.write(b'\\xff end'); sys.stderr.flush()")
    assert process.tail().endswith("az\n� end")


def test_tidy_neither_waits_nor_lets_the_pipe_fill_up(start):
    process = start(ASK)
    process.tidy()
    for _ in range(5):
        tell(process, "print('x' * 60_000)")
        process.tidy()
    tell(process, "pass")


def test_tidy_keeps_standard_error_small_and_the_child_writes_on(start):
    process = start(ASK)
    tell(process, "sys.stderr.write('early' + 'x' * (1 << 20)); sys.stderr.flush()")
    process.tidy()
    assert not process.tail()
    tell(process, "sys.stderr.write('late'); sys.stderr.flush()")
    process.tidy()
    assert process.tail() == "late"
    assert os.fstat(process._stderr.fileno()).st_size == 4


def test_a_child_leads_a_session_and_a_group_of_its_own(start):
    process = start(SLEEP)
    assert os.getpgid(process.pid) == os.getsid(process.pid) == process.pid
    assert process.command.startswith(f"{sys.executable} -c import time")


def test_stop_reaps_the_child(start):
    process = start(SLEEP)
    assert psutil.pid_exists(process.pid)
    process.stop()
    assert not psutil.pid_exists(process.pid)
    assert process.ended() == "by signal SIGTERM"


def test_stop_of_a_child_that_ended_by_itself(start):
    process = start("pass")
    await_end(process.pid)
    process.stop()
    assert process.ended() == "with exit code 0"


def test_a_child_may_take_its_leave(start):
    code = (
        "import signal, sys; signal.signal(15, lambda *_: sys.exit(5)); print(1, flush=True); signal.pause()"
    )
    process = start(code)
    process.line(PATIENCE)
    process.stop()
    assert process.ended() == "with exit code 5"


DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN)"
FAMILY = """
import os, signal, subprocess, sys
if {deaf}: signal.signal(15, signal.SIG_IGN)
young = [subprocess.Popen([sys.executable, "-c", {grandchild!r}], stdout=subprocess.PIPE) for _ in range(2)]
for child in young: child.stdout.readline()
print(*(child.pid for child in young), flush=True)
signal.pause()
"""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("deaf", [True, False])
def test_stop_ends_the_whole_group_even_those_that_ignore_it(start, deaf):
    grandchild = f"{DEAF}; print(1, flush=True); time.sleep(600)"
    process = start(FAMILY.format(deaf=deaf, grandchild=grandchild))
    pids = [int(word) for word in process.line(PATIENCE).split()]
    assert [os.getpgid(pid) for pid in pids] == [process.pid] * 2
    process.stop()
    assert process.ended() == f"by signal {'SIGKILL' if deaf else 'SIGTERM'}"
    assert not psutil.pid_exists(process.pid)
    for pid in pids:
        await_end(pid)
        assert is_gone(pid)


@pytest.mark.usefixtures("impatient")
def test_a_child_that_is_stopped_in_its_tracks_is_ended_too(start):
    process = start(SLEEP)
    os.kill(process.pid, signal.SIGSTOP)
    process.stop()
    assert not psutil.pid_exists(process.pid)


AFFINITY = "import os; print(*sorted(os.sched_getaffinity(0)), flush=True); input()"


@pytest.mark.parametrize("foreign", [False, True])
def test_a_child_is_pinned_before_its_first_instruction_and_we_are_not(start, foreign):
    before = os.sched_getaffinity(0)
    core = max(before)
    process = start(AFFINITY, [core], foreign=foreign)
    assert os.sched_getaffinity(process.pid) == {core}
    if not foreign:
        assert process.line(PATIENCE).split() == [str(core).encode()]
    assert os.sched_getaffinity(0) == before


def test_without_cores_a_child_runs_where_we_do(start):
    line = start(AFFINITY).line(PATIENCE)
    assert {int(word) for word in line.split()} == os.sched_getaffinity(0)


@pytest.mark.parametrize(
    ("command", "cores", "reason"),
    [
        ("/no/such/program", (), "/no/such/program: cannot be started: No such file or directory"),
        ("/etc/passwd", (0,), "/etc/passwd: cannot be started: Permission denied"),
        (sys.executable, (4095,), "cannot be started: Invalid argument"),
    ],
)
@pytest.mark.parametrize("foreign", [False, True])
def test_a_command_that_cannot_be_started_leaves_all_as_it_was(command, cores, reason, foreign):
    before = os.sched_getaffinity(0)
    with pytest.raises(StartError, match=reason):
        Process([command], cores, foreign=foreign)
    assert os.sched_getaffinity(0) == before


def test_only_foreign_programs_are_started_with_code_between_fork_and_exec(start, monkeypatch):
    asked = []

    class Recorded(subprocess.Popen):
        def __init__(self, *arguments, preexec_fn=None, **options):
            asked.append(preexec_fn)
            super().__init__(*arguments, preexec_fn=preexec_fn, **options)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    start(SLEEP)
    start(SLEEP, foreign=True)
    assert asked[0] is None
    assert asked[1] is not None


def test_a_child_inherits_what_it_is_given_and_nothing_else(start):
    code = (
        "import os; from pathlib import Path; "
        "print(*(path.name for path in list(Path('/proc/self/fd').iterdir()) if path.exists()))"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = start(code, pass_fds=[theirs.fileno()]).line(PATIENCE)
        # what lists a directory has it open, and finds it closed when it looks again
        assert {int(word) for word in line.split()} == {0, 1, 2, theirs.fileno()}


def test_a_foreign_program_does_not_outlive_us():
    code = (
        "import sys, time; from harness.measure.processes import Process; "
        f"child = Process([sys.executable, '-c', {SLEEP!r}], [], foreign=True); "
        "print(child.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        parent.kill()
    await_end(pid)
    assert is_gone(pid)
