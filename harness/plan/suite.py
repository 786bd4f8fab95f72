"""Reads a suite: a TOML file that says what to compare."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from harness.plan.wish import Wish
from scenarios.arm import Arm, SpecError, checked
from stacks import service as services


class _ArmTable(msgspec.Struct, forbid_unknown_fields=True):
    stack: str
    channel: str = "per-user"
    method: str = ""
    at: str = ""
    python: str = ""
    needs: tuple[str, ...] = msgspec.field(default=(), name="with")
    tls: bool = False
    ca: str = ""
    hops: tuple[str, ...] = ()
    work: str = ""
    streams: int = 0
    beside: str = ""
    server: tuple[str, ...] = ()


class GateTable(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a suite's table ``[gate]``; what is left out is as on the command line."""

    base: str = ""
    """Name of an arm."""
    candidates: tuple[str, ...] = ()
    """Names of arms; all but the base where none is given."""
    metrics: tuple[str, ...] = ()
    tolerance: str = ""
    detect: str = ""
    looks: tuple[int, ...] = ()
    users: int | UnsetType = UNSET
    service: str = ""
    seconds: float | UnsetType = UNSET


class _Suite(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a suite; what is left out is as on the command line."""

    arms: dict[str, _ArmTable]
    scenario: str = "unary"
    baseline: str = ""
    users: tuple[int, ...] = ()
    sample: tuple[str, ...] = ()
    seconds: float = 0.0
    forks: int = 0
    service: str = ""
    message: str = ""
    method: str = ""
    rate: tuple[str | int | float, ...] = ()
    arrivals: str = ""
    waiting: int = 0
    slo: str = ""
    gate: GateTable = msgspec.field(default_factory=GateTable)


def read(path: Path) -> Wish:
    """Read the suite at `path`; raises `SpecError` that names file, line and key."""
    text, data, suite = _load(path)
    return _wish(path, text, data, suite)


def read_gate(path: Path) -> tuple[Wish, GateTable]:
    """Read the suite at `path`, with its table ``[gate]``, which is empty where there is none; see `read`."""
    text, data, suite = _load(path)
    return _wish(path, text, data, suite), suite.gate


def _load(path: Path) -> tuple[str, dict[str, Any], _Suite]:
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: is no TOML: {error}") from error
    try:
        suite = msgspec.convert(data, _Suite)
    except msgspec.ValidationError as error:
        raise SpecError(_located(path, text, data, str(error))) from error
    _check_filled(path, text, data)
    return text, data, suite


def _check_filled(path: Path, text: str, data: dict[str, Any]) -> None:
    """Refuse what is there and empty: it would be taken as left out, and the standard be measured instead.

    In an arm it says what it seems to say, such as that there are no hops.
    """
    pairs = [([key], value) for key, value in data.items() if key != "gate"]
    pairs += [(["gate", key], value) for key, value in data.get("gate", {}).items()]
    for keys, value in pairs:
        if value in ("", [], {}):
            where = f"{path}:{_line(text, keys)}: {'.'.join(keys)}"
            remedy = "name one" if keys == ["arms"] else "leave it out, or write what it is to be"
            raise SpecError(f"{where}: is empty; {remedy}")


def _wish(path: Path, text: str, data: dict[str, Any], suite: _Suite) -> Wish:
    return Wish(
        scenario=suite.scenario,
        arms=tuple(_arm(path, text, name, table) for name, table in suite.arms.items()),
        baseline=suite.baseline,
        users=suite.users,
        samples=suite.sample,
        seconds=suite.seconds if "seconds" in data else None,
        forks=suite.forks if "forks" in data else None,
        service=suite.service or suite.message or services.DEFAULT,
        method=suite.method,
        rates=tuple(str(rate) for rate in suite.rate),
        arrivals=suite.arrivals,
        waiting=suite.waiting if "waiting" in data else None,
        slo=suite.slo,
    )


def _arm(path: Path, text: str, name: str, table: _ArmTable) -> Arm:
    where = f"{path}:{_line(text, ['arms', name])}: arms.{name}"
    return checked(Arm(name=name, **msgspec.structs.asdict(table)), where)


def _located(path: Path, text: str, data: dict[str, Any], message: str) -> str:
    """Add line and key to what msgspec says of a value: ``Expected `int`, got `str` - at `$.users[0]```."""
    what, _, place = message.partition(" - at `$")
    keys = re.findall(r"[^.\[\]`]+", place)
    if unknown := re.search(r"unknown field `(.+?)`", what):
        keys = [*_named(keys, data), unknown[1]]
        allowed = {"arms": _ArmTable, "gate": GateTable}.get(keys[0], _Suite) if len(keys) > 1 else _Suite
        what = f"there is no such key; keys are: {', '.join(allowed.__struct_encode_fields__)}"
    else:
        keys = _named(keys, data)
    return f"{path}:{_line(text, keys)}: {'.'.join(keys) or 'the suite'}: {what}"


def _named(keys: list[str], data: dict[str, Any]) -> list[str]:
    """Put the arm's name where msgspec writes ``...`` for a dict's key, which it does not tell."""
    named = [key for key in keys if not key.isdecimal()]
    if named[:1] == ["arms"] and isinstance(data["arms"], dict):
        for name, table in data["arms"].items():
            try:
                msgspec.convert(table, _ArmTable)
            except msgspec.ValidationError:
                return ["arms", name, *[key for key in named[1:] if key in table]]
    if named[:1] == ["gate"]:
        return named
    return [key for key in named if key in data]


def _line(text: str, keys: list[str]) -> int:
    """Find the line where the last of `keys` stands, below the header of the table that holds it."""
    lines = text.splitlines()
    at = 0
    for depth, key in enumerate(keys):
        name = rf"[\"']?{re.escape(key)}[\"']?"
        header = re.compile(rf"\s*\[\s*(?:.+\.\s*)?{name}\s*(?:\..*)?\]")
        pair = re.compile(rf"\s*(?:[^=#]*\.\s*)?{name}\s*(?:\.|=)|.*[{{,]\s*{name}\s*=")
        for k in range(at, len(lines)):
            if header.match(lines[k]) or (pair.match(lines[k]) and (depth or not _in_table(lines, k))):
                at = k
                break
    return at + 1


def _in_table(lines: list[str], k: int) -> bool:
    return any(line.lstrip().startswith("[") for line in lines[:k])
