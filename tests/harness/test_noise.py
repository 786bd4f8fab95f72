"""A/A sessions: stored and read back, and how far apart they are found to be."""

import json
import math
from types import MappingProxyType, SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness import noise, results
from harness.decide import sessions as deciding
from harness.doctor import sessions as playing
from harness.measure.contender import ArmError
from harness.noise import FORMAT, Noise, Point, Session
from harness.results import ResultError

VERSIONS = {"rpcduel": "0.1.0", "grpcio": "1.76.0", "python": "3.11.7", "kernel": "6.1.0"}
MACHINE = "0123456789ab"


def session(*points, **fields):
    return Session(
        **{
            "started": "2026-11-24T10:00:00+00:00",
            "versions": VERSIONS,
            "stack": "grpc-protobuf",
            "sample": "small",
            "points": points,
            **fields,
        }
    )


def simulated(count, between, within, *, forks=4, arms=2, seed=1, users=1, metric="p50"):
    """Make sessions whose true standard deviations between and within are known.

    What an arm adds by itself is shared out so that the mean over arms has `within`.
    """
    generator = np.random.default_rng(seed)
    shared, own = within * math.sqrt(0.5), within * math.sqrt(0.5 * arms)
    made = []
    for luck in generator.normal(1.5, between, count):
        rows = luck + generator.normal(0, shared, forks) + generator.normal(0, own, (arms, forks))
        made.append(session(Point(users, {metric: tuple(map(tuple, rows.tolist()))})))
    return made


finite = st.floats(allow_nan=False, allow_infinity=False)
rows = st.integers(2, 5).flatmap(
    lambda forks: st.lists(st.tuples(*[finite] * forks), min_size=1, max_size=3).map(tuple)
)
points = st.builds(
    Point, users=st.integers(1, 10_000), ratios=st.dictionaries(st.sampled_from(["p50", "time", "cpu"]), rows)
)
made_sessions = st.builds(
    Session,
    started=st.text(),
    versions=st.dictionaries(st.text(), st.text(), max_size=4),
    stack=st.text(),
    sample=st.text(),
    points=st.lists(points, max_size=3).map(tuple),
    doubts=st.lists(st.text(), max_size=2).map(tuple),
)


@given(st.lists(made_sessions, max_size=4))
def test_what_is_added_is_read_back_in_order(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("noise") / f"{MACHINE}.json"
    for each in made:
        assert noise.add(each, path, MACHINE) == noise.read(path)
    if made:
        assert noise.read(path) == Noise(FORMAT, MACHINE, tuple(made))
        assert [file.name for file in path.parent.iterdir()] == [path.name]


GOLDEN = b"""{
 "format": 1,
 "fingerprint": "0123456789ab",
 "sessions": [
  {
   "started": "2026-11-24T10:00:00+00:00",
   "versions": {
    "rpcduel": "0.1.0",
    "grpcio": "1.76.0",
    "python": "3.11.7",
    "kernel": "6.1.0"
   },
   "stack": "grpc-protobuf",
   "sample": "small",
   "points": [
    {
     "users": 16,
     "ratios": {
      "p50": [
       [
        1.25,
        1.5
       ],
       [
        1.0,
        0.5
       ]
      ]
     }
    }
   ],
   "doubts": []
  }
 ]
}
"""


def test_the_first_format_is_still_read_and_written(tmp_path):
    """If this fails, a file of a user fails: add a format number and its history, and keep this text."""
    path = tmp_path / "kept.json"
    path.write_bytes(GOLDEN)
    kept = session(Point(16, {"p50": ((1.25, 1.5), (1.0, 0.5))}))
    assert noise.read(path) == Noise(1, MACHINE, (kept,))
    noise.add(kept, tmp_path / "new.json", MACHINE)
    assert (tmp_path / "new.json").read_bytes() == GOLDEN


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "holds no sessions: "),
        (b"no JSON", "holds no sessions: "),
        (GOLDEN[:200], "holds no sessions: "),
        (b"[]", "holds no sessions: "),
        (b'{"format": 1}', "holds no sessions: Object missing required field `fingerprint`"),
        (b'{"format": 99, "else": 1}', "has format 99, this rpcduel reads up to 1; update rpcduel"),
        (GOLDEN.replace(b"1.25", b'"1.25"'), "holds no sessions: Expected `float`, got `str`"),
        (GOLDEN.replace(b"1.25", b"null"), "holds no sessions: Expected `float`, got `null`"),
        (
            GOLDEN.replace(b"1.25,", b""),
            "the session of 2026-11-24T10:00:00+00:00, 16 users: p50 has [1, 2] f",
        ),
        (b'{"format": "1"}', "holds no sessions: Expected `int`, got `str`"),
        (b'{"format": 1, "fingerprint": "\xff"}', "holds no sessions: "),
    ],
)
def test_a_file_that_cannot_be_read_is_told_and_left_as_it_is(tmp_path, data, reason):
    path = noise.place(tmp_path, MACHINE)
    path.parent.mkdir()
    path.write_bytes(data)
    for attempt in (
        lambda: noise.read(path),
        lambda: noise.add(session(), path, MACHINE),
        lambda: playing.ready(tmp_path, MACHINE),
    ):
        with pytest.raises(ResultError) as caught:
            attempt()
        assert str(caught.value).startswith(f"{path}: {reason}")
    assert path.read_bytes() == data


def test_a_point_without_arms_says_nothing(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(msgspec.json.encode(Noise(1, MACHINE, (session(Point(1, {"p50": ()})),))))
    with pytest.raises(ResultError, match=r"p50 has \[\] forks an arm"):
        noise.read(path)


def test_sessions_of_another_machine_are_not_mixed_in(tmp_path):
    path = tmp_path / "x.json"
    noise.add(session(), path, MACHINE)
    before = path.read_bytes()
    with pytest.raises(ResultError, match="is of machine '0123456789ab', not of 'other'"):
        noise.add(session(), path, "other")
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_told_before_anything_is_played(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="choose another --out"):
        playing.ready(tmp_path / "file", MACHINE)
    with pytest.raises(ResultError, match=r"cannot be read: Is a directory"):
        noise.read(tmp_path)


def test_a_step_between_versions_is_no_noise():
    old, new = {**VERSIONS, "grpcio": "1.75.0"}, VERSIONS
    made = [session(versions=old), session(), session(sample="large"), session(stack="x"), session()]
    assert noise.alike(made) == (made[1], made[4])
    assert noise.alike(made[:1]) == (made[0],)
    assert noise.alike([]) == ()
    assert made[1].versions == new


def spread(made):
    (found,) = deciding.spreads(made).values()
    return found


def test_known_variances_are_recovered():
    found = spread(simulated(2000, 0.03, 0.02))
    assert found.between == pytest.approx(0.03, rel=0.05)
    assert found.within == pytest.approx(0.02, rel=0.05)
    assert found.sessions == 2000


def test_noise_of_forks_alone_is_not_taken_for_noise_of_sessions():
    found = spread(simulated(2000, 0.0, 0.02))
    assert found.between < 0.002
    assert found.within == pytest.approx(0.02, rel=0.05)


def test_five_sessions_are_right_on_average():
    """The variance is unbiased but for what is cut off at 0, which is next to nothing here."""
    found = [spread(simulated(5, 0.03, 0.01, seed=seed)).between ** 2 for seed in range(400)]
    assert np.mean(found) == pytest.approx(0.03**2, rel=0.1)


def test_the_degrees_of_freedom_tell_how_far_the_variance_is_off():
    """A variance of f degrees of freedom has the variance 2 × variance² / f."""
    found = [spread(simulated(20, 0.03, 0.03, seed=seed)) for seed in range(600)]
    variances = [each.between**2 for each in found]
    freedom = 2 * 0.03**4 / np.var(variances)
    assert np.median([each.freedom for each in found]) == pytest.approx(freedom, rel=0.15)


def test_freedom_lies_between_one_and_that_of_the_sessions_means():
    for seed in range(50):
        found = spread(simulated(6, 0.01, 0.03, seed=seed))
        assert 1 <= found.freedom < 5
    assert spread(simulated(6, 0.05, 1e-9)).freedom == pytest.approx(5)


def test_a_worked_example():
    """Means 1 to 5 have variance 2.5; three forks ±1 have variance 1, and a third of it is taken off."""
    made = [session(Point(1, {"p50": ((m - 1.0, m, m + 1.0),)})) for m in range(1, 6)]
    found = spread(made)
    assert found.between**2 == pytest.approx(2.5 - 1 / 3)
    assert found.within == pytest.approx(1)
    assert found.freedom == pytest.approx((2.5 - 1 / 3) ** 2 / (2.5**2 / 4 + (1 / 3) ** 2 / 10))


def test_arms_of_a_fork_are_one_reading():
    """Two arms share the floor of their fork: twice the same row adds nothing."""
    one = [session(Point(1, {"p50": ((m, m + 2.0),)})) for m in range(5)]
    two = [session(Point(1, {"p50": ((m, m + 2.0),) * 2})) for m in range(5)]
    assert spread(one) == spread(two)


def test_what_is_seen_to_repeat_is_one_arm_and_not_the_mean_over_arms():
    """One arm goes up from session to session as the other goes down: their mean stands still."""
    made = [session(Point(1, {"p50": ((m, m), (-m, -m))})) for m in map(float, range(1, 6))]
    found = spread(made)
    assert (found.between, found.within) == (0, 0)
    assert found.scatter**2 == pytest.approx(2.5)


def test_arms_that_not_all_sessions_have_are_left_out_of_what_repeats():
    made = [
        session(Point(1, {"p50": ((m, m), (9 * m, 9 * m))[:arms]})) for m, arms in enumerate((2, 1, 2, 2, 1))
    ]
    assert spread(made).scatter ** 2 == pytest.approx(2.5)


def test_sessions_may_differ_in_forks():
    made = [session(Point(1, {"p50": (tuple(m + np.resize([-1.0, 1.0], 2 * m)),)})) for m in range(1, 6)]
    found = spread(made)
    within = [np.var([-1, 1] * m, ddof=1) for m in range(1, 6)]
    assert found.between**2 == pytest.approx(2.5 - np.mean([v / (2 * m) for m, v in enumerate(within, 1)]))
    assert found.within**2 == pytest.approx(np.average(within, weights=[1, 3, 5, 7, 9]))


def test_below_five_sessions_nothing_is_said():
    made = simulated(4, 0.03, 0.02)
    assert deciding.spreads(made) == {(1, "p50"): None}
    assert deciding.spreads([]) == {}
    assert deciding.told(Noise(1, MACHINE, tuple(made)), "a file").spreads == ()


def test_users_and_metrics_are_apart():
    few = simulated(5, 0.01, 0.01)
    crowd = simulated(4, 0.01, 0.01, users=16, metric="cpu")
    found = deciding.spreads([*few, *crowd])
    assert list(found) == [(1, "p50"), (16, "cpu")]
    assert found[1, "p50"].sessions == 5
    assert (found[1, "p50"].users, found[1, "p50"].metric) == (1, "p50")
    assert found[16, "cpu"] is None


def test_the_point_of_a_trial_is_held_against_its_floor(made):
    result = made.result({"A": 100_000, "B": 100_000}, floor=20_000, noise=0, fork_sd=0, common_sd=0, forks=4)
    found = playing.point(result)
    assert found.users == 1
    assert list(found.ratios) == ["p50", "time", "cpu"]
    for rows in found.ratios.values():
        assert np.shape(rows) == (2, 4)
        assert np.exp(rows) == pytest.approx(np.full((2, 4), 5), rel=0.02)


def test_a_fork_that_says_nothing_spoils_the_session(made):
    result = made.result({"A": 100_000, "B": 100_000}, floor=20_000, forks=4)
    silent = made.turns(result, arm="B", where=lambda t: t.fork == 2, server=lambda _: -1)
    with pytest.raises(ArmError, match="says nothing of cpu"):
        playing.point(silent)


@pytest.fixture
def bench(made):
    """Stand in for a machine on which trials are played."""

    class Bench:
        machine = replace(made.machine, fingerprint=MACHINE)
        doubts = MappingProxyType({"foreign-cpu": 1})

        def __init__(self):
            self.played = []

        def plan(self, trials):
            assert trials == 2

        def play(self, arms, users, seconds, forks, *, floor):
            assert ([arm.stack for arm in arms], floor) == (["grpc-protobuf"] * 2, True)
            self.played.append((users, seconds / forks, forks))
            costs = {"A": 100_000, "B": 100_000}
            result = made.result(costs, floor=20_000, forks=forks, seed=len(self.played))
            return replace(result, trial=replace(result.trial, users=users))

    return Bench()


def test_sessions_are_played_added_and_told(bench, tmp_path):
    place = playing.ready(tmp_path, MACHINE)
    assert place == tmp_path / "noise" / "0123456789ab.json"
    for count in range(1, 7):
        check = playing.add(bench, place)
        assert len(noise.read(place).sessions) == count
        assert [row[:2] for row in check.rows] == [
            (u, m) for u in ("1", "16") for m in ("p50", "time", "cpu")
        ]
        assert all(all(row[4:]) == (count >= 5) for row in check.rows)
        wanted = f"{count} of the 5 sessions" if count < 5 else f"{count} sessions, of which 5 or more"
        assert check.answer.startswith(wanted)
        assert check.answer.endswith(f"stored in {place}.")
    assert bench.played[:2] == [(1, 2.0, 4), (16, 2.0, 4)]
    newest = noise.read(place).sessions[-1]
    assert newest.doubts == ("foreign-cpu",)
    assert set(newest.versions) == {"rpcduel", "grpcio", "python", "kernel"}
    told = deciding.told(noise.read(place), str(place))
    assert (told.sessions, told.wanted, len(told.spreads)) == (6, 5, 6)


def test_sessions_of_other_versions_are_named(bench, tmp_path):
    place = playing.ready(tmp_path, MACHINE)
    noise.add(session(), place, MACHINE)
    assert playing.add(bench, place).answer.endswith(" 1 of other versions do not count.")


def test_a_session_that_fails_leaves_nothing(bench, tmp_path):
    def fail(*_args, **_options):
        raise ArmError("A: failed")

    place = playing.ready(tmp_path, MACHINE)
    with pytest.raises(ArmError):
        playing.add(SimpleNamespace(machine=bench.machine, plan=bench.plan, play=fail), place)
    assert list(place.parent.iterdir()) == []


def test_runs_beside_the_noise_are_found_all_the_same(made, tmp_path):
    noise.add(session(), playing.ready(tmp_path, MACHINE), MACHINE)
    with pytest.raises(ResultError, match="holds no results yet"):
        results.newest(tmp_path)
    with pytest.raises(ResultError, match="holds no results yet"):
        results.read_all(tmp_path)
    run = tmp_path / "20260101T000000-unary"
    run.mkdir()
    results.write(made.result(forks=2, rounds=4), run / "000.json")
    assert results.newest(tmp_path) == run
    assert len(results.read_all(tmp_path)) == 1
    with pytest.raises(ResultError, match="is no whole rpcduel result"):
        results.read_all(tmp_path / "noise")


def test_what_is_told_is_json():
    told = deciding.told(Noise(1, MACHINE, tuple(simulated(5, 0.03, 0.01))), "a file")
    found = json.loads(msgspec.json.encode(told))
    assert set(found) == {"file", "sessions", "wanted", "spreads"}
    assert set(found["spreads"][0]) == {
        "users",
        "metric",
        "between",
        "within",
        "freedom",
        "sessions",
        "scatter",
    }
