"""Simulated wafers beside real ones: for each label set of MixedWM38 its real map and three of the simulator's.

python -m measurements.pictures --data DATA --out FILE.png [--seed N]

DATA holds `mixedwm38/reference_38.npz`, one real map of each set. Simulated wafers have the dies of the real one
beside them, but for Random and Near-Full, most of which the simulator enlarges from a coarser grid. Another seed
draws others. Chromium lays the maps out and takes the picture.
"""

from __future__ import annotations

import argparse
import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from measurements.dashboard import browser_page
from wafer_core.charts import LIGHT
from wafer_core.charts.maps import map_png
from wafer_core.lot import FAIL
from wafer_core.patterns import title
from wafer_core.synthesis.outline import MIXED_OUTLINE, Disc, disc
from wafer_core.synthesis.simulator import labelled_wafer

REFERENCE = Path("mixedwm38", "reference_38.npz")
SIMULATED = 3
"""Simulated wafers beside each real one."""

PIXELS = 156
"""The side of a map: three pixels a die on the grid of MixedWM38."""

ACROSS = 2
"""Label sets beside each other."""

UNKNOWN = 3
"""What a few dies of the original file hold beside 0, 1 and 2; they fail."""

STYLE = f"""
body {{ margin: 0; background: {LIGHT.background}; color: {LIGHT.text}; font: 13px sans-serif; }}
main {{ display: inline-grid; grid-template-columns: repeat({ACROSS}, auto); gap: 14px 34px; padding: 20px; }}
h1 {{ grid-column: 1 / -1; margin: 0; font-size: 15px; font-weight: 400; }}
h2 {{ margin: 0 0 4px; font-size: 14px; }}
section {{ white-space: nowrap; }}
section img {{ width: {PIXELS}px; height: {PIXELS}px; margin-right: 6px; image-rendering: pixelated; }}
section img:first-of-type {{ margin-right: 16px; }}
"""


@dataclass(frozen=True, eq=False)
class Compared:
    """A label set: what it is called, a real map of it and simulated ones, die states uint8 (rows, columns)."""

    name: str
    real: NDArray[np.uint8]
    simulated: Sequence[NDArray[np.uint8]]


def main() -> None:
    """Simulate, lay out and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a PNG file")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    page = sheet(compared(options.data / REFERENCE, options.seed))
    with browser_page() as browser:
        browser.set_content(page)
        browser.locator("main").screenshot(path=options.out)


def compared(reference: Path, seed: int) -> list[Compared]:
    """Return every real map of a file laid out as MixedWM38's, with simulated ones of its set on its dies."""
    random = np.random.default_rng(seed)
    with np.load(reference, allow_pickle=False) as file:
        maps, labels = file["arr_0"], file["arr_1"].astype(bool)
    states = np.where(maps == UNKNOWN, FAIL, maps).astype(np.uint8)
    return [_beside(random, real, members) for real, members in zip(states, labels, strict=True)]


def _beside(random: Generator, real: NDArray[np.uint8], members: NDArray[np.bool_]) -> Compared:
    outline = _outline(real)
    simulated = [labelled_wafer(random, outline, members).states for _ in range(SIMULATED)]
    return Compared(title(members).replace("+", " + "), real, simulated)


def _outline(real: NDArray[np.uint8]) -> Disc:
    """Return the disc that has exactly the dies of a real map."""
    around = MIXED_OUTLINE if real.shape == MIXED_OUTLINE.shape else disc(*real.shape)
    return replace(around, inside=real > 0)


def sheet(sets: Iterable[Compared]) -> str:
    """Return a page of HTML with a name and a row of maps, the real one first, for each label set."""
    blocks = (f"<section><h2>{html.escape(one.name)}</h2>{_row(one)}</section>" for one in sets)
    head = f"<h1>Of each label set the real map, then {SIMULATED} simulated ones</h1>"
    return f"<!doctype html><style>{STYLE}</style><main>{head}{''.join(blocks)}</main>"


def _row(one: Compared) -> str:
    return "".join(f'<img src="{_address(states)}">' for states in (one.real, *one.simulated))


def _address(states: NDArray[np.uint8]) -> str:
    return f"data:image/png;base64,{base64.b64encode(map_png(states, 'light', PIXELS)).decode()}"


if __name__ == "__main__":
    main()
