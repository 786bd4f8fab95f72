"""Two stored runs through the floor: known changes are read back, and nothing is judged that cannot be."""

import numpy as np
import pytest
from msgspec.structs import replace

from harness.decide.across import Rule, compare
from harness.decide.gate import Ruling
from harness.decide.judge import Outcome
from harness.decide.known import Known, know
from harness.noise import Noise, Point, Session
from harness.results import Failure
from scenarios.load import Open

METRICS = ("p50", "time", "cpu")


def noise(between=0.002, count=9, users=(1,), sample="small", day=1):
    """Make what A/A sessions say of a machine, played an hour apart on one day."""
    generator = np.random.default_rng(5)

    def point(number):
        rows = generator.normal(1, between) + generator.normal(0, 0.002, (2, 4))
        return Point(number, dict.fromkeys(METRICS, tuple(map(tuple, rows.tolist()))))

    made = [
        Session(
            f"2026-11-{day:02}T{k + 8:02}:00:00+00:00",
            {"rpcduel": "0.1.0", "grpcio": "1.66.0"},
            "grpc-protobuf",
            sample,
            tuple(map(point, users)),
        )
        for k in range(count)
    ]
    return know(Noise(1, "made-up", tuple(made)), "results/noise/made-up.json")


NOTHING = Known("results/noise/made-up.json")


def run(made, cost=100_000, slower=1.0, forks=8, started="2026-11-02T10:00:00+00:00", **more):
    """Make a session on a machine that is slower by a factor at the time, floor and all."""
    costs = {"grpc": cost * slower, "tcp": 30_000 * slower}
    result = made.result(costs, floor=int(20_000 * slower), forks=forks, fork_sd=0.004, **more)
    return [replace(result, started=started)]


@pytest.fixture(scope="module")
def base(made):
    return run(made)


def of(found, arm, metric="time"):
    one = next(each for each in found.arms if each.arm == arm)
    return next(each for each in one.changes if each.metric == metric)


def ruling(found, arm):
    return next(each.ruling for each in found.arms if each.arm == arm)


def test_a_change_is_read_back_though_the_machine_got_slower(made, base):
    found = compare(base, run(made, cost=120_000, slower=1.5, seed=2), noise())
    for metric in METRICS:
        grpc, tcp = of(found, "grpc", metric), of(found, "tcp", metric)
        assert grpc.change == pytest.approx(0.2, abs=0.03)
        assert grpc.low < 0.2 < grpc.high
        assert grpc.base == pytest.approx(5, rel=0.05)
        assert grpc.candidate == pytest.approx(6, rel=0.05)
        assert tcp.change == pytest.approx(0.0, abs=0.03)
        assert tcp.low < 0 < tcp.high
    assert (ruling(found, "grpc"), ruling(found, "tcp")) == (Ruling.WORSE, Ruling.SAME)
    assert found.ruling is Ruling.WORSE
    (floor,) = found.floors
    assert floor.candidate / floor.base == pytest.approx(1.5, rel=0.1)


def test_what_costs_less_is_better(made, base):
    found = compare(base, run(made, cost=70_000, seed=2), noise())
    assert (ruling(found, "grpc"), found.ruling) == (Ruling.BETTER, Ruling.BETTER)


def test_p50_is_shown_and_not_judged_unless_asked_for(made, base):
    candidate = run(made, cost=120_000, seed=2)
    assert of(compare(base, candidate, noise()), "grpc", "p50").outcome is None
    found = compare(base, candidate, noise(), Rule(metrics=("p50",)))
    assert of(found, "grpc", "p50").outcome is Outcome.WORSE
    assert of(found, "grpc", "time").outcome is None


def test_without_known_noise_there_are_figures_and_no_verdict(made, base):
    found = compare(base, run(made, cost=200_000, seed=2), NOTHING)
    one = of(found, "grpc")
    assert one.change == pytest.approx(1.0, abs=0.1)
    assert (one.low, one.high, one.outcome) == (None, None, None)
    assert (found.ruling, ruling(found, "grpc")) == (None, None)
    (reason,) = found.hindrances
    assert "run `rpcduel doctor --aa` 5 times" in reason


def test_noise_between_sessions_widens_intervals_until_nothing_can_be_told(made, base):
    candidate = run(made, cost=120_000, seed=2)
    narrow, wide = (of(compare(base, candidate, noise(sd)), "grpc") for sd in (0.002, 0.1))
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)
    assert (narrow.outcome, wide.outcome) == (Outcome.WORSE, Outcome.UNCLEAR)


def test_the_error_is_split_over_all_that_is_judged(made, base):
    """A change that one look would call worse is not, where there are hundreds to be wrong about."""
    candidate = run(made, cost=106_000, seed=2)
    assert of(compare(base, candidate, noise(0.006)), "grpc").outcome is Outcome.WORSE
    careful = compare(base, candidate, noise(0.006), Rule(alpha=1e-5))
    assert of(careful, "grpc").outcome is Outcome.UNCLEAR
    assert of(careful, "grpc").low == of(compare(base, candidate, noise(0.006)), "grpc").low


def test_the_same_result_is_never_worse_than_itself(base):
    found = compare(base, base, noise())
    assert {each.ruling for each in found.arms} == {Ruling.SAME}
    assert of(found, "grpc").change == 0


@pytest.mark.parametrize("broken", ["grpc", "floor"])
@pytest.mark.parametrize("side", ["base", "candidate"])
def test_a_broken_arm_or_floor_gives_no_ratio(made, base, broken, side):
    failed = [made.run(run(made)[0], broken, failure=Failure(fork=0, reason="it ended", stderr="x"))]
    pair = (failed, base) if side == "base" else (base, failed)
    found = compare(*pair, noise())
    grpc = next(each for each in found.arms if each.arm == "grpc")
    start = f"{side}: {'the floor: ' * (broken == 'floor')}failed in start 1: it ended"
    assert (grpc.ruling, grpc.reason) == (Ruling.INVALID, start)
    assert {(each.change, each.low, each.base) for each in grpc.changes} == {(None, None, None)}
    assert found.ruling is Ruling.INVALID
    assert ruling(found, "tcp") is (Ruling.INVALID if broken == "floor" else Ruling.SAME)


def test_an_invalid_arm_is_invalid_without_known_noise_too(made, base):
    failed = [made.run(run(made)[0], "grpc", failure=Failure(fork=0, reason="it ended", stderr=""))]
    found = compare(base, failed, NOTHING)
    assert (found.ruling, ruling(found, "tcp")) == (Ruling.INVALID, None)


def test_what_is_doubtful_is_told_of_the_side_that_it_is_of(made, base):
    busy = [made.turns(run(made)[0], foreign=lambda column: column + 2_000_000)]
    found = compare(base, busy, noise())
    for one in found.arms:
        (doubt,) = one.doubts
        assert doubt.startswith("other processes ")
        assert doubt.endswith("(candidate)")


def test_results_without_a_floor_have_no_ratio(made, base):
    bare = [made.result({"grpc": 100_000}, forks=5)]
    one = of(compare(bare, base, noise()), "grpc")
    assert (one.change, one.reason) == (None, "there is no floor beside it (base)")


def test_a_cost_that_is_not_known_of_every_fork_has_no_ratio(made, base):
    silent = [made.turns(run(made)[0], arm="grpc", server=lambda column: column * 0 - 1)]
    found = compare(base, silent, noise())
    assert of(found, "grpc", "cpu").reason == "it is not known of every fork (candidate)"
    assert of(found, "grpc", "time").low is not None
    assert {one.arm: one.ruling for one in found.arms}["grpc"] is Ruling.UNCLEAR  # its CPU may have doubled


def test_few_forks_have_no_interval(made, base):
    found = compare(base, run(made, forks=3), noise())
    assert of(found, "grpc").reason == "a run has fewer than 4 forks"
    assert of(found, "grpc").low is None
    assert found.ruling is None


def changed(results, **fields):
    return [replace(each, machine=replace(each.machine, **fields)) for each in results]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"fingerprint": "another"}, "they were measured on 2 kinds of machine (another, made-up)"),
        ({"awake": True}, "idle cores were kept awake in one of them alone"),
        ({"client_cores": (1,), "server_cores": (0,)}, "not pinned to the same cores"),
    ],
)
def test_runs_of_machines_that_differ_are_not_judged(base, fields, said):
    found = compare(base, changed(base, **fields), noise())
    (reason,) = found.hindrances
    assert said in reason
    assert found.ruling is None
    assert of(found, "grpc").change == 0
    assert of(found, "grpc").low is None


def test_runs_by_two_versions_of_rpcduel_are_not_judged(base):
    found = compare(base, [replace(base[0], rpcduel="0.2.0")], noise())
    assert found.ruling is None
    assert "measured by rpcduel 0.1.0 and 0.2.0" in found.hindrances[0]


def test_floors_of_other_versions_are_not_judged(made, base):
    facts = replace(made.facts, versions={"msgpack": "2"})
    found = compare(base, [made.run(base[0], "floor", facts=facts)], noise())
    assert found.ruling is None
    assert "the floor is not the same in both (grpcio 1.66.0 → none, msgpack none → 2)" in found.hindrances[0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"users": 16}, "A/A sessions are of 1 users"),
        ({"sample": "large"}, "A/A sessions are of sample small"),
        ({"part": "encode"}, "A/A sessions are of unary calls"),
        ({"messages": 100}, "A/A sessions are of unary calls"),
        ({"open": Open(500.0)}, "A/A sessions are of closed loops"),
    ],
)
def test_what_a_a_sessions_know_nothing_of_has_no_interval(base, fields, said):
    both = [[replace(base[0], trial=replace(base[0].trial, **fields))]] * 2
    found = compare(*both, noise())
    assert found.hindrances == ()
    assert {change.reason for one in found.arms for change in one.changes} == {said}
    assert found.ruling is None


def test_versions_may_differ_and_are_told(made, base):
    facts = replace(made.facts, versions={"grpcio": "1.67.0"})
    found = compare(base, [made.run(base[0], "grpc", facts=facts)], noise())
    assert found.arms[0].differences == ("grpcio 1.66.0 → 1.67.0",)
    assert found.arms[1].differences == ()
    assert found.ruling is Ruling.SAME


@pytest.mark.parametrize(
    ("base_time", "said"),
    [
        ("2026-11-02T09:00:00+00:00", ()),
        ("2026-10-02T09:00:00+00:00", "A/A sessions lie closer together than these runs"),
        ("2026-11-02T11:00:00+00:00", "the candidate was measured before the base"),
    ],
)
def test_times_that_make_it_doubtful_are_told(base, base_time, said):
    found = compare([replace(base[0], started=base_time)], base, noise())
    assert len(found.doubts) == bool(said)
    assert all(text.startswith(said) for text in found.doubts)


def test_turns_of_another_length_are_doubtful_and_not_judged(base):
    longer = [replace(base[0], trial=replace(base[0].trial, turn=12_000_000))]
    found = compare(base, longer, noise())
    assert found.arms[0].doubts == ("turns lasted 6 ms in the base and 12 ms since",)
    assert of(found, "grpc").reason == "turns lasted 6 ms in the base and 12 ms since"
    assert of(found, "grpc").low is None
    assert found.ruling is None


def test_a_server_that_runs_already_is_doubtful(base):
    arms = (replace(base[0].trial.arms[0], at="here:1"), *base[0].trial.arms[1:])
    running = [replace(base[0], trial=replace(base[0].trial, arms=arms))]
    found = compare(base, running, noise())
    assert "a server that runs already is not started again" in found.arms[0].doubts[0]


def test_only_what_both_have_is_compared(made, base):
    lone = [made.result({"grpc": 100_000}, floor=20_000, forks=5)]
    found = compare(base, lone, noise())
    assert [each.arm for each in found.arms] == ["grpc"]
    assert [(each.arm, each.side) for each in found.lone] == [("tcp", "base")]
