"""The answer of a run of several points: known answers in words."""

import msgspec
import pytest

from harness.decide import sentence
from harness.decide.comparison import ArmFigures, Comparison, Estimate, Finding, Ratio
from harness.show import headline


def arm(name, value=None, low=None, high=None, **changes):
    """An arm whose time per call is so many times that of the baseline; None for the baseline itself."""
    ratios = {}
    if value is not None:
        bounds = (value * 0.98, value * 1.02) if low is None else (low, high)
        resolved = not bounds[0] <= 1 <= bounds[1]
        estimate = Estimate(value, *bounds, "interval")
        ratios = {
            metric: Ratio(metric, estimate, 0.0, resolved, long_turns=False) for metric in ("time", "cpu")
        }
    made = ArmFigures(
        name=name,
        stack=name,
        floor=False,
        hops=(),
        calls=1,
        failed=0,
        p50=None,
        p99=None,
        calls_per_second=None,
        client_cpu=None,
        hop_cpu=None,
        server_cpu=None,
        bound_by="",
        times_floor=None,
        messages=1,
        payload=None,
        connections=(),
        first=None,
        gap=None,
        ratios=ratios,
        validity="valid",
    )
    return msgspec.structs.replace(made, **changes)


def lowest(arms, *, forks):
    """What two arms come to; of more the test says it."""
    told = [each for each in arms if each.ratios and each.validity != "invalid"]
    if not told or arms[0].validity == "invalid":
        return ()
    ratio = told[0].ratios["time"]
    if ratio.resolved or forks == 1:
        return (told[0].name if ratio.estimate.value < 1 else arms[0].name,)
    return (told[0].name, arms[0].name)


def point(*arms, users=1, sample="small", **changes):
    made = Comparison(
        scenario="unary",
        method="Quote",
        users=users,
        sample=sample,
        forks=5,
        forks_asked=5,
        seconds=30.0,
        baseline="a",
        turn=5_000_000,
        arms=arms,
        findings=(),
        sentence=f"The answer with {users}.",
        lowest=lowest(arms, forks=changes.get("forks", 5)),
        machine="A CPU",
        started="2026-11-22T15:44:33+00:00",
        versions={},
    )
    return msgspec.structs.replace(made, **changes)


def said(*comparisons):
    (lead,) = headline.leads(comparisons)
    return list(lead.sentences)


def test_one_point_has_said_it_itself():
    assert said(point(arm("a"), arm("b", 0.5))) == ["The answer with 1."]
    (lead,) = headline.leads([point(arm("a"))])
    assert lead.question == "What does one call cost on each stack, alone and under concurrency?"


@pytest.mark.parametrize(
    ("comparisons", "sentence"),
    [
        (
            [point(arm("a"), arm("b", 0.5)), point(arm("a"), arm("b", 0.25), users=16)],
            (
                "b had the lowest time per call at both points: 0.50× (0.49 to 0.51) with 1 user, "
                "0.250× (0.245 to 0.255) with 16 users, that of a being 1."
            ),
        ),
        (
            [point(arm("a"), arm("b", 0.5)), point(arm("a"), arm("b", 1.2), users=16)],
            (
                "Which arm had the lowest time per call depends on the point: b with 1 user: "
                "0.50× (0.49 to 0.51) of a; a with 16 users."
            ),
        ),
        (
            [point(arm("a"), arm("b", 0.99, 0.97, 1.01)), point(arm("a"), arm("b", 1.2), users=16)],
            (
                "At none of 2 points was an arm shown to take less time per call than a: b takes 0.99× (0.97 "
                "to 1.01) to 1.20× (1.18 to 1.22)."
            ),
        ),
        (
            [point(arm("a"), arm("b", 0.5)), point(arm("a"), arm("b", 0.5, validity="invalid"), users=16)],
            (
                "b had the lowest time per call at the one point that tells: 0.50× (0.49 to 0.51) "
                "with 1 user, that of a being 1; 1 point without valid figures."
            ),
        ),
        (
            [  # the noisy one seems lower, and the other one is shown to be
                point(
                    arm("a"),
                    arm("b", 0.78, 0.55, 1.10),
                    arm("c", 0.8),
                    users=users,
                    lowest=("c", "b"),
                )
                for users in (1, 16)
            ],
            (
                "c had the lowest time per call, or was not told apart from the lowest, at both points: "
                "0.80× (0.78 to 0.82) with 1 user, 0.80× (0.78 to 0.82) with 16 users, that of a being 1."
            ),
        ),
        (
            [point(arm("a"), arm("b", 0.5)), point(arm("a"), arm("b", 0.97, 0.93, 1.01), users=16)],
            (
                "Which arm had the lowest time per call depends on the point: b with 1 user: "
                "0.50× (0.49 to 0.51) of a; no arm is told apart with 16 users."
            ),
        ),
        (
            [
                point(arm("a"), arm("b", 0.800), arm("c", 0.805), lowest=("b", "c")),
                point(arm("a"), arm("b", 0.405), arm("c", 0.400), users=16, lowest=("c", "b")),
            ],
            (
                "c had the lowest time per call, or was not told apart from the lowest, at both points: "
                "0.81× (0.79 to 0.82) with 1 user, 0.400× (0.392 to 0.408) with 16 users, that of a being 1."
            ),
        ),
        (
            [point(arm("a"), users=users) for users in (1, 16)],
            "a was measured alone, so there is nothing to hold it against.",
        ),
        (
            [point(arm("a", validity="invalid"), arm("b"), users=users) for users in (1, 16)],
            "None of the 2 points has valid figures to hold against a.",
        ),
        (
            [point(arm("a"), arm("b", 0.1 * number), sample=f"{number}KiB") for number in range(1, 6)],
            (
                "b had the lowest time per call at all 5 points: 0.100× (0.098 to 0.102) with sample 1 KiB "
                "to 0.50× (0.49 to 0.51) with sample 5 KiB, that of a being 1."
            ),
        ),
    ],
)
def test_several_points_come_to_one_sentence(comparisons, sentence):
    assert said(*comparisons) == [sentence]


def test_few_forks_are_no_verdict():
    estimate = Estimate(0.5, 0.4, 0.6, "spread")
    seen = arm("b", ratios={"time": Ratio("time", estimate, 0.0, resolved=False, long_turns=False)})
    (sentence,) = said(*(point(arm("a"), seen, users=users, forks=1) for users in (1, 16)))
    assert sentence.endswith("; under 4 forks that says nothing of the next start.")
    assert "0.50× (spread 0.40 to 0.60) with 1 user" in sentence


def test_doubts_of_any_point_are_told():
    foreign = Finding("foreign-cpu", "", (), "doubtful", "others used 30 %")
    drift = Finding("drift", "b", ("time",), "doubtful", "it moved")
    other = Finding("drift", "c", ("time",), "doubtful", "it moved")
    note = Finding("company", "", (), "note", "arms whose turn it was not")
    points = [
        point(arm("a"), arm("b", 0.5), findings=(note, other)),
        point(arm("a"), arm("b", 0.5), users=16, findings=(foreign, drift)),
    ]
    assert said(*points)[0].endswith("that of a being 1; doubtful (foreign-cpu, drift).")
    assert "doubtful" not in said(points[0], point(arm("a"), arm("b", 0.5), users=16))[0]


def test_baselines_and_metrics_are_not_mixed():
    comparisons = [
        point(arm(base), arm("b", 0.5), users=users, baseline=base) for base in ("a", "c") for users in (1, 2)
    ]
    first, second = said(*comparisons)
    assert first.endswith("that of a being 1.")
    assert second.endswith("that of c being 1.")


def test_every_scenario_has_its_answer():
    leads = headline.leads([point(), point(scenario="codec"), point(scenario="unary")])
    assert [(lead.scenario, len(lead.sentences)) for lead in leads] == [("unary", 1), ("codec", 1)]
    assert headline.question("of my own\x1b") == "What does of my own say?"


def test_points_are_named_by_what_varies():
    assert headline.points([point(), point(users=16)]) == ["1 user", "16 users"]
    assert headline.points([point(sample="1KiB"), point(users=2)]) == [
        "1 user, sample 1 KiB",
        "2 users, sample small",
    ]
    assert headline.points([point()]) == ["1 user, sample small"]
    assert headline.points([point(), point()]) == ["1 user, sample small (1)", "1 user, sample small (2)"]
    assert headline.points([point(open="10 %"), point(open="50 %")]) == ["10 % due", "50 % due"]
    assert headline.points([]) == []


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (0.0864, 0.0778, 0.0944, "0.086× (0.078 to 0.094)"),
        (0.5, 0.45, 0.55, "0.50× (0.45 to 0.55)"),
        (1.002, 1.001, 1.003, "1.002× (1.001 to 1.003)"),
        (42.31, 40.0, 44.0, "42.3× (40.0 to 44.0)"),
    ],
)
def test_a_ratio_has_as_many_decimals_as_it_takes(value, low, high, shown):
    estimate = Estimate(value, low, high, "interval")
    assert sentence.show(estimate) + sentence.bounds(estimate) == shown
