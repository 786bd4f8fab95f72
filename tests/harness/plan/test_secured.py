"""Arms over TLS: with certificates made for the run, and with a user's own server and CA."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from harness import machine, results
from harness.measure import conduct
from harness.measure.observer import Observer
from harness.plan.trials import expand
from harness.plan.wish import Wish
from harness.show.progress import Silent
from scenarios.arm import FLOOR, Arm
from stacks import certificates

LONG = 60.0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary files of this process go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class Watch(Silent):
    """An observer that looks at the folder of temporary files while arms play, and may do something."""

    def __init__(self, folder, act=None):
        self.folder = folder
        self.seen = set()
        self.act = act

    def advance(self, arm, fork, forks, fraction, seconds_left):
        self.seen |= {path.name for path in self.folder.glob("rpcduel-*/*")}
        if self.act:
            self.act()

    def note(self, text, arm=""):
        raise AssertionError(text)


def play(observer: Observer, *arms, channel="per-user", **wish):
    (trial,) = expand(Wish(arms=arms, users=(2,), samples=("small",), seconds=0.6, forks=1, **wish))
    return conduct.conduct(trial, machine.look(), 7, "rpcduel test", observer)


@pytest.mark.parametrize(
    "stack", ["grpc-protobuf", "rest-json", "graphql-json", "tcp-msgpack", "yamux-msgpack", "thrift-binary"]
)
def test_arms_play_over_tls_beside_plain_ones(stack, folder):
    plain, secured = Arm(name="off", stack=stack), Arm(name="on", stack=stack, tls=True)
    watch = Watch(folder)
    result = play(watch, plain, secured)
    assert [run.failure for run in result.runs] == [None] * 3
    assert [run.errors for run in result.runs] == [{}] * 3
    assert [run.differs for run in result.runs] == [""] * 3
    assert [run.facts.tls for run in result.runs][::2] == ["off", "off"]
    said = result.runs[1].facts.tls
    assert said.startswith("TLS 1.3 by ")
    assert said.endswith("every connection makes a full handshake; ECDSA P-256 certificate")
    assert watch.seen == {"ca.pem", "server.pem", "server.key"}
    assert list(folder.glob("rpcduel-*")) == []
    assert psutil.Process().children(recursive=True) == []


def test_each_call_may_make_a_handshake(folder):
    arms = [
        Arm(name=name, stack=name, tls=True, channel="per-request") for name in ("tcp-msgpack", "rest-json")
    ]
    result = play(Watch(folder), *arms)
    assert [run.failure for run in result.runs] == [None] * 3
    assert [run.errors for run in result.runs] == [{}] * 3


def test_certificates_are_not_made_for_nothing(folder):
    watch = Watch(folder)
    play(watch, Arm(name="a", stack="tcp-msgpack"))
    assert watch.seen == set()


def test_an_interrupted_run_leaves_no_certificates(folder):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(conduct.Interrupted):
        play(Watch(folder, interrupt), Arm(name="a", stack="tcp-msgpack", tls=True))
    assert list(folder.glob("rpcduel-*")) == []


def test_a_server_that_runs_already_is_trusted_by_its_ca(tmp_path):
    tls = certificates.made(tmp_path)
    command = [sys.executable, "-P", "-m", "harness", "serve", "rest-json", "--json"]
    with subprocess.Popen(
        [*command, "--tls-cert", tls.certificate, "--tls-key", tls.key], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            address = json.loads(process.stdout.readline())["address"]
            at = f"{address['host']}:{address['port']}"
            arms = [
                "--arm",
                f"there=rest-json,at={at},tls=on,ca={tls.ca}",
                "--arm",
                f"plain=rest-json,at={at}",
            ]
            done = run(tmp_path, *arms, "--quick", "--seconds", "1", "--forks", "1", "--users", "1")
        finally:
            process.terminate()
            process.wait(LONG)
    assert done.returncode != 0
    (stored,) = (tmp_path / "results").glob("*-unary/*.json")
    there, plain, _ = results.read(stored).runs
    assert there.failure is None
    assert there.errors == {}
    assert "ECDSA" not in there.facts.tls
    assert "the server closed the connection" in plain.failure.reason


def run(folder: Path, *arguments):
    return subprocess.run(
        [sys.executable, "-P", "-m", "harness", "run", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )


def test_a_run_on_the_command_line_compares_with_and_without(tmp_path):
    done = run(
        tmp_path, "--arm", "a=grpc-protobuf", "--arm", "b=grpc-protobuf,tls=on", "--quick", "--seconds", "4"
    )
    assert done.returncode == 0, done.stderr
    assert FLOOR.name in done.stdout
    for stored in (tmp_path / "results").glob("*-unary/*.json"):
        for each in results.read(stored).runs:
            assert (each.failure, each.errors, each.differs) == (None, {}, "")
