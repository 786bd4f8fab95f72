"""A figure as SVG that is part of a page: with text that is text, and the page's colours and width."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, fromstring, register_namespace, tostring

import matplotlib as mpl
from matplotlib.figure import Figure

from harness.show import palette
from harness.show.figures.paper import styled

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_LONG = re.compile(r"-?\d+\.\d+")
_FONT = re.compile(r"\s*font-family:[^;]*;?")
_COLOURS = {pair.light: f"var(--{pair.key}, {pair.light})" for pair in palette.pairs()}
_ROUNDED = ("d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "transform", "points")
_UNWANTED = (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style")
_INLINE = ("text", "tspan", "title", "desc")

register_namespace("", _SVG)


def to_svg(figure: Figure, *, title: str, description: str, prefix: str) -> str:
    """Write `figure`, drawn on white, as one ``<svg>`` element; the same figure always gives the same text.

    Its ids begin with `prefix`, so that many live in one page. Ink, grid and colours of stacks are variables
    of the page's style sheet (`palette.variables`) and fall back to those for white paper. It has no size,
    only a view box: it becomes as wide as what holds it. Raises `ValueError` for a prefix that is no id.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", prefix, re.ASCII):
        raise ValueError(f"prefix {prefix!r} cannot begin an id; use letters, digits and hyphens")
    root = fromstring(_drawn(figure, prefix))  # noqa: S314 -- matplotlib wrote it a moment ago
    _drop_unwanted(root)
    root.set("style", "stroke-linejoin: round")
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    _rename(root, prefix)
    for element in root.iter():
        _restyle(element)
    _flatten(root)
    return tostring(_described(root, title, description, prefix), encoding="unicode")


def _drawn(figure: Figure, salt: str) -> str:
    text = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with styled():
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": salt})
        figure.savefig(text, format="svg", metadata=nothing, facecolor="none", edgecolor="none")
    return text.getvalue()


def _drop_unwanted(parent: Element) -> None:
    """Take out what nobody sees, and a style that would be the whole page's."""
    for child in list(parent):
        unseen = child.tag == f"{{{_SVG}}}path" and child.get("style") == "fill: none"
        if unseen or child.tag in _UNWANTED:
            parent.remove(child)
        else:
            _drop_unwanted(child)


def _rename(root: Element, prefix: str) -> None:
    """Drop ids that nothing refers to, and number the others."""
    used: dict[str, str] = {}
    for element in root.iter():
        for value in element.attrib.values():
            for name in _references(value):
                used.setdefault(name, f"{prefix}-{len(used) + 1}")
    for element in root.iter():
        own = element.attrib.pop("id", "")
        if own in used:
            element.set("id", used[own])
        if _LINK in element.attrib:
            element.set("href", f"#{used[element.attrib.pop(_LINK)[1:]]}")
        for key, value in element.attrib.items():
            element.set(key, _REFERENCE.sub(lambda found: f"url(#{used[found[1]]})", value))


def _references(value: str) -> Iterator[str]:
    yield from _REFERENCE.findall(value)
    if value.startswith("#") and not _COLOUR.fullmatch(value):
        yield value[1:]


def _restyle(element: Element) -> None:
    """Take the page's font and colours, and no more digits than a screen shows."""
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for key, value in element.attrib.items():
        if key in _ROUNDED:
            short = _LONG.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), value)
            element.set(key, " ".join(short.split()))
        elif key in ("style", "fill", "stroke"):
            coloured = _COLOUR.sub(lambda found: _COLOURS.get(found[0].lower(), found[0]), value)
            element.set(key, _FONT.sub("", coloured).strip())
    if element.tag.rpartition("}")[2] not in _INLINE and element.text and not element.text.strip():
        element.text = None
    element.tail = "\n" if element.tail else None


def _flatten(parent: Element) -> None:
    """Replace groups that group nothing by what is in them."""
    children: list[Element] = []
    for child in parent:
        _flatten(child)
        plain = child.tag == f"{{{_SVG}}}g" and not child.attrib
        children += list(child) if plain else [child]
    parent[:] = children


def _described(root: Element, title: str, description: str, prefix: str) -> Element:
    """Say what it is to those who do not see it."""
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}-title {prefix}-desc")
    said = Element("svg")
    for tag, text in (("title", title), ("desc", description)):
        SubElement(said, f"{{{_SVG}}}{tag}", {"id": f"{prefix}-{tag}"}).text = text
    root[:] = [*said, *root]
    return root
