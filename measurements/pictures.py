"""Simulated wafers beside real ones: for each label set of MixedWM38 its real map and three of the simulator's.

Below them stand simulated wafers as they were drawn, each with three that blemishes made of it.

python -m measurements.pictures --data DATA --out FILE.png [--seed N]

DATA holds `mixedwm38/reference_38.npz`, one real map of each set. Simulated wafers have the dies of the real one
beside them, but for Random and Near-Full, most of which the simulator enlarges from a coarser grid; those with
blemishes come on any grid. Another seed draws others. Chromium lays the maps out and takes the picture.
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
from wafer_core.patterns import flags, title
from wafer_core.synthesis.blemishes import blemished
from wafer_core.synthesis.outline import MIXED_OUTLINE, Disc, disc
from wafer_core.synthesis.simulator import labelled_wafer, random_outline

REFERENCE = Path("mixedwm38", "reference_38.npz")
SIMULATED = 3
"""Simulated wafers beside each real one, and blemished ones beside each whole one."""

SPOILED = (
    (),
    (),
    ("Center",),
    ("Donut", "Edge-Loc"),
    ("Edge-Ring",),
    ("Loc",),
    ("Scratch",),
    ("Random",),
    ("Center", "Edge-Ring", "Loc"),
    ("Donut", "Loc", "Scratch"),
)
"""The label sets shown with blemishes."""

PIXELS = 156
"""The side of a map: three pixels a die on the grid of MixedWM38."""

ACROSS = 2
"""Label sets beside each other."""

UNKNOWN = 3
"""What a few dies of the original file hold beside 0, 1 and 2; they fail."""

STYLE = f"""
body {{ margin: 0; background: {LIGHT.background}; color: {LIGHT.text}; font: 13px sans-serif; }}
main {{ display: inline-grid; grid-template-columns: repeat({ACROSS}, auto); gap: 14px 34px; padding: 20px; }}
h1 {{ grid-column: 1 / -1; margin: 8px 0 0; font-size: 15px; font-weight: 400; }}
h2 {{ margin: 0 0 4px; font-size: 14px; }}
section {{ white-space: nowrap; }}
section img {{ width: {PIXELS}px; height: {PIXELS}px; margin-right: 6px; image-rendering: pixelated; }}
section img:first-of-type {{ margin-right: 16px; }}
"""


States = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Compared:
    """A label set: what it is called, a real map of it and simulated ones, die states uint8 (rows, columns)."""

    name: str
    real: States
    simulated: Sequence[States]


@dataclass(frozen=True, eq=False)
class Spoiled:
    """A simulated wafer: what its label set is called, its map as drawn, and what blemishes made of it."""

    name: str
    whole: States
    blemished: Sequence[States]


def main() -> None:
    """Simulate, lay out and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a PNG file")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    page = sheet(compared(options.data / REFERENCE, options.seed), spoiled(options.seed))
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


def spoiled(seed: int) -> list[Spoiled]:
    """Return a simulated wafer of each set of `SPOILED` on some grid, with blemished versions of it."""
    random = np.random.default_rng(seed)
    return [_spoiled(random, flags(names)) for names in SPOILED]


def _spoiled(random: Generator, members: NDArray[np.bool_]) -> Spoiled:
    wafer = labelled_wafer(random, random_outline(random), members)
    return Spoiled(_called(members), wafer.states, [blemished(wafer, random).states for _ in range(SIMULATED)])


def _called(members: NDArray[np.bool_]) -> str:
    return title(members).replace("+", " + ")


def _beside(random: Generator, real: States, members: NDArray[np.bool_]) -> Compared:
    outline = _outline(real)
    simulated = [labelled_wafer(random, outline, members).states for _ in range(SIMULATED)]
    return Compared(_called(members), real, simulated)


def _outline(real: States) -> Disc:
    """Return the disc that has exactly the dies of a real map."""
    around = MIXED_OUTLINE if real.shape == MIXED_OUTLINE.shape else disc(*real.shape)
    return replace(around, inside=real > 0)


def sheet(sets: Iterable[Compared], wafers: Iterable[Spoiled] = ()) -> str:
    """Return a page of HTML with a name and a row of maps for each label set, then for each wafer with blemishes.

    The real map stands first, and the wafer as it was drawn.
    """
    blocks = [f"<h1>Of each label set the real map, then {SIMULATED} simulated ones</h1>"]
    blocks += [_section(one.name, (one.real, *one.simulated)) for one in sets]
    blocks += [f"<h1>Simulated wafers as they were drawn, then each with {SIMULATED} draws of blemishes</h1>"]
    blocks += [_section(one.name, (one.whole, *one.blemished)) for one in wafers]
    return f"<!doctype html><style>{STYLE}</style><main>{''.join(blocks)}</main>"


def _section(name: str, maps: Iterable[States]) -> str:
    row = "".join(f'<img src="{_address(states)}">' for states in maps)
    return f"<section><h2>{html.escape(name)}</h2>{row}</section>"


def _address(states: States) -> str:
    return f"data:image/png;base64,{base64.b64encode(map_png(states, 'light', PIXELS)).decode()}"


if __name__ == "__main__":
    main()
