"""Every claim on made-up results: each of its verdicts, at the thresholds that docs/claims.md states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.decide import claims, compare
from harness.decide.claims.claim import (
    FAILS,
    HOLDS,
    UNCLEAR,
    UNMEASURED,
    as_much,
    cheaper,
    either,
    more,
    whole,
)
from harness.decide.claims.played import Pair, Played, weigh
from harness.decide.comparison import Estimate
from harness.results import Failure
from scenarios.arm import name_all, parse
from stacks.hops.routing import QUESTIONS, Answer

DOCS = Path(__file__).parents[3] / "docs" / "claims.md"
NEW = ",channel=per-request"
ONE = ",channel=shared"
GATEWAYS = ("python", "envoy", "nginx", "caddy")
KINDS = ("Quote", "Quotes", "Basket", "Haggle")


@pytest.fixture(scope="module")
def play(made):
    """Give what makes a trial of arms, by SPEC with their costs in µs."""

    def play(costs, *, links=None, sd=0.003, forks=5, seed=1, **trial):
        arms = name_all([parse(spec) for spec in costs])
        named = {arm.name: 1000 * cost for arm, cost in zip(arms, costs.values(), strict=True)}
        sizes = {"rounds": 6, "long_rounds": 0, "forks": forks, "fork_sd": sd, "seed": seed}
        result = made.result(named, floor=9_000, **sizes)
        by_name = dict(zip(named, costs, strict=True))
        runs = tuple(
            replace(run, connections=tuple((links or {}).get(by_name.get(run.arm, ""), ())))
            for run in result.runs
        )
        arms = (*arms, result.trial.arms[-1])
        return replace(result, trial=replace(result.trial, arms=arms, **trial), runs=runs)

    return play


def judged(number, *results):
    """Give what `claims` says of a claim when it is asked for all of them."""
    asked = [replace(result, trial=replace(result.trial, within="claims")) for result in results]
    return claims.find(asked)[number - 1]


def named(result, spec):
    """Give the name of the arm that a SPEC made."""
    return next(arm.name for arm in result.trial.arms if arm == replace(parse(spec), name=arm.name))


def spoilt(result, spec, made, **run):
    """Let an arm fail, or answer otherwise."""
    return made.run(result, named(result, spec), **run)


def hidden(result, spec, made, forks=5):
    """Let the CPU of an arm's server not be known in its first starts."""
    chosen = {"arm": named(result, spec), "where": lambda turns: turns.fork < forks}
    return made.turns(result, **chosen, server=lambda _: -1)


@pytest.fixture(params=range(1, 10))
def number(request):
    return request.param


def test_without_trials_nothing_is_said_and_with_the_scenario_all_of_them(play, number):
    assert claims.find([]) == ()
    found = claims.find([play({"memory": 100}, within="claims")])
    claim = found[number - 1]
    assert (claim.number, claim.verdict, claim.evidence) == (number, UNMEASURED, ())
    assert claim.explanation.startswith("It takes ")


@pytest.mark.parametrize("change", [{"part": "encode"}, {"service": "shop:Orders"}])
def test_trials_of_something_else_say_nothing(play, change):
    assert claims.find([play({"grpc-protobuf": 100, "grpc-msgpack": 90}, **change)]) == ()


PLAIN, TLS = "grpc-protobuf", "grpc-protobuf,tls=on"


@pytest.mark.parametrize(
    ("costs", "options", "verdict"),
    [
        ({PLAIN: 100, PLAIN + NEW: 250, TLS: 100, TLS + NEW: 900}, {}, HOLDS),
        ({PLAIN: 100, PLAIN + NEW: 150, TLS: 100, TLS + NEW: 900}, {}, FAILS),
        ({PLAIN: 100, PLAIN + NEW: 250, TLS: 100, TLS + NEW: 150}, {}, FAILS),
        ({PLAIN: 100, PLAIN + NEW: 250}, {}, UNCLEAR),
        ({PLAIN: 100, PLAIN + NEW: 250, TLS: 100, TLS + NEW: 900}, {"forks": 3}, UNCLEAR),
        ({PLAIN: 100, PLAIN + NEW: 205, TLS: 100, TLS + NEW: 900}, {"sd": 0.1}, UNCLEAR),
        ({PLAIN: 100, TLS: 100}, {}, UNMEASURED),
        ({"rest-json": 100, "rest-json" + NEW: 900}, {}, UNMEASURED),
    ],
    ids=["holds", "plain", "tls", "no tls", "few forks", "wide", "no new one", "no gRPC"],
)
def test_claim_1_channels(play, costs, options, verdict):
    assert judged(1, play(costs, **options)).verdict == verdict


def test_claim_1_says_which_part_is_missing(play):
    claim = judged(1, play({PLAIN: 100, PLAIN + NEW: 250}))
    assert claim.explanation.startswith("In plaintext a call with a new channel costs more than 2×")
    assert "over TLS nothing was measured" in claim.explanation
    assert re.match(r"2\.\d+× the time \(2\.\d+ to 2\.\d+\), 2\.\d+× the CPU", claim.evidence[0].text)


@pytest.mark.parametrize("forks", [5, 1])
def test_claim_1_needs_the_cpu_of_every_start(play, made, forks):
    result = play({PLAIN: 100, PLAIN + NEW: 250, TLS: 100, TLS + NEW: 900})
    claim = judged(1, hidden(result, TLS + NEW, made, forks))
    assert claim.verdict == UNCLEAR
    assert claim.evidence[1].text.endswith("), CPU not known")


def test_claim_1_too_little_time_is_enough_against_it(play, made):
    result = play({PLAIN: 100, PLAIN + NEW: 150, TLS: 100, TLS + NEW: 900})
    assert judged(1, hidden(result, PLAIN + NEW, made)).verdict == FAILS


def test_claim_1_an_arm_that_failed_decides_nothing(play, made):
    result = play({PLAIN: 100, PLAIN + NEW: 250, TLS: 100, TLS + NEW: 900})
    failed = spoilt(result, TLS + NEW, made, failure=Failure(0, "no handshake", ""))
    claim = judged(1, failed)
    assert claim.verdict == UNCLEAR
    assert "no handshake" in claim.evidence[1].text


def shared(play, cost, users=16, links=1, **options):
    return play(
        {PLAIN: 100, PLAIN + ONE: cost},
        links={PLAIN: (users,), PLAIN + ONE: (links,)},
        users=users,
        **options,
    )


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        ([(100, 16, 1), (90, 64, 1)], HOLDS),
        ([(110, 16, 1)], FAILS),
        ([(100, 16, 2)], FAILS),
        ([(100, 16, 1), (110, 64, 1)], FAILS),
        ([(100, 16, 1), (100, 32, 1), (110, 64, 1)], UNCLEAR),
        ([(100, 1, 1)], UNMEASURED),
    ],
    ids=["holds", "slower", "two connections", "half", "a third", "one user"],
)
def test_claim_2_multiplexing(play, points, verdict):
    assert judged(2, *(shared(play, *point) for point in points)).verdict == verdict


@pytest.mark.parametrize("options", [{"sd": 0.1}, {"forks": 3}])
def test_claim_2_wide_or_no_intervals_are_unclear(play, options):
    assert judged(2, shared(play, 102, **options)).verdict == UNCLEAR


def test_claim_2_uncounted_connections_are_unclear(play):
    assert judged(2, play({PLAIN: 100, PLAIN + ONE: 100}, users=16)).verdict == UNCLEAR


def test_claim_2_uncounted_connections_do_not_excuse_a_slower_one(play):
    assert judged(2, play({PLAIN: 100, PLAIN + ONE: 110}, users=16)).verdict == FAILS


def test_claim_2_connections_of_a_server_that_all_arms_share_do_not_count(play):
    own, one = (f"{spec},at=127.0.0.1:5000" for spec in (PLAIN, PLAIN + ONE))
    for cost, verdict in ((100, UNCLEAR), (110, FAILS)):
        result = play({own: 100, one: cost}, links={own: (17,), one: (17,)}, users=16)
        claim = judged(2, result)
        assert claim.verdict == verdict
        assert claim.evidence[0].text.endswith("; not counted")


def gathered(play, links, users=100):
    specs = {f"grpc-protobuf@{gateway}": counted for gateway, counted in links.items()}
    return play({PLAIN: 100, **dict.fromkeys(specs, 150)}, links=specs, users=users, forks=2)


@pytest.mark.parametrize(
    ("links", "users", "verdict"),
    [
        ({"envoy": (100, 1), "caddy": (100, 1)}, 100, HOLDS),
        ({"envoy": (100, 1), "nginx": (100, 46)}, 100, FAILS),
        ({"envoy": (100, 1), "caddy": ()}, 100, UNCLEAR),
        ({"envoy": (99, 1)}, 100, UNCLEAR),
        ({"envoy": (9, 1)}, 9, UNMEASURED),
        ({}, 100, UNMEASURED),
    ],
    ids=["holds", "one does not", "not counted", "fewer in front", "few users", "no gateway"],
)
def test_claim_3_fan_in(play, links, users, verdict):
    assert judged(3, gathered(play, links, users)).verdict == verdict


def test_claim_3_names_who_does_and_who_does_not(play):
    claim = judged(3, gathered(play, {"envoy": (100, 1), "nginx": (100, 46), "caddy": (100, 1)}))
    assert claim.explanation == "One connection to the service: envoy and caddy; more than one: nginx."
    assert claim.evidence[1].text == (
        "100 users: 100 connections to the gateway, 46 from there to the service"
    )


def test_claim_3_takes_the_trial_with_the_most_users(play):
    many, few = gathered(play, {"envoy": (100, 1)}), gathered(play, {"envoy": (16, 16)}, 16)
    assert judged(3, many, few).verdict == judged(3, few, many).verdict == HOLDS


def test_claim_3_all_arms_of_a_gateway_count_whatever_their_order(play):
    links = {
        "grpc-protobuf@envoy": (100, 1),
        "grpc-msgpack@envoy": (100, 46),
        "grpc-protobuf@caddy": (100, 1),
    }
    for specs in (list(links), list(links)[::-1]):
        claim = judged(3, play(dict.fromkeys(specs, 150), links=links, users=100, forks=2))
        assert claim.verdict == FAILS
        assert claim.explanation == "One connection to the service: caddy; more than one: envoy."
        assert {(each.label, each.verdict) for each in claim.evidence} == {
            ("caddy", HOLDS),
            ("envoy, grpc-protobuf", HOLDS),
            ("envoy, grpc-msgpack", FAILS),
        }


def swapped(play, msgpack=None, memorypack=None, sample="small", **options):
    costs = {"grpc-protobuf": 100, "grpc-msgpack": msgpack, "grpc-memorypack": memorypack}
    return play({name: cost for name, cost in costs.items() if cost}, sample=sample, **options)


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        ([(90, 90)], HOLDS),
        ([(90, 120)], HOLDS),
        ([(None, 90)], HOLDS),
        ([(100, 120)], FAILS),
        ([(110, None)], UNCLEAR),
        ([(90, 120), (110, 120)], UNCLEAR),
        ([(110, 120), (None, 90)], UNCLEAR),
    ],
    ids=["both", "one", "the other", "neither", "one alone", "at one size", "other at one size"],
)
def test_claim_4_swap(play, points, verdict):
    results = [
        swapped(play, *point, sample=size) for point, size in zip(points, ("small", "large"), strict=False)
    ]
    assert judged(4, *results).verdict == verdict


@pytest.mark.parametrize("options", [{"sd": 0.1}, {"forks": 3}])
def test_claim_4_wide_or_no_intervals_are_unclear(play, made, options):
    result = swapped(play, 97, **options)
    result = made.turns(result, arm="grpc-msgpack", client=lambda old: old * 10 // 9)
    assert judged(4, result).verdict == UNCLEAR


def test_claim_4_a_gain_in_time_that_costs_cpu_does_not_pay(play, made):
    result = made.turns(swapped(play, 90, 120), arm="grpc-msgpack", client=lambda old: 2 * old)
    assert judged(4, result).verdict == FAILS


def test_claim_4_a_format_that_answers_otherwise_is_no_swap(play, made):
    result = spoilt(swapped(play, 90, 120), "grpc-msgpack", made, differs="lines: 3 is not 4")
    assert judged(4, result).verdict == FAILS


def test_claim_4_nothing_is_said_without_protobuf(play):
    assert judged(4, play({"grpc-msgpack": 100, "grpc-memorypack": 90})).verdict == UNMEASURED


@pytest.mark.parametrize(
    ("specs", "trial"),
    [
        (("grpc-protobuf,channel=shared", "grpc-msgpack,channel=shared"), {}),
        (("grpc-protobuf@envoy", "grpc-msgpack@envoy"), {}),
        (("grpc-protobuf", "grpc-msgpack"), {"method": "Quotes"}),
    ],
    ids=["shared", "gateway", "stream"],
)
def test_claim_4_looks_at_unary_calls_over_a_channel_a_user_alone(play, specs, trial):
    elsewhere = play(dict(zip(specs, (100, 110), strict=True)), **trial)
    assert judged(4, elsewhere).verdict == UNMEASURED
    alone = judged(4, swapped(play, 90, 120))
    assert judged(4, swapped(play, 90, 120), elsewhere) == alone


def test_claim_4_looks_at_a_size_once_with_the_fewest_users(play):
    few, crowd = swapped(play, 90, 120), swapped(play, 110, 90, users=16)
    assert judged(4, crowd, few) == judged(4, few, crowd) == judged(4, few)
    assert judged(4, crowd).evidence[0].label == "MessagePack, 16 users, small (made-up)"
    large = swapped(play, 110, 90, sample="large", users=16)
    labels = [each.label for each in judged(4, few, large).evidence]
    assert labels[:2] == ["MessagePack, 1 user, small (made-up)", "MessagePack, 16 users, large (made-up)"]


def test_claim_4_half_of_the_costs_show_nothing(play, made):
    result = hidden(swapped(play, 90, 90), PLAIN, made, 1)
    claim = judged(4, result)
    assert claim.verdict == UNCLEAR
    assert [each.text.rpartition(", ")[2] for each in claim.evidence] == ["CPU not known"] * 2


def kinds(play, gateways=GATEWAYS, methods=KINDS):
    specs = {PLAIN: 100, **{f"grpc-protobuf@{gateway}": 150 for gateway in gateways}}
    return [play(specs, method=method, forks=2) for method in methods]


def test_claim_5_all_kinds_through_all_gateways(play):
    claim = judged(5, *kinds(play))
    assert claim.verdict == HOLDS
    assert [each.label for each in claim.evidence] == list(GATEWAYS)
    assert "calls of 4 kinds, 0 failed" in claim.evidence[0].text


@pytest.mark.parametrize(
    "run",
    [
        {"differs": "lines: 3 is not 4"},
        {"failure": Failure(0, "no call succeeded in 3 turns", "")},
    ],
)
def test_claim_5_one_kind_that_does_not_pass_one_gateway_is_enough(play, made, run):
    *others, last = kinds(play)
    claim = judged(5, *others, spoilt(last, "grpc-protobuf@nginx", made, **run))
    assert claim.verdict == FAILS
    assert (
        claim.explanation == "All four kinds of calls passed python, envoy and caddy; not all passed nginx."
    )


def test_claim_5_failed_calls_count(play, made):
    *others, last = kinds(play)
    name = next(arm.name for arm in last.trial.arms if arm.hops == ("envoy",))
    assert judged(5, *others, made.turns(last, arm=name, failed=lambda old: old + 1)).verdict == FAILS


def test_claim_5_what_fails_without_a_gateway_too_is_not_its_fault(play, made):
    *others, last = kinds(play, ("envoy",))
    for spec in ("grpc-protobuf@envoy", PLAIN):
        last = spoilt(last, spec, made, differs="x")
    assert judged(5, *others, last).verdict == UNCLEAR


def test_claim_5_a_gateway_that_did_not_start_decides_nothing(play, made):
    *others, last = kinds(play, ("envoy",))
    gone = Failure(0, "its hop envoy ended at once with exit code 2", "")
    assert judged(5, *others, spoilt(last, "grpc-protobuf@envoy", made, failure=gone)).verdict == UNCLEAR


def test_claim_5_kinds_that_are_missing_leave_it_open(play):
    assert judged(5, *kinds(play, methods=KINDS[:3])).verdict == UNCLEAR
    assert judged(5, *kinds(play, methods=KINDS[:1])).verdict == UNMEASURED
    assert judged(5, *kinds(play, gateways=())).verdict == UNMEASURED


def written(question):
    return f"{question.protocol} {question.method} {question.content_type}"


def routed(play, made, **gateways):
    """Make a trial whose gateways send the requests that are named where they do not belong."""
    result = play({PLAIN: 100, **{f"grpc-protobuf@{name}": 150 for name in gateways}}, users=100, forks=2)
    for name, wrong in gateways.items():
        answers = []
        for question in QUESTIONS:
            known = question.content_type in ("application/grpc", "application/grpc+proto")
            grpc = known and (question.protocol, question.method) == ("HTTP/2", "POST")
            upstream = "grpc" if grpc is not (written(question) in wrong) else "http"
            answers.append(Answer(question, upstream if question.routed else "", 200, None))
        result = spoilt(result, f"grpc-protobuf@{name}", made, routing=tuple(answers))
    return result


VERSION = "HTTP/1.1 POST application/grpc"
METHOD = "HTTP/2 GET application/grpc"
TYPE = "HTTP/2 POST application/grpc-web"
JSON = "HTTP/2 POST application/json"
GRPC = "HTTP/2 POST application/grpc+proto"


@pytest.mark.parametrize(
    ("gateways", "verdict"),
    [
        ({"nginx": (), "envoy": ()}, HOLDS),
        ({"nginx": (), "envoy": (VERSION,)}, HOLDS),
        ({"nginx": (), "envoy": (JSON,)}, HOLDS),
        ({"envoy": (JSON,), "nginx": (GRPC,)}, FAILS),
        ({"envoy": (VERSION,)}, UNCLEAR),
        ({"envoy": (METHOD,)}, UNCLEAR),
        ({"envoy": (TYPE,)}, UNCLEAR),
        ({"envoy": (VERSION,), "nginx": (GRPC,)}, UNCLEAR),
    ],
)
def test_claim_6_one_port(play, made, gateways, verdict):
    assert judged(6, routed(play, made, **gateways)).verdict == verdict


def test_claim_6_of_several_trials_the_worst_counts(play, made):
    fine, blind = routed(play, made, envoy=()), routed(play, made, envoy=(VERSION,))
    assert judged(6, fine, fine).verdict == HOLDS
    for trials in ((fine, blind), (blind, fine)):
        claim = judged(6, *trials)
        assert claim.verdict == UNCLEAR
        assert len(claim.evidence) == 2


def test_claim_6_says_what_a_gateway_heeds(play, made):
    claim = judged(6, routed(play, made, nginx=(), envoy=(VERSION,), caddy=(JSON,)))
    assert [each.text.partition("; ")[2] or each.text for each in claim.evidence] == [
        "looks at HTTP version, method, content-type",
        "looks at method, content-type, not at HTTP version",
        "goes where it does not belong: HTTP/2 POST application/json",
    ]
    assert claim.explanation == (
        "By version, method and content-type: nginx; by some of these, or not known: envoy; calls go "
        "where they do not belong: caddy."
    )


def test_claim_6_answers_that_are_missing_leave_it_open(play, made):
    result = routed(play, made, envoy=())
    run = next(run for run in result.runs if run.routing)
    assert judged(6, made.run(result, run.arm, routing=run.routing[1:])).verdict == UNCLEAR


@pytest.mark.parametrize("asked", [VERSION, TYPE, JSON, GRPC])
def test_claim_6_no_answer_is_neither_wrong_nor_heeded(play, made, asked):
    result = routed(play, made, nginx=())
    run = next(run for run in result.runs if run.routing)

    def answers():
        return tuple(
            Answer(one.question, "", 0, None, "no answer within 5 s")
            if written(one.question) == asked
            else one
            for one in run.routing
        )

    claim = judged(6, made.run(result, run.arm, routing=answers()))
    assert claim.verdict == UNCLEAR
    assert claim.evidence[0].text == f"no answer to {asked}"
    assert claim.explanation == "By some of these, or not known: nginx."
    result = routed(play, made, nginx=("HTTP/1.1 POST application/json",))
    run = next(run for run in result.runs if run.routing)
    assert judged(6, made.run(result, run.arm, routing=answers())).verdict == FAILS


@pytest.mark.parametrize(("asked", "verdict"), [(METHOD, HOLDS), (GRPC, UNCLEAR)])
def test_claim_6_who_hangs_up_refuses_what_is_not_grpc(play, made, asked, verdict):
    result = routed(play, made, nginx=())
    run = next(run for run in result.runs if run.routing)
    answers = tuple(
        Answer(one.question, "", 0, None, "ended with the code 2") if written(one.question) == asked else one
        for one in run.routing
    )
    assert judged(6, made.run(result, run.arm, routing=answers)).verdict == verdict


def test_claim_6_nobody_was_asked(play):
    assert judged(6, play({PLAIN: 100, "grpc-protobuf@envoy": 150})).verdict == UNMEASURED


def both_ways(play, relay, upload=100, download=80, stack=PLAIN, **options):
    costs = {"Relay": relay, "Upload": upload, "Download": download}
    return play({f"{stack},method={name}": cost for name, cost in costs.items()}, **options)


def busy(made, result):
    """Let the client be what bounds both ways at once."""
    return made.turns(result, arm=result.trial.arms[0].name, client=lambda old: 4 * old)


@pytest.mark.parametrize(
    ("relays", "verdict"),
    [
        ([100], HOLDS),
        ([90], HOLDS),
        ([180], FAILS),
        ([180, 100], HOLDS),
        ([180, 180], FAILS),
    ],
)
def test_claim_7_duplex(play, relays, verdict):
    assert judged(7, *(both_ways(play, relay) for relay in relays)).verdict == verdict


def test_claim_7_where_a_core_is_busy_tcp_is_not_to_blame(play, made):
    claim = judged(7, busy(made, both_ways(play, 180)))
    assert claim.verdict == UNCLEAR
    assert claim.explanation.startswith("The client is busy before the connection is")
    assert judged(7, busy(made, both_ways(play, 180)), both_ways(play, 180)).verdict == UNCLEAR


@pytest.mark.parametrize("column", ["client", "server"])
def test_claim_7_nor_is_it_where_a_core_has_more_to_do_than_one_way_takes(play, made, column):
    result = both_ways(play, 180)
    name = result.trial.arms[0].name
    for factor, verdict in ((1, FAILS), (2, UNCLEAR)):
        scaled = made.turns(result, arm=name, **{column: lambda old, by=factor: by * old})
        assert judged(7, scaled).verdict == verdict


@pytest.mark.parametrize("options", [{"sd": 0.1}, {"forks": 3}])
def test_claim_7_wide_or_no_intervals_are_unclear(play, options):
    assert judged(7, both_ways(play, 105, **options)).verdict == UNCLEAR


def test_claim_7_needs_each_way_alone(play):
    one_way = play({f"{PLAIN},method={name}": 100 for name in ("Relay", "Upload")})
    assert judged(7, one_way).verdict == UNMEASURED


def by_hand(play, yamux, links=1, users=16, **options):
    hand, http = "yamux-msgpack" + ONE, "grpc-msgpack" + ONE
    return play({http: 100, hand: yamux}, links={hand: (links,), http: (1,)}, users=users, **options)


@pytest.mark.parametrize(
    ("yamux", "options", "verdict"),
    [
        (130, {}, HOLDS),
        (50, {}, FAILS),
        (100, {}, FAILS),
        (130, {"links": 2}, FAILS),
        (103, {"sd": 0.1}, UNCLEAR),
        (130, {"forks": 3}, UNCLEAR),
        (130, {"links": 0}, FAILS),
        (130, {"users": 1}, UNMEASURED),
    ],
)
def test_claim_8_by_hand(play, yamux, options, verdict):
    assert judged(8, by_hand(play, yamux, **options)).verdict == verdict


def test_claim_8_what_fails_is_not_possible(play, made):
    broken = spoilt(by_hand(play, 130), "yamux-msgpack" + ONE, made, differs="x")
    claim = judged(8, broken)
    assert claim.verdict == FAILS
    assert claim.explanation.startswith("It did not work")


AS_CLAIMED = {
    "grpc-msgpack": 50,
    "grpc-protobuf": 60,
    "rest-json": 200,
    "graphql-json": 300,
    "thrift-binary": 100,
    "tcp-msgpack": 70,
}


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({}, HOLDS, "Shown: REST/JSON is slower, Thrift is efficient, MessagePack over TCP is light, gRPC"),
        ({"tcp-msgpack": 220}, FAILS, "Refuted: MessagePack over TCP is light"),
        ({"tcp-msgpack": 40}, FAILS, "Refuted: gRPC + MessagePack is best"),
        ({"grpc-protobuf": 50}, UNCLEAR, "not settled: gRPC + MessagePack is best"),
        ({"rest-json": 45}, FAILS, "Refuted: REST/JSON is slower"),
        ({"thrift-binary": 250}, FAILS, "Refuted: Thrift is efficient"),
    ],
)
def test_claim_9_rivals(play, changes, verdict, said):
    claim = judged(9, play({**AS_CLAIMED, **changes}, users=16))
    assert claim.verdict == verdict
    assert said.lower() in claim.explanation.lower()
    assert "GraphQL is flexible but complex cannot be measured" in claim.explanation


def test_claim_9_what_is_missing_or_wide_leaves_it_open(play):
    without = {name: cost for name, cost in AS_CLAIMED.items() if name != "tcp-msgpack"}
    assert judged(9, play(without, users=16)).verdict == UNCLEAR
    assert judged(9, play(AS_CLAIMED, users=16, forks=3)).verdict == UNCLEAR
    assert judged(9, play({"grpc-msgpack": 50, "grpc-protobuf": 60})).verdict == UNMEASURED


def estimate(low, high, basis="interval"):
    return Estimate((low + high) / 2, low, high, basis)


bounds = st.tuples(st.floats(0.5, 2), st.floats(0, 0.5)).map(lambda pair: estimate(pair[0], sum(pair)))


@given(bounds, bounds)
def test_nothing_is_cheaper_than_what_is_cheaper_than_it(time, cpu):
    turned = {k: estimate(1 / e.high, 1 / e.low) for k, e in (("time", time), ("cpu", cpu))}
    verdicts = {cheaper({"time": time, "cpu": cpu}), cheaper(turned)}
    assert verdicts != {HOLDS}
    if cheaper(turned) == HOLDS:
        assert cheaper({"time": time, "cpu": cpu}) == FAILS


@given(bounds, st.sampled_from(["time", "cpu"]))
def test_half_of_the_costs_show_nothing(cost, metric):
    assert cheaper({metric: cost}) == UNCLEAR


@given(bounds)
def test_what_is_more_is_not_as_much(cost):
    assert not more(cost) == as_much(cost) == HOLDS


@pytest.mark.parametrize("judge", [more, as_much, lambda cost: cheaper({"time": cost, "cpu": cost})])
@pytest.mark.parametrize("cost", [0.1, 1.0, 10.0])
def test_a_spread_decides_nothing(judge, cost):
    assert judge(estimate(0.9 * cost, 1.1 * cost, "spread")) == UNCLEAR
    assert more(None) == as_much(None) == cheaper({}) == UNCLEAR


@given(st.lists(st.sampled_from([HOLDS, FAILS, UNCLEAR, UNMEASURED]), max_size=5))
def test_parts_are_joined_as_all_and_as_any(verdicts):
    turned = [{HOLDS: FAILS, FAILS: HOLDS}.get(each, each) for each in verdicts]
    assert {HOLDS: FAILS, FAILS: HOLDS}.get(whole(turned), whole(turned)) == either(verdicts)
    assert (whole(verdicts) == HOLDS) == (set(verdicts) == {HOLDS})
    assert (whole(verdicts) == FAILS) == (FAILS in verdicts)


def test_intervals_widen_with_the_looks_that_are_taken(play):
    def width(*results):
        seen = judged(2, *results).evidence[0].estimate
        return seen.high / seen.low

    one = shared(play, 100)
    assert (
        width(one) < width(one, shared(play, 100, 64)) < width(one, *(shared(play, 100, k) for k in (8, 64)))
    )


def test_a_pair_that_is_looked_at_both_ways_round_is_one_look(play):
    trial = Played(play({"grpc-protobuf": 100, "grpc-msgpack": 90}))
    one, other = trial.arms
    both = weigh([Pair(trial, one, other), Pair(trial, other, one)])
    assert both[0].costs == weigh([Pair(trial, one, other)])[0].costs
    assert both[1].costs["time"].low == pytest.approx(1 / both[0].costs["time"].high)


def test_what_is_doubtful_is_said(play, made):
    result = made.turns(shared(play, 100), foreign=lambda old: old + 5_000_000)
    assert judged(2, result).explanation.endswith("; doubtful (foreign-cpu).")


def test_equal_arms_seldom_refute_or_show_a_difference(play):
    verdicts = [judged(2, shared(play, 100, sd=0.02, seed=seed)).verdict for seed in range(40)]
    assert verdicts.count(FAILS) <= 3


def test_the_answer_has_the_claims_that_trials_speak_to(play):
    found = compare.answer([gathered(play, {"envoy": (100, 1)})])
    assert [claim.number for claim in found.claims] == [3]


def test_few_starts_speak_only_to_what_needs_no_interval(play):
    for forks, numbers in ((3, [3]), (4, [3, 4, 9])):
        first = play(AS_CLAIMED, users=16, forks=forks)
        second = gathered(play, {"envoy": (100, 1)})
        assert [claim.number for claim in claims.find([first, second])] == numbers
    assert {claim.verdict for claim in claims.find([first])} == {HOLDS}


def test_the_rules_are_written_down_for_every_claim():
    aside = " (stream ids in a packet header)"
    text = " ".join(DOCS.read_text(encoding="utf-8").split()).replace(aside, "")
    for number, rule in enumerate(claims.RULES, 1):
        assert f"## {number}. {rule.text.rstrip('.').replace(aside, '')}" in text
