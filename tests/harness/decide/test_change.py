"""What changed between two sessions: intervals that hold the truth as often as they say."""

import numpy as np
import pytest

from harness.decide.change import bounds, uncertainty
from harness.decide.judge import Outcome, outcome
from harness.decide.known import know
from harness.decide.sessions import Spread, spreads
from harness.noise import Noise, Point, Session


def session(*arms):
    rows = tuple(tuple(map(float, values)) for values in arms)
    return Session("2026-11-24T10:00:00+00:00", {}, "grpc-protobuf", "small", (Point(16, {"time": rows}),))


def spread(between=0.01, scatter=0.02, sessions=5, freedom=2.0):
    return Spread(16, "time", between, 0.01, freedom, sessions, scatter)


def simulated(between, within, *, count=5, forks=(5, 5), change=0.0, runs=2000, seed=3, noisier=1.0):
    """Play so many pairs of runs, each with A/A sessions of its own; gives values and spread of each.

    A session has two arms, which share the floor of each fork: half of what forks differ by.
    """
    generator = np.random.default_rng(seed)
    half = within * np.sqrt(0.5)
    for _ in range(runs):
        played = [
            session(*(floor + generator.normal(0, half, (2, 4))))
            for floor in generator.normal(0, between, (count, 1)) + generator.normal(0, half, (count, 4))
        ]
        pair = [
            shift + generator.normal(0, between) + generator.normal(0, within * noisier, n)
            for shift, n in zip((0.0, np.log1p(change)), forks, strict=True)
        ]
        (noise,) = spreads(played).values()
        yield *pair, noise


@pytest.mark.parametrize("between", [0.0, 0.005, 0.015, 0.04])
@pytest.mark.parametrize("count", [5, 12])
def test_intervals_hold_the_truth_as_often_as_they_say(between, count):
    """Also where sessions do not differ, so that their estimate is often cut off at 0."""
    inside = 0
    for before, after, noise in simulated(between, 0.015, count=count, change=0.03):
        low, high = bounds(before, after, noise)
        inside += low <= 0.03 <= high
    assert inside / 2000 >= 0.93


@pytest.mark.parametrize(("forks", "noisier"), [((4, 4), 1.0), ((16, 5), 1.0), ((5, 5), 3.0), ((8, 8), 0.3)])
def test_they_do_so_where_runs_are_unlike_the_sessions(forks, noisier):
    for between in (0.0, 0.01):
        inside = 0
        for before, after, noise in simulated(between, 0.015, forks=forks, noisier=noisier):
            low, high = bounds(before, after, noise)
            inside += low <= 0 <= high
        assert inside / 2000 >= 0.93, between


@pytest.mark.parametrize("between", [0.0, 0.01, 0.03])
def test_what_did_not_change_is_seldom_called_worse(between):
    """The error is that of a comparison of one arm by two metrics."""
    worse = 0
    for before, after, noise in simulated(between, 0.015):
        worse += outcome(*bounds(before, after, noise, 0.005), 0.02, 0.05) is Outcome.WORSE
    assert worse / 2000 <= 0.006


def test_a_large_change_is_found_with_enough_sessions():
    found = [
        outcome(*bounds(before, after, noise, 0.005), 0.02, 0.05)
        for before, after, noise in simulated(0.01, 0.015, count=12, change=0.15, runs=300)
    ]
    assert found.count(Outcome.WORSE) >= 290


def test_a_worked_example():
    """Two runs of four forks with variance 1e-4 each, and 2 b² of 2e-4 with 2 degrees of freedom."""
    run = np.array([-1, 1, -1, 1]) * np.sqrt(0.75e-4)
    error, freedom = uncertainty(run, run + 1, spread(between=0.01, scatter=0.0))
    assert error**2 == pytest.approx(2 * 1e-4 / 4 + 2e-4)
    assert freedom == pytest.approx((2.5e-4) ** 2 / (2 * (0.25e-4) ** 2 / 3 + (2e-4) ** 2 / 2))


def test_two_sessions_are_never_better_known_than_those_that_were_seen():
    run = np.array([-1, 1, -1, 1]) * 1e-6
    error, freedom = uncertainty(run, run, spread(between=0.0, scatter=0.02, sessions=9))
    assert error == pytest.approx(0.02 * np.sqrt(2))
    assert freedom == 8


def test_more_noise_between_sessions_makes_wider_intervals():
    run = np.array([-1, 1, -1, 1, 0]) * 0.01
    widths = []
    for between in (0.0, 0.01, 0.05):
        low, high = bounds(run, run, spread(between=between, scatter=between))
        widths.append(high - low)
    assert widths == sorted(widths)
    assert widths[2] > 3 * widths[1]


def test_no_noise_at_all_is_an_interval_of_no_width():
    run = np.zeros(4)
    assert bounds(run, run + np.log(1.1), spread(0.0, 0.0)) == pytest.approx((0.1, 0.1))


def test_bounds_are_of_the_change():
    generator = np.random.default_rng(1)
    run = generator.normal(0, 0.01, 5)
    low, high = bounds(run, run + np.log(1.2), spread())
    assert low < 0.2 < high
    assert (1 + low) * (1 + high) == pytest.approx(1.2**2)


def sessions(count, versions, day):
    made = [session([0.01 * k, 0.02, 0.0, 0.01]) for k in range(count)]
    return [
        Session(f"2026-11-{day:02}T1{k}:00:00+00:00", versions, each.stack, each.sample, each.points)
        for k, each in enumerate(made)
    ]


def test_sessions_of_the_newest_versions_count_where_there_are_enough():
    old, new = sessions(6, {"grpcio": "1"}, 1), sessions(5, {"grpcio": "2"}, 9)
    found = know(Noise(1, "m", (*old, *new)), "file")
    assert (found.sessions, found.versions, found.first[:10]) == (5, {"grpcio": "2"}, "2026-11-09")
    assert found.missing == ()
    assert not found.short_of(3600)
    assert found.short_of(5 * 3600)


def test_else_those_of_older_ones_since_noise_is_the_machine_s():
    old, new = sessions(6, {"grpcio": "1"}, 1), sessions(2, {"grpcio": "2"}, 9)
    found = know(Noise(1, "m", (*old, *new)), "file")
    assert (found.sessions, found.versions) == (6, {"grpcio": "1"})


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (None, "(0 of 5 A/A sessions in file); run `rpcduel doctor --aa` 5 times, at"),
        (Noise(1, "m", ()), "(0 of 5 A/A sessions in file); run `rpcduel doctor --aa` 5 times, at"),
        (
            Noise(1, "m", tuple(sessions(3, {}, 1))),
            "(3 of 5 A/A sessions in file); run `rpcduel doctor --aa` 2 times more, at",
        ),
        (
            Noise(1, "m", tuple(sessions(4, {}, 1))),
            "(4 of 5 A/A sessions in file); run `rpcduel doctor --aa` once more, at",
        ),
    ],
)
def test_what_is_missing_is_told_with_the_remedy(stored, said):
    (text,) = know(stored, "file").missing
    assert said in text
