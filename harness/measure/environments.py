"""Environments for arms that need other packages than those installed here: built once, kept, used again."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlparse

import msgspec
from packaging.requirements import Requirement

from harness.measure import interrupts
from harness.measure.observer import Observer
from scenarios.arm import Arm

_OURS = ("harness", "scenarios", "stacks")
_DONE = "rpcduel-complete"
"""File that an environment has when it was built to its end."""
_FALLBACK = "rpcduel-fallback.pth"
_ISOLATED = "'pip-build-env-' in os.environ.get('PYTHONPATH', '')"
"""Where pip builds a package, that must find the tools which it asked for, and not those behind us.

Pip keeps the environment's own packages away from a build, and knows nothing of others; the name of the
directory is that of `pip._internal.build_env`.
"""
_DIGITS = 16
_LINES = 12
"""Of what a program said last that are shown when it fails."""
_STRAY = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
"""What would send pip, or an interpreter that is asked what it has, elsewhere."""
_PROBE = """
import json, os, site, sys
from importlib import metadata
places = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
print(json.dumps({
    "version": sys.version,
    "places": [place for place in dict.fromkeys(places) if os.path.isdir(place)],
    "installed": sorted({f"{each.name}=={each.version}" for each in metadata.distributions()}),
}))
"""


class BuildError(Exception):
    """An environment cannot be built; the text says what was wanted, and what pip said last."""


class _Base(msgspec.Struct, frozen=True):
    """What an environment falls back to."""

    version: str
    places: tuple[str, ...]
    """Directories of installed packages, whose ``.pth`` files count, too."""
    installed: tuple[str, ...]


def prepare(arms: Sequence[Arm], observer: Observer) -> None:
    """Build the environments that `arms` need and that are not there yet.

    Raises `BuildError`, and `KeyboardInterrupt` at a signal that ends the run.
    """
    with interrupts.once():
        for arm in arms:
            interpreter(arm, observer)


def interpreter(arm: Arm, observer: Observer) -> str:
    """Give the Python that runs the processes of `arm`; one that needs nothing has its own, or ours (empty).

    The environment that belongs to what the arm needs is built if there is none. It holds that alone, with
    those of its dependencies that are not satisfied yet; whatever else is imported comes from the environment
    that it was made from. Raises `BuildError`.
    """
    if not arm.needs:
        return arm.python
    base = _base(arm.python)
    place = _root() / _key(arm.python, arm.needs, base)
    if not (place / _DONE).exists():
        with _locked(place, observer):
            if not (place / _DONE).exists():
                observer.phase(f"building an environment with {', '.join(arm.needs)}")
                _build(place, arm.python, arm.needs, base)
    return str(_python(place))


def _python(place: Path) -> Path:
    return place / "bin" / "python"


def _root() -> Path:
    """Give where environments are kept; as XDG has it, a relative ``XDG_CACHE_HOME`` does not count."""
    cache_ = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache_ if cache_.is_absolute() else Path.home() / ".cache") / "rpcduel" / "environments"


@cache
def _base(python: str) -> _Base:
    """Ask an interpreter, ours if empty, what it has installed."""
    command = [python or sys.executable, "-P", "-c", _PROBE]
    text = _output(command, f"asking {command[0]} what it has installed")
    try:
        return msgspec.json.decode(text, type=_Base)
    except msgspec.DecodeError as error:
        raise BuildError(f"{command[0]} does not say what it has installed: {text!r}") from error


def _key(python: str, needs: Sequence[str], base: _Base) -> str:
    """Name the environment by all that it is made from."""
    found = shutil.which(python or sys.executable) or sys.executable
    parts = (found, base, sorted(map(_pinned, needs)), _homes())
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:_DIGITS]


def _pinned(need: str) -> str:
    """Add to a requirement that is a file what is in it: a file may change and keep its name."""
    url = urlparse(Requirement(need).url or "")
    if url.scheme != "file":
        return need
    path = Path(unquote(url.path))
    if not path.is_file():
        raise BuildError(f"with={need}: there is no file {path}; build a wheel, and name that")
    return f"{need} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _homes() -> list[str]:
    """Give the directories that our own packages are imported from."""
    homes = []
    for name in _OURS:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise BuildError(f"our own package {name} cannot be found")
        homes.append(str(Path(spec.origin).resolve().parent.parent))
    return list(dict.fromkeys(homes))


@contextmanager
def _locked(place: Path, observer: Observer) -> Iterator[None]:
    """Be the only one that builds at `place`; the lock goes with the process that holds it."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        file = place.with_suffix(".lock").open("w")
    except OSError as error:
        raise BuildError(
            f"{place.parent}: cannot be written to: {error.strerror}; set XDG_CACHE_HOME to what can"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            observer.phase("waiting for another process, which builds the same environment")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(place: Path, python: str, needs: Sequence[str], base: _Base) -> None:
    """Build at `place`, in place of what somebody has left there half-built."""
    what = f"building an environment with {', '.join(needs)}"
    with suppress(FileNotFoundError):
        shutil.rmtree(place)
    bare = [] if importlib.util.find_spec("pip") is None else ["--without-pip"]
    _output([python or sys.executable, "-P", "-m", "venv", *bare, str(place)], what)
    (site,) = (place / "lib").glob("python*/site-packages")
    behind = [f"sys.path.append({path!r})" for path in _homes()]
    behind += [f"site.addsitedir({path!r})" for path in base.places]
    lines = [f"import os, site, sys; {_ISOLATED} or {each}" for each in behind]
    (site / _FALLBACK).write_text("\n".join(lines) + "\n", encoding="utf-8")
    pip = (
        [sys.executable, "-P", "-m", "pip", "--python"]
        if bare
        else [str(_python(place)), "-m", "pip", "--python"]
    )
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    _output([*pip, str(_python(place)), "install", *quiet, *needs], what)
    (place / _DONE).write_text("\n".join(needs) + "\n", encoding="utf-8")


def _output(command: Sequence[str], what: str) -> str:
    """Give what `command` prints; raises `BuildError` with its last lines where it fails."""
    stray = {name: value for name, value in os.environ.items() if name not in _STRAY}
    try:
        with subprocess.Popen(  # noqa: S603 -- an interpreter that the user named, with our own arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**stray, "PIP_USER": "0"},
            text=True,
            errors="replace",
            start_new_session=True,
            # No preexec_fn: with one this would be a fork, in which gRPC takes part where it is loaded.
        ) as child:
            try:
                output, said = child.communicate()
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                raise
    except OSError as error:
        raise BuildError(f"{what} failed: {command[0]}: {error.strerror}") from error
    if child.returncode:
        lines = [line.rstrip() for line in (said or output).splitlines() if line.strip()][-_LINES:]
        raise BuildError("\n  ".join([f"{what} failed:", *lines]))
    return output
