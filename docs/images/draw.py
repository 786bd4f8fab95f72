"""Draws the README's picture from the committed sample: ``python docs/images/draw.py``."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from harness import study

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "results" / "sample"
DRAWINGS = {"ratios.svg": False, "ratios-dark.svg": True}
"""File → whether its ground is dark."""


def draw(folder: Path = HERE) -> list[Path]:
    """Draw the default comparison of the sample, light and dark, as SVG; the same bytes every time."""
    runs = study.load_runs(SAMPLE, scenarios=("unary",))
    with mpl.rc_context({"svg.hashsalt": "rpcduel", "svg.fonttype": "path"}):
        for name, dark in DRAWINGS.items():
            figure = study.plot_ratios(runs, scenario="unary", dark=dark)
            figure.savefig(folder / name, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return [folder / name for name in DRAWINGS]


if __name__ == "__main__":
    draw()
