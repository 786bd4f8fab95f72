"""The scenario that is made of others."""

import re

import pytest

import stacks
from harness.cli import intention
from harness.plan.trials import expand
from harness.plan.wish import Wish
from scenarios.arm import Arm, SpecError
from scenarios.catalog import SCENARIOS
from stacks import certificates, hops
from stacks.errors import MissingPackageError

CLAIMS = Wish(scenario="claims")


@pytest.fixture(scope="module")
def planned():
    return expand(CLAIMS)


def test_each_trial_says_which_question_it_asks_and_for_whom(planned):
    asked = [name for name, _ in SCENARIOS["claims"].made_of]
    assert set(asked) == {trial.scenario for trial in planned}
    assert {trial.within for trial in planned} == {"claims"}
    assert {trial.within for trial in expand(Wish(arms=(Arm("m", "memory"),), users=(1,)))} == {""}


def test_what_it_takes_is_there(planned):
    def arms(scenario, method="Quote"):
        return {
            (arm.stack, arm.channel, arm.tls, arm.hops, arm.method)
            for trial in planned
            if (trial.scenario, trial.method) == (scenario, method)
            for arm in trial.arms
        }

    for tls in (False, True):
        for mode in ("per-user", "per-request"):
            assert ("grpc-protobuf", mode, tls, (), "") in arms("channels")
    for stack in ("grpc-msgpack", "yamux-msgpack"):
        assert (stack, "shared", False, (), "") in arms("multiplex")
    for method in ("Quote", "Quotes", "Basket", "Haggle"):
        for gateway in ("python", "envoy", "nginx", "caddy"):
            assert ("grpc-protobuf", "per-user", False, (gateway,), "") in arms("fanin", method)
    assert [trial.users for trial in planned if trial.routed] == [100]
    for stack in ("rest-json", "graphql-json", "thrift-binary", "tcp-msgpack", "grpc-msgpack"):
        assert (stack, "per-user", False, (), "") in arms("unary")
    assert ("grpc-memorypack", "per-user", False, (), "") in arms("payload")


def test_it_ends_in_six_to_eight_minutes_and_says_so(planned):
    assert 360 <= sum(map(intention.duration, planned)) <= 480
    line = intention.intention(planned)
    assert re.search(r"× 2 to 5 forks, about (3[6-9]|4[0-7])\d s", line)
    assert "ratios to about" in line


def test_seconds_are_shared_in_the_same_proportion(planned):
    half = expand(Wish(scenario="claims", seconds=SCENARIOS["claims"].seconds / 2))
    assert [trial.seconds for trial in half] == pytest.approx([trial.seconds / 2 for trial in planned])


def test_forks_that_are_asked_for_are_those_of_all_trials():
    assert {trial.forks for trial in expand(Wish(scenario="claims", forks=3))} == {3}


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"arms": (Arm("m", "memory"),)}, "leave arms out"),
        ({"users": (16,), "samples": ("small",)}, "leave users, samples out"),
        ({"service": "shop:Orders"}, "leave service out"),
        ({"method": "Echo"}, "leave method out"),
    ],
)
def test_what_it_chooses_itself_is_refused_with_what_may_be_given(wish, said):
    with pytest.raises(SpecError, match=said) as caught:
        expand(Wish(scenario="claims", **wish))
    assert "seconds and forks may be given" in str(caught.value)
    assert "channels, multiplex, fanin, duplex, unary, payload" in str(caught.value)


def test_a_stack_that_cannot_be_loaded_is_left_out_with_the_remedy(monkeypatch, planned):
    find = stacks.find

    def without(name, *rest):
        if name in ("graphql-json", "yamux-msgpack"):
            raise MissingPackageError(f"{name} needs a package")
        return find(name, *rest)

    monkeypatch.setattr(stacks, "find", without)
    found = expand(CLAIMS)
    assert len(found) == len(planned) - 1
    (unary,) = [trial for trial in found if trial.scenario == "unary"]
    assert "graphql-json" not in [arm.stack for arm in unary.arms]
    assert [(one.arm, one.reason) for one in unary.left_out] == [
        ("graphql-json", "graphql-json needs a package")
    ]


def test_without_gateways_and_tls_the_rest_is_asked(monkeypatch):
    def missing(name):
        raise MissingPackageError(f"hop {name!r} needs a package")

    monkeypatch.setattr(hops, "find", missing)
    monkeypatch.setattr(certificates.importlib.util, "find_spec", lambda _name: None)
    found = expand(CLAIMS)
    assert "fanin" not in {trial.scenario for trial in found}
    (channels,) = [trial for trial in found if trial.scenario == "channels"]
    assert not any(arm.tls for arm in channels.arms)
    assert any("trustme" in one.reason for one in channels.left_out)
