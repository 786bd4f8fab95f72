"""Open loops under gevent, on the real clock: every call is made or dropped, and nobody is left waiting."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


def run(code):
    """Run in a process of its own, for gevent's hub there is one a thread."""
    head = """
        import gevent
        from time import perf_counter_ns
        from scenarios.desk import Desk
        from scenarios.queue import OVER
        from scenarios.turns import Seat
        MS = 1_000_000

        def play(desk, dues, waiting, users, call):
            start = perf_counter_ns()
            queue = desk.open([start + due for due in dues], waiting, users=users)
            seats = [Seat(call, None, 1.0) for _ in range(users)]
            spawned = [gevent.spawn(seat.serve, desk.ask) for seat in seats]
            gevent.joinall(spawned, timeout=20, raise_error=True)
            assert not any(seat.broken for seat in seats), seats[0].broken
            made = [tuple(seat.stamps[k:k + 3]) for seat in seats for k in range(0, len(seat.stamps), 3)]
            assert queue.over and not queue.idle
            return start, sorted(made), queue
    """
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(head) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_calls_are_made_none_before_it_is_due():
    run("""
        desk = Desk()
        for _ in range(3):
            dues = [k * 100_000 for k in range(2000)]
            start, made, queue = play(desk, dues, 10_000, 8, lambda *_: gevent.sleep(0))
            assert [number for number, _, _ in made] == list(range(2000))
            assert not queue.dropped
            assert all(sent >= start + dues[number] for number, sent, _ in made)
            assert all(ended >= sent for _, sent, ended in made)
        desk.close()
    """)


def test_what_is_beyond_the_bound_is_dropped_and_everybody_goes_home():
    run("""
        desk = Desk()
        start, made, queue = play(desk, [0] * 100, 20, 4, lambda *_: gevent.sleep(0.001))
        assert len(made) + len(queue.dropped) == 100
        assert len(made) == 24, len(made)
    """)


@pytest.mark.parametrize("dues", ["[]", "[0]", "[5 * MS]", "[0, 0, 5 * MS, 5 * MS]"])
def test_turns_of_few_calls_end(dues):
    run(f"""
        desk = Desk()
        for _ in range(20):
            start, made, queue = play(desk, {dues}, 10, 3, lambda *_: None)
            assert len(made) == len({dues})
    """)


def test_calls_that_never_wait_end_too():
    run("""
        desk = Desk()
        start, made, queue = play(desk, [k * 1000 for k in range(5000)], 10_000, 3, lambda *_: None)
        assert len(made) == 5000
    """)


def test_descriptors_are_given_back():
    run("""
        import os
        gevent.sleep(0)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            Desk().close()
        assert len(os.listdir("/proc/self/fd")) == before
    """)
