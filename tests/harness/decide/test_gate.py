"""The decision of a gate: known answers, error rates by simulation, and what is never passed."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.decide import gate
from harness.decide.gate import LOOKS, Rule, Ruling, look
from harness.results import Failure

RULE = Rule()
GATES = 4000
LOUD = {"time": 0.023, "cpu": 0.011}
NOISY, QUIET = {"time": 0.019, "cpu": 0.009}, {"time": 0.013, "cpu": 0.007}
"""Standard deviations between forks of the same against the same; see docs/method.md."""
SPREADS = (("2.3, 1.1 %", LOUD), ("1.9, 0.9 %", NOISY), ("1.3, 0.7 %", QUIET))
ONLY = (("both", ("time", "cpu")), ("time", ("time",)))
DOCS = Path(__file__).parents[3] / "docs" / "gate.md"


def effects_around(mean, sd=0.001, forks=LOOKS[-1], seed=1):
    return mean + np.random.default_rng(seed).normal(0, sd, forks)


def exactly(mean, sd, forks):
    """Make values with exactly this mean and standard deviation."""
    values = effects_around(0, 1, forks)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


def simulated(change, spread, gates=GATES, seed=5, rule=RULE, only=("time", "cpu")):
    """Play so many gates of one candidate that costs `change` more by the metrics in `only`."""
    generator = np.random.default_rng(seed)
    shape = (gates, rule.looks[-1])
    drawn = {
        name: generator.normal(np.log1p(change if name in only else 0), sd, shape)
        for name, sd in spread.items()
    }
    return [look("new", {name: values[k] for name, values in drawn.items()}, rule) for k in range(gates)]


def share(found, ruling):
    return sum(one.ruling is ruling for one in found) / len(found)


@pytest.mark.parametrize("spread", [LOUD, NOISY, QUIET], ids=["loud", "noisy", "quiet"])
def test_error_rates_of_simulated_gates(spread):
    tolerated = simulated(0.02, spread)
    assert share(tolerated, Ruling.WORSE) <= 0.01
    slower = simulated(0.05, spread)
    assert share(slower, Ruling.SAME) <= 0.01
    assert share(slower, Ruling.BETTER) == 0
    unchanged = simulated(0.0, spread)
    assert share(unchanged, Ruling.WORSE) <= 0.001
    assert share(unchanged, Ruling.BETTER) <= 0.001


@pytest.mark.parametrize("metric", ["time", "cpu"])
def test_one_metric_that_got_worse_is_not_called_the_same(metric):
    generator = np.random.default_rng(6)
    same = 0
    for _ in range(GATES):
        drawn = {
            name: generator.normal(np.log1p(0.05 * (name == metric)), sd, LOOKS[-1])
            for name, sd in NOISY.items()
        }
        same += look("new", drawn, RULE).ruling is Ruling.SAME
    assert same / GATES <= 0.01


def test_many_candidates_share_the_error():
    generator = np.random.default_rng(7)
    wrong = 0
    for _ in range(GATES // 4):
        drawn = generator.normal(np.log1p(0.02), 0.019, (4, 2, LOOKS[-1]))
        ruled = [look("new", {"time": time, "cpu": cpu}, RULE, 4) for time, cpu in drawn]
        wrong += any(one.ruling is Ruling.WORSE for one in ruled)
    assert wrong / (GATES // 4) <= 0.01


def rows():
    """Work out the table of docs/gate.md: what becomes of each true change, and after how many forks."""
    found = []
    for (label, spread), (what, only), percent in product(SPREADS, ONLY, (-5, 0, 2, 3, 5, 10)):
        if percent or len(only) > 1:
            ruled = simulated(percent / 100, spread, only=only)
            shares = [
                share(ruled, ruling) for ruling in (Ruling.WORSE, Ruling.SAME, Ruling.BETTER, Ruling.UNCLEAR)
            ]
            forks = [one.forks for one in ruled]
            cells = [f"{100 * each:.1f} %" for each in shares]
            change = f"{percent:+d} % {what}" if percent else "none"
            found.append((label, change, *cells, f"{np.mean(forks):.1f}"))
    return found


def test_the_table_in_the_docs_is_what_the_simulation_gives():
    told = [
        tuple(cell.strip() for cell in line.strip("| ").split("|"))
        for line in DOCS.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| \d\.\d, \d\.\d % \|", line)
    ]
    worked_out = rows()
    assert [row[:2] for row in told] == [row[:2] for row in worked_out]
    for ours, theirs in zip(told, worked_out, strict=True):
        for cell, other in zip(ours[2:], theirs[2:], strict=True):
            assert float(cell.rstrip(" %")) == pytest.approx(float(other.rstrip(" %")), abs=1.0), (
                ours,
                theirs,
            )


@pytest.mark.parametrize(
    ("time", "cpu", "ruling"),
    [
        (0.0, 0.0, Ruling.SAME),
        (0.1, 0.0, Ruling.WORSE),
        (0.0, 0.1, Ruling.WORSE),
        (-0.1, 0.0, Ruling.BETTER),
        (-0.1, 0.1, Ruling.WORSE),
    ],
)
def test_what_is_clear_is_decided_at_the_first_look(time, cpu, ruling):
    found = look("new", {"time": effects_around(time), "cpu": effects_around(cpu, seed=2)}, RULE)
    assert (found.ruling, found.forks, found.final) == (ruling, LOOKS[0], True)


def test_what_is_decided_stays_decided_and_shows_the_look_that_did():
    early = effects_around(0.1, forks=LOOKS[0])
    late = effects_around(-0.1, forks=LOOKS[-1] - LOOKS[0])
    first = look("new", {"time": early}, RULE)
    after = look("new", {"time": np.concatenate([early, late])}, RULE)
    assert first == after
    assert after.ruling is Ruling.WORSE


def test_looks_are_at_the_forks_of_the_rule_only():
    values = {"time": exactly(0.035, 0.02, 12)}
    assert look("new", values, RULE).forks == 8
    assert look("new", values, replace(RULE, looks=(4, 12))).forks in (4, 12)
    assert (
        look("new", values, replace(RULE, looks=(13,))).reason
        == "12 of the 13 forks of the first look were measured"
    )


def test_bounds_are_adjusted_for_looks_metrics_and_candidates():
    values = exactly(0.0, 0.02, 8)
    alone = look("new", {"time": values}, replace(RULE, looks=(8,), alpha=0.01)).verdicts[0]
    looked = look("new", {"time": values}, replace(RULE, looks=(8, 16), alpha=0.02)).verdicts[0]
    company = look("new", {"time": values}, replace(RULE, looks=(8,), alpha=0.05), 5).verdicts[0]
    both = look("new", {"time": values, "cpu": values}, replace(RULE, looks=(8,), alpha=0.02)).verdicts[0]
    for one in (looked, company, both):
        assert (one.low, one.high) == pytest.approx((alone.low, alone.high))


def test_unclear_before_the_last_look_is_not_final():
    found = look("new", {"time": exactly(0.035, 0.05, 8)}, RULE)
    assert (found.ruling, found.final, found.needed) == (Ruling.UNCLEAR, False, None)


@given(st.floats(-0.1, 0.1), st.floats(0.005, 0.08), st.integers(0, 99))
def test_as_many_forks_as_it_is_said_to_take_decide_it(mean, sd, seed):
    values = exactly(mean, sd, LOOKS[-1])
    found = look("new", {"time": values}, RULE)
    if found.ruling is not Ruling.UNCLEAR:
        assert found.needed is None
        return
    if found.needed is None:
        more, ruling = gate.MOST_FORKS, {Ruling.UNCLEAR}
    else:
        more, ruling = found.needed, set(Ruling) - {Ruling.UNCLEAR, Ruling.INVALID}
    again = look(
        "new", {"time": exactly(mean, sd, more)}, replace(RULE, looks=(1, 2, more), alpha=RULE.alpha)
    )
    assert more > LOOKS[-1]
    assert again.ruling in ruling


def test_a_metric_that_is_not_known_is_invalid_and_never_a_pass():
    values = effects_around(0)
    values[3] = np.nan
    found = look("new", {"time": effects_around(0), "cpu": values}, RULE)
    assert found.ruling is Ruling.INVALID
    assert "cpu is not known of every fork" in found.reason


@given(st.floats(0.001, 0.1), st.integers(4, 40), st.integers(0, 99))
def test_what_is_gated_against_itself_is_never_worse(sd, forks, seed):
    costs = np.exp(np.random.default_rng(seed).normal(0, sd, forks))
    found = look("same", {"time": np.log(costs / costs)}, RULE)
    assert found.ruling in (Ruling.SAME, Ruling.UNCLEAR)


def costs(**more):
    return {"old": 100_000, "new": 100_000} | more


def decided(*results, rule=RULE):
    return gate.decide(results, rule)


def test_effects_of_several_results_are_taken_together(made):
    parts = [made.result(costs(new=112_000), forks=4, floor=20_000, seed=seed) for seed in (1, 2)]
    one = decided(parts[0])
    assert (one.ruling, one.forks, one.final) == (Ruling.UNCLEAR, 4, False)
    assert one.candidates[0].reason == "4 of the 8 forks of the first look were measured"
    both = decided(*parts)
    assert (both.base, both.ruling, both.forks, both.final) == ("old", Ruling.WORSE, 8, True)
    (new,) = both.candidates
    assert new.name == "new"
    assert new.verdicts[0].low < 0.12 < new.verdicts[0].high


def test_an_unchanged_candidate_passes_and_the_floor_is_no_candidate(made):
    found = decided(made.result(costs(), forks=8, floor=20_000))
    assert found.ruling is Ruling.SAME
    assert [one.name for one in found.candidates] == ["new"]


def test_the_worst_candidate_is_the_answer(made):
    found = decided(made.result(costs(slow=130_000, quick=70_000), forks=8, floor=20_000))
    assert {one.name: one.ruling for one in found.candidates} == {
        "new": Ruling.SAME,
        "slow": Ruling.WORSE,
        "quick": Ruling.BETTER,
    }
    assert found.ruling is Ruling.WORSE


FAILURE = Failure(fork=0, reason="its server ended with exit code 1", stderr="no licence")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"failure": FAILURE}, "failed in start 1: its server ended"),
        ({"differs": "Receipt.net is 1 instead of 2"}, "its replies are not what they should be"),
    ],
)
@pytest.mark.parametrize("arm", ["old", "new"])
def test_a_broken_arm_is_invalid_and_so_is_what_is_held_against_a_broken_base(made, arm, change, reason):
    result = made.run(made.result(costs(third=100_000), forks=8, floor=20_000), arm, **change)
    found = decided(result)
    assert found.ruling is Ruling.INVALID
    invalid = [one.name for one in found.candidates if one.ruling is Ruling.INVALID]
    assert invalid == (["new", "third"] if arm == "old" else ["new"])
    assert all(reason in one.reason for one in found.candidates if one.name in invalid)
    assert {each.change for one in found.candidates if one.name in invalid for each in one.verdicts} == {None}
    said = "no licence" if "failure" in change else ""
    assert [one.said for one in found.candidates] == [
        said * (one.name in invalid) for one in found.candidates
    ]


def test_errors_are_invalid_in_whichever_result_they_are(made):
    good = made.result(costs(), forks=4, floor=20_000)
    bad = made.turns(made.result(costs(), forks=4, floor=20_000, seed=2), "new", failed=lambda old: old + 5)
    assert decided(good, bad).ruling is Ruling.INVALID
    assert "calls failed" in decided(bad, good).candidates[0].reason


def test_a_broken_floor_breaks_nothing(made):
    result = made.run(made.result(costs(), forks=8, floor=20_000), "floor", failure=FAILURE)
    assert decided(result).ruling is Ruling.SAME


def crowded(made, share, *, forks=range(8), **more):
    """A result in whose turns of some forks others used such a share of the cores' time."""
    result = made.result(costs(**more), forks=8, floor=20_000)
    chosen = np.isin(result.turns.fork, list(forks))
    used = (share * result.turns.busy * made.machine.cores).astype(int)
    return made.turns(result, where=lambda _: chosen, foreign=lambda old: old + used[chosen])


def test_doubts_are_told_once(made):
    loud = crowded(made, 0.1)
    found = decided(loud, loud)
    assert found.ruling is Ruling.SAME
    assert len([text for text in found.doubts if "other processes" in text]) == 1


@pytest.mark.parametrize("new", [100_000, 70_000])
@pytest.mark.parametrize(("share", "forks"), [(0.21, range(8)), (0.4, [3])])
def test_nothing_is_passed_where_others_use_much_of_the_machine(made, new, share, forks):
    found = decided(crowded(made, share, forks=forks, new=new))
    assert found.ruling is Ruling.UNCLEAR
    assert f"other processes used {share:.0%} of the cores' time" in found.candidates[0].reason
    assert decided(crowded(made, 0.19, new=new)).ruling is (Ruling.SAME if new == 100_000 else Ruling.BETTER)
    assert decided(crowded(made, share, forks=forks, new=130_000)).ruling is Ruling.WORSE


def test_what_came_after_a_candidate_was_decided_changes_nothing(made):
    quiet = made.result(costs(), forks=8, floor=20_000)
    assert decided(quiet, crowded(made, 0.4)).ruling is Ruling.SAME
    assert decided(crowded(made, 0.4), quiet).ruling is Ruling.UNCLEAR


def test_what_bars_a_candidate_does_so_for_good_and_so_ends_the_gate(made):
    quiet = [made.result(costs(), forks=8, floor=20_000, seed=seed) for seed in (2, 3, 4)]
    early = decided(crowded(made, 0.4, forks=[3]))
    late = decided(crowded(made, 0.4, forks=[3]), *quiet)
    assert (early.ruling, early.final) == (Ruling.UNCLEAR, True)
    assert early.candidates == late.candidates
    assert "further starts would not undo" in early.candidates[0].reason


def test_turn_sensitivity_bars_what_is_gated_and_nothing_else(made):
    def found(**options):
        return decided(made.result(costs(), forks=8, floor=20_000, fork_sd=0.001, **options))

    apart = found(long_costs=costs(new=120_000))
    assert apart.ruling is Ruling.UNCLEAR
    assert "ten times as long" in apart.candidates[0].reason
    assert found().ruling is Ruling.SAME
    p50 = made.result(costs(), forks=8, floor=20_000, fork_sd=0.001)
    long = {"arm": "new", "where": lambda turns: turns.long == 1}
    p50 = made.turns(p50, p50=lambda old: old * 12 // 10, **long)
    assert any("its ratio is" in text for text in decided(p50).doubts)
    assert decided(p50).ruling is Ruling.SAME
    assert decided(p50, rule=replace(RULE, metrics=("p50",))).ruling is Ruling.UNCLEAR


def test_few_errors_and_turns_that_nobody_examined_are_doubts(made):
    result = made.result(costs(), forks=8, floor=20_000, long_rounds=0)
    first = np.flatnonzero(result.turns.arm == 1)[0]
    few = made.turns(
        result, where=lambda turns: np.arange(len(turns.arm)) == first, failed=lambda old: old + 1
    )
    found = decided(few)
    assert found.ruling is Ruling.SAME
    assert any("calls failed" in text for text in found.doubts)
    assert any("turn-sensitivity was not examined" in text for text in found.doubts)
    assert not decided(made.result(costs(), forks=8, floor=20_000)).doubts


def test_results_of_different_arms_are_refused(made):
    with pytest.raises(ValueError, match="the same arms"):
        decided(made.result(costs(), forks=4), made.result(costs(third=1000), forks=4))
    with pytest.raises(ValueError, match="one or more results"):
        decided()
