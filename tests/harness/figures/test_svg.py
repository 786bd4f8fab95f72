"""SVG that is part of a page."""

import re
from xml.etree.ElementTree import fromstring

import pytest
from matplotlib.figure import Figure

from harness.decide.compare import answer
from harness.show import figures, palette
from harness.show.svg import to_svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn(everything):
    return figures.draw_all(everything, answer(everything))


@pytest.fixture(scope="module")
def written(drawn):
    return [
        to_svg(one.figure, title=one.title, description=one.alt, prefix=f"f{number}")
        for number, one in enumerate(drawn)
    ]


def test_the_same_results_give_the_same_bytes(everything, written):
    again = figures.draw_all(everything, answer(everything))
    assert written == [
        to_svg(one.figure, title=one.title, description=one.alt, prefix=f"f{number}")
        for number, one in enumerate(again)
    ]


def test_a_figure_can_be_written_twice(drawn, written):
    one = drawn[0]
    assert to_svg(one.figure, title=one.title, description=one.alt, prefix="f0") == written[0]


def test_it_is_an_image_with_title_and_description(drawn, written):
    for one, text in zip(drawn, written, strict=True):
        root = fromstring(text)
        assert root.tag == f"{SVG}svg"
        assert root.get("role") == "img"
        assert root.find(f"{SVG}title").text == one.title
        assert root.find(f"{SVG}desc").text == one.alt
        assert [root[0].get("id"), root[1].get("id")] == root.get("aria-labelledby").split()
        assert root.get("viewBox")
        assert root.get("width") is root.get("height") is None


def test_it_stands_in_a_page_as_it_is(written):
    for text in written:
        assert text.startswith("<svg")
        assert "<?xml" not in text
        assert "DOCTYPE" not in text
        assert "metadata" not in text
        assert "<style" not in text
        assert not re.search(r"ns\d:|xlink|20\d\d-\d\d-\d\dT", text)
        assert re.findall(r"https?://[^\"']+", text) == ["http://www.w3.org/2000/svg"]


def test_ids_are_unique_in_a_page_and_every_reference_is_met(written):
    ids = [name for text in written for name in re.findall(r'\bid="([^"]+)"', text)]
    assert len(set(ids)) == len(ids)
    wanted = [
        name
        for text in written
        for pair in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text)
        for name in pair
        if name
    ]
    assert set(wanted) <= set(ids)


def test_colours_are_the_pages_and_text_is_text(written):
    fallbacks = {pair.light: pair.key for pair in palette.pairs()}
    for text in written:
        bare = re.sub(r"var\(--([\w-]+), (#[0-9a-f]{6})\)", "", text)
        assert not re.findall(r"(?:fill|stroke|color): ?#[0-9a-fA-F]{3,6}", bare)
        for name, colour in re.findall(r"var\(--([\w-]+), (#[0-9a-f]{6})\)", text):
            assert fallbacks[colour] == name
        assert "font-family" not in text
        assert "<text" in text
    assert any("grpc-protobuf" in text for text in written)
    assert any("var(--stack-grpc-protobuf" in text for text in written)


def test_it_is_small(drawn, written):
    assert max(map(len, written)) < 120_000
    assert sum(map(len, written)) < 60_000 * len(written)


def test_a_prefix_that_is_no_id_is_refused():
    with pytest.raises(ValueError, match="'1 a' cannot begin an id"):
        to_svg(Figure(), title="t", description="d", prefix="1 a")


def test_what_is_said_is_escaped():
    text = to_svg(Figure(), title="<script>&", description='a"b</desc>', prefix="x")
    assert "<script>" not in text
    assert fromstring(text).find(f"{SVG}title").text == "<script>&"
