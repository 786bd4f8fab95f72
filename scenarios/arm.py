"""One contender of a comparison, and the SPEC text that names it."""

from __future__ import annotations

from itertools import chain, count

import msgspec

from stacks import hops, work
from stacks.base import Address
from stacks.errors import AddressError, StackError

KEYS = ("at", "channel", "method", "python", "work")
_FORM = "[name=]stack[@hop…][,key=value…]"


class SpecError(Exception):
    """A SPEC or suite cannot be used; the text names the value and the remedy."""


class Arm(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stack and what is varied about it."""

    name: str
    stack: str
    channel: str = "per-user"
    method: str = ""
    """Of the service; empty for the trial's own."""
    at: str = ""
    """Address of a running server, ``host:port``; empty where we start our own."""
    python: str = ""
    """Interpreter of this arm's processes; empty for our own."""
    work: str = ""
    """Simulated work in the handler, such as ``spin:9us``; see `stacks.work`."""
    hops: tuple[str, ...] = ()
    """What calls pass through, from the client to the service."""
    server: tuple[str, ...] = ()
    """Command that starts the server, with ``{port}`` in it; empty for our own."""
    driver: str = "locust"
    """Who plays the turns: ``locust``; for doctor also ``bare`` (no harness) and ``plain`` (no gevent)."""


def parse(spec: str) -> Arm:
    """Read a SPEC; an arm without a name has the empty one until `name_all`.

    Raises `SpecError` that shows the part at fault and what may stand there.
    """
    head, *pairs = spec.split(",")
    name, equals, stack = head.rpartition("=")
    if equals and not name:
        raise SpecError(f"{spec!r}: the name before '=' is empty; the form is {_FORM}")
    stack, *passed = stack.split("@")
    if not stack:
        raise SpecError(f"{spec!r} names no stack; the form is {_FORM}")
    if not all(passed):
        raise SpecError(f"{spec!r}: a hop behind '@' has no name; the form is {_FORM}")
    values: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if key not in KEYS or not equals or not value:
            raise SpecError(f"{spec!r}: {pair!r} is no key=value; keys are: {', '.join(KEYS)}")
        if key in values:
            raise SpecError(f"{spec!r}: key {key!r} stands twice")
        values[key] = value
    return checked(msgspec.convert({"name": name, "stack": stack, "hops": passed, **values}, Arm), spec)


def checked(arm: Arm, where: str) -> Arm:
    """Give `arm` back if its values make sense together; raises `SpecError` that starts with `where`."""
    for hop in arm.hops:
        if hop not in hops.names():
            raise SpecError(
                f"{where!r}: there is no hop {hop!r}; hops are: {', '.join(hops.names()) or 'none'}"
            )
    try:
        if arm.at:
            Address.parse(arm.at)
        work.parse(arm.work)
    except (AddressError, StackError) as error:
        raise SpecError(f"{where!r}: {error}") from error
    if arm.at and (arm.work or arm.server):
        raise SpecError(f"{where!r}: a server that already runs (at) takes no work and no server command")
    if arm.server and not any("{port}" in part for part in arm.server):
        raise SpecError(f"{where!r}: the server command must contain {{port}}")
    return arm


def name_all(arms: list[Arm]) -> list[Arm]:
    """Name arms that have no name by what differs among them; every name is then unique.

    Raises `SpecError` for two arms of the same name.
    """
    given = [arm.name for arm in arms if arm.name]
    for name in given:
        if given.count(name) > 1:
            raise SpecError(f"two arms are called {name!r}; give each a name of its own")
    keys = [key for key in KEYS if len({getattr(arm, key) for arm in arms}) > 1]
    taken = set(given)
    named = []
    for arm in arms:
        marks = [f"{key}={getattr(arm, key)}" for key in keys if getattr(arm, key) != _default(key)]
        name = arm.name or _free(",".join(["@".join([arm.stack, *arm.hops]), *marks]), taken)
        taken.add(name)
        named.append(msgspec.structs.replace(arm, name=name))
    return named


def _free(name: str, taken: set[str]) -> str:
    return next(each for each in chain([name], (f"{name}#{k}" for k in count(2))) if each not in taken)


def _default(key: str) -> str:
    return "per-user" if key == "channel" else ""
