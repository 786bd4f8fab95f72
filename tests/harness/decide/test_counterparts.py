"""Which arms of two runs do the same, and what of them differs."""

import pytest
from msgspec.structs import replace

from harness.decide import counterparts
from harness.decide.counterparts import Lone, differences, find, other_work, point_of
from scenarios.load import Open


def run(made, names=("grpc", "tcp"), **changed):
    """Make a run of few turns; `changed` are fields of the arms by name."""
    result = made.result(dict.fromkeys(names, 100_000), floor=20_000, forks=2, rounds=4, long_rounds=0)
    arms = tuple(replace(arm, **changed.get(arm.name, {})) for arm in result.trial.arms)
    names = {old.name: new.name for old, new in zip(result.trial.arms, arms, strict=True)}
    return replace(
        result,
        trial=replace(result.trial, arms=arms, baseline=arms[0].name),
        runs=tuple(replace(each, arm=names[each.arm]) for each in result.runs),
    )


def paired(base, candidate):
    pairs, lone = find([base], [candidate])
    return [(pair.base.arm.name, pair.candidate.arm.name) for pair in pairs], [
        (each.arm, each.side, each.reason) for each in lone
    ]


def test_arms_of_the_same_name_that_do_the_same_are_paired(made):
    assert paired(run(made), run(made)) == ([("grpc", "grpc"), ("tcp", "tcp")], [])


def test_what_only_one_run_has_is_named(made):
    found, lone = paired(run(made, ("grpc", "old")), run(made, ("grpc", "new")))
    assert found == [("grpc", "grpc")]
    assert lone == [("new", "candidate", ""), ("old", "base", "")]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("stack", "rest-json", "stack grpc against rest-json"),
        ("hops", ("envoy",), "hops none against envoy"),
        ("channel", "shared", "channel per-user against shared"),
        ("method", "Other", "method none against Other"),
        ("tls", True, "tls off against on"),
        ("streams", 100, "streams 0 against 100"),
        ("beside", "1MiB", "beside none against 1MiB"),
        ("work", "spin:9us", "work none against spin:9us"),
        ("driver", "bare", "driver locust against bare"),
    ],
)
def test_arms_that_do_not_do_the_same_are_not_compared(made, field, value, said):
    found, lone = paired(run(made), run(made, grpc={field: value}))
    assert found == [("tcp", "tcp")]
    assert lone == [("grpc", "both", said)]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("python", "/usr/bin/python3.12", "python none → /usr/bin/python3.12"),
        ("needs", ("grpcio==1.75.1",), "with none → grpcio==1.75.1"),
        ("server", ("./orders-1.5", "--port", "{port}"), "server none → ./orders-1.5 --port {port}"),
        ("at", "there:1", "at none → there:1"),
    ],
)
def test_what_may_be_the_change_in_question_is_named(made, field, value, said):
    ((grpc, _), _) = find([run(made)], [run(made, grpc={field: value})])
    assert differences(grpc) == (said,)


def test_every_field_of_an_arm_is_thought_of(made):
    fields = set(run(made).trial.arms[0].__struct_fields__)
    assert fields == {*counterparts.SAME, *counterparts.FREE, "name", "ca", "twin_of"}


def test_arms_of_other_names_are_paired_where_only_they_do_that(made):
    found, lone = paired(run(made, grpc={"name": "old"}), run(made, grpc={"name": "new", "needs": ("x==2",)}))
    assert found == [("tcp", "tcp"), ("old", "new")]
    assert lone == []
    pairs, _ = find([run(made, grpc={"name": "old"})], [run(made, grpc={"name": "new", "needs": ("x==2",)})])
    assert differences(pairs[1]) == ("called old in the base", "with none → x==2")


def test_arms_that_are_the_same_but_for_their_names_come_first(made):
    old, new = {"needs": ("x==1",)}, {"needs": ("x==2",)}
    base = run(made, ("a", "b"), a={"stack": "s", **old}, b={"stack": "s", **new})
    candidate = run(made, ("c", "d"), c={"stack": "s", **new}, d={"stack": "s", **old})
    found, lone = paired(base, candidate)
    assert sorted(found) == [("a", "d"), ("b", "c")]
    assert lone == []


@pytest.mark.parametrize("swapped", [False, True])
def test_they_are_not_where_several_do(made, swapped):
    many = run(made, a={"stack": "s"}, b={"stack": "s"}, names=("a", "b"))
    one = run(made, c={"stack": "s"}, d={"stack": "t"}, names=("c", "d"))
    found, lone = paired(one, many) if swapped else paired(many, one)
    assert found == []
    assert {name for name, _, _ in lone} == {"a", "b", "c", "d"}


def test_versions_and_facts_that_differ_are_named(made):
    facts = replace(made.facts, versions={"grpcio": "1.67.0", "uvloop": "1"}, nagle="on", max_message=8)
    ((grpc, _), _) = find([run(made)], [made.run(run(made), "grpc", facts=facts)])
    assert differences(grpc) == (
        "grpcio 1.66.0 → 1.67.0",
        "uvloop none → 1",
        "nagle off → on",
        "max message 8388608 → 8",
    )


def test_messages_of_another_length_are_told(made):
    base, candidate = (made.run(run(made), "grpc", payload=each) for each in ((100, 80), (1100, 80)))
    ((grpc, tcp), _) = find([base], [candidate])
    assert other_work(grpc) == "a call has 100+80 bytes in the base and 1,100+80 in the candidate"
    assert other_work(tcp) == ""
    ((same, _), _) = find([base], [base])
    assert other_work(same) == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scenario", "other"),
        ("service", "shop:Orders"),
        ("method", "Other"),
        ("sample", "large"),
        ("users", 16),
        ("part", "encode"),
        ("messages", 100),
        ("open", Open(500.0)),
    ],
)
def test_points_are_the_same_only_if_all_that_was_asked_is(made, field, value):
    base = run(made)
    candidate = replace(base, trial=replace(base.trial, **{field: value}))
    pairs, lone = find([base], [candidate])
    assert pairs == []
    assert lone == [Lone(point_of(base.trial), "", "base"), Lone(point_of(candidate.trial), "", "candidate")]


@pytest.mark.parametrize("field", ["rate", "arrivals", "waiting"])
def test_open_loops_are_the_same_only_at_the_same_load(made, field):
    value = {"rate": 600.0, "arrivals": "poisson", "waiting": 5}[field]
    base = replace(run(made), trial=replace(run(made).trial, open=Open(500.0)))
    candidate = replace(base, trial=replace(base.trial, open=replace(Open(500.0), **{field: value})))
    assert find([base], [candidate])[0] == []
    assert len(find([base], [base])[0]) == 2


def test_forks_of_all_trials_of_an_arm_count(made):
    many = [run(made), run(made, ("grpc", "rest"))]
    pairs, _ = find(many, [run(made)])
    grpc = next(pair for pair in pairs if pair.candidate.arm.name == "grpc")
    assert (grpc.base.forks, grpc.candidate.forks) == (4, 2)
    assert len(grpc.base.costs("time")) == 4


def test_twins_are_no_arms(made):
    twin = run(made, tcp={"name": "grpc (spans)", "stack": "grpc", "twin_of": "grpc"})
    assert paired(run(made, ("grpc",)), twin) == ([("grpc", "grpc")], [])
