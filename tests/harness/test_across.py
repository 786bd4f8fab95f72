"""Two stored runs through the floor: known changes are read back, and no interval without known noise."""

import numpy as np
import pytest
from msgspec.structs import replace

from harness.decide.across import Between, Change, Point, changes
from harness.results import Failure

NOISE = {(1, metric): Between(0.01, 5.0) for metric in ("p50", "time", "cpu")}
POINT = Point("made-up", 1, "small", "Quote", "")


def run(made, cost=100_000, slower=1.0, **more):
    """Make a session on a machine that is slower by a factor at the time, floor and all."""
    costs = {"grpc": cost * slower, "tcp": 30_000 * slower}
    return [made.result(costs, floor=int(20_000 * slower), forks=8, fork_sd=0.005, **more)]


def of(found, arm, metric):
    return next(each for each in found if (each.arm, each.metric) == (arm, metric))


def test_a_change_is_read_back_though_the_machine_got_slower(made):
    found = changes(run(made), run(made, cost=120_000, slower=1.5, seed=2), NOISE)
    assert {(each.arm, each.metric) for each in found} == {
        (a, m) for a in ("grpc", "tcp") for m in ("p50", "time", "cpu")
    }
    grpc, tcp = of(found, "grpc", "time"), of(found, "tcp", "time")
    assert grpc.point == POINT
    assert grpc.change == pytest.approx(0.2, abs=0.03)
    assert grpc.low < 0.2 < grpc.high
    assert grpc.resolved
    assert tcp.change == pytest.approx(0.0, abs=0.03)
    assert not tcp.resolved


def test_without_known_noise_there_is_a_change_but_no_interval(made):
    one = of(changes(run(made), run(made, cost=200_000, seed=2), {}), "grpc", "time")
    assert one.change == pytest.approx(1.0, abs=0.1)
    assert (one.low, one.high, one.resolved) == (None, None, False)
    assert one.reason == "the noise between sessions is not known"


def test_more_noise_between_sessions_makes_wider_intervals(made):
    pair = run(made), run(made, seed=2)
    wide = {key: Between(0.05, 5.0) for key in NOISE}
    narrow, wider = (of(changes(*pair, noise), "grpc", "time") for noise in (NOISE, wide))
    assert wider.high - wider.low > 3 * (narrow.high - narrow.low)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Simulated sessions: each has an error of its own, and so has each fork."""
    from harness.decide.across import _change

    generator = np.random.default_rng(8)
    inside, sessions, between, within = 0, 2000, 0.012, 0.015
    for _ in range(sessions):
        before, after = (
            generator.normal(0, between) + generator.normal(0, within, 5) + shift for shift in (0.0, 0.03)
        )
        # What A/A sessions say of the noise, from ten of them.
        known = Between(between * np.sqrt(generator.chisquare(9) / 9), 9.0)
        one = _change(POINT, "a", "time", before, after, known)
        inside += one.low <= np.expm1(0.03) <= one.high
    assert inside / sessions == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("arm", ["grpc", "floor"])
def test_a_broken_arm_or_floor_gives_no_change(made, arm):
    failure = Failure(fork=0, reason="it ended", stderr="")
    broken = [made.run(run(made)[0], arm, failure=failure)]
    one = of(changes(broken, run(made), NOISE), "grpc", "time")
    assert one == Change(POINT, "grpc", "time", None, None, None, "failed in start 1: it ended")
    tcp = of(changes(run(made), broken, NOISE), "tcp", "time")
    assert (tcp.change is None) == (arm == "floor")


def test_results_without_a_floor_say_nothing(made):
    bare = [made.result({"grpc": 100_000}, forks=5)]
    (one, *_) = changes(bare, run(made), NOISE)
    assert (one.change, one.reason) == (None, "there is no floor beside it")


def test_only_what_both_have_is_compared(made):
    other = [replace(each, trial=replace(each.trial, users=16)) for each in run(made)]
    assert changes(run(made), other, NOISE) == ()
    lone = [made.result({"grpc": 100_000}, floor=20_000, forks=5)]
    assert {each.arm for each in changes(run(made), lone, NOISE)} == {"grpc"}


def test_runs_of_two_machines_are_refused(made):
    away = [replace(each, machine=replace(each.machine, fingerprint="another")) for each in run(made)]
    with pytest.raises(ValueError, match="2 kinds of machine: another, made-up"):
        changes(run(made), away, NOISE)
