"""The fuzzers themselves: a few inputs for every target, and targets that are broken on purpose."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import clients
import decoders
import framings
import run
import servers
import tally
from decoders import Tree
from mutations import LARGEST, Mutator
from tally import FindingError, Target, inputs

from stacks.codecs import msgpack
from stacks.errors import ProtocolError

SEED = 20_240_229
NUMBERS = itertools.count()
RIGHT = [b"0123456789", b"abcdefghijklmnopqrstuvwxyz"]


@pytest.mark.parametrize("target", [*decoders.targets(), *framings.targets()], ids=lambda target: target.name)
def test_nothing_but_an_error_of_ours_comes_out_of(target):
    assert target.fuzz(SEED, inputs(100)).tried == 100


@pytest.mark.parametrize(
    "name", ["floor", "grpc-protobuf", "rest-json", "tcp-msgpack", "thrift-binary", "yamux-msgpack"]
)
def test_a_server_goes_on_whatever_comes(name):
    found = servers.fuzz(name, SEED, inputs(64))
    assert found.tried >= 64
    assert found.outcomes["answered"]


@pytest.mark.parametrize("name", [name for name in servers.names() if not name.startswith("grpc-")])
def test_a_client_gives_up_whatever_comes(name):
    before = threading.active_count()
    found = clients.fuzz(name, SEED, inputs(50))
    assert found.tried == 50
    assert len(found.outcomes) > 1
    assert threading.active_count() == before


def test_every_seed_has_inputs_of_its_own_and_none_is_too_large():
    def made(seed):
        mutator = Mutator(Random(seed), RIGHT)
        return [mutator.make() for _ in range(300)]

    one = made(1)
    assert one == made(1) != made(2)
    assert len(set(one)) > 200
    assert max(map(len, one)) <= LARGEST
    assert any(data in RIGHT for data in one)


@pytest.mark.parametrize(
    ("attempt", "what"),
    [
        (lambda _data: _lose(), "IndexError"),
        (lambda _data: _busy(), "it took"),
    ],
)
def test_it_is_a_finding_that_an_input(attempt, what, monkeypatch):
    monkeypatch.setattr(tally, "SLOW", 0.02)
    with pytest.raises(FindingError, match=what):
        _target(attempt).fuzz(SEED, inputs(1))


def _lose():
    raise IndexError("lost")


def _busy():
    end = time.thread_time() + 0.05
    while time.thread_time() < end:
        pass
    return "accepted"


def test_it_is_a_finding_that_memory_grows(monkeypatch):
    monkeypatch.setattr(tally, "GROWTH", 8 * 1024 * 1024)
    with pytest.raises(FindingError, match="memory grew"):
        _target(lambda _data: str(len(bytearray(b"x") * (256 * 1024 * 1024)))).fuzz(SEED, inputs(1))


class _Codec:
    """MessagePack with a fault."""

    def __init__(self, *, decode=None, encode=None):
        right = msgpack.FORMAT.codec(Tree)
        self.encode = encode or right.encode
        self.decode = decode or right.decode


@pytest.mark.parametrize(
    ("codec", "what"),
    [
        (_Codec(decode=lambda _data: None), "was read instead of a Tree"),
        (_Codec(decode=lambda _data: {}[0]), "KeyError"),
        (_Codec(decode=lambda _data: Tree(str(next(NUMBERS)))), "something else"),
        (_Codec(encode=lambda _value: _refuse()), "not to be written"),
    ],
)
def test_it_is_a_finding_that_a_codec(codec, what):
    leaf = msgpack.FORMAT.codec(Tree).encode(Tree("leaf"))
    attempt = decoders.target("broken", codec, (Tree("leaf"),), Tree).attempt
    with pytest.raises(FindingError, match=what):
        _target(attempt).one(leaf, tally.Tally("broken"))


def _refuse():
    raise ProtocolError("not to be written")


def _target(attempt):
    return Target("broken", lambda: (RIGHT, []), attempt)


def test_it_is_a_finding_that_a_server_writes_to_its_log(monkeypatch):
    said = subprocess.Popen

    def noisy(command, **given):
        script = (
            "import sys, stacks.__main__ as it; sys.stderr.write('oh no'); sys.exit(it.main(sys.argv[1:]))"
        )
        return said([command[0], "-c", script, *command[4:]], **given)

    monkeypatch.setattr(servers.subprocess, "Popen", noisy)
    with pytest.raises(FindingError, match="oh no"):
        servers.fuzz("floor", SEED, inputs(1))


def test_it_is_a_finding_that_a_client_raises_something_else(monkeypatch):
    monkeypatch.setattr(clients, "_unary", lambda _client: _lose())
    with pytest.raises(FindingError, match="IndexError"):
        clients.fuzz("floor", SEED, inputs(1))


def test_the_command_prints_a_row_a_target_and_fails_with_a_finding(monkeypatch, capsys):
    broken = _target(lambda _data: _lose())
    monkeypatch.setattr(run, "targets", lambda: [("good", [_target(str).fuzz]), ("broken", [broken.fuzz])])
    monkeypatch.setattr(sys, "argv", ["run.py", "--seconds", "0.01", "--seed", "5"])
    assert run.main() == 1
    told = capsys.readouterr().out
    assert told.startswith("seed 5\n")
    assert "FINDING: broken: IndexError" in told
