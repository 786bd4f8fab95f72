import threading
from types import SimpleNamespace

from harness.measure.bare import BareSeat, BareTurnstile, start
from stacks.errors import Timeout

PATIENCE = 20.0
MILLISECOND = 1_000_000


def seat_of(call):
    return BareSeat(call, "request", 1.0)


def counting(pause):
    """Make a call that counts itself and lets others in."""
    calls = []

    def call(request, timeout):
        calls.append((request, timeout))
        pause.wait(0.0001)
        return len(calls)

    return call, calls


def leave(turnstile, threads):
    turnstile.shut()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)


def test_every_call_of_a_turn_is_counted_and_turns_do_not_add_up():
    never = threading.Event()
    made = [counting(never) for _ in range(4)]
    turnstile = BareTurnstile([seat_of(call) for call, _ in made])
    threads = start(turnstile)
    try:
        before = [0] * 4
        for _ in range(20):
            began, drained = turnstile.play(2 * MILLISECOND)
            assert drained - began >= 2 * MILLISECOND
            after = [len(calls) for _, calls in made]
            assert [seat.count for seat in turnstile.seats] == [
                b - a for a, b in zip(before, after, strict=True)
            ]
            before = after
    finally:
        leave(turnstile, threads)
    assert all(calls[0] == ("request", 1.0) for _, calls in made)


def test_a_call_that_fails_ends_the_users_turn_and_is_reported(monkeypatch):
    failed = threading.Event()
    lasts_until_it_failed = SimpleNamespace(sleep=lambda _seconds: failed.wait(PATIENCE))
    monkeypatch.setattr("harness.measure.bare.time", lasts_until_it_failed)

    def fail(_request, _timeout):
        failed.set()
        raise Timeout("too late")

    call, calls = counting(threading.Event())
    turnstile = BareTurnstile([seat_of(fail), seat_of(call)])
    threads = start(turnstile)
    try:
        turnstile.play(MILLISECOND)
        bad, good = turnstile.seats
        assert (bad.count, type(bad.broken)) == (0, Timeout)
        assert (good.count, good.broken) == (len(calls), None)
    finally:
        leave(turnstile, threads)


def test_no_turn_at_all():
    turnstile = BareTurnstile([seat_of(lambda *_: None) for _ in range(3)])
    leave(turnstile, start(turnstile))
