import numpy as np
import pytest
from msgspec.structs import replace

from harness.decide.compare import decide
from harness.results import Failure, Pressure

GRPC, TCP = "grpc-protobuf", "tcp-msgpack"


@pytest.fixture(scope="module")
def clean(made):
    return made.result({GRPC: 100_000, TCP: 31_000}, floor=12_000, fork_sd=0.002)


def find(result, kind):
    return [finding for finding in decide(result).findings if finding.kind == kind]


def only(result, kind):
    (finding,) = find(result, kind)
    return finding


def arm(comparison, name):
    return next(arm for arm in comparison.arms if arm.name == name)


def test_a_clean_trial_has_no_findings(clean):
    comparison = decide(clean)
    assert comparison.findings == ()
    assert {arm.validity for arm in comparison.arms} == {"valid"}


def test_noise_alone_is_seldom_found(made):
    """Of 40 clean trials with the usual luck of starts, hardly one may be marked."""
    marked = sum(bool(decide(made.result(seed=seed, rounds=20)).findings) for seed in range(40))
    assert marked <= 1


def test_a_failed_arm_is_invalid_and_the_others_keep_their_ratios(made):
    whole = made.result({GRPC: 100_000, TCP: 31_000, "rest-json": 150_000})
    comparison = decide(made.run(whole, TCP, failure=Failure(2, "its server ended with exit code 3", "boom")))
    (finding,) = comparison.findings
    assert (finding.kind, finding.arm, finding.validity) == ("failed", TCP, "invalid")
    assert finding.text == "failed in start 3: its server ended with exit code 3\nboom"
    assert arm(comparison, TCP).validity == "invalid"
    assert arm(comparison, TCP).ratios == {}
    assert arm(comparison, "rest-json").validity == "valid"
    assert set(arm(comparison, "rest-json").ratios) == {"p50", "time", "cpu"}


def test_an_arm_of_which_nothing_is_stored_is_a_failed_one(clean):
    finding = only(replace(clean, runs=clean.runs[:1] + clean.runs[2:]), "failed")
    assert (finding.arm, finding.validity) == (TCP, "invalid")


def test_replies_that_differ_make_an_arm_invalid(clean, made):
    finding = only(made.run(clean, TCP, differs="total is 3, should be 4"), "differs")
    assert (finding.arm, finding.figures, finding.validity) == (TCP, (), "invalid")
    assert "total is 3, should be 4" in finding.text


def failing(made, result, share):
    """Make just over or under a share of the arm's calls fail, in one turn."""
    turns = result.turns
    calls = int(turns.calls[turns.arm == 1].sum())
    result = made.turns(
        result,
        where=lambda t: (t.arm == 1) & (t.round == 0) & (t.fork == 0) & (t.long == 0),
        failed=lambda _: int(calls * share),
    )
    return made.run(result, TCP, errors={"Timeout: no reply within 5 s": 7, "Refused: no": 9})


def test_errors_above_a_thousandth_take_the_ratio_away(clean, made):
    comparison = decide(failing(made, clean, 0.0015))
    (finding,) = comparison.findings
    assert (finding.kind, finding.arm, finding.validity) == ("errors", TCP, "invalid")
    assert "(0.15%): 9 × Refused: no; 7 × Timeout: no reply within 5 s" in finding.text
    assert arm(comparison, TCP).ratios == {}


def test_a_few_errors_are_a_note(clean, made):
    comparison = decide(failing(made, clean, 0.0009))
    (finding,) = comparison.findings
    assert (finding.kind, finding.validity) == ("errors", "note")
    assert arm(comparison, TCP).validity == "valid"
    assert arm(comparison, TCP).ratios


def test_an_arm_whose_calls_all_fail_is_invalid(clean, made):
    broken = made.turns(clean, arm=TCP, failed=lambda _: 5, calls=lambda _: 5, done=lambda _: 0)
    finding = find(broken, "errors")[0]
    assert finding.validity == "invalid"
    assert "(100.00%)" in finding.text


def test_an_arm_too_slow_for_its_turns_says_so(clean, made):
    slow = made.turns(clean, arm=TCP, done=lambda _: 0, p50=lambda _: -1, max=lambda _: -1)
    finding = only(slow, "no-calls")
    assert (finding.arm, finding.validity) == (TCP, "invalid")
    assert "longer" in finding.text


@pytest.mark.parametrize(("share", "found"), [(0.9, False), (0.65, False), (0.55, True), (0.25, True)])
def test_users_who_are_not_served_while_others_are_make_an_arm_invalid(clean, made, share, found):
    rows = clean.turns.arm == [arm.name for arm in clean.trial.arms].index(TCP)
    turns = clean.turns
    reckoned = turns.done[rows].sum() / turns.window[rows].sum()
    counted = int(share * reckoned * turns.busy[rows].sum() / rows.sum())
    starved = made.turns(clean, arm=TCP, calls=lambda old: old * 0 + counted)
    findings = find(starved, "starved")
    assert [(one.arm, one.validity) for one in findings] == [(TCP, "invalid")] * found
    assert all("while others were served" in one.text for one in findings)
    assert find(clean, "starved") == []


@pytest.mark.parametrize(("share", "found"), [(0.009, False), (0.011, True), (0.3, True)])
def test_foreign_cpu_makes_the_trial_doubtful(clean, made, share, found):
    busy = made.turns(
        clean,
        arm="floor",
        foreign=lambda old: old + int(share * clean.turns.busy[0] * clean.machine.cores),
        where=lambda t: t.long == 0,
    )
    busy = made.turns(busy, arm="floor", where=lambda t: t.long == 1, foreign=lambda _: 0, busy=lambda _: 0)
    findings = find(busy, "foreign-cpu")
    assert bool(findings) is found
    if found:
        assert (findings[0].arm, findings[0].validity) == ("", "doubtful")
        assert f"{share:.1%} of the cores' time in floor's turns" in findings[0].text
        assert {arm.validity for arm in decide(busy).arms} == {"doubtful"}


@pytest.mark.parametrize(("share", "validity"), [(0.009, None), (0.02, "note"), (0.06, "doubtful")])
def test_company_is_a_note_then_a_doubt_and_no_foreign_cpu(clean, made, share, validity):
    used = int(share * clean.turns.busy[0] * clean.machine.cores)
    short = {"arm": "floor", "where": lambda t: t.long == 0}
    busy = made.turns(clean, foreign=lambda old: old + used, idle=lambda _: used, **short)
    busy = made.turns(busy, arm="floor", where=lambda t: t.long == 1, busy=lambda _: 0)
    assert not find(busy, "foreign-cpu")
    findings = find(busy, "company")
    assert [one.validity for one in findings] == ([validity] if validity else [])
    assert all(f"used {share:.1%} of the cores' time in floor's turns" in one.text for one in findings)


def test_older_results_do_not_tell_company_and_foreign_cpu_apart(clean, made):
    busy = made.turns(clean, foreign=lambda old: old + clean.turns.busy)
    assert "or arms whose turn it was not" not in only(busy, "foreign-cpu").text
    assert "or arms whose turn it was not" in only(replace(busy, format=3), "foreign-cpu").text


@pytest.mark.parametrize(("share", "validity"), [(0.005, None), (0.02, "note"), (0.08, "doubtful")])
def test_steal_is_a_note_then_a_doubt(clean, made, share, validity):
    stolen = replace(clean, turns=replace(clean.turns, steal=(clean.turns.busy * share).astype(np.int64)))
    assert [finding.validity for finding in find(stolen, "steal")] == ([validity] if validity else [])


@pytest.mark.parametrize(
    ("kind", "pressure", "validity"),
    [
        ("pressure", Pressure(0.2, 0.0), None),
        ("pressure", Pressure(0.4, 0.0), "note"),
        ("pressure", Pressure(None, None), None),
        ("throttled", Pressure(0.0, 0.0005), None),
        ("throttled", Pressure(0.0, 0.02), "doubtful"),
        ("throttled", Pressure(None, None), None),
    ],
)
def test_a_machine_under_pressure_is_told(clean, kind, pressure, validity):
    findings = find(replace(clean, pressure=pressure), kind)
    assert [finding.validity for finding in findings] == ([validity] if validity else [])


def test_times_out_of_range_make_p99_doubtful(clean, made):
    finding = only(made.run(clean, TCP, out_of_range=3), "out-of-range")
    assert (finding.arm, finding.figures, finding.validity) == (TCP, ("p99",), "doubtful")
    assert finding.text.startswith("3 response times were above the histogram's 137 s")


@pytest.mark.parametrize(("forks", "found"), [(1, True), (3, True), (4, False)])
def test_few_forks_are_noted(made, forks, found):
    findings = find(made.result(forks=forks), "few-forks")
    assert [finding.validity for finding in findings] == (["note"] if found else [])


def test_an_interrupted_trial_is_noted(made):
    finding = only(made.result(forks=6, forks_done=4), "interrupted")
    assert (finding.validity, finding.text) == ("note", "4 of 6 starts were measured to the end")
    assert find(made.result(forks=4), "interrupted") == []


def test_a_turn_sensitive_ratio_is_shown_from_long_turns(made):
    result = made.result({GRPC: 100_000, TCP: 31_000}, long_costs={TCP: 40_000}, fork_sd=0.002)
    comparison = decide(result)
    sensitive = [f for f in comparison.findings if f.kind == "turn-sensitive"]
    assert [finding.figures for finding in sensitive] == [("p50", "p99"), ("time",), ("cpu",)]
    assert {(finding.arm, finding.validity) for finding in sensitive} == {(TCP, "doubtful")}
    assert "0.311× in short turns and 0.400× in long ones" in sensitive[0].text
    shown = arm(comparison, TCP)
    for ratio in shown.ratios.values():
        assert ratio.long_turns
        assert ratio.estimate.value == pytest.approx(0.4, rel=0.02)
    assert shown.p50.value == pytest.approx(40_000, rel=0.15)
    assert shown.calls_per_second == pytest.approx(1e9 / 40_000, rel=0.15)
    assert shown.client_cpu == pytest.approx(16_000)
    assert shown.server_cpu == pytest.approx(12_000)
    assert arm(comparison, GRPC).p50.value == pytest.approx(100_000, rel=0.05)


def test_only_the_metric_that_differs_is_shown_from_long_turns(made):
    result = made.result(fork_sd=0.002)
    result = made.turns(result, arm=TCP, where=lambda t: t.long == 1, client=lambda old: old * 2)
    comparison = decide(result)
    (finding,) = comparison.findings
    assert finding.figures == ("cpu",)
    assert {name: one.long_turns for name, one in arm(comparison, TCP).ratios.items()} == {
        "p50": False,
        "time": False,
        "cpu": True,
    }


def test_a_small_difference_between_turns_is_no_sensitivity(made):
    result = made.result({GRPC: 100_000, TCP: 31_000}, long_costs={TCP: 31_300}, fork_sd=0.002)
    assert find(result, "turn-sensitive") == []


def test_without_long_turns_nothing_is_turn_sensitive(made):
    (finding,) = decide(made.result(long_rounds=0)).findings
    assert (finding.kind, finding.validity) == ("unexamined", "note")
    assert "0 of 5 starts" in finding.text


def stalled(made, result, name):
    """Let every tenth short turn of an arm end no more than a call."""
    return made.turns(result, arm=name, where=lambda t: (t.long == 0) & (t.round % 10 == 3), done=lambda _: 1)


@pytest.mark.parametrize(("name", "factor"), [(TCP, "1.11×"), (GRPC, "0.91×")])
def test_bursts_of_either_side_are_noted(clean, made, name, factor):
    finding = only(stalled(made, clean, name), "bursty")
    assert (finding.arm, finding.figures, finding.validity) == (TCP, ("time",), "note")
    assert factor in finding.text
    assert f"{name} has bursts" in finding.text


def test_bursts_stay_in_the_figure(made):
    clean = made.result(fork_sd=0.002, long_rounds=0)
    ratio = {
        name: arm(decide(result), TCP).ratios["time"].estimate.value
        for name, result in (("clean", clean), ("bursty", stalled(made, clean, TCP)))
    }
    assert ratio["bursty"] / ratio["clean"] == pytest.approx(1 / 0.9, rel=0.02)


def test_few_calls_a_turn_are_no_bursts(made):
    """About five calls fit a turn, so the typical turn's ratio is 1 or 1.25, whatever the truth."""
    result = made.result({GRPC: 980_000, TCP: 910_000}, rounds=200, noise=0.02, fork_sd=0.002)
    assert find(result, "bursty") == []


def drifting(made, result, name, factor):
    slower = {
        "p50": lambda old: (old * factor).astype(np.int64),
        "done": lambda old: (old / factor).astype(np.int64),
    }
    return made.turns(result, arm=name, where=lambda t: (t.long == 0) & (t.round >= 15), **slower)


def test_drift_against_the_baseline_is_doubtful(clean, made):
    findings = find(drifting(made, clean, TCP, 1.1), "drift")
    assert [finding.figures for finding in findings] == [("p50", "p99"), ("time",)]
    assert {(finding.arm, finding.validity) for finding in findings} == {(TCP, "doubtful")}
    assert "ratio to grpc-protobuf moved by +10." in findings[0].text


def test_the_baselines_own_drift_is_seen_against_the_floor(clean, made):
    findings = find(drifting(made, clean, GRPC, 1.1), "drift")
    assert {finding.arm for finding in findings} == {GRPC, TCP}
    assert "ratio to floor moved by +9.8%" in next(f.text for f in findings if f.arm == GRPC)


def test_drift_that_all_arms_share_is_none(clean, made):
    result = clean
    for name in (GRPC, TCP, "floor"):
        result = drifting(made, result, name, 1.1)
    assert find(result, "drift") == []


@pytest.mark.parametrize("forks", [1, 2, 3])
def test_below_four_forks_nothing_is_said_of_steadiness(made, forks):
    result = made.result({GRPC: 100_000, TCP: 31_000}, forks=forks, long_costs={TCP: 60_000}, fork_sd=0.001)
    result = drifting(made, stalled(made, result, TCP), TCP, 1.5)
    assert {finding.kind for finding in decide(result).findings} == {"few-forks"}
