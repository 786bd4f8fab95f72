"""How a run shows how it gets on: drawn, in lines, or not at all."""

import io
import threading

from harness.measure.observer import Observer, Part
from harness.show import progress


class Output(io.StringIO):
    """Text that says of itself in which encoding it is, and whether it is a terminal."""

    def __init__(self, encoding="utf-8", *, tty=False):
        super().__init__()
        self._encoding = encoding
        self._tty = tty

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return self._tty


class Clock:
    def __init__(self):
        self.now = 10**9

    def __call__(self):
        return self.now


def test_what_is_drawn_has_no_thread_and_a_limit():
    out, clock, threads = Output(tty=True), Clock(), set(threading.enumerate())
    drawn = progress.observer(out, clock=clock)
    assert isinstance(drawn, progress.Drawn)
    drawn.start("2 arms × 5 forks")
    drawn.advance("a", 0, 5, 0.1, 40)
    size = len(out.getvalue())
    for _ in range(1000):
        drawn.advance("b", 0, 5, 0.2, 30)
    assert len(out.getvalue()) == size
    clock.now += 200_000_000
    drawn.advance("c", 1, 5, 0.3, 20)
    assert "fork 2 of 5" in out.getvalue()[size:]
    assert set(threading.enumerate()) == threads
    drawn.note("a failed")
    drawn.close()
    drawn.close()
    assert "a failed" in out.getvalue()
    assert out.getvalue().rfind("\x1b[?25h") > out.getvalue().rfind("\x1b[?25l")


def test_arms_are_drawn_with_what_is_known_of_them(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    out, clock = Output(tty=True), Clock()
    drawn = progress.observer(out, clock=clock)
    drawn.start("2 arms × 2 forks")
    drawn.begin("16 users, small", ["a", "b", "floor"], "a", "time/call", 2)
    drawn.phase("starting a")
    assert "time/call" not in out.getvalue()
    for number in range(10):
        for arm, cost in (("a", 200_000), ("b", 100_000), ("floor", 20_000)):
            drawn.turn(arm, number, cost * 10, 10, 20_000_000, 10_000_000 * (arm == "a"))
            drawn.advance(arm, 0, 2, number / 20, 10)
        clock.now += 10**8
    seen = out.getvalue()
    assert "spread within this start" in seen
    assert "0.500×" in seen
    assert seen.count("time/call µs") == 4  # one in 200 ms, from the drawing of the phase on
    drawn.end(0, 2)
    drawn.note("b: its replies are not what they should be", "b")
    clock.now += 10**9
    drawn.advance("a", 1, 2, 0.6, 4)
    seen = out.getvalue()[len(seen) :]
    last = seen.rpartition("\x1b[1A\x1b[2K")[2]
    assert "others used 25.0% of the cores' time in a's turns so far" in seen
    assert "100.0✗" in last
    assert "0.500×" not in last
    assert "\x1b[1m  60%" in last
    drawn.close()
    assert out.getvalue().endswith("\x1b[?25h\r" + 5 * "\x1b[1A\x1b[2K")


def test_closing_before_the_start_is_nothing():
    out = Output(tty=True)
    progress.observer(out).close()
    assert out.getvalue() == ""


def test_no_terminal_gets_a_line_a_fork():
    out = Output(encoding="ascii")
    written = progress.observer(out)
    written.start("2 arms × 2 forks")
    for fork in range(2):
        for step in range(50):
            written.advance(f"arm{step % 2}", fork, 2, (fork + step / 50) / 2, 10 - fork)
    written.note("arm1 \x1b[31mfailed")
    written.close()
    assert out.getvalue().splitlines() == [
        "2 arms x 2 forks",
        "fork 1 of 2: 0% done, about 10 s left",
        "fork 2 of 2: 50% done, about 9 s left",
        "arm1 [31mfailed",
    ]


def test_silence():
    out = Output(tty=True)
    silent = progress.observer(out, silent=True)
    silent.start("a")
    silent.phase("b")
    silent.advance("c", 0, 1, 0.5, 1)
    silent.note("d")
    silent.close()
    assert out.getvalue() == ""


def test_a_part_tells_of_the_whole():
    calls = []

    class Heard:
        def __getattr__(self, name):
            return lambda *values, **named: calls.append((name, *values, *named.values()))

    part: Observer = Part(Heard(), 1, 4, 30.0)
    part.start("plan")
    part.phase("starting")
    part.advance("a", 2, 5, 0.5, 12.0)
    part.begin("16 users", ["a"], "a", "time/call", 2)
    part.turn("a", 3, 100, 2, 120, 1)
    part.end(2, 5)
    part.note("odd", "a")
    part.close()
    assert calls == [
        ("phase", "trial 2 of 4: plan"),
        ("phase", "trial 2 of 4: starting"),
        ("advance", "a", 2, 5, 0.375, 72.0),
        ("begin", "trial 2 of 4: 16 users", ["a"], "a", "time/call", 2, False),
        ("turn", "a", 3, 100, 2, 120, 1),
        ("end", 2, 5),
        ("note", "trial 2 of 4: odd", "a"),
    ]
