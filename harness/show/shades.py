"""Steps of a colour in lightness, so far apart that every eye tells them apart, each seen on its ground."""

from __future__ import annotations

import colorsys
import math
from functools import cache

_CONTRASTS = (3.4, 5.9, 10.5)
"""To the ground: what is drawn needs 3, and each step is about as far from the next."""
_STEPS = 16
_DARK = 0.2
"""Luminance up to which a ground is a dark one."""


@cache
def steps(colour: str, ground: str) -> tuple[str, str, str]:
    """Give `colour`, ``#rrggbb``, and two others of its hue, the one further from it first."""
    own = math.log(contrast(colour, ground))
    far = sorted(_CONTRASTS, key=lambda wanted: -abs(math.log(wanted) - own))
    first, second = (_at(colour, ground, wanted) for wanted in far[:2])
    return colour, first, second


def contrast(one: str, other: str) -> float:
    """Give the contrast of two colours, 1 to 21, as the WCAG 2 define it."""
    dim, bright = sorted((_luminance(_parts(one)), _luminance(_parts(other))))
    return (bright + 0.05) / (dim + 0.05)


def _at(colour: str, ground: str, wanted: float) -> str:
    """Change the lightness of `colour` until its contrast to `ground` is `wanted`."""
    hue, _, saturation = colorsys.rgb_to_hls(*_parts(colour))
    dark = _luminance(_parts(ground)) <= _DARK
    low, high, found = 0.0, 1.0, colour
    for _ in range(_STEPS):
        middle = (low + high) / 2
        found = _written(colorsys.hls_to_rgb(hue, middle, saturation))
        too_light = (contrast(found, ground) > wanted) == dark
        low, high = (low, middle) if too_light else (middle, high)
    return found


def _parts(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return red, green, blue


def _luminance(parts: tuple[float, float, float]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]  # noqa: PLR2004 -- sRGB
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _written(parts: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
