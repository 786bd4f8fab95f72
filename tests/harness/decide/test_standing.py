"""How arms stand while they are measured: known answers, the ratios of stored results, what is drawn."""

import io
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.decide import rounds
from harness.decide.comparison import Estimate
from harness.decide.standing import Standing
from harness.show import panel, progress, stage
from harness.show.panel import State
from harness.show.stage import Stage

ARMS = ("grpc-protobuf", "rest-json", "tcp-msgpack", "floor")
COSTS = {"grpc-protobuf": 250_000, "rest-json": 45_000, "tcp-msgpack": 21_000, "floor": 15_000}


def play(standing, *, forks=1, count=50, costs=None, sd=0.0, seed=1, end=True):
    """Play rounds: noise of a round is the same for all arms, `sd` is that of a single turn."""
    generator = random.Random(seed)
    for _ in range(forks):
        for number in range(count):
            common = math.exp(generator.gauss(0, 0.3))
            for arm, cost in (costs or COSTS).items():
                mine = cost * common * math.exp(generator.gauss(0, sd))
                standing.turn(arm, number, round(100 * mine), 100, 20_000_000, 0)
        if end:
            standing.end()


def test_noise_of_rounds_cancels_and_ratios_are_those_of_the_costs():
    standing = Standing(ARMS, "grpc-protobuf", 2)
    play(standing, end=False)
    assert standing.ratio("grpc-protobuf") is None
    found = standing.ratio("rest-json")
    assert found.value == pytest.approx(0.18, rel=1e-3)
    assert found.basis == "spread"
    assert found.high - found.low < 1e-4
    assert standing.cost("rest-json") == pytest.approx(45_000, rel=0.2)


def test_the_spread_within_a_start_shrinks_with_the_root_of_the_rounds():
    widths = []
    for count in (100, 400):
        standing = Standing(ARMS, "grpc-protobuf", 2)
        play(standing, count=count, sd=0.1, end=False)
        found = standing.ratio("rest-json")
        widths.append(math.log(found.high / found.low))
        expected = 2 * 1.97 * 0.1 * math.sqrt(2 / count)
        assert widths[-1] == pytest.approx(expected, rel=0.25)
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.25)


def test_words_follow_the_forks():
    standing = Standing(ARMS, "grpc-protobuf", 2)
    seen = []
    for fork in range(5):
        play(standing, count=40, sd=0.05, seed=fork, end=False)
        seen.append((standing.starts, standing.ratio("rest-json").basis))
        standing.end()
        seen.append((standing.starts, standing.ratio("rest-json").basis))
    assert seen == [
        (1, "spread"),
        (1, "spread"),
        (2, "spread"),
        (2, "spread"),
        (3, "spread"),
        (3, "spread"),
        (3, "spread"),  # the fourth makes an interval when it is finished, and not before
        (4, "interval"),
        (5, "interval"),
        (5, "interval"),
    ]


def test_a_start_counts_when_half_of_it_is_played():
    standing = Standing(ARMS, "grpc-protobuf", 2)
    play(standing, count=40)
    before = standing.ratio("rest-json").value
    dear = {**COSTS, "rest-json": 90_000}
    play(standing, count=10, costs=dear, end=False)
    assert standing.ratio("rest-json").value == before
    play(standing, count=40, costs=dear)
    assert standing.ratio("rest-json").value == pytest.approx(0.18 * math.sqrt(2), rel=1e-2)


def test_turns_that_say_nothing_and_arms_that_are_not_known():
    standing = Standing(ARMS, "grpc-protobuf", 2)
    assert [standing.cost(arm) for arm in ARMS] == [None] * 4
    assert standing.ratio("rest-json") is None
    standing.turn("a twin", 0, 1, 1, 1, 1)
    standing.turn("rest-json", 0, 500, 0, 10, 0)
    standing.end()
    assert standing.cost("rest-json") is None
    assert standing.ratio("rest-json") is None
    play(standing, costs={"rest-json": 45_000})  # the baseline has failed
    assert standing.ratio("rest-json") is None
    assert standing.cost("rest-json") == pytest.approx(45_000, rel=0.2)


def test_who_is_disturbed_most():
    standing = Standing(ARMS, "grpc-protobuf", 2)
    assert standing.disturbed() == (0.0, "")
    standing.turn("rest-json", 0, 1, 1, 100, 3)
    standing.turn("tcp-msgpack", 0, 1, 1, 100, 5)
    share, name = standing.disturbed()
    assert (share, name) == (0.025, "tcp-msgpack")


def test_ratios_are_those_of_the_stored_result(made):
    result = made.result({"tcp-msgpack": 100_000, "tcp-json": 123_000}, forks=5, floor=20_000, fork_sd=0.02)
    turns, names = result.turns, [arm.name for arm in result.trial.arms]
    standing = Standing(names, "tcp-msgpack", 2)
    for fork in range(5):
        for row in np.flatnonzero(turns.fork == fork):
            units = 0 if turns.long[row] else int(turns.done[row])
            cost, round_ = int(turns.window[row]), int(turns.round[row])
            standing.turn(names[turns.arm[row]], round_, cost, units, 1, 0)
        standing.end()
    effects, _ = rounds.effects(rounds.arrange(result), "time", 1, 0)
    found = standing.ratio("tcp-json")
    assert found.value == pytest.approx(math.exp(effects.mean()))
    half = 2.776445 * effects.std(ddof=1) / math.sqrt(5)
    assert (found.low, found.high) == pytest.approx(
        (math.exp(effects.mean() - half), math.exp(effects.mean() + half))
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(ARMS), st.integers(0, 3), st.integers(0, 10**12), st.integers(0, 10**6)),
        max_size=60,
    ),
    st.integers(0, 3),
)
def test_whatever_comes_bounds_hold_the_value(turns, ends):
    standing = Standing(ARMS, "grpc-protobuf", 2)
    for number, (arm, round_, cost, units) in enumerate(turns):
        standing.turn(arm, round_, cost, units, 10, 1)
        if ends and number % 20 == 19:
            standing.end()
    for arm in ARMS:
        ratio = standing.ratio(arm)
        if ratio and ratio.low is not None:
            assert ratio.low <= ratio.value * (1 + 1e-9)
            assert ratio.value <= ratio.high * (1 + 1e-9)


def staged(*, forks=2, arms=ARMS, lost=(), point="trial 1 of 2: 16 users, small"):
    found = Stage()
    found.begin(point, arms, "grpc-protobuf", "time/call", 2)
    costs = {arm: COSTS.get(arm, 300_000 + 1000 * k) for k, arm in enumerate(arms)}
    for fork in range(forks):
        play(found.scene.standing, count=60, sd=0.05, costs=costs, seed=fork)
    for arm in lost:
        found.lose(arm)
    return found


def drawn(found, width, height, *, unicode=True, state=None):
    state = state or State(0.62, 2, 5, 41.0)
    text = panel.draw(state, found.scene, width, height, unicode=unicode)
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(text, end="")
    return console.file.getvalue()


def test_golden_panels(golden):
    many = (*ARMS[:3], "rest-msgpack", "thrift-binary", "grpc-protobuf@envoy,channel=shared", "floor")
    starting = State(0.2, 0, 5, 71.0, "starting grpc-protobuf")
    shown = {
        "80 × 24": drawn(staged(), 80, 24),
        "80 × 24, the first start": drawn(staged(forks=1), 80, 24),
        "80 × 24, intervals, one arm lost": drawn(staged(forks=5, lost=["rest-json"]), 80, 24),
        "80 × 24, starting": drawn(staged(), 80, 24, state=starting),
        "80 × 24, before anything is known": drawn(Stage(), 80, 24, state=State(phase="starting a")),
        "80 × 24, ASCII": drawn(staged(forks=5, lost=["rest-json"]), 80, 24, unicode=False),
        "80 × 24, seven arms": drawn(staged(arms=many), 80, 24),
        "40 × 10": drawn(staged(), 40, 10),
        "40 × 6, seven arms": drawn(staged(arms=many), 40, 6),
        "40 × 3": drawn(staged(), 40, 3),
        "20 × 10": drawn(staged(), 20, 10),
    }
    golden("panel.txt", "\n".join(f"[{title}]\n{text}\n" for title, text in shown.items()))


@pytest.mark.parametrize("width", [*range(1, 90), 200])
@pytest.mark.parametrize("height", [1, 2, 3, 5, 7, 24])
def test_it_never_is_wider_or_higher_than_the_terminal(width, height):
    many = (*ARMS[:3], "grpc-protobuf@envoy,channel=shared", "floor")
    for unicode in (True, False):
        text = panel.draw(State(0.5, 1, 12, 1000.0, "x" * 50), SCENES[many], width, height, unicode=unicode)
        lines = text.plain.split("\n")
        assert len(lines) <= max(1, height - 1)
        assert max(map(len, lines)) <= max(1, width - 1)
        assert unicode or text.plain.isascii()


SCENES = {
    arms: staged(arms=arms).scene for arms in [(*ARMS[:3], "grpc-protobuf@envoy,channel=shared", "floor")]
}


def test_no_word_of_an_interval_before_the_fourth_fork():
    for forks in range(1, 7):
        text = drawn(staged(forks=forks), 80, 24)
        line = stage.told(staged(forks=forks).scene)
        assert ("interval" in text) == ("interval" in line) == (forks >= 4)
        assert ("spread within this start" in text) == (forks == 1)


def test_a_lost_arm_has_no_ratio_and_a_lost_baseline_leaves_none():
    scene = staged(forks=5, lost=["rest-json"]).scene
    assert set(scene.ratios()) == {"tcp-msgpack"}
    assert "rest-json" not in stage.told(scene)
    assert stage.told(staged(forks=5, lost=["grpc-protobuf"]).scene) == ""


def test_what_shows_no_difference_says_so():
    assert stage.written(Estimate(1.01, 0.99, 1.03, "interval"))[0] == "≈ 1.01×"
    assert stage.written(Estimate(1.01, 0.99, 1.03, "spread"))[0] == "1.01×"


def test_foreign_cpu_is_told_once_a_trial():
    found = Stage()
    assert found.end() == ""
    for point in ("1 user", "16 users"):
        found.begin(point, ARMS, "grpc-protobuf", "time/call", 2)
        found.turn("rest-json", 0, 10, 1, 1000, 15)
        assert found.end() == ""
        found.turn("rest-json", 0, 10, 1, 1000, 35)
        assert (
            found.end()
            == "others used 1.2% of the cores' time in rest-json's turns so far: figures are doubtful"
        )
        assert found.end() == ""


def test_looks_are_taken_together():
    found = staged(forks=3, point="look 1 of at most 3: 16 users, small")
    found.begin("look 2 of at most 3: 16 users, small", ARMS, "grpc-protobuf", "time/call", 2, more=True)
    assert (found.scene.place, found.scene.standing.forks) == ("look 2 of at most 3", 3)
    play(found.scene.standing, sd=0.05, seed=9)
    assert found.scene.standing.ratio("rest-json").basis == "interval"
    found.begin("16 users, small", ARMS, "grpc-protobuf", "time/call", 2)
    assert (found.scene.place, found.scene.standing.forks) == ("", 0)


def test_lines_tell_the_ratios_after_every_fork():
    out = io.StringIO()
    written = progress.Lines(out)
    written.begin("trial 1 of 2: 16 users, small", ARMS, "grpc-protobuf", "time/call", 2)
    for fork in range(2):
        for number in range(10):
            for arm, cost in COSTS.items():
                written.turn(arm, number, cost * (100 + fork), 100, 20_000_000, 0)
                written.advance(arm, fork, 2, (fork + number / 10) / 2, 20 - fork)
        written.end(fork, 2)
    written.note("rest-json failed: gone", "rest-json")
    assert out.getvalue().splitlines() == [
        "trial 1 of 2: 16 users, small",
        "trial 1 of 2: fork 1 of 2: 0% done, about 20 s left",
        (
            "trial 1 of 2: after fork 1 of 2: rest-json 0.180× (0.180 to 0.180), "
            "tcp-msgpack 0.084× (0.084 to 0.084) "
            "(time per call as multiples of grpc-protobuf; spread within this start)"
        ),
        "trial 1 of 2: fork 2 of 2: 50% done, about 19 s left",
        (
            "trial 1 of 2: after fork 2 of 2: rest-json 0.180× (0.180 to 0.180), "
            "tcp-msgpack 0.084× (0.084 to 0.084) "
            "(time per call as multiples of grpc-protobuf; range of 2 starts)"
        ),
        "rest-json failed: gone",
    ]
