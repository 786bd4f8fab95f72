"""Environments with other packages: built once, whole or not at all, and two versions in one run."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import threading
import zipfile
from importlib import metadata
from pathlib import Path

import msgspec
import pytest

from harness import machine
from harness.cli import main
from harness.measure import conduct, environments
from harness.measure.environments import BuildError
from harness.results import Trial
from harness.show.progress import Silent
from scenarios.arm import Arm
from stacks import service

MSGPACK = "1.1.0"
"""Of the package index: older than what the project asks for today, and still enough for it."""


class Watch(Silent):
    """Notes phases."""

    def __init__(self):
        self.phases = []

    def phase(self, text):
        self.phases.append(text)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty place for environments; gives the directory that they are in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    environments._base.cache_clear()
    return tmp_path / "cache" / "rpcduel" / "environments"


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """An index of our own, and nothing else; gives what puts a wheel there."""
    place = tmp_path / "wheels"
    place.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))

    def put(name, version, *requires, text=""):
        file = place / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(f"{name}.py", f"VERSION = {version!r}\n{text}")
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
            )
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        return file

    return put


def arm(*needs, **more):
    return Arm(name="a", stack="tcp-msgpack", needs=needs, **more)


def ask(interpreter, code):
    found = subprocess.run(
        [interpreter, "-P", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def own(python):
    """Name what an environment holds by itself, not by what it falls back to."""
    (site,) = (Path(python).parents[1] / "lib").glob("python*/site-packages")
    return {path.name.partition("-")[0] for path in site.glob("*.dist-info")}


def test_an_arm_that_needs_nothing_has_its_own_interpreter(cache):
    assert environments.interpreter(arm(), Watch()) == ""
    assert environments.interpreter(arm(python="/opt/python"), Watch()) == "/opt/python"
    assert not cache.exists()


def test_an_environment_holds_the_override_and_falls_back_to_ours(cache, wheels):
    wheels("gadget", "2.0", "gear>=3", "msgspec")
    wheels("gear", "3.1")
    watch = Watch()

    python = environments.interpreter(arm("gadget==2.0"), watch)

    assert watch.phases == ["building an environment with gadget==2.0"]
    assert Path(python).is_relative_to(cache)
    assert own(python) == {"gadget", "gear"}  # what it needs and we have comes from us
    assert ask(python, "import gadget, gear; print(gadget.VERSION, gear.VERSION)") == "2.0 3.1"
    for name in ("numpy", "msgspec", "locust"):
        assert ask(
            python, f"from importlib import metadata; print(metadata.version({name!r}))"
        ) == metadata.version(name)
    for module in ("harness", "scenarios", "stacks"):
        assert ask(python, f"import {module}; print({module}.__file__)") == sys.modules[module].__file__


def test_a_dependency_that_differs_comes_with_it(cache, wheels):
    wheels("gadget", "1.0", "click==0.1")
    wheels("click", "0.1")

    python = environments.interpreter(arm("gadget"), Watch())

    assert own(python) == {"gadget", "click"}
    assert ask(python, "import click; print(click.VERSION)") == "0.1"
    assert metadata.version("click") != "0.1"


def test_it_is_built_once_and_used_again(cache, wheels):
    wheels("gadget", "1.0")
    first = environments.interpreter(arm("gadget==1.0"), Watch())
    watch = Watch()
    assert environments.interpreter(arm("gadget==1.0", channel="shared"), watch) == first
    assert watch.phases == []
    wheels("gadget", "2.0")
    assert environments.interpreter(arm("gadget==2.0"), watch) != first


def test_the_order_of_requirements_makes_no_other_environment(cache, wheels):
    wheels("gadget", "1.0")
    wheels("gear", "1.0")
    first = environments.interpreter(arm("gadget", "gear"), Watch())
    assert environments.interpreter(arm("gear", "gadget"), Watch()) == first


def test_a_half_built_one_is_never_used(cache, wheels):
    wheels("gadget", "1.0")
    python = Path(environments.interpreter(arm("gadget"), Watch()))
    place = python.parents[1]
    (place / environments._DONE).unlink()
    python.unlink()
    (place / "rubbish").write_text("")
    watch = Watch()
    assert environments.interpreter(arm("gadget"), watch) == str(python)
    assert len(watch.phases) == 1
    assert not (place / "rubbish").exists()
    assert ask(python, "import gadget; print(gadget.VERSION)") == "1.0"


def test_several_at_once_build_one(cache, wheels):
    wheels("gadget", "1.0")
    environments._base("")
    watch, found = Watch(), []
    threads = [
        threading.Thread(target=lambda: found.append(environments.interpreter(arm("gadget"), watch)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert sum(text.startswith("building") for text in watch.phases) == 1


BUILDER = """
import shutil, click
def build_wheel(directory, *_):
    name = "gadget-1.0-py3-none-any.whl"
    shutil.copy("wheel", f"{directory}/{name}")
    assert click.VERSION == "0.1", click.__file__
    return name
"""


def test_a_package_is_built_with_the_tools_that_it_asks_for(cache, wheels, tmp_path):
    wheels("click", "0.1")  # of which we have another
    wheel = wheels("gadget", "1.0")
    project = tmp_path / "gadget-1.0"
    project.mkdir()
    wheel.rename(project / "wheel")
    (project / "builder.py").write_text(BUILDER)
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["click==0.1"]\nbuild-backend = "builder"\nbackend-path = ["."]\n'
        '[project]\nname = "gadget"\nversion = "1.0"\n'
    )
    (project / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: gadget\nVersion: 1.0\n")
    with tarfile.open(tmp_path / "wheels" / "gadget-1.0.tar.gz", "w:gz") as archive:
        archive.add(project, "gadget-1.0")

    python = environments.interpreter(arm("gadget==1.0"), Watch())

    assert own(python) == {"gadget"}
    assert ask(python, "import gadget, click; print(gadget.VERSION, click.__name__)") == "1.0 click"


def test_a_file_that_changed_is_another_environment(cache, wheels):
    file = wheels("gadget", "1.0")
    need = f"gadget @ {file.as_uri()}"
    first = environments.interpreter(arm(need), Watch())
    wheels("gadget", "1.0", text="NEW = True")
    second = environments.interpreter(arm(need), Watch())
    assert first != second
    assert ask(second, "import gadget; print(gadget.NEW)") == "True"
    file.unlink()
    with pytest.raises(BuildError, match=r"there is no file .*; build a wheel"):
        environments.interpreter(arm(need), Watch())


def test_what_another_interpreter_has_makes_another_environment(cache, wheels):
    wheels("gadget", "1.0")
    ours = environments.interpreter(arm("gadget"), Watch())
    plain = environments.interpreter(arm("gadget", python=sys._base_executable), Watch())
    assert plain != ours
    code = "import gadget; from importlib import util; print(util.find_spec('stacks').origin)"
    assert ask(plain, code) == sys.modules["stacks"].__file__


def test_what_pip_says_is_shown_and_nothing_is_kept(cache, wheels):
    with pytest.raises(BuildError) as caught:
        environments.interpreter(arm("gadget==7.0"), Watch())
    assert "building an environment with gadget==7.0 failed:" in str(caught.value)
    assert "No matching distribution found for gadget==7.0" in str(caught.value)
    wheels("gadget", "7.0")
    assert environments.interpreter(arm("gadget==7.0"), Watch())


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BuildError, match="set XDG_CACHE_HOME"):
        environments.interpreter(arm("gadget"), Watch())


def test_an_interpreter_that_is_none_is_named(cache, tmp_path):
    with pytest.raises(BuildError, match=r"asking .*nowhere what it has installed failed"):
        environments.interpreter(arm("gadget", python=str(tmp_path / "nowhere")), Watch())


def test_a_run_says_what_cannot_be_built_and_measures_nothing(cache, wheels, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    args = [
        "--arm",
        "memory",
        "--arm",
        "memory,with=gadget==7.0",
        "--users",
        "1",
        "--forks",
        "1",
        "--seconds",
        "0.5",
    ]
    assert main(["run", *args]) == 2
    said = capsys.readouterr().err
    assert "No matching distribution found for gadget==7.0" in said
    assert "starting" not in said
    assert not list((tmp_path / "results").glob("*"))


@pytest.mark.parametrize("command", [["run", "--arm"], ["tap"]])
def test_what_is_no_requirement_is_said_before_anything_starts(command, capsys):
    assert main([*command, "memory,with=gadget!"]) == 2
    assert "with='gadget!' is no requirement" in capsys.readouterr().err


def test_a_tap_takes_none(capsys):
    assert main(["tap", "tcp-msgpack,with=msgpack==1.1.0"]) == 2
    assert "leave with out" in capsys.readouterr().err


def test_two_versions_of_a_library_meet_in_one_trial(cache):
    """With a real package of the package index; facts are those of each arm's own environment."""
    asked = Trial(
        scenario="unary",
        arms=(Arm(name="ours", stack="tcp-msgpack"), arm(f"msgpack=={MSGPACK}")),
        baseline="ours",
        users=1,
        sample="small",
        method="Quote",
        turn=5_000_000,
        settle=1_000_000,
        seconds=0.5,
        forks=1,
        service=service.DEFAULT,
        timeout=5.0,
    )
    result = conduct.conduct(asked, machine.look(), 7, "rpcduel test", Watch())
    ours, theirs = result.runs
    assert (ours.failure, theirs.failure) == (None, None)
    assert metadata.version("msgpack") != MSGPACK
    assert ours.facts.versions["msgpack"] == metadata.version("msgpack")
    assert theirs.facts.versions["msgpack"] == MSGPACK
    assert result.trial.arms[1].needs == (f"msgpack=={MSGPACK}",)
    assert result.trial.arms[1].python == ""
    assert (result.turns.calls > 0).all()


def test_a_requirement_is_part_of_what_is_stored():
    made = arm("msgpack==1.1.0")
    assert msgspec.json.decode(msgspec.json.encode(made), type=Arm) == made
    assert msgspec.json.decode(b'{"name": "a", "stack": "tcp-msgpack"}', type=Arm).needs == ()
