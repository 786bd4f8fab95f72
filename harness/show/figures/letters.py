"""How much room text takes, before anything is drawn."""

from __future__ import annotations

from functools import lru_cache

from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from rich.cells import cell_len

_UNKNOWN = 0.6
"""Width of a cell that the font has no letter for, as a share of the text's size."""
_FIXED = 65_536
"""What FreeType writes 1 as."""


def width(text: str, size: float) -> float:
    """Give the points that a line of text takes in DejaVu Sans, the widest font that a page may use."""
    return size * sum(map(_share, text))


@lru_cache(maxsize=1024)
def _share(letter: str) -> float:
    font = _font()
    if not font.get_char_index(ord(letter)):
        return _UNKNOWN * cell_len(letter)
    return font.load_char(ord(letter)).linearHoriAdvance / _FIXED


@lru_cache(maxsize=1)
def _font() -> FT2Font:
    font = FT2Font(findfont("DejaVu Sans"))
    font.set_size(1, 72)
    return font
