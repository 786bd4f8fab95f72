"""One contender of a comparison, and the SPEC text that names it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, count

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from stacks import examples, hops, work
from stacks.base import Address
from stacks.errors import AddressError, StackError, meant

KEYS = ("at", "beside", "ca", "channel", "method", "python", "streams", "tls", "with", "work")
_FIELDS = {"with": "needs"}
"""Key → field of `Arm`, where they are not called alike."""
_OURSELVES = "rpcduel"
_SWITCH = {"on": True, "off": False}
MOST_STREAMS = 1_000_000
_DIGITS = 9
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
    needs: tuple[str, ...] = ()
    """Requirements that its processes find before what is installed here (key ``with``)."""
    work: str = ""
    """Simulated work in the handler, such as ``spin:9us``; see `stacks.work`."""
    tls: bool = False
    """Whether connections are secured."""
    ca: str = ""
    """File with the CA's certificate of a server that is not ours; ours get certificates made for them."""
    streams: int = 0
    """Calls that its server lets a connection have at once; 0 for as many as the library has by itself."""
    beside: str = ""
    """Size of messages that one more user sends all the time, such as ``1MiB``; empty for no such user."""
    hops: tuple[str, ...] = ()
    """What calls pass through, from the client to the service."""
    server: tuple[str, ...] = ()
    """Command that starts the server, with ``{port}`` in it; empty for our own."""
    twin_of: str = ""
    """Name of the arm whose instrumented twin this is: it times parts of calls, and is no contender."""
    driver: str = "locust"
    """Who plays the turns: ``locust``; for doctor also ``bare`` (no harness) and ``plain`` (no gevent)."""


FLOOR = Arm(name="floor", stack="floor")
"""Takes part in every trial: a bare ping-pong of the same bytes, to which others are held."""


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
    needs: list[str] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if key not in KEYS or not equals or not value:
            raise SpecError(f"{spec!r}: {pair!r} is no key=value; keys are: {', '.join(KEYS)}")
        if key in values:
            raise SpecError(f"{spec!r}: key {key!r} stands twice")
        if key == "with":
            needs.append(value)
        else:
            values[key] = value
    if values.get("tls", "on") not in _SWITCH:
        raise SpecError(f"{spec!r}: tls is on or off, not {values['tls']!r}")
    secured = _SWITCH[values.pop("tls", "off")]
    streams = values.pop("streams", "0")
    if not streams.isdecimal():
        raise SpecError(f"{spec!r}: streams is a number of calls, such as 100, not {streams!r}")
    given = {
        "name": name,
        "stack": stack,
        "hops": passed,
        "tls": secured,
        "streams": int(streams[:_DIGITS]),
        "needs": needs,
        **values,
    }
    return checked(msgspec.convert(given, Arm), spec)


def checked(arm: Arm, where: str) -> Arm:
    """Give `arm` back if its values make sense together; raises `SpecError` that starts with `where`."""
    for hop in arm.hops:
        if hop not in hops.names():
            known = hops.names()
            raise SpecError(
                f"{where!r}: there is no hop {hop!r}{meant(hop, known)}; hops are: {', '.join(known)}"
            )
    try:
        if arm.at:
            Address.parse(arm.at)
        work.parse(arm.work)
        if arm.beside:
            examples.bytes_of(arm.beside)
    except (AddressError, StackError) as error:
        raise SpecError(f"{where!r}: {error}") from error
    if not 0 <= arm.streams <= MOST_STREAMS:
        raise SpecError(f"{where!r}: streams={arm.streams} must be from 0, for no limit, to {MOST_STREAMS}")
    _check_server(arm, where)
    _check_needs(arm.needs, where)
    return arm


def _check_server(arm: Arm, where: str) -> None:
    if arm.at and (arm.work or arm.server):
        raise SpecError(f"{where!r}: a server that already runs (at) takes no work and no server command")
    if arm.streams and (arm.at or arm.server):
        raise SpecError(f"{where!r}: streams is for servers of ours; tell a server of yours its limit itself")
    foreign = bool(arm.at or arm.server)
    if arm.tls and foreign and not arm.ca:
        raise SpecError(f"{where!r}: tls needs ca, a file with the CA's certificate, for a server not ours")
    if arm.ca and not (arm.tls and foreign):
        raise SpecError(f"{where!r}: ca is for a server that is not ours (at), with tls on; leave it out")
    if arm.server and not any("{port}" in part for part in arm.server):
        raise SpecError(f"{where!r}: the server command must contain {{port}}")


def _check_needs(needs: Iterable[str], where: str) -> None:
    """Raise `SpecError` for what pip would not take for a requirement."""
    for need in needs:
        try:
            found = Requirement(need)
        except InvalidRequirement as error:
            reason = str(error).partition("\n")[0].strip()
            raise SpecError(
                f"{where!r}: with={need!r} is no requirement, such as grpcio==1.75.0: {reason}"
            ) from error
        if canonicalize_name(found.name) == _OURSELVES:
            raise SpecError(f"{where!r}: with={need!r}: {_OURSELVES} is what measures; leave it out")


def field(key: str) -> str:
    """Give the field of `Arm` that a key of a SPEC fills."""
    return _FIELDS.get(key, key)


def name_all(arms: list[Arm]) -> list[Arm]:
    """Name arms that have no name by what differs among them; every name is then unique.

    Raises `SpecError` for two arms of the same name.
    """
    given = [arm.name for arm in arms if arm.name]
    for name in given:
        if given.count(name) > 1:
            raise SpecError(f"two arms are called {name!r}; give each a name of its own")
    keys = [key for key in KEYS if len({getattr(arm, field(key)) for arm in arms}) > 1]
    taken = set(given)
    named = []
    for arm in arms:
        marks = [_text(arm, key) for key in keys if getattr(arm, field(key)) != _default(key)]
        name = arm.name or _free(",".join(["@".join([arm.stack, *arm.hops]), *marks]), taken)
        taken.add(name)
        named.append(msgspec.structs.replace(arm, name=name))
    return named


def _free(name: str, taken: set[str]) -> str:
    return next(each for each in chain([name], (f"{name}#{k}" for k in count(2))) if each not in taken)


def _text(arm: Arm, key: str) -> str:
    """Write a key with its value as a SPEC has it; one that may be repeated as often as it has values."""
    value = getattr(arm, field(key))
    if key == "tls":
        value = "on" if value else "off"
    return ",".join(f"{key}={each}" for each in (value if isinstance(value, tuple) else (value,)))


def _default(key: str) -> object:
    return next(each.default for each in msgspec.structs.fields(Arm) if each.name == field(key))
