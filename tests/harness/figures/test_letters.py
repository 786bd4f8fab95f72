"""How much room text takes: as much as matplotlib lays it out with, and enough in a figure."""

import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from harness.decide.compare import answer
from harness.show.figures import letters, paper, ratios
from harness.show.figures.material import scenes
from harness.show.figures.paper import TEXT


@pytest.mark.parametrize("text", ["m" * 30, "memory-msgpack-msgspec", "iiiillll", "p99 ≤ 3.71× µs", ""])
def test_text_is_as_wide_as_it_is_laid_out(text):
    laid, _, _ = TextToPath().get_text_width_height_descent(text, FontProperties(size=TEXT), ismath=False)
    assert letters.width(text, TEXT) == pytest.approx(laid, rel=0.02)


def test_letters_that_the_font_lacks_get_their_cells():
    assert letters.width("語", 10) == 2 * letters.width("\u0378", 10) > 0


@pytest.mark.parametrize(
    "name", ["m" * 30, "memory-msgpack-msgspec", "W" * 60, "grpc-protobuf@envoy,channel=per-user"]
)
def test_names_are_within_the_picture(made, name):
    result = made.result({"grpc-protobuf": 100_000, name: 50_000})
    (scene,) = scenes([result], answer([result]))
    (one,) = ratios.sketch(scene)
    picture = paper.draw(one)
    picture.draw_without_rendering()
    found = [text for text in picture.axes[0].texts if "".join(text.get_text().split("\n")) == name]
    (shown,) = found
    assert shown.get_window_extent().x0 >= 0
