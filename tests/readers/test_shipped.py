from pathlib import Path

import pytest

from wafer_core.patterns import PATTERNS
from wafer_core.readers import read_paths

ASSETS = Path(__file__).parents[2] / "assets"
LOTS = {
    "lots/lot17184": (17, "real"),
    "lots/lot18905": (23, "real"),
    "lots/sampler": (34, "real"),
    "lots/simulated": (38, "Simulated"),
    "benchmark/singles": (2404, "real"),
    "benchmark/overlays": (403, "overlays"),
}


@pytest.mark.parametrize(("path", "count", "word"), [(path, *rest) for path, rest in LOTS.items()])
def test_every_shipped_lot_is_labelled_and_says_what_it_is(path, count, word):
    lot = read_paths([ASSETS / f"{path}.npz"])
    assert len(lot) == count
    assert lot.labelled
    assert word in lot.title
    assert not lot.notes


def test_the_sampler_covers_every_pattern():
    labels = {tuple(wafer.labels) for wafer in read_paths([ASSETS / "lots" / "sampler.npz"])}
    assert len(labels) == len(PATTERNS) + 1


def test_overlays_hold_two_patterns_that_may_stand_together():
    for wafer in read_paths([ASSETS / "benchmark" / "overlays.npz"]):
        found = {name for name, has in zip(PATTERNS, wafer.labels, strict=True) if has}
        assert len(found) == 2
        assert not found & {"Near-Full", "Random"}
        assert found not in ({"Center", "Donut"}, {"Edge-Loc", "Edge-Ring"})


@pytest.mark.parametrize("folder", ["lots", "benchmark"])
def test_shipped_maps_come_with_their_notice_and_stay_small(folder):
    notice = (ASSETS / folder / "README.md").read_text()
    assert "Copyright 2015 Jyh-Shing Roger Jang" in notice
    assert "10.1109/TSM.2014.2364237" in notice
    assert "mirlab.org/dataset/public" in notice
    assert sum(file.stat().st_size for file in ASSETS.glob("*/*.npz")) < 2_000_000
