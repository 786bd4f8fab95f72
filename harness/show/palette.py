"""One colour a stack, wherever it is drawn, and what tells apart the arms of the same stack."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.show.shades import steps


@dataclass(frozen=True)
class Pair:
    """A colour in its two forms, ``#rrggbb``; `key` names it in style sheets: ``var(--stack-floor)``."""

    key: str
    light: str
    """On white."""
    dark: str
    """On the dark ground."""


@dataclass(frozen=True)
class Theme:
    """The ground that is drawn on."""

    dark: bool = False

    def pick(self, pair: Pair) -> str:
        """Give the form of `pair` that suits the ground."""
        return pair.dark if self.dark else pair.light


@dataclass(frozen=True)
class Look:
    """How an arm is drawn: the colour of its stack, and what tells it from others of that colour."""

    pair: Pair
    marker: str = "o"
    dash: tuple[float, ...] = ()
    """Lengths of stroke and gap, in widths of the line; empty for a solid one."""


LIGHT, DARK = Theme(), Theme(dark=True)

INK = Pair("ink", "#1f2328", "#e6e8eb")
MUTED = Pair("muted", "#5c6570", "#9da7b1")
GRID = Pair("grid", "#dfe2e6", "#353b43")
GROUND = Pair("ground", "#ffffff", "#14171b")
ROLES = (INK, MUTED, GRID, GROUND)

_STACKS = {
    "grpc-protobuf": ("#265b83", "#459dca"),
    "grpc-msgpack": ("#904f14", "#f2ab2d"),
    "rest-json": ("#b957b4", "#e2b6e5"),
    "thrift-binary": ("#118468", "#32c99e"),
    "tcp-msgpack": ("#db6d1c", "#e97f47"),
    "graphql-json": ("#673dab", "#b491f9"),
    "yamux-msgpack": ("#791c3e", "#e4556e"),
    "floor": ("#888c91", "#8f8c9a"),
    "grpc-memorypack": ("#3d5a00", "#b5d33d"),
    "grpc-json": ("#1b9cb0", "#6fe0f0"),
    "grpc-msgpack-map": ("#a8841a", "#f5d76e"),
    "grpc-msgpack-msgspec": ("#5b2e8c", "#cdb4f5"),
    "grpc-json-msgspec": ("#0b5563", "#3fb0c4"),
    "grpc-json-orjson": ("#2f7fd1", "#a9d0ff"),
    "rest-msgpack": ("#8f2d6b", "#d978b6"),
    "graphql-json-uncached": ("#9a6fd0", "#d9c6f7"),
    "thrift-compact": ("#2f6b3a", "#8fdc8a"),
    "tcp-json": ("#b3261e", "#ff9e8a"),
    "memory": ("#4a4f57", "#c3c9d1"),
}
"""From the hues of Okabe and Ito (https://jfly.uni-koeln.de/color/), moved until each has a contrast of 3:1
or more to its ground, and those that are compared most lie apart for every eye, in lightness too."""
_ALIKE = {
    f"memory-{name}": f"grpc-{name}"
    for name in (
        "protobuf",
        "msgpack",
        "msgpack-map",
        "msgpack-msgspec",
        "memorypack",
        "json",
        "json-msgspec",
        "json-orjson",
    )
}
"""What has no wire looks like gRPC with the same format, and is never compared with it."""
_OTHERS = (
    ("#b04a7a", "#ff9ec4"),
    ("#55701c", "#c4e07a"),
    ("#1f5fa8", "#8cb8f2"),
    ("#96511a", "#f0b27a"),
    ("#0f7a80", "#6cd6d6"),
    ("#7d4fb0", "#c9a5f0"),
)
"""For stacks of a user's own."""

CLIENT = Pair("part-client", "#24476b", "#7fb2e5")
HOP = Pair("part-hop", "#1a7373", "#3fc1c1")
SERVER = Pair("part-server", "#8f5c00", "#e8b04a")
NEITHER = Pair("part-neither", "#6b737c", "#98a1ab")
PAYLOAD = Pair("part-payload", "#34506e", "#8fb4d9")
OVERHEAD = Pair("part-overhead", "#8a6d8f", "#c9a9cf")
PARTS = {"client": CLIENT, "hop": HOP, "server": SERVER, "neither": NEITHER, "rest": NEITHER}
"""Where the time of a call goes; no stack has these colours."""

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2), (9, 3), (3, 1, 1, 1, 1, 1))


def of(stack: str) -> Pair:
    """Give the colour of a stack, by its name alone; users' own share those that no stack of ours has."""
    name = _ALIKE.get(stack, stack)
    if name in _STACKS:
        return Pair(f"stack-{name}", *_STACKS[name])
    place = zlib.crc32(stack.encode()) % len(_OTHERS)
    return Pair(f"stack-other-{place + 1}", *_OTHERS[place])


def looks(arms: Iterable[tuple[str, str]]) -> dict[str, Look]:
    """Give names of arms their looks, from pairs of name and stack in the order shown."""
    found: dict[str, Look] = {}
    seen: Counter[str] = Counter()
    for name, stack in arms:
        if name not in found:
            pair = of(stack)
            place = seen[pair.key]
            seen[pair.key] += 1
            found[name] = Look(
                pair,
                _MARKERS[place % len(_MARKERS)],
                _DASHES[place % len(_DASHES)],
            )
    return found


def shades(pair: Pair) -> tuple[Pair, ...]:
    """Give the colour of a stack and shades of it, for arms that stand beside no other stack's."""
    light, dark = steps(pair.light, GROUND.light), steps(pair.dark, GROUND.dark)
    others = (
        Pair(f"{pair.key}-{place}", *forms)
        for place, forms in enumerate(zip(light[1:], dark[1:], strict=True), 2)
    )
    return (pair, *others)


def pairs() -> tuple[Pair, ...]:
    """Give every colour that may be drawn; no two have the same light form."""
    stacks = (*(of(name) for name in _STACKS), *_others())
    shaded = (shade for stack in stacks for shade in shades(stack))
    return (*ROLES, *dict.fromkeys(PARTS.values()), PAYLOAD, OVERHEAD, *shaded)


def _others() -> tuple[Pair, ...]:
    return tuple(Pair(f"stack-other-{place + 1}", *forms) for place, forms in enumerate(_OTHERS))


def variables(*, dark: bool) -> dict[str, str]:
    """Give the style sheet's variables, such as ``--stack-floor``, for a light or a dark page."""
    theme = Theme(dark=dark)
    return {f"--{pair.key}": theme.pick(pair) for pair in pairs()}
