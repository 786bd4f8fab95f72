import re

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from harness.decide.compare import decide
from harness.results import Failure, Histograms, ResultError

GRPC, TCP, REST = "grpc-protobuf", "tcp-msgpack", "rest-json"
VERDICTS = re.compile(
    r"\b(fast|faster|fastest|slow|slower|slowest|better|best|worse|worst|same|equal|wins?|beats?|quicker|regression)\b",
    re.IGNORECASE,
)


def arm(comparison, name):
    return next(arm for arm in comparison.arms if arm.name == name)


def estimates(comparison):
    for one in comparison.arms:
        yield from [figure for figure in (one.p50, one.p99) if figure]
        yield from [ratio.estimate for ratio in one.ratios.values()]


@pytest.fixture(scope="module")
def trio(made):
    return made.result({GRPC: 100_000, TCP: 31_000, REST: 150_000}, floor=12_000)


@pytest.mark.parametrize("metric", ["p50", "time", "cpu"])
def test_a_known_ratio_is_read_back(trio, metric):
    comparison = decide(trio)
    for name, known in ((TCP, 0.31), (REST, 1.5)):
        ratio = arm(comparison, name).ratios[metric]
        assert ratio.estimate.basis == "interval"
        assert ratio.estimate.value == pytest.approx(known, rel=0.03)
        assert ratio.difference == pytest.approx(
            (known - 1) * (70_000 if metric == "cpu" else 100_000), rel=0.1
        )
        assert ratio.resolved
        assert not ratio.long_turns


def test_the_figures_of_an_arm_are_its_own(trio):
    one = arm(decide(trio), GRPC)
    assert one.p50.value == pytest.approx(100_000, rel=0.03)
    assert one.p50.low < one.p50.value < one.p50.high
    assert one.calls_per_second == pytest.approx(10_000, rel=0.03)
    assert (one.client_cpu, one.server_cpu) == (40_000, 30_000)
    assert one.times_floor == pytest.approx(100 / 12, rel=0.03)
    assert one.calls == trio.turns.calls[trio.turns.arm == 0].sum()
    assert (one.ratios, one.floor, one.failed) == ({}, False, 0)


def test_the_floor_has_figures_and_no_ratio(trio):
    floor = decide(trio).arms[-1]
    assert floor.floor
    assert floor.times_floor == 1
    assert floor.ratios == {}


def test_without_a_floor_there_are_no_multiples_of_it(made):
    assert {one.times_floor for one in decide(made.result()).arms} == {None}


def test_noise_that_a_round_shares_cancels(made):
    comparison = decide(made.result(common_sd=0.8, fork_sd=0, noise=0, rounds=60))
    estimate = arm(comparison, TCP).ratios["p50"].estimate
    assert estimate.value == pytest.approx(0.31, rel=1e-3)
    assert estimate.high / estimate.low < 1.002


def test_what_describes_the_trial_is_handed_through(trio):
    comparison = decide(trio)
    assert (comparison.forks, comparison.forks_asked, comparison.baseline) == (5, 5, GRPC)
    assert comparison.machine == "Made-up 9000, 2 cores, kernel 6.1.0"
    assert (comparison.started, comparison.versions) == (trio.started, {"grpcio": "1.66.0"})


def test_the_same_result_always_decides_the_same(trio):
    assert msgspec.json.encode(decide(trio)) == msgspec.json.encode(decide(trio))


def test_p99_is_shown_only_where_enough_calls_of_enough_turns_exceed_it(made):
    many = decide(made.result({GRPC: 100_000}, common_sd=0))
    p99 = arm(many, GRPC).p99
    assert p99.value == pytest.approx(100_000 * np.exp(0.05 * 2.326), rel=0.02)
    assert p99.low < p99.value < p99.high
    assert arm(decide(made.result({GRPC: 100_000}, rounds=2, common_sd=0)), GRPC).p99 is None


def test_one_turn_with_all_slow_calls_supports_no_p99(made):
    result = made.result({GRPC: 100_000}, common_sd=0)
    assert arm(decide(result), GRPC).p99
    result = made.turns(result, where=lambda t: t.round > 0, max=lambda old: np.minimum(old, 100_000))
    assert arm(decide(result), GRPC).p99 is None


@pytest.mark.parametrize("forks", [1, 2, 3])
def test_below_four_forks_nothing_is_an_interval_and_no_verdict_is_spoken(made, forks):
    comparison = decide(made.result({GRPC: 100_000, TCP: 31_000, REST: 150_000}, floor=12_000, forks=forks))
    assert {estimate.basis for estimate in estimates(comparison)} == {"spread"}
    assert not any(ratio.resolved for one in comparison.arms for ratio in one.ratios.values())
    assert not VERDICTS.search(msgspec.json.encode(comparison).decode())
    starts = "this one start" if forks == 1 else f"these {forks} starts"
    assert comparison.sentence.startswith(f"In {starts} {TCP} took 0.3")
    for ratio in arm(comparison, TCP).ratios.values():
        assert ratio.estimate.low <= ratio.estimate.value <= ratio.estimate.high


def test_verdict_words_are_there_to_be_found(made):
    assert VERDICTS.search(msgspec.json.encode(decide(made.result(forks=4))).decode())


def test_one_start_with_too_few_rounds_has_no_bounds(made):
    comparison = decide(made.result(forks=1, rounds=3))
    assert {ratio.estimate.basis for ratio in arm(comparison, TCP).ratios.values()} == {"none"}


def test_one_starts_spread_is_what_repeating_it_shows(made):
    """The spread is of the size that the estimates of many such starts scatter by."""
    found = [
        arm(decide(made.result(forks=1, seed=seed, fork_sd=0, noise=0.3)), TCP).ratios["time"].estimate
        for seed in range(40)
    ]
    covered = sum(estimate.low <= 0.31 <= estimate.high for estimate in found)
    assert covered >= 34
    assert max(estimate.high / estimate.low for estimate in found) < 1.2


def sentence(made, costs, **options):
    return decide(made.result(costs, fork_sd=0.002, **options)).sentence


def test_the_fastest_is_named_with_its_ratio(made):
    text = sentence(made, {GRPC: 100_000, TCP: 31_000, REST: 150_000}, floor=9_000)
    assert re.fullmatch(
        r"tcp-msgpack is the fastest: 0\.3\d+× the time per call of grpc-protobuf \(0\.3\d+ to 0\.3\d+\)\.",
        text,
    )


def test_a_baseline_that_is_fastest_is_named_with_the_next(made):
    text = sentence(made, {GRPC: 100_000, REST: 150_000, "graphql": 300_000})
    assert text.startswith("grpc-protobuf is the fastest; rest-json takes 1.5")
    assert "the time per call of grpc-protobuf (1." in text


def test_two_at_the_top_are_not_ranked(made):
    text = sentence(made, {GRPC: 100_000, TCP: 31_000, "tcp-json": 31_000})
    assert re.match(r"(tcp-\w+) and (tcp-\w+) are the fastest, too close to tell apart: 0\.3", text)


def test_the_lowest_are_named_for_whoever_sums_up(made):
    def lowest(costs, **options):
        return decide(made.result(costs, **options)).lowest

    tight = {"fork_sd": 0.002}
    assert lowest({GRPC: 100_000, TCP: 31_000, REST: 150_000}, floor=9_000, **tight) == (TCP,)
    assert lowest({GRPC: 100_000, REST: 150_000}, **tight) == (GRPC,)
    assert set(lowest({GRPC: 100_000, TCP: 31_000, "tcp-json": 31_000}, **tight)) == {TCP, "tcp-json"}
    assert set(lowest({GRPC: 100_000, "grpc-msgpack": 100_000, REST: 150_000}, **tight)) == {
        GRPC,
        "grpc-msgpack",
    }
    assert lowest({GRPC: 100_000, TCP: 31_000, "tcp-json": 31_500}, forks=1) == (TCP,)
    assert lowest({GRPC: 100_000}) == ()


def test_one_shown_to_be_below_the_baseline_goes_before_one_that_seems_to_be(made):
    result = made.result({GRPC: 100_000, "noisy": 60_000, "clear": 80_000}, fork_sd=0.001)
    lucky = result.turns.fork[result.turns.arm == 1] % 2
    comparison = decide(made.turns(result, "noisy", done=lambda done: done * (lucky + 1) // 2))
    (noisy,) = [arm for arm in comparison.arms if arm.name == "noisy"]
    assert not noisy.ratios["time"].resolved
    assert comparison.lowest[0] == "clear"
    assert "noisy" in comparison.lowest


def test_a_baseline_among_the_top_is_not_ranked(made):
    text = sentence(made, {GRPC: 100_000, "grpc-msgpack": 100_000, REST: 150_000})
    assert "are the fastest, too close to tell apart; rest-json takes 1.5" in text
    assert text.startswith(("grpc-protobuf and grpc-msgpack", "grpc-msgpack and grpc-protobuf"))


def test_what_is_not_resolved_is_said_to_be_so(made):
    result = made.result({GRPC: 100_000, "grpc-msgpack": 100_000}, fork_sd=0.01)
    comparison = decide(result)
    assert not arm(comparison, "grpc-msgpack").ratios["time"].resolved
    assert comparison.sentence.startswith("No difference in time per call between grpc-")
    assert "could be resolved: " in comparison.sentence


def test_three_that_are_not_resolved_are_all_named(made):
    result = made.result({GRPC: 100_000, "grpc-msgpack": 100_000, TCP: 100_000}, fork_sd=0.01, seed=3)
    text = decide(result).sentence
    assert all(name in text for name in (GRPC, "grpc-msgpack", TCP))
    assert text.endswith("could be resolved.")


def test_a_doubtful_answer_says_so(made):
    result = made.turns(made.result(), foreign=lambda old: old + 500_000)
    assert decide(result).sentence.endswith("; doubtful (foreign-cpu).")


def test_a_failed_baseline_gives_no_ratios_and_says_so(made):
    result = made.result({GRPC: 100_000, TCP: 31_000, REST: 150_000}, floor=12_000)
    comparison = decide(made.run(result, GRPC, failure=Failure(0, "its server ended", "boom")))
    assert all(one.ratios == {} for one in comparison.arms)
    assert comparison.sentence == (
        "grpc-protobuf, which ratios refer to, has no valid figures: failed in start 1: its server ended."
    )
    assert arm(comparison, TCP).times_floor == pytest.approx(31 / 12, rel=0.05)
    assert arm(comparison, GRPC).times_floor is None


def test_an_invalid_floor_gives_no_multiples_of_it(made):
    comparison = decide(made.run(made.result(floor=12_000), "floor", differs="1 is 2"))
    assert {one.times_floor for one in comparison.arms} == {None}
    assert arm(comparison, TCP).ratios


def test_an_arm_alone_has_nothing_to_be_held_against(made):
    assert decide(made.result({GRPC: 100_000})).sentence == (
        "grpc-protobuf was measured alone, so there is nothing to hold it against."
    )


@pytest.mark.parametrize("asked", [1, 5])
def test_nothing_measured_gives_no_figures(made, asked):
    comparison = decide(made.result(forks=asked, forks_done=0))
    assert comparison.sentence.startswith("Nothing was measured")
    assert {(one.p50, one.p99, one.calls_per_second, one.bound_by) for one in comparison.arms} == {
        (None, None, None, "")
    }


def test_turns_of_an_unfinished_fork_are_left_out(made):
    whole = made.result(forks=5)
    cut = replace(whole, forks_done=4)
    done = made.turns(cut, where=lambda t: t.fork == 4, p50=lambda _: 1, calls=lambda _: 0, done=lambda _: 0)
    assert [one.p50 for one in decide(cut).arms] == [one.p50 for one in decide(done).arms]
    assert arm(decide(done), TCP).ratios == arm(decide(cut), TCP).ratios
    assert decide(cut).forks == 4


def test_rounds_that_one_arm_missed_are_not_paired(made):
    result = made.result(fork_sd=0, noise=0, common_sd=0.5)
    turns = result.turns
    keep = ~((turns.arm == 1) & (turns.round % 3 == 0))
    columns = {name: getattr(turns, name)[keep] for name in turns.__struct_fields__}
    ratio = arm(decide(replace(result, turns=replace(turns, **columns))), TCP).ratios["p50"]
    assert ratio.estimate.value == pytest.approx(0.31, rel=1e-3)


def test_a_server_that_cannot_be_read_has_no_cpu_figures(made):
    comparison = decide(made.turns(made.result(), arm=TCP, server=lambda _: -1))
    assert arm(comparison, TCP).server_cpu is None
    assert arm(comparison, TCP).client_cpu == pytest.approx(12_400)
    assert set(arm(comparison, TCP).ratios) == {"p50", "time"}
    assert arm(comparison, TCP).bound_by == ""


PINNED, UNPINNED, SHARED = ((0,), (1,)), ((), ()), ((0,), (0,))


@pytest.mark.parametrize(
    ("cores", "pins", "client", "server", "bound"),
    [
        (2, PINNED, 0.95, 0.5, "client"),
        (2, PINNED, 0.5, 0.95, "server"),
        (2, PINNED, 0.95, 0.95, "client"),
        (2, PINNED, 0.92, 0.98, "server"),
        (2, PINNED, 0.98, 0.92, "client"),
        (2, PINNED, 0.6, 0.6, "waiting"),
        (1, UNPINNED, 0.5, 0.45, "shared core"),
        (1, UNPINNED, 0.5, 0.3, "waiting"),
        (2, UNPINNED, 0.95, 0.3, "client"),
        (2, UNPINNED, 0.95, 0.9, "shared core"),
        (4, SHARED, 0.5, 0.45, "shared core"),
    ],
)
def test_what_bounds_an_arm_is_told_from_its_cores(made, cores, pins, client, server, bound):
    result = made.result()
    machine = replace(result.machine, cores=cores, client_cores=pins[0], server_cores=pins[1])
    busy = result.turns.busy
    turns = replace(
        result.turns, client=(busy * client).astype(np.int64), server=(busy * server).astype(np.int64)
    )
    comparison = decide(replace(result, machine=machine, turns=turns))
    assert {one.bound_by for one in comparison.arms} == {bound}


def test_a_damaged_histogram_names_its_arm_and_start(made):
    result = made.result()
    first = result.histograms[0]
    broken = Histograms(first.arm, first.fork, first.long, first.figure, (first.blocks[0][:-8],))
    with pytest.raises(ResultError, match=r"arm grpc-protobuf, start 1: the histogram 'HIST.* truncated"):
        decide(replace(result, histograms=(broken, *result.histograms[1:])))


def test_histograms_of_other_figures_are_not_response_times(made):
    result = made.result()
    others = tuple(replace(one, figure="lag", blocks=("not read",)) for one in result.histograms)
    assert decide(replace(result, histograms=result.histograms + others)).arms == decide(result).arms


def test_a_baseline_that_is_no_arm_is_named(made):
    result = made.result()
    with pytest.raises(ValueError, match="'nobody' is none of the arms: grpc-protobuf, tcp-msgpack"):
        decide(replace(result, trial=replace(result.trial, baseline="nobody")))


def test_turns_of_an_arm_that_is_not_there_are_named(made):
    result = made.result()
    strange = replace(result.turns, arm=result.turns.arm + 1)
    with pytest.raises(ResultError, match="arm 1 to 2, but the trial has 2 arms"):
        decide(replace(result, turns=strange))


def test_ratios_are_by_message_where_calls_of_arms_have_different_numbers_of_them(made):
    result = made.result({GRPC: 100_000, TCP: 500_000}, floor=10_000)
    result = made.run(made.run(result, TCP, messages=200), GRPC, messages=10)
    comparison = decide(result)
    ratios = arm(comparison, TCP).ratios
    for metric in ("p50", "time", "cpu"):
        assert ratios[metric].estimate.value == pytest.approx(0.25, rel=0.05)
    assert ratios["time"].difference == pytest.approx(2_500 - 10_000, rel=0.1)
    assert arm(comparison, TCP).times_floor == pytest.approx(0.25, rel=0.05)
    assert "the time per message of grpc-protobuf" in comparison.sentence


@pytest.mark.parametrize(
    ("sharing", "beside", "word"),
    [(1.0, 1.4, "seen"), (1.25, 1.25, "not seen"), (0.8, 1.0, "seen"), (1.0, 0.9, "not seen")],
)
def test_head_of_line_blocking_is_what_a_large_message_costs_over_sharing(made, sharing, beside, word):
    costs = {"own+": 200_000, "shared+": beside * 200_000, "own": 100_000, "shared": sharing * 100_000}
    result = made.result(costs, fork_sd=0.002)
    arms = tuple(
        replace(
            arm,
            stack="s",
            channel="shared" if "shared" in arm.name else "per-user",
            beside="1MiB" * ("+" in arm.name),
        )
        for arm in result.trial.arms
    )
    asked = replace(result, trial=replace(result.trial, arms=arms))
    text = decide(asked).sentence
    assert text.startswith(f"Head-of-line blocking by a message of 1 MiB is {word}: with it beside them")
    assert float(re.search(r"take (\S+)×", text)[1]) == pytest.approx(beside / sharing, rel=0.03)
    other = replace(arms[3], stack="other")
    assert (
        "Head-of-line"
        not in decide(replace(asked, trial=replace(asked.trial, arms=(*arms[:3], other)))).sentence
    )


def test_where_hops_share_a_core_with_the_server_cpu_is_what_arms_are_ranked_by(made):
    result = made.result({"direct": 100_000, "through": 150_000})
    direct, through = result.trial.arms
    hopped = replace(result, trial=replace(result.trial, arms=(direct, replace(through, hops=("envoy",)))))
    found = decide(hopped)
    assert found.headline == "cpu"
    assert found.sentence.startswith("direct is the cheapest; through takes 1.5")
    assert "CPU per call of direct" in found.sentence
    others = made.result({"direct": 100_000, "through": 150_000, "a": 120_000, "b": 130_000})
    arms = tuple(replace(arm, hops=("envoy",) if arm.name == "through" else ()) for arm in others.trial.arms)
    few = decide(replace(others, trial=replace(others.trial, arms=arms)))
    assert few.headline == "time"  # hops are not what it is about
    roomy = replace(hopped, machine=replace(hopped.machine, cores=4, server_cores=(2, 3)))
    assert decide(roomy).headline == "time"
