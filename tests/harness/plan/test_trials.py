import math
import re
import threading
import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stacks
from harness.plan import eligibility
from harness.plan.trials import expand
from harness.plan.wish import MOST_FORKS, MOST_SECONDS, MOST_USERS, Wish
from scenarios import catalog
from scenarios.arm import FLOOR, Arm, SpecError
from scenarios.catalog import SCENARIOS
from stacks import certificates, examples, service, shop
from stacks.base import Kind
from stacks.errors import MissingPackageError, SchemaError, StackError, UnknownStackError

MILLISECOND = 1_000_000


def some(count, stack="tcp-msgpack"):
    """Make arms a0, a1, … of one stack."""
    return tuple(Arm(name=f"a{k}", stack=stack) for k in range(count))


def names(trial):
    return [arm.name for arm in trial.arms]


def test_a_wish_for_nothing_in_particular_compares_the_defaults():
    found = expand(Wish())
    assert [(trial.users, trial.sample) for trial in found] == [(1, "small"), (16, "small")]
    for trial in found:
        assert names(trial) == [*catalog.ARMS, "floor"]
        assert trial.arms[-1] == FLOOR
        assert trial.baseline == stacks.DEFAULTS[0]
        assert (trial.scenario, trial.method, trial.service) == ("unary", "Quote", "stacks.shop:Shop")
        assert (trial.forks, trial.timeout) == (5, 5.0)


@given(st.integers(1, 30), st.data())
def test_arms_are_shared_out_in_groups_of_at_most_six_that_have_the_baseline(count, data):
    arms = some(count)
    baseline = data.draw(st.sampled_from([arm.name for arm in arms]))
    found = expand(Wish(arms=arms, users=(1,), baseline=baseline))
    groups = [names(trial)[:-1] for trial in found]
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
    assert all(len(group) <= catalog.MOST_ARMS == 6 for group in groups)
    assert len(groups) == (math.ceil((count - 1) / 5) if count > 6 else 1)
    assert all(baseline in group for group in groups)
    shown = Counter(name for group in groups for name in group)
    assert shown == {arm.name: len(groups) if arm.name == baseline else 1 for arm in arms}
    assert all(trial.arms[-1] == FLOOR and trial.baseline == baseline for trial in found)


def test_arms_stay_in_the_order_given_where_one_trial_takes_them():
    (trial,) = expand(Wish(arms=some(6), users=(1,), baseline="a3"))
    assert names(trial) == ["a0", "a1", "a2", "a3", "a4", "a5", "floor"]


def test_the_baseline_leads_where_arms_are_shared_out():
    found = expand(Wish(arms=some(7), users=(1,), baseline="a3"))
    assert [names(trial) for trial in found] == [
        ["a3", "a0", "a2", "a5", "floor"],
        ["a3", "a1", "a4", "a6", "floor"],
    ]


@given(
    st.integers(1, 12),
    st.lists(st.integers(1, MOST_USERS), min_size=1, max_size=3).map(tuple),
    st.lists(st.sampled_from(list(shop.SAMPLES)), min_size=1, max_size=3).map(tuple),
    st.floats(0.001, 10_000),
    st.integers(1, MOST_FORKS),
)
def test_the_time_is_shared_and_every_point_is_asked(count, users, samples, seconds, forks):
    found = expand(Wish(arms=some(count), users=users, samples=samples, seconds=seconds, forks=forks))
    assert sum(trial.seconds for trial in found) == pytest.approx(seconds)
    assert len({trial.seconds for trial in found}) == 1
    assert {trial.forks for trial in found} == {forks}
    groups = len(found) // (len(set(users)) * len(set(samples)))
    asked = [(trial.users, trial.sample) for trial in found]
    points = [(u, s) for s in dict.fromkeys(samples) for u in dict.fromkeys(users)]
    assert asked == [point for point in points for _ in range(groups)]


@given(st.integers(1, MOST_USERS), st.sampled_from(list(shop.SAMPLES)))
def test_turns_grow_with_the_load_and_settle_for_a_fifth(users, sample):
    (trial,) = expand(Wish(arms=some(1), users=(users,), samples=(sample,)))
    assert trial.turn == catalog.turn(users, examples.bytes_of(sample)) >= 20 * MILLISECOND
    assert catalog.turn(users + 1, examples.bytes_of(sample)) >= trial.turn
    assert catalog.turn(users, 2**20) >= trial.turn
    assert trial.settle * 5 <= trial.turn < (trial.settle + 1) * 5


def test_turns_are_those_of_the_design():
    assert catalog.turn(1, 100) == 20 * MILLISECOND
    assert catalog.turn(16, 100) == 20 * MILLISECOND
    assert catalog.turn(16, 2**16) == catalog.turn(16, 2**20) == 160 * MILLISECOND


def test_arms_without_a_name_get_one():
    (trial,) = expand(Wish(arms=(Arm("", "memory"), Arm("", "memory", channel="shared")), users=(1,)))
    assert names(trial) == ["memory", "memory,channel=shared", "floor"]
    assert trial.baseline == "memory"


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(scenario="thing"), "there is no scenario 'thing'; scenarios are: " + ", ".join(SCENARIOS)),
        (
            Wish(scenario="unray"),
            "there is no scenario 'unray'; did you mean 'unary'?; scenarios are: " + ", ".join(SCENARIOS),
        ),
        (Wish(arms=some(2), baseline="a2"), "the baseline 'a2' is no arm; arms are: a0, a1"),
        (Wish(users=(1, 0)), "users=0: must be from 1 to 10000"),
        (Wish(users=(-3,)), "users=-3: must be from 1 to 10000"),
        (Wish(users=(10_001,)), "users=10001: must be from 1 to 10000"),
        (Wish(forks=0), "forks=0: must be from 1 to 200"),
        (Wish(forks=201), "forks=201: must be from 1 to 200"),
        (Wish(seconds=0), "seconds=0: must be more than 0 and at most 86400"),
        (Wish(seconds=-1.5), "seconds=-1.5: must be more than 0 and at most 86400"),
        (Wish(seconds=math.nan), "seconds=nan: must be more than 0 and at most 86400"),
        (Wish(seconds=math.inf), "seconds=inf: must be more than 0 and at most 86400"),
        (Wish(arms=(FLOOR,)), "the floor takes part in every trial by itself; leave it out"),
        (Wish(arms=(Arm("x", "floor"),)), "the floor takes part in every trial by itself; leave it out"),
        (Wish(arms=(Arm("floor", "memory"),)), "the floor takes part in every trial by itself; leave it out"),
        (
            Wish(arms=(Arm("a", "memory", channel="pool:0"),)),
            "there is no channel mode 'pool:0'; modes are: per-user, shared, pool:N, per-request",
        ),
        (Wish(arms=(*some(1), *some(1))), "two arms are called 'a0'; give each a name of its own"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_with_what_may_stand_there(wish, said):
    with pytest.raises(SpecError) as caught:
        expand(wish)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "wish",
    [
        Wish(arms=some(1), users=(1, MOST_USERS)),
        Wish(arms=some(1), forks=MOST_FORKS),
        Wish(arms=some(1), seconds=MOST_SECONDS),
        Wish(arms=some(1), seconds=1e-9),
    ],
)
def test_limits_themselves_are_allowed(wish):
    assert expand(wish)


def test_an_unknown_stack_is_refused_with_those_that_there_are():
    with pytest.raises(UnknownStackError) as caught:
        expand(Wish(arms=(*some(1), Arm("b", "grpc-protobuff"))))
    assert str(caught.value).startswith("there is no stack 'grpc-protobuff'; did you mean 'grpc-protobuf'?")
    assert all(name in str(caught.value) for name in stacks.names())


@pytest.mark.parametrize(
    ("service", "error"),
    [("shop", SchemaError), ("no.such:Shop", SchemaError), ("stacks.shop:Nobody", SchemaError)],
)
def test_a_service_that_cannot_be_loaded_is_refused(service, error):
    with pytest.raises(error, match=service.partition(":")[0]):
        expand(Wish(arms=some(1), service=service))


class Clerk:
    def answer(self, note: shop.Note) -> shop.Note:
        return note

    def repeat(self, note: shop.Note) -> shop.Note:
        return note


def test_a_service_of_the_users_own_is_asked_for_its_first_method_of_the_kind(monkeypatch):
    monkeypatch.setattr(shop, "Clerk", Clerk, raising=False)
    (trial,) = expand(Wish(arms=some(1), users=(1,), service="stacks.shop:Clerk"))
    assert trial.method == "Answer"
    (trial,) = expand(Wish(arms=some(1), users=(1,), service="stacks.shop:Clerk", method="Repeat"))
    assert trial.method == "Repeat"
    with pytest.raises(SpecError, match=r"Clerk has no server-stream or client-stream or bidi method"):
        expand(Wish(scenario="streaming", arms=some(1), service="stacks.shop:Clerk"))
    with pytest.raises(StackError, match=r"has no method 'Quote'; it has: Answer, Repeat"):
        expand(Wish(arms=some(1), service="stacks.shop:Clerk", method="Quote"))


def test_a_method_may_be_asked_for():
    (trial,) = expand(Wish(arms=some(1), users=(1,), method="Echo"))
    assert trial.method == "Echo"


def test_who_does_not_carry_a_kind_is_left_out_with_the_reason():
    arms = (Arm("g", "grpc-protobuf"), Arm("t", "tcp-msgpack"))
    found = expand(Wish(scenario="streaming", arms=arms))
    assert [trial.method for trial in found] == ["Quotes", "Basket", "Haggle"]
    for trial in found:
        assert names(trial) == ["g", "floor"]
        assert trial.arms[-1].method == "Quote"
        assert trial.messages == 100
        ((name, reason),) = [(one.arm, one.reason) for one in trial.left_out]
        kind = service.load(service.DEFAULT)[trial.method].kind
        assert (name, reason) == ("t", f"{trial.method} is a {kind} call, and tcp-msgpack carries: unary")
    with pytest.raises(SpecError, match="no arm can take part in streaming: Quotes is a server-stream call"):
        expand(Wish(scenario="streaming", arms=arms[1:]))


def test_a_baseline_that_is_left_out_gives_way_to_the_first_arm():
    arms = (Arm("t", "tcp-msgpack"), Arm("g", "grpc-protobuf"))
    assert {trial.baseline for trial in expand(Wish(scenario="streaming", arms=arms))} == {"g"}


def test_duplex_holds_each_stack_against_itself():
    arms = (Arm("g", "grpc-protobuf"), Arm("t", "tcp-msgpack"), Arm("m", "memory"))
    found = expand(Wish(scenario="duplex", arms=arms))
    assert [names(trial)[:-1] for trial in found] == [
        [f"{name} Relay", f"{name} Upload", f"{name} Download"] for name in "gm"
    ]
    assert [[arm.method for arm in trial.arms] for trial in found] == [
        ["Relay", "Upload", "Download", "Quote"]
    ] * 2


def test_codec_asks_for_both_parts_of_every_sample():
    found = expand(Wish(scenario="codec", arms=(Arm("j", "memory-json"), Arm("m", "memory"))))
    asked = [(trial.sample, trial.part, trial.messages) for trial in found]
    repeated = {"small": 100, "medium": 100, "large": 1}
    assert asked == [(s, p, repeated[s]) for s in repeated for p in ("encode", "decode")]
    assert {one.reason for trial in found for one in trial.left_out} == {"memory has no bytes"}


def test_cold_starts_open_a_channel_for_every_call():
    arms = (Arm("a", "memory"), Arm("b", "memory", channel="shared"))
    (trial,) = expand(Wish(scenario="coldstart", arms=arms))
    assert [arm.channel for arm in trial.arms] == ["per-request", "shared", "per-user"]


def test_channels_holds_each_stack_against_itself_and_says_what_cannot_be():
    arms = (Arm("t", "tcp-msgpack"), Arm("r", "rest-json"))
    found = expand(Wish(scenario="channels", arms=arms, users=(4,)))
    assert [names(trial)[:-1] for trial in found] == [
        ["t per-user", "t shared", "t pool:4", "t per-request"],
        ["r per-user", "r pool:4", "r per-request"],
    ]
    assert [arm.channel for arm in found[0].arms[:-1]] == ["per-user", "shared", "pool:4", "per-request"]
    assert [trial.baseline for trial in found] == ["t per-user", "r per-user"]
    ((name, reason),) = [(one.arm, one.reason) for one in found[1].left_out]
    assert (name, reason) == (
        "r shared",
        "channel=shared is not applicable to rest-json: it carries one call at a time",
    )


def test_multiplex_puts_all_forms_of_all_stacks_together():
    arms = (Arm("t", "tcp-msgpack"), Arm("y", "yamux-msgpack"))
    trial, *_ = expand(Wish(scenario="multiplex", arms=arms, users=(16,), baseline="t shared"))
    assert names(trial)[:-1] == ["t per-user", "t shared", "y per-user", "y shared"]
    assert trial.baseline == "t shared"
    with pytest.raises(SpecError, match="the baseline 't' is no arm; arms are: t per-user, t shared"):
        expand(Wish(scenario="multiplex", arms=arms, users=(16,), baseline="t"))


def test_multiplex_asks_for_limits_and_large_messages_too():
    arms = (Arm("g", "grpc-json"), Arm("t", "tcp-msgpack"), Arm("r", "rest-json"))
    found = expand(Wish(scenario="multiplex", arms=arms, users=(16,), seconds=90.0))
    assert [(trial.scenario, names(trial)[:-1]) for trial in found] == [
        ("multiplex", ["g per-user", "g shared", "t per-user", "t shared", "r per-user"]),
        ("stream-limit", ["g shared", "g shared streams=8", "g pool:8 streams=8"]),
        (
            "head-of-line",
            ["g per-user beside=1MiB", "g shared beside=1MiB", "g per-user", "g shared"],
        ),
        (
            "head-of-line",
            ["t per-user beside=1MiB", "t shared beside=1MiB", "t per-user", "t shared"],
        ),
        ("head-of-line", ["r per-user beside=1MiB", "r per-user"]),
    ]
    assert [trial.seconds for trial in found] == [18.0] * 5
    assert {trial.turn for trial in found if trial.scenario == "head-of-line"} == {160 * MILLISECOND}
    limited = found[1].arms[1]
    assert (limited.channel, limited.streams) == ("shared", 8)


def test_what_belongs_to_a_question_is_left_out_where_nobody_can_answer_it():
    found = expand(Wish(scenario="multiplex", arms=(Arm("t", "tcp-msgpack"),), users=(4,)))
    assert [trial.scenario for trial in found] == ["multiplex", "head-of-line"]


def test_a_message_beside_must_fit_too():
    with pytest.raises(SpecError, match=r"as tcp-json writes it, a message has .* 8388608 are the most"):
        expand(Wish(arms=(Arm("t", "tcp-json", beside="8MiB"),)))
    with pytest.raises(SpecError, match="memory-json has no wire, so nobody can call beside its users"):
        expand(Wish(arms=(Arm("m", "memory-json", beside="1KiB"),), users=(1,)))


@pytest.mark.parametrize("wish", [{}, {"scenario": "codec"}])
def test_many_users_of_what_never_waits_are_refused(wish):
    arms = (Arm("m", "memory-json"), Arm("n", "memory-msgpack"))
    with pytest.raises(SpecError, match="what has no wire never waits"):
        expand(Wish(arms=arms, users=(2,), **wish))


@pytest.mark.parametrize(
    ("scenario", "own", "key"),
    [
        ("fanin", {"hops": ("envoy",)}, "hops"),
        ("channels", {"channel": "shared"}, "channel"),
        ("multiplex", {"channel": "pool:2"}, "channel"),
        ("stream-limit", {"streams": 4}, "streams"),
        ("duplex", {"method": "Upload"}, "method"),
    ],
)
def test_what_a_scenario_varies_is_not_for_an_arm_to_say(scenario, own, key):
    with pytest.raises(SpecError, match=f"arm 'g': {scenario} varies {key} by itself; leave it out"):
        expand(Wish(scenario=scenario, arms=(Arm("g", "grpc-protobuf", **own),)))


def test_what_a_scenario_does_not_vary_an_arm_may_say():
    assert expand(Wish(scenario="fanin", arms=(Arm("g", "grpc-protobuf", channel="shared"),)))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_can_be_planned_as_it_is(name):
    found = expand(Wish(scenario=name))
    asked = [SCENARIOS[each].seconds for each in (name, *SCENARIOS[name].also)]
    assert sum(trial.seconds for trial in found) == pytest.approx(sum(asked))
    offered = service.load(service.DEFAULT)
    for trial in found:
        for arm in trial.arms:
            kind = offered[arm.method or trial.method].kind
            assert trial.part or kind in stacks.find(arm.stack).kinds
        assert trial.messages == 1 or trial.part or offered[trial.method].kind is not Kind.UNARY


def test_shared_is_refused_where_the_stack_does_not_multiplex(monkeypatch):
    class OneAtATime:
        name = "slow"
        multiplexes = False
        wire = True
        kinds = frozenset({Kind.UNARY})

        def codec(self, message):
            return find("memory-msgpack").codec(message)

    find = stacks.find
    monkeypatch.setattr(stacks, "find", lambda name: OneAtATime() if name == "slow" else find(name))
    arms = (*some(1), Arm("b", "slow", channel="shared"))
    with pytest.raises(
        SpecError, match="channel=shared is not applicable to slow: it carries one call at a time"
    ):
        expand(Wish(arms=arms))
    assert expand(Wish(arms=(*some(1), Arm("b", "slow", channel="pool:2"))))


def test_the_floor_needs_no_shared_channel():
    assert FLOOR.channel == "per-user"
    assert not stacks.find("floor").multiplexes


@pytest.mark.parametrize("key", [{"at": "127.0.0.1:1"}, {"server": ("true", "{port}")}])
def test_a_stack_without_a_wire_takes_no_server(key):
    with pytest.raises(SpecError, match="memory has no wire"):
        expand(Wish(arms=(Arm(name="m", stack="memory", **key),)))


@pytest.mark.parametrize("name", ["memory", "memory-json", "floor"])
def test_a_stack_without_tls_takes_none(name):
    with pytest.raises(SpecError, match=f"arm 'm': {name} has no TLS; leave tls off"):
        eligibility.check(Arm(name="m", stack=name, tls=True), stacks.find(name))


def test_a_ca_that_is_not_there_is_named_before_anything_starts(tmp_path):
    arm = Arm(name="g", stack="grpc-json", at="127.0.0.1:1", tls=True, ca=str(tmp_path / "ca.pem"))
    with pytest.raises(SpecError, match=r"arm 'g': there is no file '.*ca\.pem', which should hold its CA"):
        expand(Wish(arms=(arm,)))
    (tmp_path / "ca.pem").write_text("")
    assert expand(Wish(arms=(arm,)))


def test_a_hop_that_reads_what_it_passes_on_takes_no_tls(monkeypatch):
    class Hop:
        def __init__(self, *carries):
            self.carries = frozenset(carries)

    monkeypatch.setattr(eligibility.hops, "find", lambda name: Hop("grpc") if name == "gateway" else Hop())
    stack = stacks.find("grpc-json")
    with pytest.raises(SpecError, match="arm 'g': hops that read what they pass on take no TLS"):
        eligibility.check(Arm(name="g", stack="grpc-json", hops=("tap", "gateway"), tls=True), stack)
    eligibility.check(Arm(name="g", stack="grpc-json", hops=("tap",), tls=True), stack)


def test_without_trustme_tls_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(certificates.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingPackageError, match=r"trustme.*pip install 'rpcduel\[tls\]'"):
        expand(Wish(arms=(Arm(name="g", stack="grpc-json", tls=True),)))


class Odd:
    def fail(self, note: shop.Note) -> shop.Note:
        raise KeyError(note.id)

    def dice(self, note: shop.Note) -> shop.Note:
        return shop.Note(uuid.uuid4().int & 0xFFFF_FFFF, b"")

    def hang(self, note: shop.Note) -> shop.Note:
        ending.wait(20)
        return note


ending = threading.Event()


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("Fail", r"Odd/Fail, asked with an example of size small, raised KeyError"),
        ("Dice", "answers differently from call to call"),
        ("Hang", r"did not return within 0\.05 s"),
    ],
)
def test_a_handler_that_cannot_be_measured_is_told_before_anything_starts(monkeypatch, method, said):
    ending.clear()
    monkeypatch.setattr(shop, "Odd", Odd, raising=False)
    monkeypatch.setattr(eligibility, "_PATIENCE", 0.05 if method == "Hang" else 20)
    try:
        with pytest.raises(SchemaError, match=said):
            expand(Wish(arms=some(1), service="stacks.shop:Odd", method=method))
    finally:
        ending.set()


def test_a_size_that_a_format_makes_too_long_leaves_its_arm_out():
    arms = (Arm("m", "tcp-msgpack"), Arm("j", "rest-json"))
    (trial,) = expand(Wish(arms=arms, users=(1,), samples=("7MiB",), method="Quote"))
    assert names(trial) == ["m", "floor"]
    assert re.fullmatch(r"as rest-json writes it, a message has \d+ bytes, .*", trial.left_out[0].reason)


def test_points_that_are_asked_twice_are_measured_once():
    assert len(expand(Wish(arms=some(1), users=(1, 1), samples=("small", "small")))) == 1


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(SpecError, match="there is no program '/nope'"):
        expand(Wish(arms=(Arm("a", "tcp-msgpack", python="/nope"),)))
