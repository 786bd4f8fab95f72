import dataclasses
import time
from time import perf_counter_ns

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks import service, shop, work
from stacks.errors import StackError

MILLISECOND = 1_000_000
NOTE = shop.Note(1, b"x")
UNITS = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@pytest.fixture
def plain():
    return service.load(service.DEFAULT)


@given(st.sampled_from(["wait", "spin", "touch"]), st.integers(0, 10**9), st.sampled_from(list(UNITS)))
def test_a_text_is_a_kind_and_a_time(kind, amount, unit):
    assert work.parse(f"{kind}:{amount}{unit}") == (kind, amount * UNITS[unit])


def test_fractions_are_of_the_unit():
    assert work.parse("spin:0.5us") == ("spin", 500)
    assert work.parse("wait:1.25ms") == ("wait", 1_250_000)
    assert work.parse("wait:0.1s") == ("wait", 100 * MILLISECOND)


@pytest.mark.parametrize(
    "text",
    [
        "spin",
        "spin:",
        "spin:9",
        "spin:us",
        "spin:-9us",
        "spin:.5us",
        "spin:5.us",
        "spin:1e3us",
        "spin: 9us",
        "spin:9us ",
        "spin:9ns",
        "spin:9min",
        "SPIN:9us",
        "sleep:9us",
        "9us",
        ":9us",
        "spin:9us,wait:9us",
        "spin:nanus",
    ],
)
def test_other_texts_are_refused_with_an_example(plain, text):
    for function in (work.parse, lambda bad: work.add(plain, bad)):
        with pytest.raises(StackError) as caught:
            function(text)
        assert str(caught.value) == (
            f"{text!r} is no work; write wait, spin or touch with a time, for example spin:9us"
        )


@pytest.mark.parametrize("text", ["", "spin:0us", "wait:0s", "touch:0ms"])
def test_no_work_changes_nothing(plain, text):
    assert work.add(plain, text) is plain


def test_wait_sets_the_delay_and_leaves_the_handlers_alone(plain):
    waiting = work.add(plain, "wait:2.5ms")
    assert waiting == dataclasses.replace(plain, delay=0.0025)
    assert plain.delay == 0


@pytest.mark.parametrize("kind", ["spin", "touch"])
def test_work_takes_its_time_before_the_handler_and_changes_no_reply(plain, kind):
    called = []
    noting = dataclasses.replace(
        plain,
        methods=tuple(
            dataclasses.replace(method, handler=lambda request: called.append(perf_counter_ns()) or request)
            for method in plain.methods
        ),
    )
    worked = work.add(noting, f"{kind}:2ms")
    assert worked.delay == 0
    assert (worked.name, [method.name for method in worked.methods]) == (
        plain.name,
        [method.name for method in plain.methods],
    )
    for method in worked.methods:
        began = perf_counter_ns()
        assert method.handler(NOTE) is NOTE
        assert called.pop() - began >= 2 * MILLISECOND


@pytest.mark.parametrize("kind", ["spin", "touch"])
def test_work_burns_cpu(plain, kind, monkeypatch):
    """The clock of this thread's CPU stands in for the clock on the wall, so neighbours don't matter."""
    monkeypatch.setattr(work, "perf_counter_ns", time.thread_time_ns)
    handler = work.add(plain, f"{kind}:5ms")["Echo"].handler
    before = time.thread_time_ns()
    handler(NOTE)
    assert time.thread_time_ns() - before >= 5 * MILLISECOND


def test_an_error_of_the_handler_comes_through(plain):
    handler = work.add(plain, "spin:1us")["Quote"].handler
    with pytest.raises(AttributeError):
        handler(NOTE)


def test_touch_walks_through_its_arena_and_stays_inside(plain, monkeypatch):
    ticks = iter(range(1, 1000))
    monkeypatch.setattr(work, "perf_counter_ns", lambda: next(ticks))
    monkeypatch.setattr(work, "_ARENA", 4 * 4096)
    touch = work._toucher()
    arena = next(
        cell.cell_contents for cell in touch.__closure__ if isinstance(cell.cell_contents, bytearray)
    )
    for k in range(len(arena)):
        arena[k] = 1
    touch(3)  # the clock reads 1, then 2 and 3 before pages, then 4
    assert [arena.count(1, page, page + 4096) for page in range(0, len(arena), 4096)] == [
        4032,
        4032,
        4096,
        4096,
    ]
    touch(100)
    assert [arena.count(1, page, page + 4096) for page in range(0, len(arena), 4096)] == [4032] * 4
    assert len(arena) == 4 * 4096
