"""Gateways that are asked for their routes, in processes of their own, before a trial is timed."""

from __future__ import annotations

import psutil
import pytest
from msgspec.structs import replace

from harness import machine
from harness.decide import claims
from harness.measure import asking, conduct, processes
from harness.plan.trials import expand
from harness.plan.wish import Wish
from harness.show import progress
from scenarios.arm import Arm
from stacks.hops.routing import QUESTIONS


@pytest.fixture(autouse=True)
def _nothing_left():
    yield
    assert psutil.Process().children(recursive=True) == []


class Notes(progress.Silent):
    def __init__(self):
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize("name", ["python", "nginx"])
def test_a_gateway_answers_every_question(name):
    notes = Notes()
    found = asking.ask(name, notes)
    assert (tuple(one.question for one in found), notes.notes) == (QUESTIONS, [])


def test_what_carries_anything_is_not_asked():
    assert asking.ask("tap", progress.Silent()) == ()


def test_a_gateway_that_cannot_be_started_is_noted_and_not_in_the_way(monkeypatch):
    monkeypatch.setattr(processes, "python", lambda *_: ["sh", "-c", "echo no port >&2; exit 3"])
    notes = Notes()
    assert asking.ask("python", notes) == ()
    assert notes.notes == ["what python takes for gRPC is not known: no port"]


def test_a_trial_that_wants_it_has_the_answers_and_a_claim_is_judged_by_them():
    arms = (Arm("direct", "grpc-protobuf"), Arm("through", "grpc-protobuf", hops=("python",)))
    (trial,) = expand(Wish(arms=arms, users=(1,), seconds=0.5, forks=1))
    result = conduct.conduct(replace(trial, routed=True), machine.look(), 7, "test", progress.Silent())
    asked = {run.arm: len(run.routing) for run in result.runs}
    assert asked == {"direct": 0, "through": len(QUESTIONS), "floor": 0}
    (claim,) = claims.find([result])
    assert (claim.number, claim.verdict) == (6, "holds")
