"""Colours of stacks: the same everywhere, told apart by every eye, and seen on either ground."""

from itertools import combinations

import numpy as np
import pytest

import stacks
from harness.show import palette
from harness.show.palette import DARK, GROUND, LIGHT, OVERHEAD, PARTS, PAYLOAD

SEEN_TOGETHER = (*stacks.DEFAULTS, "graphql-json", "yamux-msgpack", "floor")
# Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency,
# 2009, severity 1.0; for linear RGB.
EYES = {
    "usual": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour):
    parts = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def oklab(rgb):
    """Give Ottosson's OKLab of linear RGB (https://bottosson.github.io/posts/oklab/)."""
    to_lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(to_lab) @ np.cbrt(np.array(to_lms) @ np.clip(rgb, 0, 1))


def distance(one, other, eye):
    return float(np.linalg.norm(oklab(EYES[eye] @ linear(one)) - oklab(EYES[eye] @ linear(other))))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_stands_out_from_its_ground(theme):
    ground = theme.pick(GROUND)
    for pair in palette.pairs():
        if pair.key not in ("grid", "ground"):
            assert contrast(theme.pick(pair), ground) >= 3, pair


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(theme):
    for pair in (palette.INK, palette.MUTED, *PARTS.values(), PAYLOAD, OVERHEAD):
        assert contrast(theme.pick(pair), theme.pick(GROUND)) >= 4.5, pair


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_stacks_that_stand_beside_each_other_are_told_apart(theme, eye):
    for one, other in combinations(SEEN_TOGETHER, 2):
        assert distance(theme.pick(palette.of(one)), theme.pick(palette.of(other)), eye) >= 0.065, (
            one,
            other,
        )


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_shades_of_a_stack_are_told_apart(theme, eye):
    for name in stacks.names():
        shades = [theme.pick(shade) for shade in palette.shades(palette.of(name))]
        assert len(shades) == 3
        assert shades[0] == theme.pick(palette.of(name))
        for one, other in combinations(shades, 2):
            assert distance(one, other, eye) >= 0.06, (name, one, other)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_default_stacks_differ_in_lightness_too(theme):
    lightness = sorted(oklab(linear(theme.pick(palette.of(name))))[0] for name in stacks.DEFAULTS)
    assert min(np.diff(lightness)) >= 0.025


def test_every_stack_of_ours_has_a_colour_of_its_own_or_one_never_seen_beside_it():
    known = {name: palette.of(name) for name in stacks.names()}
    assert not [name for name, pair in known.items() if pair.key.startswith("stack-other")]
    with_a_wire = [pair for name, pair in known.items() if not name.startswith("memory-")]
    assert len(set(with_a_wire)) == len(with_a_wire)
    memory = [pair for name, pair in known.items() if name.startswith("memory")]
    assert len(set(memory)) == len(memory)


def test_no_two_colours_have_the_same_light_form():
    lights = [pair.light for pair in palette.pairs()]
    assert len(set(lights)) == len(lights)
    assert len({pair.key for pair in palette.pairs()}) == len(lights)


def test_a_stack_of_the_users_own_always_has_the_same_colour():
    assert palette.of("shop:stack") == palette.of("shop:stack")
    assert palette.of("shop:stack").key.startswith("stack-other-")
    assert palette.of("shop:stack") in palette.pairs()
    assert len({palette.of(f"own-{k}") for k in range(50)}) == 6


def test_arms_of_one_stack_differ_by_marker_and_dash():
    arms = [(f"grpc-protobuf@{hop}", "grpc-protobuf") for hop in ("python", "envoy", "nginx", "caddy")]
    looks = palette.looks([("grpc-protobuf", "grpc-protobuf"), *arms, ("tcp-msgpack", "tcp-msgpack")])
    ours = [look for name, look in looks.items() if name.startswith("grpc")]
    assert len({look.pair for look in ours}) == 1
    assert len({look.marker for look in ours}) == len({look.dash for look in ours}) == 5
    assert looks["tcp-msgpack"].dash == ()


def test_a_style_sheet_has_every_colour():
    light, dark = palette.variables(dark=False), palette.variables(dark=True)
    assert set(light) == set(dark)
    assert light["--stack-grpc-protobuf"] == palette.of("grpc-protobuf").light
    assert dark["--ground"] == GROUND.dark
